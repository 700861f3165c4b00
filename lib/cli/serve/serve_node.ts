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
import { type NodeAnnouncement, runNode } from "./run_node.ts";
import { addApiOptions, type ApiFlags, readApiSettings } from "./api_settings.ts";

/** The options of every command that serves a node. */
export interface ServeFlags extends ApiFlags {
  readonly dataDir?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly exitWithParent?: true;
}

/** Adds the options of {@linkcode ServeFlags}. */
export function addServeOptions(command: Program): void {
  command
    .option(
      "--data-dir <dir>",
      `the node's own data folder (FLOE_DATA_DIR, ${DATA_DIR_DEFAULT}/ID)`,
    )
    .option("--log-level <level>", "debug, info, warn or error (FLOE_LOG_LEVEL, info)")
    .option("--log-format <format>", "text or json (FLOE_LOG_FORMAT, text)")
    .option("--exit-with-parent", "stop also when standard input ends");
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
  /** What {@linkcode readLogSettings} made of the options, before anything else was done. */
  readonly log: ReturnType<typeof readLogSettings>;
}

/** Serves a node until a signal stops it. */
export async function serveNode(
  { options, log, ...node }: NodeToServe,
  { command, context }: { readonly command: Program; readonly context: CommandContext },
): Promise<void> {
  const { peer: { id } } = node;
  const stop = stopSignal(options, context);
  const api = await readApiSettings(options, node.peer, context);
  const announcements = openAnnouncements(id, context);
  const announce = globalFlags(command).output === "json" ? announcements.announce : () => {};
  const logging = startLogging({ ...log, node: id, sink: context.stderr });
  try {
    await runNode({ ...node, api, stop, announce, onHangUp: context.onHangUp });
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
function stopSignal(options: ServeFlags, context: CommandContext): AbortSignal {
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
