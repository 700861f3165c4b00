/**
 * The roster: who founds a cluster, and on which terms. Every voter has it from the cluster's
 * configuration before there is any key.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { checkPublicKey } from "../frost/mod.ts";
import type { ClusterName, Epoch, NodeId } from "../types.ts";
import { CertificateError } from "./error.ts";

/** One voter, as its peers know it before it holds a share. */
export interface RosterVoter {
  /** The node. */
  readonly id: NodeId;
  /** The Ed25519 public key by which the node signs as itself: 32 bytes. */
  readonly identityKey: Uint8Array;
}

/** What all voters must agree on for a key generation to be one. */
export interface GenesisRoster {
  /** The cluster. */
  readonly cluster: ClusterName;
  /** Which dealing of shares this is. */
  readonly epoch: Epoch;
  /** How many voters must sign: n/2 < threshold <= n. */
  readonly threshold: number;
  /** Every voter, in the order of their FROST identifiers, which count from 1. */
  readonly voters: readonly RosterVoter[];
}

/** Fewest voters that can share a key. A cluster of one has a key of its own. */
export const ROSTER_VOTERS_MIN = 2;

/** The name of a voter's identity key in signed notes: `<cluster>/<id>`. */
export function voterKeyName(cluster: ClusterName, voter: NodeId): string {
  return `${cluster}/${voter}`;
}

/**
 * Checks that a roster can found a cluster: two voters or more, a threshold of more than half, no id
 * and no identity key twice, and every identity key one that a signature means something under.
 *
 * @throws {CertificateError} `bad-roster`, naming the voter where one is at fault.
 */
export function checkRoster({ threshold, voters }: GenesisRoster): void {
  const count = voters.length;
  if (count < ROSTER_VOTERS_MIN) {
    throw badRoster(`${count} voters are fewer than ${ROSTER_VOTERS_MIN}`);
  }
  if (!Number.isInteger(threshold) || threshold > count || 2 * threshold <= count) {
    throw badRoster(`${threshold} of ${count} voters is not more than half and at most all`);
  }
  voters.forEach((voter, at) => {
    checkIdentityKey(voter);
    checkUnlike(voter, voters.slice(0, at));
  });
}

/**
 * The first thing, in the roster's own order, in which a roster is not the expected one, in words; null
 * where they say the same.
 */
export function describeRosterDifference(
  found: GenesisRoster,
  expected: GenesisRoster,
): string | null {
  for (const field of ["cluster", "epoch", "threshold"] as const) {
    if (found[field] !== expected[field]) {
      return `its ${field} is ${found[field]}, not ${expected[field]}`;
    }
  }
  if (found.voters.length !== expected.voters.length) {
    return `it has ${found.voters.length} voters, not ${expected.voters.length}`;
  }
  for (const [at, { id, identityKey }] of expected.voters.entries()) {
    const voter = assertDefined(found.voters[at], "A roster is shorter than it was");
    if (voter.id !== id) return `voter ${at + 1} is ${voter.id}, not ${id}`;
    if (!equalBytes(voter.identityKey, identityKey)) return `${id} has another identity key in it`;
  }
  return null;
}

function checkIdentityKey({ id, identityKey }: RosterVoter): void {
  try {
    checkPublicKey(identityKey);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw badRoster(`${id}'s identity key is none: ${cause.message}`, { voter: id, cause });
  }
}

function checkUnlike({ id, identityKey }: RosterVoter, others: readonly RosterVoter[]): void {
  for (const other of others) {
    if (other.id === id) throw badRoster(`${id} is there twice`, { voter: id });
    if (equalBytes(other.identityKey, identityKey)) {
      throw badRoster(`${id} has the identity key of ${other.id}`, { voter: id });
    }
  }
}

function badRoster(
  why: string,
  options?: { readonly voter: NodeId; readonly cause?: unknown },
): CertificateError {
  return new CertificateError("bad-roster", `Cannot use roster: ${why}`, options);
}
