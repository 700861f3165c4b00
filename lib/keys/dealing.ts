/**
 * A trusted dealer for a whole cluster: one process that makes every node's keys at once, and knows the cluster's
 * secret key meanwhile. It suits operators who try Floe out, or who trust the machine on which they deal.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { Group } from "../certificate/mod.ts";
import type { ClusterConfig } from "../config/mod.ts";
import { type SecretShare, trustedDealerKeygen } from "../frost/mod.ts";
import { toPrivateKey, toRawPublicKey } from "../native_key.ts";
import type { DurableShares } from "../reshare/mod.ts";
import { type NodeId, toEpoch } from "../types.ts";

/** What a dealer makes for a cluster. */
export interface ClusterKeys {
  /** Public, and the same for every node. */
  readonly group: Group;
  /** The secrets, one for each node, in the order of the configuration's peers. */
  readonly shares: readonly VoterSecret[];
}

/**
 * Deals keys for every node of a configuration: shares of one secret key, or, for a single node,
 * a plain Ed25519 key. The caller hands the shares over and then erases them.
 */
export function dealClusterKeys(
  { cluster, threshold, peers }: ClusterConfig,
  randomBytes: (length: number) => Uint8Array,
): ClusterKeys {
  const { publicKey, secrets, verifyingShares } = peers.length === 1
    ? dealSingle(randomBytes)
    : dealShares({ threshold, voters: peers.length, randomBytes });
  const at = (parts: readonly Uint8Array[], offset: number) =>
    assertDefined(parts[offset], "The dealer made no key for a node");
  const voters = peers.map(({ id }, offset) => ({
    id,
    identifier: offset + 1,
    verifyingShare: at(verifyingShares, offset),
  }));
  const shares = peers.map(({ id }, offset) => new VoterSecret(id, at(secrets, offset)));
  return { group: { cluster, epoch: toEpoch(1), threshold, publicKey, voters }, shares };
}

interface Dealt {
  readonly publicKey: Uint8Array;
  readonly secrets: readonly Uint8Array[];
  readonly verifyingShares: readonly Uint8Array[];
}

function dealShares(
  options: {
    readonly threshold: number;
    readonly voters: number;
    readonly randomBytes: (length: number) => Uint8Array;
  },
): Dealt {
  const { group, shares } = trustedDealerKeygen({
    minParticipants: options.threshold,
    maxParticipants: options.voters,
    randomBytes: options.randomBytes,
  });
  const verifyingShareOf = ({ identifier }: SecretShare) =>
    assertDefined(group.verifyingShares.get(identifier), "A share without a verifying share");
  return {
    publicKey: group.groupPublicKey,
    secrets: shares.map(({ secret }) => secret),
    verifyingShares: shares.map(verifyingShareOf),
  };
}

/** FROST needs at least two signers; a cluster of one signs with a plain key. */
function dealSingle(randomBytes: (length: number) => Uint8Array): Dealt {
  const seed = randomBytes(32);
  const publicKey = derivePublicKey(seed);
  return { publicKey, secrets: [seed], verifyingShares: [publicKey] };
}

/** The Ed25519 public key of a 32-byte seed (RFC 8032 §5.1.5). */
export function derivePublicKey(seed: Uint8Array): Uint8Array {
  return toRawPublicKey(toPrivateKey("ed25519", seed));
}

/**
 * A node's shares as its file has them, read at start and handed to the core. Nothing that prints or
 * serialises an object shows the secrets.
 */
export class NodeShares {
  readonly #shares: DurableShares;

  /** Takes over `shares`. */
  constructor(shares: DurableShares) {
    this.#shares = shares;
  }

  /** The shares themselves, not a copy: SECRET. */
  reveal(): DurableShares {
    return this.#shares;
  }

  /** Fills the secrets with zeros. */
  erase(): void {
    const { current, next } = this.#shares;
    for (const share of [current, next]) share?.secret.fill(0);
  }
}

/**
 * One voter's secret: a FROST share, or, for a cluster of one, an Ed25519 private key. Read once
 * at start and held by the node's certifier alone; the file keeps it between runs. Nothing that prints
 * or serialises an object shows the secret, and no copy of the object by its fields has it.
 */
export class VoterSecret {
  /** The voter. */
  readonly node: NodeId;
  readonly #secret: Uint8Array;

  /** Takes over `secret`, 32 bytes: a scalar (RFC 9591), or for a single voter a seed (RFC 8032 §5.1.5). */
  constructor(node: NodeId, secret: Uint8Array) {
    this.node = node;
    this.#secret = secret;
  }

  /** The secret itself, not a copy: SECRET. */
  reveal(): Uint8Array {
    return this.#secret;
  }

  /** Fills the secret with zeros. */
  erase(): void {
    this.#secret.fill(0);
  }
}
