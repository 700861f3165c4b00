/**
 * Secret files, such as a node's identity and its share: each a file of JSON that nobody but its owner
 * can read, in a folder that nobody else can enter; encrypted if there is a passphrase.
 *
 * A folder's secret files are all encrypted or none is. Given a passphrase, a node refuses a file that is
 * not encrypted, rather than let its operator believe that it is; without one it can read no other.
 *
 * @module
 */

import { dirname } from "node:path";
import { encodeUtf8 } from "../bytes.ts";
import type { Schema } from "../config/mod.ts";
import { createDataFolder } from "../storage/mod.ts";
import {
  checkBelongs,
  KeyFileError,
  openKeyFile,
  parseJson,
  parseKeyFile,
  readJson,
} from "./key_file.ts";
import type { Passphrase } from "./passphrase.ts";
import { lstatFile, othersMode, statFile, writeFileAtomically } from "./private_file.ts";
import {
  isSealed,
  seal,
  type SealedText,
  sealedTextSchema,
  type SecretLabel,
  type SecretPurpose,
  unseal,
} from "./sealed_text.ts";

/** A secret file: what it is, whose, where, and what encrypts it. */
export interface SecretFile extends SecretLabel {
  readonly path: string;
  /** What encrypts it; null where it is not encrypted. */
  readonly passphrase: Passphrase | null;
}

/** What an operator can do about a secret file's faults. */
interface SecretFileRemedies {
  /** Where there is none: a sentence. */
  readonly ifMissing: string;
  /** Where it is damaged: a sentence. */
  readonly ifDamaged: string;
  /** Where somebody else may have read it: the end of a sentence, after "else". */
  readonly ifKnown: string;
}

/** How a secret file is read. */
export interface SecretFileReading<Value> {
  /** What its JSON must be, with any secret in it as text. */
  readonly schema: Schema<Value, unknown>;
  /** What to say about its faults. */
  readonly remedies: SecretFileRemedies;
}

const FILE_MODE = 0o600;

/**
 * Writes a secret file durably and for its owner alone, into a folder of the same kind, which is
 * made if need be. `content` becomes JSON.
 *
 * @throws {KeyFileError} when others can enter the folder.
 * @throws {EnvironmentError} when the disk or the folder does not let it.
 */
export function writeSecretFile(file: SecretFile, content: object): void {
  const { path, passphrase, purpose, cluster, node } = file;
  createDataFolder(dirname(path));
  checkPrivateFolder(path);
  const text = passphrase === null
    ? JSON.stringify(content, null, 2) + "\n"
    : sealContent(content, { label: { purpose, cluster, node }, passphrase });
  writeFileAtomically({ path, text, mode: FILE_MODE });
}

/**
 * Reads a secret file and opens it with its passphrase.
 *
 * @throws {KeyFileError} when it is missing, open to others, of another purpose, cluster or node,
 * damaged, encrypted where there is no passphrase or the other way round, or with another one.
 * @throws {EnvironmentError} when it is there but cannot be read.
 */
export function readSecretFile<Value>(
  file: SecretFile,
  { schema, remedies }: SecretFileReading<Value>,
): Value {
  const { path, passphrase } = file;
  const json = readPrivateJson(path, remedies);
  const whatToDo = remedies.ifDamaged;
  if (!isSealed(json)) {
    if (passphrase !== null) throw notEncrypted(path);
    return parseKeyFile(json, { file: path, schema, whatToDo });
  }
  const sealed = parseKeyFile(json, { file: path, schema: sealedTextSchema, whatToDo });
  checkPurpose(path, sealed, file.purpose);
  checkBelongs(path, sealed, file);
  const { content } = openSealed(sealed, {
    path,
    passphrases: passphrase === null ? [] : [passphrase],
    whatToDo,
  });
  return parseKeyFile(content, { file: path, schema, whatToDo });
}

/** Whether a secret file is there and encrypted. What cannot be read is not; reading it says why. */
export function isEncrypted(path: string): boolean {
  try {
    return isSealed(readPrivateJson(path, NO_REMEDIES));
  } catch (error) {
    if (error instanceof KeyFileError) return false;
    throw error;
  }
}

const NO_REMEDIES: SecretFileRemedies = { ifMissing: "", ifDamaged: "", ifKnown: "" };

/** Encrypts what becomes JSON. */
export function sealContent(
  content: object,
  { label, passphrase }: { readonly label: SecretLabel; readonly passphrase: Passphrase },
): string {
  const plaintext = encodeUtf8(JSON.stringify(content));
  try {
    return seal(plaintext, label, passphrase);
  } finally {
    plaintext.fill(0);
  }
}

/**
 * The JSON in an encrypted file, and the first of the passphrases that opens it.
 *
 * @throws {KeyFileError} when none does.
 */
export function openSealed(
  sealed: SealedText,
  { path, passphrases, whatToDo }: {
    readonly path: string;
    readonly passphrases: readonly Passphrase[];
    readonly whatToDo: string;
  },
): { readonly content: unknown; readonly passphrase: Passphrase } {
  for (const passphrase of passphrases) {
    const plaintext = unseal(sealed, passphrase);
    if (plaintext === null) continue;
    try {
      return { content: parseJson(plaintext, { file: path, whatToDo }), passphrase };
    } finally {
      plaintext.fill(0);
    }
  }
  if (passphrases.length === 0) throw noPassphrase(path);
  throw new KeyFileError(
    path,
    "it cannot be decrypted: either the passphrase is another, or the file was changed",
    `Check the passphrase first. ${whatToDo}`,
  );
}

/**
 * The JSON of a file that nobody else can read, encrypted or not.
 *
 * @throws {KeyFileError} when it is missing, no file, open to others, too large or not JSON.
 * @throws {EnvironmentError} when it cannot be read.
 */
export function readPrivateJson(path: string, remedies: SecretFileRemedies): unknown {
  checkIsFile(path, remedies.ifMissing);
  checkPrivateFolder(path);
  using opened = openKeyFile(path, remedies.ifMissing);
  // Of the very file that is then read.
  const mode = othersMode(opened.statSync());
  if (mode !== null) {
    throw new KeyFileError(
      path,
      `other users can read it (mode ${mode})`,
      // It is not closed here: it may be known by now.
      `If none did, run chmod 600 ${path}; else ${remedies.ifKnown}.`,
    );
  }
  return readJson(path, { opened, whatToDo: remedies.ifDamaged });
}

/** Refuses what is no file before it is opened: opening a pipe waits for a writer. */
function checkIsFile(path: string, ifMissing: string): void {
  const info = lstatFile(path);
  if (info === null) throw new KeyFileError(path, "no such file", ifMissing);
  if (info.isSymlink) {
    throw new KeyFileError(
      path,
      "it is a symbolic link, and what it points to would stay as it is when Floe writes the file",
      "Put the file itself there.",
    );
  }
  if (!info.isFile) throw new KeyFileError(path, "it is not a file", ifMissing);
}

function checkPrivateFolder(path: string): void {
  const folder = dirname(path);
  const info = statFile(folder);
  const mode = info === null ? null : othersMode(info);
  if (mode === null) return;
  throw new KeyFileError(
    path,
    `other users can enter its folder (mode ${mode})`,
    `Run chmod 700 ${folder}, and look whether all in it is as you left it.`,
  );
}

/** Checks what an encrypted file says that it is. @throws {KeyFileError} when it is something else. */
export function checkPurpose(
  path: string,
  { purpose: found }: SealedText,
  expected: SecretPurpose,
): void {
  if (found === expected) return;
  throw new KeyFileError(
    path,
    `it is a file of the kind "${found}", not "${expected}"`,
    "Put every file back under its own name.",
  );
}

function notEncrypted(path: string): KeyFileError {
  return new KeyFileError(
    path,
    "it is not encrypted, but a passphrase was given",
    "Run floe keys passphrase to encrypt it, or give no passphrase (FLOE_PASSPHRASE_FILE).",
  );
}

function noPassphrase(path: string): KeyFileError {
  return new KeyFileError(
    path,
    "it is encrypted, and no passphrase was given",
    "Name a file that holds it in FLOE_PASSPHRASE_FILE, or run the command in a terminal, " +
      "where it asks for it.",
  );
}
