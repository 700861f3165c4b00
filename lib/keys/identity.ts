/**
 * A node's identity: `identity.json` in its data folder, two lasting key pairs that are the node's own
 * and nobody else's. With Ed25519 it signs in its own name, with X25519 it proves to other nodes who
 * it is. Its public keys are pinned in every node's `cluster.json`.
 *
 * @module
 */

import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { encodeHex, equalBytes } from "../bytes.ts";
import { checked, type PeerKeys, type Schema } from "../config/mod.ts";
import { toPrivateKey, toRawPublicKey } from "../native_key.ts";
import { type KeyPair, toKeyPair } from "../transport/mod.ts";
import { type NodeId, toNodeId } from "../types.ts";
import { KeyFileError, type KeyFolder, keySchema, ofAnother } from "./key_file.ts";
import { statFile } from "./private_file.ts";
import {
  readSecretFile,
  type SecretFile,
  type SecretFileRemedies,
  writeSecretFile,
} from "./secret_file.ts";

/** The identity file's name within a node's data folder. */
export const IDENTITY_FILE = "identity.json";

/**
 * Who a node is. The key objects keep the secrets out of logs and JSON, and hold them for as long as
 * the node runs; the file keeps them between runs.
 */
export interface NodeIdentity {
  /** Whose identity it is, as `cluster.json` names it. */
  readonly node: NodeId;
  /** Its public keys. */
  readonly keys: PeerKeys;
  /** Signs in its name: Ed25519. */
  readonly signingKey: KeyObject;
  /** Proves to other nodes who it is: X25519. */
  readonly channelKeys: KeyPair;
}

/** Whether a data folder holds an identity, usable or not. */
export function hasIdentity(dataDir: string): boolean {
  return statFile(`${dataDir}/${IDENTITY_FILE}`) !== null;
}

/** A node's identity, made now if its folder holds none. @throws as {@linkcode readIdentity}. */
export function openIdentity(folder: KeyFolder): NodeIdentity {
  if (!hasIdentity(folder.dataDir)) createIdentity(folder);
  return readIdentity(folder);
}

/**
 * Reads a node's identity and checks that it is whole, private and this node's.
 *
 * @throws {KeyFileError} when it is missing, damaged, of another node or open to other users.
 * @throws {EnvironmentError} when the disk or the folder does not let it.
 */
export function readIdentity(folder: KeyFolder): NodeIdentity {
  const { self } = folder;
  const file = identityFile(folder);
  const remedies = remediesFor(self);
  const { node, signingSecret, channelSecret, ...keys } = readSecretFile(file, {
    schema: identitySchema,
    remedies,
  });
  if (node !== self) throw ofAnother(file.path, "node", { found: node, expected: self });
  const identity = toIdentity({ node, signingSecret, channelSecret });
  if (!equalKeys(identity.keys, keys)) {
    throw new KeyFileError(
      file.path,
      "its secret keys do not belong to its public ones",
      remedies.ifDamaged,
    );
  }
  return identity;
}

/**
 * Checks that an identity is the one that the cluster's configuration pins.
 *
 * @throws {KeyFileError} naming the key that is another.
 */
export function checkPinned(dataDir: string, { node, keys }: NodeIdentity, pinned: PeerKeys): void {
  for (const name of ["signingKey", "channelKey"] as const) {
    if (equalBytes(keys[name], pinned[name])) continue;
    throw new KeyFileError(
      `${dataDir}/${IDENTITY_FILE}`,
      `its ${name} is ${encodeHex(keys[name])}, but cluster.json says that ${node}'s is ` +
        encodeHex(pinned[name]),
      `Restore the identity whose card was given to floe init, or give it ${node}'s new card ` +
        "(floe keygen prints it) and every node the new cluster.json.",
    );
  }
}

/** Whether two nodes' public keys are the same. */
function equalKeys(left: PeerKeys, right: PeerKeys): boolean {
  return equalBytes(left.signingKey, right.signingKey) &&
    equalBytes(left.channelKey, right.channelKey);
}

/** What stands in an identity file. SECRET: whoever reads it erases it. */
interface IdentityContent extends PeerKeys {
  readonly node: NodeId;
  /** 32 bytes: an Ed25519 seed (RFC 8032 §5.1.5). */
  readonly signingSecret: Uint8Array;
  /** 32 bytes: an X25519 private key (RFC 7748 §5). */
  readonly channelSecret: Uint8Array;
}

/** An identity file's JSON. */
export const identitySchema: Schema<IdentityContent, unknown> = z.strictObject({
  node: checked(toNodeId),
  signingKey: keySchema,
  channelKey: keySchema,
  signingSecret: keySchema,
  channelSecret: keySchema,
});

type Secrets = Omit<IdentityContent, keyof PeerKeys>;

function createIdentity(folder: KeyFolder): void {
  const node = folder.self;
  const [signingSecret, channelSecret] = [randomKey(), randomKey()];
  const secrets = {
    signingSecret: encodeHex(signingSecret),
    channelSecret: encodeHex(channelSecret),
  };
  const { signingKey, channelKey } = toIdentity({ node, signingSecret, channelSecret }).keys;
  const content: Record<keyof IdentityContent, string> = {
    node,
    signingKey: encodeHex(signingKey),
    channelKey: encodeHex(channelKey),
    ...secrets,
  };
  writeSecretFile(identityFile(folder), content);
}

/** An identity is made before its node knows of any cluster. */
function identityFile({ dataDir, self, passphrase }: KeyFolder): SecretFile {
  const path = `${dataDir}/${IDENTITY_FILE}`;
  return { path, purpose: "identity", cluster: null, node: self, passphrase };
}

/** Turns secrets into key objects, and erases them. */
function toIdentity({ node, signingSecret, channelSecret }: Secrets): NodeIdentity {
  const signingKey = toPrivateKey("ed25519", signingSecret);
  const channelKeys = toKeyPair(toPrivateKey("x25519", channelSecret));
  signingSecret.fill(0);
  channelSecret.fill(0);
  const keys = { signingKey: toRawPublicKey(signingKey), channelKey: channelKeys.publicKey };
  return { node, keys, signingKey, channelKeys };
}

function randomKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(32));
}

function remediesFor(node: NodeId): SecretFileRemedies {
  const how = howToReplace(node);
  return {
    ifMissing: `Restore ${node}'s from a backup, or make a new one: ${how}.`,
    ifDamaged: `Restore it from a backup, or delete it and make a new one: ${how}.`,
    ifKnown: `delete it and make a new one: ${how}`,
  };
}

function howToReplace(node: NodeId): string {
  return `floe keygen --id ${node} --peer HOST:PORT --api HOST:PORT, then floe init with its card`;
}
