/**
 * A node's identity: `identity.json` in its data folder, with two lasting key pairs of the node's own.
 * The node signs in its own name with the Ed25519 key, and authenticates itself to other nodes with the
 * X25519 key. Every node's `cluster.json` pins both public keys.
 *
 * @module
 */

import type { KeyObject } from "node:crypto";
import { encodeHex, equalBytes, eraseAll } from "../bytes.ts";
import type { PeerKeys } from "../config/mod.ts";
import { toPrivateKey, toRawPublicKey } from "../native_key.ts";
import { type KeyPair, toKeyPair } from "../transport/mod.ts";
import type { NodeId } from "../types.ts";
import { KeyFileError, type KeyFolder } from "./key_file.ts";
import {
  hasSecret,
  IDENTITY,
  IDENTITY_FILE,
  type IdentityContent,
  readOwnSecret,
  writeOwnSecret,
} from "./secret_kinds.ts";

/**
 * A node's identity in memory, for as long as the node runs. The key objects keep the secrets out of
 * logs and JSON.
 */
export interface NodeIdentity {
  /** The node's id in `cluster.json`. */
  readonly node: NodeId;
  /** Its public keys. */
  readonly keys: PeerKeys;
  /** Ed25519: signs in the node's name. */
  readonly signingKey: KeyObject;
  /** X25519: authenticates the node to other nodes. */
  readonly channelKeys: KeyPair;
}

/** Whether a data folder holds an identity, usable or not. */
export function hasIdentity(dataDir: string): boolean {
  return hasSecret(dataDir, IDENTITY);
}

/** A node's identity, made now if its folder holds none. @throws as {@linkcode readIdentity}. */
export function openOrCreateIdentity(folder: KeyFolder): NodeIdentity {
  if (!hasIdentity(folder.dataDir)) createIdentity(folder);
  return readIdentity(folder);
}

/**
 * Reads a node's identity and checks that it is whole, private and this node's.
 *
 * @throws {KeyFileError} when it is missing, damaged, of another node or open to other users.
 * @throws {EnvironmentError} when the folder or the disk refuses.
 */
export function readIdentity(folder: KeyFolder): NodeIdentity {
  const { node, signingSecret, channelSecret, ...keys } = readOwnSecret(IDENTITY, folder, null);
  const identity = toIdentity({ node, signingSecret, channelSecret });
  if (equalKeys(identity.keys, keys)) return identity;
  throw new KeyFileError(
    `${folder.dataDir}/${IDENTITY_FILE}`,
    "its secret keys do not belong to its public ones",
    IDENTITY.remedies.ifDamaged,
  );
}

/**
 * Checks that an identity is the one that the cluster's configuration pins.
 *
 * @throws {KeyFileError} when a key differs. The message names the key.
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

type Secrets = Omit<IdentityContent, keyof PeerKeys>;

function createIdentity(folder: KeyFolder): void {
  const node = folder.self;
  const [signingSecret, channelSecret] = [randomKey(), randomKey()];
  const secrets = { signingSecret: signingSecret.slice(), channelSecret: channelSecret.slice() };
  const { keys } = toIdentity({ node, signingSecret, channelSecret });
  try {
    writeOwnSecret(IDENTITY, folder, { node, ...keys, ...secrets });
  } finally {
    eraseAll([secrets.signingSecret, secrets.channelSecret]);
  }
}

/** Turns secrets into key objects, and erases them. */
function toIdentity({ node, signingSecret, channelSecret }: Secrets): NodeIdentity {
  try {
    const signingKey = toPrivateKey("ed25519", signingSecret);
    const channelKeys = toKeyPair(toPrivateKey("x25519", channelSecret));
    const keys = { signingKey: toRawPublicKey(signingKey), channelKey: channelKeys.publicKey };
    return { node, keys, signingKey, channelKeys };
  } finally {
    eraseAll([signingSecret, channelSecret]);
  }
}

function randomKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(32));
}
