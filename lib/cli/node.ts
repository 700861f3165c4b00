/**
 * `floe node`: runs one node until it is told to stop.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { type Certifier, createCertifier, type Group } from "../certificate/mod.ts";
import { startApiServer } from "../http/mod.ts";
import { formatAddress } from "../node/address.ts";
import {
  type ClusterConfig,
  findPeer,
  loadClusterConfig,
  type PeerConfig,
  type PinnedClusterConfig,
  requirePinned,
} from "../node/cluster_config.ts";
import { lockDataFolder } from "../node/folder_lock.ts";
import { checkPinned, type NodeIdentity, readIdentity } from "../node/identity.ts";
import { claimShare, readNodeKeys } from "../node/key_files.ts";
import type { KeyFolder } from "../node/key_folder.ts";
import type { Passphrase } from "../node/passphrase.ts";
import { startNode } from "../node/node.ts";
import type { RoleName, RoleReport } from "../raft/mod.ts";
import type { CommandContext, Program } from "./command.ts";
import { readLogSettings, startLogging } from "./logging.ts";
import { DATA_DIR_DEFAULT, nodeFolder } from "./node_folders.ts";
import { configPath, globalFlags } from "./options.ts";
import { passphraseFor } from "./passphrase.ts";

/** What a node says on stdout under `-o json`, one object a line. */
export type NodeAnnouncement =
  /** It takes requests. */
  | {
    readonly event: "started";
    readonly id: string;
    readonly api: string;
    readonly pid: number;
  }
  /** Its role, its term or its leader changed; the certificate is there exactly when the leader is. */
  | {
    readonly event: "role";
    readonly id: string;
    readonly role: RoleName;
    readonly term: number;
    readonly leader: string | null;
    readonly certificate: string | null;
  };

/** Adds `floe node`. */
export function registerNode(program: Program, context: CommandContext): void {
  program
    .command("node")
    .summary("run one node")
    .description(
      "Runs one node of the cluster until SIGINT or SIGTERM. Its identity and its key share must " +
        "be in its data folder already (floe keygen), and every node's public keys in the " +
        "configuration (floe init). It logs to stderr; with -o json it also prints when it " +
        "is started and who leads, one JSON object a line.",
    )
    .requiredOption("--id <id>", "which node of the configuration this is")
    .option(
      "--data-dir <dir>",
      `the node's own data folder (FLOE_DATA_DIR, ${DATA_DIR_DEFAULT}/ID)`,
    )
    .option("--log-level <level>", "debug, info, warn or error (FLOE_LOG_LEVEL, info)")
    .option("--log-format <format>", "text or json (FLOE_LOG_FORMAT, text)")
    .option("--exit-with-parent", "stop also when standard input ends")
    .action(async (options: NodeFlags, command: Program) => {
      const flags = globalFlags(command);
      const settings = readLogSettings(options, context);
      const stop = stopSignal(options, context);
      const configFile = configPath(flags, context);
      const loaded = await loadClusterConfig(configFile);
      const peer = findPeer(loaded, options.id);
      const config = requirePinned(loaded, configFile);
      const dataDir = options.dataDir ?? context.env("FLOE_DATA_DIR") ??
        nodeFolder(DATA_DIR_DEFAULT, peer.id);
      const announce = flags.output === "json" ? announcer(context) : () => {};
      using _lock = lockDataFolder(dataDir);
      using passphrase = await passphraseFor([dataDir], context);
      const logging = startLogging({ ...settings, node: peer.id, sink: Deno.stderr });
      try {
        await runNode({ config, peer, dataDir, passphrase, stop, announce });
      } finally {
        await logging.close();
      }
    });
}

interface NodeFlags {
  readonly id: string;
  readonly dataDir?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly exitWithParent?: true;
}

interface NodeRun {
  readonly config: PinnedClusterConfig;
  readonly peer: PeerConfig;
  readonly dataDir: string;
  readonly passphrase: Passphrase | null;
  readonly stop: AbortSignal;
  readonly announce: (announcement: NodeAnnouncement) => void;
}

/** Runs a node and its API until either ends by itself or `stop` aborts. */
async function runNode(run: NodeRun): Promise<void> {
  const { config, peer, dataDir, passphrase, stop, announce } = run;
  const { id: self, api } = peer;
  const logger = getLogger(["floe", "node"]);
  const folder = { dataDir, self, passphrase };
  const node = await startNode({
    config,
    self,
    dataDir,
    identity: openIdentity(folder, config),
    ...openKeys(folder, config),
    onRole: (report) => announce(toAnnouncement(self, report)),
  });
  // From here on no secret file is read or written.
  passphrase?.[Symbol.dispose]();
  const serving = new AbortController();
  let served: Promise<void> = Promise.resolve();
  try {
    const onError = (error: unknown) => logger.error("api.failed", { error });
    served = startApiServer({ node, ...api, signal: serving.signal, onError }).finished;
    logger.info("api.started", { api: formatAddress(api), pid: Deno.pid });
    announce({ event: "started", id: self, api: formatAddress(api), pid: Deno.pid });
    await Promise.race([aborted(stop), node.closed, served]);
  } finally {
    // Requests under way still need the node.
    serving.abort();
    await served;
    await node.close();
  }
}

function openIdentity(folder: KeyFolder, config: PinnedClusterConfig): NodeIdentity {
  const identity = readIdentity(folder);
  checkPinned(folder.dataDir, identity, findPeer(config, folder.self).keys);
  return identity;
}

/** The node's keys. Its share goes to its certifier, and is erased here once it is claimed. */
function openKeys(
  folder: KeyFolder,
  config: ClusterConfig,
): { readonly group: Group; readonly certifier: Certifier; readonly beforeStart: () => void } {
  const { self } = folder;
  const keys = readNodeKeys(folder, config);
  const { group, share: { secret } } = keys;
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const certifier = createCertifier({ group, self, share: secret, randomBytes });
  const beforeStart = () => {
    claimShare(folder, keys);
    secret.fill(0);
  };
  return { group, certifier, beforeStart };
}

function toAnnouncement(id: string, report: RoleReport): NodeAnnouncement {
  const { role, term, leader, certificate } = report;
  return { event: "role", id, role, term, leader, certificate: certificate?.note ?? null };
}

function announcer(context: CommandContext): (announcement: NodeAnnouncement) => void {
  return (announcement) => {
    try {
      context.stdout.write(JSON.stringify(announcement) + "\n");
    } catch (error) {
      // Whoever listened is gone; that is no reason to leave the cluster.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  };
}

/** Aborts at SIGINT, SIGTERM and, where asked for, when the process that started this one is gone. */
function stopSignal(options: NodeFlags, context: CommandContext): AbortSignal {
  const stop = context.stopSignal();
  if (options.exitWithParent === undefined) return stop;
  const orphaned = new AbortController();
  drain(context.stdin).finally(() => orphaned.abort());
  return AbortSignal.any([stop, orphaned.signal]);
}

/** Reads to the end, which for a pipe comes when nobody can write to it any more. */
async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  try {
    await stream.pipeTo(new WritableStream());
  } catch {
    // A pipe that cannot be read has ended as well.
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
