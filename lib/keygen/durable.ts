/**
 * What a node keeps of a key generation across restarts. All of it is one record, written as a whole:
 * it is small, and changes a handful of times in the life of a cluster.
 *
 * @module
 */

import type { GenesisRoster } from "../certificate/mod.ts";
import { hashConfiguration } from "./configuration.ts";

/** A share that is durable, of a key that may become the cluster's. */
export interface DurableShare {
  /** The attempt that made it. */
  readonly attempt: number;
  /** The genesis statement of that attempt, as this node computed it. */
  readonly statement: string;
  /** The share: a 32-byte scalar. SECRET: to be written with the care that key files get. */
  readonly secret: Uint8Array;
  /** Whether this node has signed the statement. Once true it stays so, and no other is signed. */
  readonly signed: boolean;
}

/**
 * The durable record. Invariants, each made durable before any message that relies on it leaves:
 *
 * 1. `attempt` never falls, and no message of a higher attempt was ever sent. So no attempt is begun
 *    twice, with two polynomials.
 * 2. `share` is there before this node says `ready` in its attempt, and is replaced only by the share
 *    of a higher attempt, before it is signed.
 * 3. `share.signed` is true before the signature leaves, and never becomes false again.
 */
export interface DurableKeyGeneration {
  /** SHA-256 of the configuration that this is about, in hex: what a store should file it under. */
  readonly configuration: string;
  /** The highest attempt entered; 0 before the first. */
  readonly attempt: number;
  /** The newest share; null before the first. */
  readonly share: DurableShare | null;
  /** The genesis certificate; null until there is one. */
  readonly genesis: string | null;
}

/** The record of a node that has done nothing yet. */
export function newDurableKeyGeneration(roster: GenesisRoster): DurableKeyGeneration {
  return { configuration: hashConfiguration(roster), attempt: 0, share: null, genesis: null };
}

/** A copy whose secret is the receiver's to erase. */
export function copyOf(record: DurableKeyGeneration): DurableKeyGeneration {
  const { share } = record;
  if (share === null) return record;
  return { ...record, share: { ...share, secret: share.secret.slice() } };
}
