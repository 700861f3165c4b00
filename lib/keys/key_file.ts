/**
 * What Floe's key files have in common: how they are read, how faults are reported without a secret, and how a
 * file's cluster and node are checked.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { checked, formatPath, readKey, type Schema } from "../config/mod.ts";
import { catching, InputError } from "../errors.ts";
import { JsonError, parseStrictJson } from "../json.ts";
import { readFully } from "../storage/mod.ts";
import type { ClusterName, NodeId } from "../types.ts";
import type { Passphrase } from "./passphrase.ts";
import { statFile, unreadable } from "./private_file.ts";

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

/** Most bytes in a key file. Floe's own are far smaller. */
export const KEY_FILE_BYTES_MAX: number = 1024 * 1024;

/**
 * Reads the JSON of a public file.
 *
 * @throws {KeyFileError} when it is missing, no file, too large or not JSON.
 * @throws {EnvironmentError} when it is there but cannot be read.
 */
export function readPublicJson(file: string, whatToDo: string): unknown {
  // Before it is opened: opening a pipe waits for a writer.
  if (statFile(file)?.isFile === false) throw new KeyFileError(file, "it is not a file", whatToDo);
  using opened = openKeyFile(file, whatToDo);
  return readJson(file, { opened, whatToDo });
}

/**
 * Reads a public key file. An error has the place of a fault and quotes nothing, as for secret files.
 *
 * @throws {KeyFileError} when it is missing, not JSON, or does not fit the schema.
 * @throws {EnvironmentError} when it is there but cannot be read.
 */
export function readKeyFile<Value>(
  file: string,
  { schema, whatToDo }: { readonly schema: Schema<Value, unknown>; readonly whatToDo: string },
): Value {
  return parseKeyFile(readPublicJson(file, whatToDo), { file, schema, whatToDo });
}

/** Opens a key file. @throws {KeyFileError} when it is missing. @throws {EnvironmentError} otherwise. */
export function openKeyFile(file: string, whatToDo: string): Deno.FsFile {
  try {
    return Deno.openSync(file);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new KeyFileError(file, "no such file", whatToDo, { cause });
    }
    throw unreadable(file, cause);
  }
}

/**
 * Reads the JSON in an open file, up to {@linkcode KEY_FILE_BYTES_MAX}.
 *
 * @throws {KeyFileError} when it is too large or not JSON, without quoting it.
 * @throws {EnvironmentError} when it cannot be read.
 */
export function readJson(
  file: string,
  { opened, whatToDo }: { readonly opened: Deno.FsFile; readonly whatToDo: string },
): unknown {
  const bytes = new Uint8Array(KEY_FILE_BYTES_MAX + 1);
  try {
    const length = readFully(opened, bytes);
    if (length > KEY_FILE_BYTES_MAX) {
      throw new KeyFileError(file, `it holds more than ${KEY_FILE_BYTES_MAX} bytes`, whatToDo);
    }
    return parseJson(bytes.subarray(0, length), { file, whatToDo });
  } catch (cause) {
    throw cause instanceof KeyFileError ? cause : unreadable(file, cause);
  } finally {
    bytes.fill(0);
  }
}

/** JSON in UTF-8. @throws {KeyFileError} when it is anything else, without quoting it. */
export function parseJson(
  bytes: Uint8Array,
  { file, whatToDo }: { readonly file: string; readonly whatToDo: string },
): unknown {
  return catching(InputError, () => parseStrictJson(decodeUtf8(bytes)), (error) => {
    const why = error instanceof JsonError ? error.message : "not JSON, as it is not UTF-8";
    throw new KeyFileError(file, why, whatToDo);
  });
}

/**
 * Checks a key file's JSON.
 *
 * @throws {KeyFileError} when it does not fit the schema. The error has the places and quotes nothing.
 */
export function parseKeyFile<Value>(
  json: unknown,
  { file, schema, whatToDo }: {
    readonly file: string;
    readonly schema: Schema<Value, unknown>;
    readonly whatToDo: string;
  },
): Value {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path }) => formatPath(path) || "the top level");
  throw new KeyFileError(file, `damaged at ${places.join(", ")}`, whatToDo);
}

/** The cluster and the node that a key file belongs to. */
export interface Belonging {
  /** The cluster; null while there is none. */
  readonly cluster: ClusterName | null;
  /** The node's id in `cluster.json`. */
  readonly node: NodeId;
}

/**
 * Checks that a key file belongs to the expected cluster and node, or to the one of the two that is expected.
 *
 * @throws {KeyFileError} when it does not. The message has what was found and what was expected.
 */
export function checkBelongs(
  file: string,
  found: Partial<Belonging>,
  expected: Partial<Belonging>,
): void {
  for (const what of ["cluster", "node"] as const) {
    if (expected[what] === undefined || (found[what] ?? null) === expected[what]) continue;
    throw ofAnother(file, what, {
      found: found[what] ?? "none",
      expected: expected[what] ?? "none",
    });
  }
}

/** The error for a key file that belongs elsewhere. */
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

/** A node's data folder, with the passphrase of its secret files. */
export interface KeyFolder {
  /** The folder. */
  readonly dataDir: string;
  /** The node that it belongs to. */
  readonly self: NodeId;
  /** What encrypts the secret files; null if they are not encrypted. */
  readonly passphrase: Passphrase | null;
}
