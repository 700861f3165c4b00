/**
 * Reads the files that arguments name, and standard input.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { readAtMost } from "../streams.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, ExitCode } from "./failure.ts";

/** The name that stands for standard input. */
export const STDIN_NAME = "-";

/** What is refused as too large, and how. */
interface InputLimit {
  /** Most bytes. */
  readonly bytesMax: number;
  /** The exit code above that limit; {@linkcode ExitCode.usage} by default. */
  readonly exitCode?: ExitCode;
}

/**
 * All bytes of a file, or of standard input for {@linkcode STDIN_NAME}. It stops reading above the limit.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when the file cannot be read, or with the exit
 * code of `limit` when it is too large.
 */
export async function readInput(
  name: string,
  context: CommandContext,
  limit: InputLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = name === STDIN_NAME ? context.stdin : (await openFile(name)).readable;
  let bytes: Uint8Array<ArrayBuffer> | null;
  try {
    bytes = await readAtMost(stream, limit.bytesMax);
  } catch (cause) {
    throw unreadable(name, cause);
  }
  if (bytes === null) throw tooLarge(name, limit);
  return bytes;
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function tooLarge(name: string, limit: InputLimit): CommandError {
  return new CommandError(
    limit.exitCode ?? ExitCode.usage,
    `Cannot use ${nameOf(name)}: it holds more than ${limit.bytesMax} bytes`,
  );
}

function unreadable(name: string, cause: unknown): CommandError {
  const message = `Cannot read ${nameOf(name)}: ${reasonOf(cause)}`;
  return new CommandError(ExitCode.usage, message, { cause });
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) return "there is no such file";
  if (cause instanceof Deno.errors.PermissionDenied) {
    return "this user has no permission to read it";
  }
  if (cause instanceof Deno.errors.IsADirectory) return "it is a folder";
  return messageOf(cause);
}

/** The name of an input in messages. */
export function nameOf(name: string): string {
  return name === STDIN_NAME ? "standard input" : name;
}
