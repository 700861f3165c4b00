/**
 * The interface between the `floe` program and its commands: what a command gets from its process, and
 * the function that adds a command to the program.
 *
 * A command is one file that exports `register<Name>`, a {@linkcode RegisterCommand}. Its action
 * returns when the work is done (exit code 0) or throws: a `CommandError` with the exit code, or
 * one of Floe's own errors, which `cli.ts` turns into an exit code and a message. A command never
 * calls `Deno.exit` or `console.log`, and never reads `Deno.env`, so tests run it in their own process.
 *
 * @module
 */

import type { Command } from "commander";
import type { Clock } from "../client/mod.ts";
import type { ChildOptions, ChildProcess } from "./child.ts";

/** Takes bytes without blocking. */
export interface ByteSink {
  /** Writes some of `bytes` and returns how many. The caller waits before it calls again. */
  writeSome(bytes: Uint8Array): Promise<number>;
}

/** Where a command writes: stdout for data, stderr for messages. */
export interface OutputStream extends ByteSink {
  /** Whether the output is a terminal. */
  readonly isTerminal: boolean;
  /** Whether JSON goes there line by line (`-o jsonl`). */
  readonly hasJsonLines?: boolean;
  /**
   * Writes all data before it returns; text as UTF-8, without a newline. It waits for a slow reader, so a
   * node or a cluster puts an `OutputQueue` before it.
   */
  write(data: string | Uint8Array): void;
}

/** A terminal that only this command uses, until it is disposed. */
export interface Terminal extends Disposable {
  /** Whether to use colours. */
  readonly hasColours: boolean;
  /** Its size now, in characters. */
  size(): { readonly columns: number; readonly rows: number };
  /** Replaces everything on the terminal by these lines. Resolves when the terminal has taken them. */
  draw(lines: readonly string[]): Promise<void>;
  /**
   * The keys as they are pressed: the character itself, or `up` and `down`. Ends when the input does. Ctrl-C
   * is a signal and no key.
   */
  keys(): AsyncIterable<string>;
}

/** HTTPS as a client uses it. All texts are PEM. */
export interface ClientTls {
  /** The certificates that it trusts, beside those of the system. */
  readonly caCerts: readonly string[];
  /** Its own certificate chain and key, for nodes that ask for one; null for none. The key is SECRET. */
  readonly own: { readonly cert: string; readonly key: string } | null;
}

/** What a command gets from the process that it runs in. */
export interface CommandContext {
  /** Standard output, for data. */
  readonly stdout: OutputStream;
  /** Standard error, for messages. */
  readonly stderr: OutputStream;
  /** The process's input, read at most once. */
  readonly stdin: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** An environment variable, or undefined when it is not set or is empty. */
  env(name: string): string | undefined;
  /** Makes HTTP requests. HTTPS uses what `tls` returns at the time of each; without it, the system's. */
  openFetch(tls?: () => ClientTls): typeof fetch;
  /**
   * Aborts at the first SIGINT or SIGTERM; the second one ends the process at once. The first call
   * installs the handlers. A command that never calls this ends at the first signal.
   */
  stopSignal(): AbortSignal;
  /** Calls `reload` at each SIGHUP. From then on SIGHUP does not end the process. */
  onHangUp?(reload: () => void): void;
  /**
   * Asks for a line at the terminal, which does not show it. The caller erases the bytes. Absent without a
   * terminal.
   */
  askSecret?(question: string): Promise<Uint8Array>;
  /** Asks for a line at the terminal, which shows it. Absent without a terminal. */
  askLine?(question: string): Promise<string>;
  /** Takes the terminal over. Absent without one for input and output. */
  openTerminal?(): Terminal;
  /** The time in milliseconds since 1970; the machine's by default. */
  now?(): number;
  /** The clock of commands that wait; the machine's by default. */
  readonly clock?: Clock;
  /** Starts a program; a process of its own by default. */
  startChild?(options: ChildOptions): ChildProcess;
}

/**
 * Commander's own class; `deno doc --lint` would check its documentation as if it were Floe's.
 *
 * @internal
 */
type CommanderCommand = Command;

/** The program that commands are added to: commander's `Command`. */
export type Program = CommanderCommand;

/** Adds one command to the program. Called once, before the arguments are parsed. */
export type RegisterCommand = (program: Program, context: CommandContext) => void;

/** How a command prints its data: a table for people, JSON for programs. */
type OutputFormat = "table" | "json";

/**
 * The options of every command, as commander returns them from `optsWithGlobals()`. An option that was
 * not given is absent; `options.ts` has the defaults and reads the options.
 */
export interface GlobalFlags {
  /** `--config FILE`; default {@linkcode CONFIG_PATH_DEFAULT}. */
  readonly config?: string;
  /** `--endpoints LIST`, checked where it is used. */
  readonly endpoints?: string;
  /** `--token-file FILE`, the token to send. */
  readonly tokenFile?: string;
  /** `--ca-file FILE`, the certificates that HTTPS trusts. */
  readonly caFile?: string;
  /** `--client-cert FILE`, this client's own certificate. */
  readonly clientCert?: string;
  /** `--client-key FILE`, the key of that certificate. */
  readonly clientKey?: string;
  /** `-o, --output`; always there. */
  readonly output: OutputFormat;
  /** `--timeout` in milliseconds; always there. */
  readonly timeout: number;
}

/** The configuration file when `--config` is not given. */
export const CONFIG_PATH_DEFAULT = "./cluster.json";
