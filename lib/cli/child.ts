/**
 * The programs that commands run while they hold a lock, or for each change.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "../errors.ts";

/** A running program. */
export interface ChildProcess {
  /** Its exit code, once it has ended. */
  readonly status: Promise<number>;
  /** Asks it to end: SIGTERM. */
  terminate(): void;
}

/** The settings of a program. */
export interface ChildOptions {
  /** Its name and its arguments. */
  readonly command: readonly string[];
  /** Variables besides those that this process has. */
  readonly env: Readonly<Record<string, string>>;
  /** Its standard input; by default the standard input of this process. */
  readonly input?: Uint8Array;
}

/** Starts a program whose output is this process's. @throws {EnvironmentError} when it cannot be. */
export function startChild({ command, env, input }: ChildOptions): ChildProcess {
  const [name = "", ...args] = command;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(name, {
      args: [...args],
      env: { ...env },
      stdin: input === undefined ? "inherit" : "piped",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (cause) {
    throw new EnvironmentError(`Cannot run ${name}: ${messageOf(cause)}`, { cause });
  }
  if (input !== undefined) void feed(child.stdin, input);
  return {
    status: child.status.then(({ code }) => code),
    terminate: () => {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
    },
  };
}

/** It is no fault of this process if the program does not read everything. */
async function feed(stdin: WritableStream<Uint8Array>, input: Uint8Array): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(input);
    await writer.close();
  } catch {
    // It has ended, or closed its input.
  }
}

/** Ends a command with the exit code of the program that it ran, without a message. */
export class ChildEnded extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "ChildEnded";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`The program ended with ${exitCode}`);
    this.exitCode = exitCode;
  }
}
