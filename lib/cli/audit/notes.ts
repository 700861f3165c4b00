/**
 * Reads an auditor's inputs: files with one or several signed notes, and the group key.
 *
 * @module
 */

import { decodeUtf8 } from "../../bytes.ts";
import {
  CertificateError,
  GENESIS_KIND,
  GROUP_KEY_LENGTH_MAX,
  type GroupKey,
  MEMBERSHIP_KIND,
  parseGroupKey,
  STATEMENT_KIND,
} from "../../certificate/mod.ts";
import { catching, InputError } from "../../errors.ts";
import type { CommandContext } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { nameOf, readInput, STDIN_NAME } from "../input.ts";

/** Most bytes in one file: some 20,000 memberships of five members. */
export const NOTES_BYTES_MAX = 64 * 1024 * 1024;

const KINDS = [GENESIS_KIND, MEMBERSHIP_KIND, STATEMENT_KIND] as const;

/** The first line of a note. */
type NoteKind = typeof KINDS[number];

/** A note, and the file that it came from. */
export interface Note {
  readonly file: string;
  readonly kind: NoteKind;
  readonly text: string;
}

const NOTE_ADVICE = "\nA certificate is what `floe leader --cert`, `floe group --genesis` or " +
  "`floe group --memberships` prints, byte for byte.";

const ROSTER_ADVICE =
  "\nThe configuration must be the one that the key was made with. Where the members have changed " +
  "since, give the memberships as well (floe group --memberships), and --key.";

/**
 * Every note in the files, in their order.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} for a file that cannot be read, is empty or is no text, and
 * with {@linkcode ExitCode.verificationFailed} for one that holds anything else.
 */
export async function readNotes(
  files: readonly string[],
  context: CommandContext,
): Promise<readonly Note[]> {
  if (files.filter((file) => file === STDIN_NAME).length > 1) {
    throw new CommandError(ExitCode.usage, "Only one file can come from standard input");
  }
  const notes: Note[] = [];
  for (const file of files) notes.push(...splitNotes(file, await readText(file, context)));
  return notes;
}

/** Returns what `verify` returns. If it refuses, the command ends with a message that names the file. */
export function orRefuse<Value>({ file }: Pick<Note, "file">, verify: () => Value): Value {
  return catching(InputError, verify, (cause) => {
    throw refusedFile(file, `${cause.message}${adviceFor(cause)}`, cause);
  });
}

/** The error that ends a command because of a fault in a file. */
export function refusedFile(file: string, why: string, cause?: unknown): CommandError {
  const message = `${nameOf(file)}: ${why}`;
  return new CommandError(ExitCode.verificationFailed, message, { cause });
}

function unreadableFile(file: string, why: string): CommandError {
  return new CommandError(ExitCode.usage, `${nameOf(file)}: ${why}${NOTE_ADVICE}`);
}

async function readText(file: string, context: CommandContext): Promise<string> {
  const exitCode = ExitCode.verificationFailed;
  const bytes = await readInput(file, context, { bytesMax: NOTES_BYTES_MAX, exitCode });
  const text = catching(InputError, () => decodeUtf8(bytes), (cause) => {
    throw unreadableFile(file, cause.message);
  });
  if (text === "") throw unreadableFile(file, "Cannot read note: the file is empty");
  if (!text.includes("\r\n")) return text;
  throw refusedFile(
    file,
    "Cannot read note: its lines end in CRLF, as on Windows; the signature is over lines that " +
      `end in LF${NOTE_ADVICE}`,
  );
}

/** Only the first line of a note begins with the text of a kind; every other line begins with a different word. */
function splitNotes(file: string, text: string): Note[] {
  return text.split(/^(?=floe\/)/m).map((part) => {
    const [first = ""] = part.split("\n", 1);
    const kind = KINDS.find((known) => known === first);
    if (kind !== undefined) return { file, kind, text: restoreLastNewline(part) };
    throw refusedFile(
      file,
      `Cannot read note: it begins with none of ${KINDS.join(", ")}${NOTE_ADVICE}`,
    );
  });
}

/**
 * The text with exactly one newline at its end: editors and `$(...)` add and remove newlines. This does not
 * change the signed text, which ends before the signature line.
 */
function restoreLastNewline(text: string): string {
  return text.replace(/\n*$/, "\n");
}

function adviceFor(error: InputError): string {
  if (!(error instanceof CertificateError) || error.refusal === "malformed") return NOTE_ADVICE;
  return error.refusal === "wrong-roster" ? ROSTER_ADVICE : "";
}

const INLINE_KEY_PATTERN = /^([0-9a-fA-F]{64}|[^/\\]+\+[0-9a-fA-F]{8}\+.+|-----BEGIN [^]+)$/;

/**
 * The key in `text`, or in the file of that name when `text` is not a key.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when it is neither.
 */
export async function readGroupKey(
  text: string,
  context: CommandContext,
): Promise<GroupKey> {
  if (INLINE_KEY_PATTERN.test(text)) return parseKey(text, "--key");
  if (text === STDIN_NAME) {
    throw new CommandError(ExitCode.usage, "Cannot use --key -: standard input is for notes");
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
  return catching(InputError, () => parseGroupKey(text), (cause) => {
    throw new CommandError(ExitCode.usage, `${source}: ${cause.message}`, { cause });
  });
}
