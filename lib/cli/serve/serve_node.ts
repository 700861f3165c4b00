/**
 * Serves one node as a process: its options, its log, its announcements and the signals that stop it.
 *
 * @module
 */

import type { PeerConfig, PinnedClusterConfig } from "../../config/mod.ts";
import type { Passphrase } from "../../keys/mod.ts";
import type { NodeId } from "../../types.ts";
import type { CommandContext, Program } from "../command.ts";
import { DATA_DIR_DEFAULT, globalFlags, nodeFolder } from "../options.ts";
import { OutputQueue } from "../output_queue.ts";
import { readLogSettings, startLogging } from "./logging.ts";
import { Cable, checkOrdersAllowed, readOrders } from "./orders.ts";
import { type NodeAnnouncement, runNode } from "./run_node.ts";
import {
  addApiOptions,
  type ApiFlags,
  readApiSettings,
  readListenAddress,
} from "./api_settings.ts";

/** The options of every command that serves a node. */
export interface ServeFlags extends ApiFlags {
  readonly dataDir?: string;
  /** `--peer-listen HOST:PORT`. */
  readonly peerListen?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly exitWithParent?: true;
  readonly demoOrders?: true;
}

/** Adds the options of {@linkcode ServeFlags}. */
export function addServeOptions(command: Program): void {
  command
    .option(
      "--data-dir <dir>",
      `the node's own data folder (FLOE_DATA_DIR, ${DATA_DIR_DEFAULT}/ID)`,
    )
    .option(
      "--peer-listen <address>",
      "where to listen for other nodes, if not at this node's `peer` address in the configuration, " +
        "which they are told; 0.0.0.0 means all addresses of this machine",
    )
    .option("--log-level <level>", "debug, info, warn or error (FLOE_LOG_LEVEL, info)")
    .option("--log-format <format>", "text or json (FLOE_LOG_FORMAT, text)")
    .option("--exit-with-parent", "stop also when standard input ends")
    .option(
      "--demo-orders",
      "obey cut and heal on standard input, as floe cluster sends them; on loopback only",
    );
  addApiOptions(command);
}

/** The node's own data folder: `--data-dir`, else `FLOE_DATA_DIR`, else `.floe/ID`. */
export function nodeFolderOf(
  id: NodeId,
  { dataDir }: Pick<ServeFlags, "dataDir">,
  context: CommandContext,
): string {
  return dataDir ?? context.env("FLOE_DATA_DIR") ?? nodeFolder(DATA_DIR_DEFAULT, id);
}

/** A node that can be served. */
interface NodeToServe {
  readonly config: PinnedClusterConfig;
  /** Its entry in the configuration. */
  readonly peer: PeerConfig;
  /** Its own data folder, locked. */
  readonly dataDir: string;
  readonly passphrase: Passphrase | null;
  readonly options: ServeFlags;
  /** The result of {@linkcode readLogSettings}, which is called before anything else. */
  readonly log: ReturnType<typeof readLogSettings>;
}

/** Serves a node until a signal stops it. */
export async function serveNode(
  { options, log, ...node }: NodeToServe,
  { command, context }: { readonly command: Program; readonly context: CommandContext },
): Promise<void> {
  const { peer: { id } } = node;
  const cable = new Cable();
  if (options.demoOrders === true) checkOrdersAllowed(node.config);
  const peerListen = readListenAddress("--peer-listen", options.peerListen);
  const stop = stopSignal(options, { cable, context });
  const api = await readApiSettings(options, node.peer, context);
  const announcements = openAnnouncements(id, context);
  const announce = globalFlags(command).output === "json" ? announcements.announce : () => {};
  const logging = startLogging({ ...log, node: id, sink: context.stderr });
  try {
    await runNode({ ...node, peerListen, api, cable, stop, announce, onHangUp: context.onHangUp });
  } finally {
    await Promise.all([logging.close(), announcements.close()]);
  }
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
function stopSignal(
  { exitWithParent, demoOrders }: ServeFlags,
  { cable, context }: { readonly cable: Cable; readonly context: CommandContext },
): AbortSignal {
  const stop = context.stopSignal();
  if (exitWithParent === undefined && demoOrders === undefined) return stop;
  const orphaned = new AbortController();
  const obey = (line: string) => demoOrders === true && cable.obey(line);
  // A pipe ends when no process can write to it any more. A pipe that cannot be read counts as ended.
  void readOrders(context.stdin, obey).catch(() => {}).finally(() => orphaned.abort());
  return exitWithParent === undefined ? stop : AbortSignal.any([stop, orphaned.signal]);
}
