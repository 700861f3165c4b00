/**
 * One node of a local cluster as a process of its own.
 *
 * @module
 */

import type { NodeId } from "../../types.ts";
import type { NodeAnnouncement } from "../run_node.ts";
import { NodeLog } from "./node_log.ts";
import type { SelfCommand } from "./self_command.ts";

/** How long a node may take to stop before it is killed. */
export const STOP_TIMEOUT_MS = 10_000;

/** What to start. */
export interface NodeProcessOptions {
  /** The node. */
  readonly id: NodeId;
  /** How to start Floe. */
  readonly self: SelfCommand;
  /** The configuration file. */
  readonly configFile: string;
  /** The node's own data folder. */
  readonly dataDir: string;
  /** Flags for the node's log. */
  readonly logFlags: readonly string[];
  /** Told of everything that the node announces, in order. */
  readonly onAnnouncement: (announcement: NodeAnnouncement) => void;
}

/**
 * A started node. It ends with this process, however this process ends: the node's standard input
 * is a pipe that nobody else holds.
 */
export class NodeProcess {
  /** The node. */
  readonly id: NodeId;
  /** Its log. */
  readonly log: NodeLog;
  /** Settles when the process has ended and all that it wrote is in its log. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;

  /** Starts the process. */
  constructor(options: NodeProcessOptions) {
    const { id, self, configFile, dataDir, logFlags } = options;
    this.id = id;
    this.log = new NodeLog(dataDir);
    const place = ["--id", id, "--config", configFile, "--data-dir", dataDir];
    this.#child = new Deno.Command(self.path, {
      args: [...self.args, "node", ...place, ...logFlags, "-o", "json", "--exit-with-parent"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.ended = this.#watch(options.onAnnouncement);
  }

  /** The process's id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Asks the node to stop, and kills it when it does not within {@linkcode STOP_TIMEOUT_MS}. */
  async stop(): Promise<void> {
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_TIMEOUT_MS);
    try {
      await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  async #watch(
    onAnnouncement: (announcement: NodeAnnouncement) => void,
  ): Promise<Deno.CommandStatus> {
    const [status] = await Promise.all([
      this.#child.status,
      this.log.copyFrom(this.#child.stderr),
      forEachLine(this.#child.stdout, (line) => onAnnouncement(JSON.parse(line))),
    ]);
    return status;
  }
}

async function forEachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  handle: (line: string) => void,
): Promise<void> {
  let partial = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (partial + text).split("\n");
    partial = lines.pop() ?? "";
    for (const line of lines) handle(line);
  }
}
