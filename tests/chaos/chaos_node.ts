/**
 * One node under chaos: a process that is killed and started again, and what it says meanwhile.
 *
 * @module
 */

import type { PeerConfig } from "../../lib/config/cluster_config.ts";
import { ExitCode } from "../../lib/cli/failure.ts";
import { NodeProcess } from "../../lib/cli/local_cluster/node_process.ts";
import { NODE_PERMISSIONS, RUNTIME_FLAGS } from "../../lib/cli/process_context.ts";
import type { NodeAnnouncement } from "../../lib/cli/serve/run_node.ts";
import { KEY_VALUE_FILE } from "../../lib/storage/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { Pause } from "../e2e/harness/pause.ts";
import type { SmallDisk } from "./small_disk.ts";

const MAIN = new URL("chaos_main.ts", import.meta.url).pathname;

/** How the sources are run by the Deno that runs this. */
const RUN_MAIN = [
  ...["run", "--quiet", "--no-prompt", "--cached-only"],
  ...RUNTIME_FLAGS,
  ...NODE_PERMISSIONS,
  MAIN,
];

/**
 * What a node is to its cluster. `joiner`: not started yet. `removed`: it is no member any more, and must end by
 * itself. `lost`: it is a member, but its disk is lost. `gone`: nobody expects anything of it.
 */
export type Standing = "joiner" | "member" | "removed" | "lost" | "gone";

/** What a node is started with. */
export interface ChaosNodeOptions {
  /** The node. */
  readonly id: NodeId;
  /** Where it listens. */
  readonly address: Pick<PeerConfig, "peer" | "api">;
  /** What it is in the beginning. */
  readonly standing: Standing;
  /** Its own configuration file. */
  readonly configFile: string;
  /** The file that says through which links it reaches the others. */
  readonly linksFile: string;
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
  #isStarted = false;
  #hasLearned = false;
  /** What it is to its cluster. */
  standing: Standing;

  /** Starts nothing yet. */
  constructor(options: ChaosNodeOptions) {
    this.#options = options;
    this.standing = options.standing;
  }

  /** Where it listens. */
  get address(): ChaosNodeOptions["address"] {
    return this.#options.address;
  }

  /** Its configuration file. */
  get configFile(): string {
    return this.#options.configFile;
  }

  /** Whether it has ended because it is no member any more. */
  get hasLearned(): boolean {
    return this.#hasLearned;
  }

  /** The node. */
  get id(): NodeId {
    return this.#options.id;
  }

  /** Its disk, where it has one of its own. */
  get disk(): SmallDisk | null {
    return this.#options.disk;
  }

  /**
   * The process's id, from its own first word to its end: before, it may still be a copy of the process that starts
   * it, with all that this one holds.
   */
  get pid(): number | null {
    return this.#isStarted ? this.#process?.pid ?? null : null;
  }

  /** Starts it unless it runs, and waits until it takes requests or has ended again. */
  async start(): Promise<void> {
    if (this.#process !== null || this.#isDisposed || this.#hasLearned) return;
    if (this.standing !== "member" && this.standing !== "removed") return;
    const { id, configFile, linksFile, dataDir, disk, onAnnouncement } = this.#options;
    const started = Promise.withResolvers<void>();
    const [path = "", ...args] = [
      ...(disk === null ? [] : [disk.command.path, ...disk.command.args]),
      ...["env", `FLOE_TEST_LINKS=${linksFile}`, Deno.execPath(), ...RUN_MAIN],
    ];
    const process = new NodeProcess({
      id,
      self: { path, args },
      command: ["node", "--id", id, "--config", configFile],
      dataDir,
      logFlags: ["--log-level", "info", "--log-format", "json"],
      onCard: () => {},
      onLogFailure: (reason) => console.error(`${id}: its log cannot be written: ${reason}`),
      onAnnouncement: (announcement) => {
        if (announcement.event === "started") {
          this.#isStarted = true;
          started.resolve();
        }
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

  /** Its process ends, and its disk is lost. It is not started again. */
  async loseDisk(): Promise<void> {
    this.standing = "lost";
    await this.kill();
    Deno.removeSync(this.#options.dataDir, { recursive: true });
  }

  /** Removes its key-value store. It does not run. */
  loseStore(): void {
    const { dataDir } = this.#options;
    if (this.standing === "lost") return;
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
    this.#isStarted = false;
    if (end !== null && this.#expected.has(end)) return;
    const { code, signal } = status;
    // It may know before whoever watches the members.
    if (code === ExitCode.removed) {
      this.#hasLearned = true;
      return;
    }
    const how = signal === null ? `exit code ${code}` : signal;
    this.#options.onUnexpectedEnd(`${how}: ${process.log.lastLines.at(-1) ?? "it said nothing"}`);
  }
}

function endOf({ code, signal }: Deno.CommandStatus): End | null {
  if (signal === "SIGKILL") return "killed";
  if (signal !== null) return null;
  return code === 0 ? "clean" : code === 1 ? "failed" : null;
}
