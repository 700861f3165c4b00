/**
 * All secret files of a node's folder at once: which they are, and how to open them by what they say of
 * themselves, where nobody says whose they should be.
 *
 * @module
 */

import { z } from "zod";
import { checked, type Schema } from "../config/mod.ts";
import { toClusterName, toNodeId } from "../types.ts";
import { IDENTITY_FILE, identitySchema } from "./identity.ts";
import { KeyFileError, parseKeyFile } from "./key_file.ts";
import { SHARE_FILE, SHARE_REMEDIES, shareSchema } from "./node_keys.ts";
import type { Passphrase } from "./passphrase.ts";
import { removeLeftovers, statFile } from "./private_file.ts";
import { RECORD_FILE, RECORD_REMEDIES, recordSchema } from "./record_file.ts";
import { isSealed, sealedTextSchema, type SecretLabel, type SecretPurpose } from "./sealed_text.ts";
import {
  isEncrypted,
  ofAnotherKind,
  openSealed,
  readPrivateJson,
  type SecretFileRemedies,
  writeSecretFile,
} from "./secret_file.ts";

/** A secret file's JSON. SECRET: as text, it cannot be erased, and is for commands that end soon. */
export type SecretContent = Readonly<Record<string, unknown>>;

/** A secret file that was read and opened. */
interface OpenedSecretFile extends SecretLabel {
  readonly path: string;
  /** What is in it. */
  readonly content: SecretContent;
  /** What it was encrypted with; null where it was not encrypted. */
  readonly passphrase: Passphrase | null;
}

interface Kind {
  readonly name: string;
  readonly purpose: SecretPurpose;
  readonly schema: Schema<unknown, unknown>;
  readonly remedies: SecretFileRemedies;
}

const KINDS: readonly Kind[] = [
  {
    name: IDENTITY_FILE,
    purpose: "identity",
    schema: identitySchema,
    remedies: {
      ifMissing: "Name the folder of a node with --data-dir.",
      ifDamaged:
        "Move it and share.json away, and restore both from a backup (floe keys restore); " +
        "without one, make a new identity (floe keygen).",
      ifKnown: "delete it and make a new one (floe keygen)",
    },
  },
  { name: SHARE_FILE, purpose: "share", schema: shareSchema, remedies: SHARE_REMEDIES },
  {
    name: RECORD_FILE,
    purpose: "key generation",
    schema: recordSchema,
    remedies: RECORD_REMEDIES,
  },
];

/** The paths of the secret files that a folder holds. */
export function listSecretFiles(dataDir: string): readonly string[] {
  return presentKinds(dataDir).map(({ name }) => `${dataDir}/${name}`);
}

/** Whether any secret file of a folder is encrypted. */
export function hasEncryptedFile(dataDir: string): boolean {
  return listSecretFiles(dataDir).some(isEncrypted);
}

/**
 * Opens every secret file of a folder, each with the first of the passphrases that opens it. Files that
 * are not encrypted need none.
 *
 * @throws {KeyFileError} when one cannot be used or opened.
 * @throws {EnvironmentError} when one cannot be read.
 */
export function openSecretFiles(
  dataDir: string,
  passphrases: readonly Passphrase[],
): readonly OpenedSecretFile[] {
  return presentKinds(dataDir).map((kind) => {
    const path = `${dataDir}/${kind.name}`;
    const json = readPrivateJson(path, kind.remedies);
    const opened = isSealed(json)
      ? openEncrypted(json, { path, kind, passphrases })
      : { ...readLabel(json, { path, kind }), content: json, passphrase: null };
    return { ...opened, path, content: checkContent(opened.content, { path, kind }) };
  });
}

function presentKinds(dataDir: string): readonly Kind[] {
  return KINDS.filter(({ name }) => statFile(`${dataDir}/${name}`) !== null);
}

interface Place {
  readonly path: string;
  readonly kind: Kind;
}

function openEncrypted(
  json: unknown,
  { path, kind, passphrases }: Place & { readonly passphrases: readonly Passphrase[] },
): Omit<OpenedSecretFile, "content"> & { readonly content: unknown } {
  const { purpose, remedies: { ifDamaged: whatToDo } } = kind;
  const sealed = parseKeyFile(json, { file: path, schema: sealedTextSchema, whatToDo });
  if (sealed.purpose !== purpose) {
    throw ofAnotherKind(path, { found: sealed.purpose, expected: purpose });
  }
  const { cluster, node } = sealed;
  return { path, purpose, cluster, node, ...openSealed(sealed, { path, passphrases, whatToDo }) };
}

/** A file that is not encrypted says whose it is among its secrets. */
function readLabel(json: unknown, { path, kind: { purpose, remedies } }: Place): SecretLabel {
  const { node, cluster } = parseKeyFile(json, {
    file: path,
    schema: labelSchema,
    whatToDo: remedies.ifDamaged,
  });
  return { purpose, node, cluster: cluster ?? null };
}

const labelSchema = z.looseObject({
  node: checked(toNodeId),
  cluster: checked(toClusterName).optional(),
});

const contentSchema: Schema<SecretContent, unknown> = z.record(z.string(), z.unknown());

function checkContent(
  content: unknown,
  { path, kind: { schema, remedies } }: Place,
): SecretContent {
  const whatToDo = remedies.ifDamaged;
  parseKeyFile(content, { file: path, schema, whatToDo });
  return parseKeyFile(content, { file: path, schema: contentSchema, whatToDo });
}

/** What is to open a node's secret files from now on. */
export interface PassphraseChange {
  /** What opens them now; null where none is encrypted. */
  readonly from: Passphrase | null;
  /** What is to; null for nothing: they will not be encrypted. */
  readonly to: Passphrase | null;
}

/**
 * Writes every secret file of a folder anew. Nothing is written unless all of them can be opened. Files
 * that have the new passphrase already are left alone, so that a change that was cut short is finished
 * by doing it again. The caller holds the folder's lock.
 *
 * @returns the paths of the files that were written.
 * @throws {KeyFileError} when there is no secret file, or one cannot be used or opened.
 * @throws {EnvironmentError} when the disk or the folder does not let it.
 */
export function changePassphrase(
  dataDir: string,
  { from, to }: PassphraseChange,
): readonly string[] {
  const passphrases = [from, to].filter((passphrase) => passphrase !== null);
  const opened = openSecretFiles(dataDir, passphrases);
  if (opened.length === 0) {
    throw new KeyFileError(dataDir, "it holds no keys", "Name a node's folder with --data-dir.");
  }
  const changing = opened.filter(({ passphrase }) => passphrase !== to);
  for (const { content, ...file } of changing) {
    writeSecretFile({ ...file, passphrase: to }, content);
  }
  for (const { path } of opened) removeLeftovers(path);
  return changing.map(({ path }) => path);
}
