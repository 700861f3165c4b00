/**
 * A node's identity: `identity.json` in its data folder, two lasting key pairs that are the node's own
 * and nobody else's. With Ed25519 it signs in its own name, with X25519 it proves to other nodes who
 * it is. Its public keys are pinned in every node's `cluster.json`.
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
 * @throws {EnvironmentError} when the disk or the folder does not let it.
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
