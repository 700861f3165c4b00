/**
 * One node of a local cluster, as a separate process.
 *
 * @module
 */

import { relative } from "node:path";
import process from "node:process";
import { encodeUtf8 } from "../../bytes.ts";
import { RotatingFile, type RotatingFileOptions } from "../rotating_file.ts";
import type { NodeId } from "../../types.ts";
import type { CommandContext } from "../command.ts";
import { NODE_ENVIRONMENT, NODE_PERMISSIONS, RUNTIME_FLAGS } from "../process_context.ts";
import type { Order } from "../serve/orders.ts";
import type { NodeAnnouncement } from "../serve/run_node.ts";

/** How long a node may take to stop before it is killed. */
const STOP_TIMEOUT_MS = 10_000;

/** With these options, the node ends with this process and takes its orders. */
const PARENT_FLAGS = ["--exit-with-parent", "--demo-orders"];

/** The settings of a process. */
interface NodeProcessOptions {
  /** The node. */
  readonly id: NodeId;
  /** How to start Floe. */
  readonly self: SelfCommand;
  /** The command that runs it, with its id and its configuration. */
  readonly command: readonly string[];
  /** The node's own data folder. */
  readonly dataDir: string;
  /** Flags for the node's log. */
  readonly logFlags: readonly string[];
  /** Called with every announcement of the node, in order. */
  readonly onAnnouncement: (announcement: NodeAnnouncement) => void;
  /** Called with the card of a node that joins. */
  readonly onCard: (card: unknown) => void;
  /** Called with the reason, once each time that the node's log cannot be written. */
  readonly onLogFailure: (reason: string) => void;
}

/**
 * A started node. It ends with this process, however this process ends: this process alone holds the other
 * end of the node's standard input, a pipe.
 */
export class NodeProcess {
  /** The node. */
  readonly id: NodeId;
  readonly log: NodeLog;
  /** Resolves when the process has ended and its whole output is in its log. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  /** Starts the process. */
  constructor(options: NodeProcessOptions) {
    const { id, self, command, dataDir, logFlags } = options;
    this.id = id;
    this.log = new NodeLog(dataDir, { onFailure: options.onLogFailure });
    const flags = ["--data-dir", dataDir, ...logFlags, "-o", "json", ...PARENT_FLAGS];
    this.#child = new Deno.Command(self.path, {
      args: [...self.args, ...command, ...flags],
      env: NODE_ENVIRONMENT,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#orders = this.#child.stdin.getWriter();
    this.ended = this.#watch(options);
  }

  /** The process's id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Asks the node to stop, and kills it when it does not within {@linkcode STOP_TIMEOUT_MS}. */
  async stop(): Promise<void> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), STOP_TIMEOUT_MS);
    try {
      await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives it an order, unless it has ended. */
  order(order: Order): void {
    this.#orders.write(encodeUtf8(`${order}\n`)).catch(() => {});
  }

  /** Sends it a signal, unless it has ended. */
  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  async #watch(
    { onAnnouncement, onCard }: Pick<NodeProcessOptions, "onAnnouncement" | "onCard">,
  ): Promise<Deno.CommandStatus> {
    const [status] = await Promise.all([
      this.#child.status,
      this.log.copyFrom(this.#child.stderr),
      forEachLine(this.#child.stdout, (line) => {
        const said = JSON.parse(line);
        if ("event" in said) onAnnouncement(said);
        else onCard(said);
      }),
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

/** A log file's name within its node's data folder. */
export const LOG_FILE = "node.log";
/** How much of a log's end is kept in memory, for the report of a node that died. */
const TAIL_LENGTH_MAX = 2_000;

/** Appends a node's output to its log file, and remembers the end. */
export class NodeLog {
  /** The file's path. */
  readonly path: string;
  readonly #file: RotatingFile;
  #tail = "";
  readonly #decoder = new TextDecoder();

  /** Calls `onFailure` once each time that the file cannot be written any more. */
  constructor(folder: string, options: Omit<RotatingFileOptions, "describeLost">) {
    this.path = `${folder}/${LOG_FILE}`;
    const describeLost = (bytes: number) => `\n(${bytes} bytes of this log were lost)\n`;
    this.#file = new RotatingFile(this.path, { ...options, describeLost });
  }

  /** The last few lines written. */
  get lastLines(): readonly string[] {
    return this.#tail.split("\n").filter((line) => line !== "").slice(-5);
  }

  /** Appends everything from `stream`, and closes the file at its end. */
  async copyFrom(stream: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of stream) {
        this.#tail += this.#decoder.decode(chunk, { stream: true });
        this.#tail = this.#tail.slice(-TAIL_LENGTH_MAX);
        await this.#file.append(chunk);
      }
    } finally {
      this.#file.close();
    }
  }
}

/** How often to look, in milliseconds. */
const INTERVAL_MS = 1_000;
/** From this process up: `deno task`, a shell, npx, and one more. */
const ANCESTORS_MAX = 4;

/** One process, from `/proc/PID/stat`. */
interface ProcessStat {
  /** Its id. */
  readonly pid: number;
  /** Its name, at most 15 characters. */
  readonly name: string;
  /** Its parent's id. */
  readonly parent: number;
}

/**
 * Aborts when the `npx` that started this process, or a process between them, has ended. Without npx, or
 * without /proc to find it, it never aborts; then only signals stop this process.
 */
export async function npxGone(): Promise<AbortSignal> {
  const gone = new AbortController();
  const chain = await findNpxChain();
  if (chain.length > 0) {
    const timer = setInterval(() => {
      if (chain.every(isRunning)) return;
      clearInterval(timer);
      gone.abort();
    }, INTERVAL_MS);
    Deno.unrefTimer(timer);
  }
  return gone.signal;
}

/** Whether a process exists: signal 0 is checked and never delivered (kill(2)). */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The processes from this one's parent up to npm, or none when npm is not among them. */
async function findNpxChain(): Promise<number[]> {
  const chain: number[] = [];
  let pid = Deno.ppid;
  while (chain.length < ANCESTORS_MAX) {
    const [stat] = await readStats([pid]);
    if (stat === undefined) return [];
    chain.push(pid);
    if (stat.name.startsWith("npm ")) return chain;
    pid = stat.parent;
  }
  return [];
}

/** The running processes among `pids`. `cat` reads /proc, because Deno does not open files there. */
async function readStats(pids: readonly number[]): Promise<ProcessStat[]> {
  try {
    const { stdout } = await new Deno.Command("cat", {
      args: pids.map((pid) => `/proc/${pid}/stat`),
      stdin: "null",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).split("\n").flatMap(parseStat);
  } catch {
    return [];
  }
}

/** `proc_pid_stat(5)`: the id, the name in parentheses, the state (Z: has ended), the parent. */
export function parseStat(line: string): ProcessStat[] {
  const match = /^([0-9]+) \((.*)\) ([A-Za-z]) ([0-9]+) /.exec(line);
  if (match === null || match[3] === "Z" || match[3] === "X") return [];
  return [{ pid: Number(match[1]), name: match[2] ?? "", parent: Number(match[4]) }];
}

/** A program and its first arguments. */
export interface SelfCommand {
  /** The program's file. */
  readonly path: string;
  /** The arguments before Floe's own. */
  readonly args: readonly string[];
}

/**
 * The command that starts Floe again, in each of its three forms: compiled, self-extracting (its path is in
 * `FLOE_EXECUTABLE`), and from its sources with the same Deno.
 */
export function selfCommand(context: CommandContext): SelfCommand {
  const executable = ownExecutable(context);
  if (executable !== null) return { path: executable, args: [] };
  const args = ["run", "--quiet", "--no-prompt", "--cached-only"];
  const options = [...RUNTIME_FLAGS, ...NODE_PERMISSIONS];
  return { path: Deno.execPath(), args: [...args, ...options, Deno.mainModule] };
}

/** The command line for Floe in this folder, without the name of a command. */
export function programName(context: CommandContext): string {
  const executable = ownExecutable(context);
  if (executable !== null) {
    const path = relative(Deno.cwd(), executable);
    return path.startsWith("..") ? executable : path.includes("/") ? path : `./${path}`;
  }
  return isOneTimeDeno() ? `npx -y deno@${Deno.version.deno} task floe` : "deno task floe";
}

/** Whether npx runs Deno: then the next command line does not find it on the PATH. */
export function isOneTimeDeno(): boolean {
  return /[\\/]_npx[\\/]/.test(Deno.execPath());
}

function ownExecutable(context: CommandContext): string | null {
  if (Deno.build.standalone) return Deno.execPath();
  return context.env("FLOE_EXECUTABLE") ?? null;
}
