/**
 * One node under chaos: a process that is killed and started again, and what it says meanwhile.
 *
 * @module
 */

import { NodeProcess } from "../../lib/cli/local_cluster/node_process.ts";
import { NODE_PERMISSIONS } from "../../lib/cli/process_context.ts";
import type { NodeAnnouncement } from "../../lib/cli/serve/run_node.ts";
import { KEY_VALUE_FILE } from "../../lib/storage/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { Pause } from "../e2e/harness/pause.ts";
import type { SmallDisk } from "./small_disk.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** How the sources are run by the Deno that runs this. */
const RUN_MAIN = ["run", "--quiet", "--no-prompt", "--cached-only", ...NODE_PERMISSIONS, MAIN];

/** What a node is started with. */
export interface ChaosNodeOptions {
  /** The node. */
  readonly id: NodeId;
  /** Its own configuration file. */
  readonly configFile: string;
  /** Its data folder, with its keys. */
  readonly dataDir: string;
  /** The disk that its folder is on, where it has one of its own. */
  readonly disk: SmallDisk | null;
  /** Told of everything that it announces. Must not throw. */
  readonly onAnnouncement: (announcement: NodeAnnouncement) => void;
  /** Told when it ends in a way that nobody meant it to. */
  readonly onUnexpectedEnd: (how: string) => void;
}

/** How a process ended: by kill -9, as asked, or because something failed that it said. */
type End = "killed" | "clean" | "failed";

/** See the module. */
export class ChaosNode implements AsyncDisposable {
  readonly #options: ChaosNodeOptions;
  #process: NodeProcess | null = null;
  /** The ends that somebody brought about. */
  readonly #expected = new Set<End>();
  #isDisposed = false;

  /** Starts nothing yet. */
  constructor(options: ChaosNodeOptions) {
    this.#options = options;
  }

  /** The node. */
  get id(): NodeId {
    return this.#options.id;
  }

  /** Its disk, where it has one of its own. */
  get disk(): SmallDisk | null {
    return this.#options.disk;
  }

  /** The process's id while it runs. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Starts it unless it runs, and waits until it takes requests or has ended again. */
  async start(): Promise<void> {
    if (this.#process !== null || this.#isDisposed) return;
    const { id, configFile, dataDir, disk, onAnnouncement } = this.#options;
    const started = Promise.withResolvers<void>();
    const within = disk?.command ?? null;
    const process = new NodeProcess({
      id,
      self: within === null
        ? { path: Deno.execPath(), args: RUN_MAIN }
        : { path: within.path, args: [...within.args, Deno.execPath(), ...RUN_MAIN] },
      configFile,
      dataDir,
      logFlags: ["--log-level", "info", "--log-format", "json"],
      onLogFailure: (reason) => console.error(`${id}: its log cannot be written: ${reason}`),
      onAnnouncement: (announcement) => {
        if (announcement.event === "started") started.resolve();
        onAnnouncement(announcement);
      },
    });
    this.#process = process;
    this.#expected.clear();
    void process.ended.then((status) => this.#ended(process, status));
    await Promise.race([started.promise, process.ended]);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const process = this.#process;
    if (process === null) return;
    this.#expected.add("killed");
    try {
      Deno.kill(process.pid, "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
    await process.ended;
  }

  /** Asks it to stop, and waits until it has. */
  async terminate(): Promise<void> {
    const process = this.#process;
    if (process === null) return;
    this.#expected.add("clean");
    await process.stop();
  }

  /** Kills it; it is not started again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.kill();
  }

  /** Removes its key-value store. It does not run. */
  loseStore(): void {
    const { dataDir } = this.#options;
    for (const { name } of Deno.readDirSync(dataDir)) {
      if (name.startsWith(KEY_VALUE_FILE)) Deno.removeSync(`${dataDir}/${name}`);
    }
  }

  /** Makes it stand still. */
  async pause(): Promise<Pause | null> {
    return this.#process === null ? null : await Pause.begin(this.#process.pid);
  }

  /**
   * Fills its disk until `over` settles. It must stop when a write fails, and the space comes back too
   * late for that, so that it is killed where it has not stopped. Returns whether it had.
   */
  async fillDisk(disk: SmallDisk, over: Promise<void>): Promise<boolean> {
    const process = this.#process;
    if (process === null) return false;
    this.#expected.add("failed");
    await disk.fill();
    await Promise.race([over, process.ended]);
    const hasStopped = this.#process === null;
    await this.kill();
    await disk.free();
    return hasStopped;
  }

  #ended(process: NodeProcess, status: Deno.CommandStatus): void {
    const end = endOf(status);
    this.#process = null;
    if (end !== null && this.#expected.has(end)) return;
    const { code, signal } = status;
    const how = signal === null ? `exit code ${code}` : signal;
    this.#options.onUnexpectedEnd(`${how}: ${process.log.lastLines.at(-1) ?? "it said nothing"}`);
  }
}

function endOf({ code, signal }: Deno.CommandStatus): End | null {
  if (signal === "SIGKILL") return "killed";
  if (signal !== null) return null;
  return code === 0 ? "clean" : code === 1 ? "failed" : null;
}
