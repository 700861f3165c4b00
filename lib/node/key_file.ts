/**
 * What Floe's key files have in common: how they are read, and how their faults are told without
 * telling a secret.
 *
 * @module
 */

import { EnvironmentError, InputError } from "../errors.ts";
import { statFile } from "./files.ts";
import { checked, formatPath, readKey, type Schema } from "./schema.ts";

/** A key file cannot be used. The message never holds a secret. */
export class KeyFileError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "KeyFileError";
  /** The file at fault. */
  readonly file: string;

  /** `why` says what is wrong, `whatToDo` what an operator can do about it. */
  constructor(file: string, why: string, whatToDo: string, options?: ErrorOptions) {
    super(`Cannot use ${file}: ${why}. ${whatToDo}`, options);
    this.file = file;
  }
}

/** 32 bytes in lower-case hex. */
export const keySchema: Schema<Uint8Array> = checked(readKey);

/** What to do about a damaged file of the group's key. */
const RESTORE = "Restore it from a backup, or generate new keys for the whole cluster.";

/**
 * Reads a key file. Its faults are named by place only, as their values may be secret.
 *
 * @throws {KeyFileError} when it is missing, not JSON, or does not fit the schema.
 * @throws {EnvironmentError} when it is there but cannot be read.
 */
export function readKeyFile<Value>(
  file: string,
  schema: Schema<Value, unknown>,
  whatToDo: string = RESTORE,
): Value {
  let raw: unknown;
  try {
    raw = JSON.parse(Deno.readTextFileSync(file));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new KeyFileError(file, "no such file", whatToDo, { cause });
    }
    // The cause is dropped: a JSON error quotes the text, which may be a secret.
    if (cause instanceof SyntaxError) throw new KeyFileError(file, "not JSON", whatToDo);
    throw new EnvironmentError(
      `Cannot read ${file}: ${cause instanceof Error ? cause.message : cause}. ` +
        "Check its permissions.",
      { cause },
    );
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path }) => formatPath(path) || "the top level");
  throw new KeyFileError(file, `damaged at ${places.join(", ")}`, whatToDo);
}

/** The error for a key file that somebody else should have been given. */
export function ofAnother(
  file: string,
  what: string,
  { found, expected }: { readonly found: string; readonly expected: string },
): KeyFileError {
  return new KeyFileError(
    file,
    `it is of another ${what}: ${found}, not ${expected}`,
    "Check --config, --id and --data-dir; keys cannot be moved between clusters or nodes.",
  );
}

/**
 * Refuses a secret file that other users can read, rather than close it: it may be known by now.
 *
 * @throws {KeyFileError} when it is missing, or open to others.
 */
export function checkPrivate(
  file: string,
  whatToDo: { readonly ifMissing: string; readonly ifKnown: string },
): void {
  const stat = statFile(file);
  if (stat === null) throw new KeyFileError(file, "no such file", whatToDo.ifMissing);
  // Windows has no such permissions; there the folder's own must do.
  if (stat.mode === null || (stat.mode & 0o077) === 0) return;
  throw new KeyFileError(
    file,
    `other users can read it (mode ${(stat.mode & 0o777).toString(8)})`,
    `If none did, run chmod 600 ${file}; else ${whatToDo.ifKnown}.`,
  );
}
