/**
 * `floe node`: runs one node until a signal stops it.
 *
 * @module
 */

import { findPeer, loadClusterConfig, requirePinned } from "../../config/mod.ts";
import { lockDataFolder } from "../../keys/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { configPath, DATA_DIR_DEFAULT, globalFlags, nodeFolder } from "../options.ts";
import { OutputQueue } from "../output_queue.ts";
import { passphraseFor } from "../secrets/secret_input.ts";
import { readLogSettings, startLogging } from "../serve/logging.ts";
import { type NodeAnnouncement, runNode } from "../serve/run_node.ts";
import { addApiOptions, type ApiFlags, readApiSettings } from "../serve/served_api.ts";

/** Adds `floe node`. */
export function registerNode(program: Program, context: CommandContext): void {
  const node = program
    .command("node")
    .summary("run one node")
    .description(
      "Runs one node of the cluster until SIGINT or SIGTERM; a second one ends it at once, and " +
        "SIGHUP makes it read its TLS files again. Its identity must be in its data " +
        "folder already (floe keygen), and every node's public keys in the configuration (floe " +
        "init). A node without a key share first makes the cluster's key together with all other " +
        "nodes (floe dkg status). It logs to stderr. With -o json it also prints its start, its " +
        "key and each change of the leader, as one JSON object on each line.\n\n" +
        "On loopback the API needs no token; on any other address it does (floe token), unless " +
        "--insecure-no-auth is given.",
    )
    .requiredOption("--id <id>", "which node of the configuration this is")
    .option(
      "--data-dir <dir>",
      `the node's own data folder (FLOE_DATA_DIR, ${DATA_DIR_DEFAULT}/ID)`,
    )
    .option("--log-level <level>", "debug, info, warn or error (FLOE_LOG_LEVEL, info)")
    .option("--log-format <format>", "text or json (FLOE_LOG_FORMAT, text)")
    .option("--exit-with-parent", "stop also when standard input ends");
  addApiOptions(node);
  node
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
      const api = await readApiSettings(options, peer, context);
      const announcements = openAnnouncements(peer.id, context);
      const announce = flags.output === "json" ? announcements.announce : () => {};
      using _lock = lockDataFolder(dataDir);
      using passphrase = await passphraseFor([dataDir], context);
      const logging = startLogging({ ...settings, node: peer.id, sink: context.stderr });
      try {
        const { onHangUp } = context;
        await runNode({ config, peer, api, dataDir, passphrase, stop, announce, onHangUp });
      } finally {
        await Promise.all([logging.close(), announcements.close()]);
      }
    });
}

interface NodeFlags extends ApiFlags {
  readonly id: string;
  readonly dataDir?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly exitWithParent?: true;
}

/** The node's announcements on stdout. A missing or slow reader does not stop the node. */
function openAnnouncements(id: string, { stdout }: CommandContext): {
  readonly announce: (announcement: NodeAnnouncement) => void;
  readonly close: () => Promise<void>;
} {
  const toLine = (announcement: NodeAnnouncement) => JSON.stringify(announcement) + "\n";
  const queue = new OutputQueue(stdout, (count) => toLine({ event: "dropped", id, count }));
  return {
    announce: (announcement) => queue.write(toLine(announcement)),
    close: () => queue.drain(),
  };
}

/** Aborts at SIGINT and SIGTERM; with `--exit-with-parent` also when the parent process has ended. */
function stopSignal(options: NodeFlags, context: CommandContext): AbortSignal {
  const stop = context.stopSignal();
  if (options.exitWithParent === undefined) return stop;
  const orphaned = new AbortController();
  drain(context.stdin).finally(() => orphaned.abort());
  return AbortSignal.any([stop, orphaned.signal]);
}

/** Reads to the end. A pipe ends when no process can write to it any more. */
async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  try {
    await stream.pipeTo(new WritableStream());
  } catch {
    // A pipe that cannot be read has ended too.
  }
}
