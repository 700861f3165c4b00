/**
 * Floe as a process of its own, as its users run it.
 *
 * @module
 */

import { ExitCode } from "../../../lib/cli/failure.ts";
import { FLOE_PERMISSIONS, RUNTIME_FLAGS } from "../../../lib/cli/process_context.ts";
import { EventLog, WAIT_TIMEOUT_MS } from "./events.ts";

const MAIN = new URL("../../../main.ts", import.meta.url).pathname;

/** How a process ended, and what it wrote. */
export interface FloeResult {
  /** Its exit code. */
  readonly code: number;
  /** Its data. */
  readonly stdout: string;
  /** Its messages. */
  readonly stderr: string;
}

/** Where and as what Floe runs. */
export interface FloeOptions {
  /** The executable; by default the sources, run by the Deno that runs the test. */
  readonly executable?: string;
  /** The program, where it is not Floe's own; run by the Deno that runs the test. */
  readonly main?: string;
  /** What that program may do, as options of Deno; by default what Floe may. */
  readonly permissions?: readonly string[];
  /** The working folder. */
  readonly cwd?: string;
  /** Variables beside the inherited ones. */
  readonly env?: Readonly<Record<string, string>>;
  /** Most files that it may have open; as many as the test by default. Needs a `sh`. */
  readonly openFilesMax?: number;
}

/** Runs Floe to its end. */
export async function runFloe(
  args: readonly string[],
  options: FloeOptions = {},
): Promise<FloeResult> {
  const output = await command(args, options, "null").output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: decode(output.stdout), stderr: decode(output.stderr) };
}

/** As {@linkcode runFloe}, a command that needs a leader: again, where it finds an election under way. */
export async function runFloeOnceLed(
  args: readonly string[],
  options: FloeOptions = {},
): Promise<FloeResult> {
  const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (;;) {
    const result = await runFloe(args, options);
    if (result.code !== ExitCode.notFound || deadline.aborted) return result;
  }
}

/** Floe while it runs. Its standard input is a pipe that ends with the test's own process. */
export class FloeProcess implements AsyncDisposable {
  /** Everything it said on stdout and, in JSON, in its log. */
  readonly said: EventLog;
  /** Settles when it has ended and all that it said was read. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;

  /** Starts it. */
  constructor(who: string, args: readonly string[], options: FloeOptions = {}) {
    this.said = new EventLog(who);
    this.#child = command(args, options, "piped").spawn();
    this.ended = this.#watch();
  }

  /** The process's id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Writes a line to its standard input. */
  async tell(line: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${line}\n`));
    writer.releaseLock();
  }

  /** Sends a signal and waits for the end. */
  async end(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): Promise<Deno.CommandStatus> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
    return await this.ended;
  }

  /** Kills it if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }

  async #watch(): Promise<Deno.CommandStatus> {
    const [status] = await Promise.all([
      this.#child.status,
      this.said.readFrom(this.#child.stdout),
      this.said.readFrom(this.#child.stderr),
    ]);
    await this.#child.stdin.close().catch(() => {});
    this.said.end();
    return status;
  }
}

function command(
  args: readonly string[],
  { executable, main = MAIN, permissions = FLOE_PERMISSIONS, cwd, env, openFilesMax }: FloeOptions,
  stdin: "null" | "piped",
): Deno.Command {
  const options = [...RUNTIME_FLAGS, ...permissions];
  const sources = ["run", "--quiet", "--no-prompt", "--cached-only", ...options, main];
  const program = [executable ?? Deno.execPath()];
  const [first = "", ...limited] = openFilesMax === undefined
    ? program
    : ["sh", "-c", `ulimit -n ${openFilesMax} && exec "$@"`, "sh", ...program];
  return new Deno.Command(first, {
    args: [...limited, ...(executable === undefined ? sources : []), ...args],
    stdin,
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
}
