/**
 * Reading a group key, as `--key` names it.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { GROUP_KEY_LENGTH_MAX, type GroupKey, parseGroupKey } from "../certificate/group_key.ts";
import { InputError } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { readInput, STDIN_NAME } from "./input.ts";

const INLINE_KEY_PATTERN = /^([0-9a-fA-F]{64}|[^/\\]+\+[0-9a-fA-F]{8}\+.+|-----BEGIN [^]+)$/;

/**
 * The key itself where `text` has the form of one; else what the file of that name holds.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when it is neither.
 */
export async function readGroupKey(text: string, context: CommandContext): Promise<GroupKey> {
  if (INLINE_KEY_PATTERN.test(text)) return parseKey(text, "--key");
  if (text === STDIN_NAME) {
    throw new CommandError(ExitCode.usage, "Cannot use --key -: standard input is for the note");
  }
  try {
    const bytes = await readInput(text, context, { bytesMax: GROUP_KEY_LENGTH_MAX });
    return parseKey(decodeUtf8(bytes), text);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    const message =
      `Cannot use --key: it is neither 64 hex digits, a verifier key nor PEM, nor a ` +
      `file that holds a group key. ${cause.message}`;
    throw new CommandError(ExitCode.usage, message, { cause });
  }
}

function parseKey(text: string, source: string): GroupKey {
  try {
    return parseGroupKey(text);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new CommandError(ExitCode.usage, `${source}: ${cause.message}`, { cause });
  }
}
