/**
 * Secret files, such as a node's identity and its share. Each is a JSON file that only its owner can
 * read, in a folder that only its owner can enter. With a passphrase it is encrypted.
 *
 * Either all secret files of a folder are encrypted or none is. A node that has a passphrase refuses a
 * file that is not encrypted, because its operator believes that it is.
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

/** A secret file: its purpose, its owner, its path, and the passphrase that encrypts it. */
export interface SecretFile extends SecretLabel {
  readonly path: string;
  /** What encrypts it; null if it is not encrypted. */
  readonly passphrase: Passphrase | null;
}

/** What an operator can do about a secret file's faults. */
interface SecretFileRemedies {
  /** The file is missing: a sentence. */
  readonly ifMissing: string;
  /** The file is damaged: a sentence. */
  readonly ifDamaged: string;
  /** Others may have read the file: the end of a sentence, after "else". */
  readonly ifKnown: string;
}

/** How a secret file is read. */
export interface SecretFileReading<Value> {
  /** Checks the JSON, in which secrets are text. */
  readonly schema: Schema<Value, unknown>;
  /** The advice that errors give. */
  readonly remedies: SecretFileRemedies;
}

const FILE_MODE = 0o600;

/**
 * Writes a secret file durably. Only its owner can read it and enter its folder, which is created if it does not
 * exist. `content` becomes JSON.
 *
 * @throws {KeyFileError} when others can enter the folder.
 * @throws {EnvironmentError} when the folder or the disk refuses.
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
 * @throws {KeyFileError} when it is missing, damaged, readable by others, or of another purpose, cluster
 * or node; when it is encrypted and no passphrase was given, or the reverse; or the passphrase is wrong.
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

/** Whether a secret file exists and is encrypted. False for one that cannot be read. */
export function isEncrypted(path: string): boolean {
  try {
    return isSealed(readPrivateJson(path, NO_REMEDIES));
  } catch (error) {
    if (error instanceof KeyFileError) return false;
    throw error;
  }
}

const NO_REMEDIES: SecretFileRemedies = { ifMissing: "", ifDamaged: "", ifKnown: "" };

/** Encrypts an object as JSON. */
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
    "it cannot be decrypted: either the passphrase is wrong, or the file was changed",
    `Check the passphrase first. ${whatToDo}`,
  );
}

/**
 * Reads the JSON of a file that only its owner can read, encrypted or not.
 *
 * @throws {KeyFileError} when it is missing, not a file, readable by others, too large or not JSON.
 * @throws {EnvironmentError} when it cannot be read.
 */
export function readPrivateJson(path: string, remedies: SecretFileRemedies): unknown {
  checkIsFile(path, remedies.ifMissing);
  checkPrivateFolder(path);
  using opened = openKeyFile(path, remedies.ifMissing);
  // The permissions of the open file: the path may lead to another file by now.
  const mode = othersMode(opened.statSync());
  if (mode !== null) {
    throw new KeyFileError(
      path,
      `other users can read it (mode ${mode})`,
      // Floe does not change the mode: others may have read the secret already.
      `If none did, run chmod 600 ${path}; else ${remedies.ifKnown}.`,
    );
  }
  return readJson(path, { opened, whatToDo: remedies.ifDamaged });
}

/** Refuses a path that is not a file before it is opened: opening a pipe waits for a writer. */
function checkIsFile(path: string, ifMissing: string): void {
  const info = lstatFile(path);
  if (info === null) throw new KeyFileError(path, "no such file", ifMissing);
  if (info.isSymlink) {
    throw new KeyFileError(
      path,
      "it is a symbolic link, and Floe would replace the link instead of the file that it points to",
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
    `Run chmod 700 ${folder}, and check that nobody changed the files in it.`,
  );
}

/** Checks an encrypted file's purpose. @throws {KeyFileError} when it is another one. */
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
