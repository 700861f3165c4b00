/**
 * The seam between the `floe` program and its commands: what every command gets from the process
 * it runs in, and the shape of the function that adds a command to the program.
 *
 * A command is one file that exports `register<Name>`, a {@linkcode RegisterCommand}. Its action
 * returns when the work is done (exit code 0) or throws: a `CommandError` with the exit code, or
 * one of Floe's own errors, which `cli.ts` turns into an exit code and a message. A command never
 * calls `Deno.exit`, `console.log` or reads `Deno.env` itself, so that tests run it in-process.
 *
 * @module
 */

import type { Command } from "commander";
import type { Clock } from "../client/mod.ts";

/** Takes bytes without holding up anything else. */
export interface ByteSink {
  /** Writes some of `bytes` and returns how many. Two calls at the same time are not allowed. */
  writeSome(bytes: Uint8Array): Promise<number>;
}

/** Where a command writes: stdout for data, stderr for messages. */
export interface OutputStream extends ByteSink {
  /** Whether a person is reading. */
  readonly isTerminal: boolean;
  /**
   * Writes all of it before returning; text as UTF-8, no newline added. It waits for a slow reader, so a
   * program that runs on puts an `OutputQueue` before it.
   */
  write(data: string | Uint8Array): void;
}

/** What a command gets from the process that it runs in. */
export interface CommandContext {
  /** For data: what a pipe wants. */
  readonly stdout: OutputStream;
  /** For messages: what a person wants. */
  readonly stderr: OutputStream;
  /** The process's input, read at most once. */
  readonly stdin: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** An environment variable, or undefined when it is not set or is empty. */
  env(name: string): string | undefined;
  /**
   * What makes HTTP requests. HTTPS is trusted by these certificates, PEM, besides those that the
   * system trusts.
   */
  openFetch(caCerts: readonly string[]): typeof fetch;
  /**
   * Aborted at the first SIGINT or SIGTERM; the next one ends the process at once. The first call
   * installs the handlers; a command that never asks ends at a signal at once, as any program does.
   */
  stopSignal(): AbortSignal;
  /** Calls `reload` at each SIGHUP, which from then on does not end the process. */
  onHangUp?(reload: () => void): void;
  /**
   * Asks the person at the terminal for a line, of which the terminal shows nothing. The bytes are the
   * caller's to erase. Absent where nobody is there to ask.
   */
  askSecret?(question: string): Promise<Uint8Array>;
  /** What waiting commands wait by; the machine's own time by default. */
  readonly clock?: Clock;
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
 * The options that every command knows, as commander hands them over with `optsWithGlobals()`.
 * Absent ones were not given; `options.ts` holds their defaults and the code that reads them.
 */
export interface GlobalFlags {
  /** `--config FILE`; default {@linkcode CONFIG_PATH_DEFAULT}. */
  readonly config?: string;
  /** `--endpoints LIST`, checked where it is used. */
  readonly endpoints?: string;
  /** `--token-file FILE`, the token to send. */
  readonly tokenFile?: string;
  /** `--ca-file FILE`, by which HTTPS is trusted. */
  readonly caFile?: string;
  /** `-o, --output`; always there. */
  readonly output: OutputFormat;
  /** `--timeout` in milliseconds; always there. */
  readonly timeout: number;
}

/** The configuration file when `--config` is not given. */
export const CONFIG_PATH_DEFAULT = "./cluster.json";
