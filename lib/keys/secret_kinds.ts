/**
 * The kinds of secret files in a node's folder, in one table; how a node reads and writes its own; and how
 * a command opens all of them without knowing the node and the cluster.
 *
 * @module
 */

import { z } from "zod";
import { decodeHex, encodeHex, eraseAll, erasingOnFailure } from "../bytes.ts";
import { checked, type PeerKeys, type Schema } from "../config/mod.ts";
import type { DurableKeyGeneration } from "../keygen/mod.ts";
import { type ClusterName, toClusterName, toNodeId } from "../types.ts";
import {
  type Belonging,
  checkBelongs,
  KeyFileError,
  type KeyFolder,
  keySchema,
  parseKeyFile,
} from "./key_file.ts";
import type { Passphrase } from "./passphrase.ts";
import { removeLeftovers, statFile } from "./private_file.ts";
import { isSealed, sealedTextSchema, type SecretLabel, type SecretPurpose } from "./sealed_text.ts";
import {
  checkPurpose,
  isEncrypted,
  openSealed,
  readPrivateJson,
  readSecretFile,
  type SecretFile,
  type SecretFileReading,
  writeSecretFile,
} from "./secret_file.ts";
import { secretText, type ShareContent, shareSchema, toShareFile } from "./share_content.ts";

/** The content of `identity.json`. SECRET: the reader erases it. */
export interface IdentityContent extends Pick<Belonging, "node">, PeerKeys {
  /** 32 bytes: an Ed25519 seed (RFC 8032 §5.1.5). */
  readonly signingSecret: Uint8Array;
  /** 32 bytes: an X25519 private key (RFC 7748 §5). */
  readonly channelSecret: Uint8Array;
}

/** The content of `keygen.json`. SECRET: the reader erases it. */
interface RecordContent extends Belonging, DurableKeyGeneration {
  readonly cluster: ClusterName;
}

/** One kind of secret file. */
export interface SecretKind<Content> extends SecretFileReading<Content> {
  /** The purpose that an encrypted file of the kind has in plaintext. */
  readonly purpose: SecretPurpose;
  /** Its name within a data folder. */
  readonly name: string;
  /** The secrets in the content, to be erased. */
  secretsOf(content: Content): readonly Uint8Array[];
  /** The content in the file's form, if that differs from the content. */
  toFile?(content: Content): object;
}

/** The name of the file with a node's identity. */
export const IDENTITY_FILE = "identity.json";
/** The name of the file with a node's share. */
export const SHARE_FILE = "share.json";
/** The name of the file with a node's record of an unfinished key generation. */
export const RECORD_FILE = "keygen.json";

const NEW_IDENTITY =
  "floe keygen --id ID --peer HOST:PORT --api HOST:PORT, then floe init with its card";

/** The two lasting key pairs of a node. */
export const IDENTITY: SecretKind<IdentityContent> = {
  purpose: "identity",
  name: IDENTITY_FILE,
  schema: z.strictObject({
    node: checked(toNodeId),
    signingKey: keySchema,
    channelKey: keySchema,
    signingSecret: secretText,
    channelSecret: secretText,
  }).transform(({ signingSecret, channelSecret, ...rest }) => ({
    ...rest,
    signingSecret: decodeHex(signingSecret),
    channelSecret: decodeHex(channelSecret),
  })),
  remedies: {
    ifMissing:
      "Name the folder of a node with --data-dir. If this is one, restore its identity from a " +
      `backup (floe keys restore), or make a new one: ${NEW_IDENTITY}.`,
    ifDamaged: "Move it and share.json away, and restore both from a backup (floe keys restore); " +
      `without one, make a new identity: ${NEW_IDENTITY}.`,
    ifKnown: `delete it and make a new one: ${NEW_IDENTITY}`,
  },
  secretsOf: ({ signingSecret, channelSecret }) => [signingSecret, channelSecret],
};

/** A voter's shares of the group's key: that in force and, while members change, the next. */
export const SHARE: SecretKind<ShareContent> = {
  purpose: "share",
  name: SHARE_FILE,
  schema: shareSchema,
  remedies: {
    ifMissing: "Restore the node's own share; a lost share cannot be made again.",
    ifDamaged:
      "Move it and identity.json away, and restore both from a backup (floe keys restore); " +
      "without one, replace the node by one with another id (floe member replace).",
    ifKnown: "give every voter a new share (floe reshare), which makes this one useless",
  },
  secretsOf: ({ current, next }) =>
    [current, next].flatMap((share) => share === null ? [] : [share.secret]),
  toFile: toShareFile,
};

/** The records of all nodes belong together: each holds what its node has told the others. */
export const START_OVER =
  "To start over, stop every node, see that none has a share.json, delete " +
  "keygen.json from every node's data folder, and start them again.";

/** The record of an unfinished key generation. It is in no backup. */
export const RECORD: SecretKind<RecordContent> = {
  purpose: "key generation",
  name: RECORD_FILE,
  schema: z.strictObject({
    cluster: checked(toClusterName),
    node: checked(toNodeId),
    configuration: z.string().regex(/^[0-9a-f]{64}$/),
    attempt: z.int().min(0),
    share: z.strictObject({
      attempt: z.int().min(1),
      statement: z.string(),
      secret: secretText,
      signed: z.boolean(),
    }).nullable(),
    genesis: z.string().nullable(),
  }).transform(({ share, ...rest }) => ({
    ...rest,
    share: share === null ? null : { ...share, secret: decodeHex(share.secret) },
  })),
  remedies: {
    ifMissing: START_OVER,
    // A record beside a used share is finished, and a crash has left it.
    ifDamaged: `If the cluster runs and this node has its share.json, delete this file alone. ` +
      START_OVER,
    ifKnown: `start over. ${START_OVER}`,
  },
  secretsOf: ({ share }) => share === null ? [] : [share.secret],
};

/** Every kind of secret file that a node's folder can hold. */
const KINDS: readonly SecretKind<unknown>[] = [IDENTITY, SHARE, RECORD];

/** Whether a data folder holds a file of this kind, usable or not. */
export function hasSecret(dataDir: string, { name }: { readonly name: string }): boolean {
  return statFile(`${dataDir}/${name}`) !== null;
}

/**
 * Reads a node's own secret file and checks that it belongs to that node, and to `cluster`.
 *
 * @throws {KeyFileError} when it is missing, damaged, open to other users, or of another cluster or node.
 * @throws {EnvironmentError} when it is there but cannot be read.
 */
export function readOwnSecret<Content extends Partial<Belonging>>(
  kind: SecretKind<Content>,
  folder: KeyFolder,
  cluster: ClusterName | null,
): Content {
  const file = toSecretFile(kind, folder, cluster);
  const content = readSecretFile(file, kind);
  return erasingOnFailure(kind.secretsOf(content), () => {
    checkBelongs(file.path, content, file);
    return content;
  });
}

/**
 * Writes a node's own secret file, which only its owner can read. The folder is created if it does not exist.
 * Every `Uint8Array` in `content` becomes hex.
 *
 * @throws {KeyFileError} when others can enter the folder.
 * @throws {EnvironmentError} when the folder or the disk refuses.
 */
export function writeOwnSecret<Content extends Partial<Belonging>>(
  kind: SecretKind<Content>,
  folder: KeyFolder,
  content: Content,
): void {
  const file = toSecretFile(kind, folder, content.cluster ?? null);
  writeSecretFile(file, toHexFields(kind.toFile?.(content) ?? content));
}

function toSecretFile(
  { name, purpose }: { readonly name: string; readonly purpose: SecretPurpose },
  { dataDir, self: node, passphrase }: KeyFolder,
  cluster: ClusterName | null,
): SecretFile {
  return { path: `${dataDir}/${name}`, purpose, cluster, node, passphrase };
}

function toHexFields(content: object): object {
  const fields = Object.entries(content).map(([name, value]) => {
    if (value instanceof Uint8Array) return [name, encodeHex(value)];
    return [name, typeof value === "object" && value !== null ? toHexFields(value) : value];
  });
  return Object.fromEntries(fields);
}

/** A secret file's JSON. SECRET: text cannot be erased, so only commands that end soon use this. */
export type SecretContent = Readonly<Record<string, unknown>>;

/** A secret file, read and decrypted. */
interface OpenedSecretFile extends SecretLabel {
  readonly path: string;
  readonly content: SecretContent;
  /** The passphrase that it was encrypted with; null when it was not encrypted. */
  readonly passphrase: Passphrase | null;
}

/** The paths of the secret files that a folder holds. */
export function listSecretFiles(dataDir: string): readonly string[] {
  return presentKinds(dataDir).map(({ name }) => `${dataDir}/${name}`);
}

/** Whether any secret file of a folder is encrypted. */
export function hasEncryptedFile(dataDir: string): boolean {
  return listSecretFiles(dataDir).some(isEncrypted);
}

/**
 * Opens every secret file of a folder, each with the first passphrase that fits. A file that is not
 * encrypted needs none.
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
    return isSealed(json)
      ? openEncrypted(json, { path, kind, passphrases })
      : openPlain(json, { path, kind });
  });
}

function presentKinds(dataDir: string): readonly SecretKind<unknown>[] {
  return KINDS.filter((kind) => hasSecret(dataDir, kind));
}

interface Place {
  readonly path: string;
  readonly kind: SecretKind<unknown>;
}

function openEncrypted(
  json: unknown,
  { path, kind, passphrases }: Place & { readonly passphrases: readonly Passphrase[] },
): OpenedSecretFile {
  const whatToDo = kind.remedies.ifDamaged;
  const sealed = parseKeyFile(json, { file: path, schema: sealedTextSchema, whatToDo });
  checkPurpose(path, sealed, kind.purpose);
  const { cluster, node, purpose } = sealed;
  const { content, passphrase } = openSealed(sealed, { path, passphrases, whatToDo });
  return {
    path,
    purpose,
    cluster,
    node,
    content: checkContent(content, { path, kind }),
    passphrase,
  };
}

/** In a file that is not encrypted, purpose and owner are fields beside the secrets. */
function openPlain(json: unknown, { path, kind }: Place): OpenedSecretFile {
  const whatToDo = kind.remedies.ifDamaged;
  const label = parseKeyFile(json, { file: path, schema: labelSchema, whatToDo });
  const { node, cluster = null } = label;
  const content = checkContent(json, { path, kind });
  return { path, purpose: kind.purpose, cluster, node, content, passphrase: null };
}

const labelSchema = z.looseObject({
  node: checked(toNodeId),
  cluster: checked(toClusterName).optional(),
});

/** Any JSON object. */
export const jsonObjectSchema: Schema<SecretContent, unknown> = z.record(z.string(), z.unknown());

function checkContent(json: unknown, { path: file, kind }: Place): SecretContent {
  const whatToDo = kind.remedies.ifDamaged;
  usingSecret(kind, json, { file, whatToDo });
  return parseKeyFile(json, { file, schema: jsonObjectSchema, whatToDo });
}

/**
 * Reads JSON as a file of a kind, and erases its secrets after `use`.
 *
 * @throws {KeyFileError} when the JSON is not of this kind; and what `use` throws.
 */
export function usingSecret<Content>(
  kind: SecretKind<Content>,
  json: unknown,
  { file, whatToDo, use = () => {} }: {
    readonly file: string;
    readonly whatToDo: string;
    readonly use?: (content: Content) => void;
  },
): void {
  const content = parseKeyFile(json, { file, schema: kind.schema, whatToDo });
  try {
    use(content);
  } finally {
    eraseAll(kind.secretsOf(content));
  }
}

/** A change of the passphrase of a node's secret files. */
export interface PassphraseChange {
  /** The present passphrase; null when no file is encrypted. */
  readonly from: Passphrase | null;
  /** The new passphrase; null to stop encrypting. */
  readonly to: Passphrase | null;
}

/**
 * Writes every secret file of a folder anew, but only if all of them can be opened. A file that has the new
 * passphrase already is not written, so an interrupted change is completed by a second call. The caller holds the
 * folder's lock.
 *
 * @returns the paths of the files that were written.
 * @throws {KeyFileError} when there is no secret file, or one cannot be used or opened.
 * @throws {EnvironmentError} when the folder or the disk refuses.
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
