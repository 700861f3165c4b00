/**
 * Groups and signing sessions for tests.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { FrostError, type FrostRefusal } from "../../lib/frost/error.ts";
import type { NonceCommitment, SigningSession } from "../../lib/frost/signing.ts";
import { type Dealing, type SecretShare, trustedDealerKeygen } from "../../lib/frost/keys.ts";
import { commit, type RoundOne, signShare } from "../../lib/frost/signing.ts";
import { seededBytes } from "./seeded_bytes.ts";

/** A signing session with all that its signers hold. */
export interface TestSigning {
  /** Who could sign. */
  readonly dealing: Dealing;
  /** What is signed. */
  readonly session: SigningSession;
  /** What each signer brings to round two, in the session's order. */
  readonly signers: readonly { readonly share: SecretShare; readonly roundOne: RoundOne }[];
}

/** Deals to `participants`; the same for the same seed. */
export function deal(minParticipants: number, participants: number, seed = 1): Dealing {
  return trustedDealerKeygen({
    minParticipants,
    maxParticipants: participants,
    randomBytes: seededBytes(seed),
  });
}

/** Round one of these participants, 3 of 5 where not told otherwise. */
export function prepareSigning(
  options: { readonly identifiers?: readonly number[]; readonly dealing?: Dealing } = {},
): TestSigning {
  const { identifiers = [1, 3, 5], dealing = deal(3, 5) } = options;
  const randomBytes = seededBytes(2);
  const signers = identifiers.map((identifier) => {
    const share = assertDefined(dealing.shares[identifier - 1], `no participant ${identifier}`);
    return { share, roundOne: commit(share, randomBytes) };
  });
  const commitments = signers.map(({ roundOne }) => roundOne.commitment);
  const message = encodeUtf8("a message");
  return { dealing, session: { group: dealing.group, message, commitments }, signers };
}

/** Round two of every signer. */
export function signShares({ session, signers }: TestSigning): Map<number, Uint8Array> {
  return new Map(signers.map((signer) => {
    return [signer.share.identifier, signShare(session, signer).signatureShare];
  }));
}

/** The session with another list of commitments. */
export function withCommitments(
  session: SigningSession,
  change: (commitments: readonly NonceCommitment[]) => readonly NonceCommitment[],
): SigningSession {
  return { ...session, commitments: change(session.commitments) };
}

/** Asserts that something is refused by this rule, and returns who was named. */
export function assertRefused(refusal: FrostRefusal, act: () => unknown): number | null {
  try {
    act();
  } catch (error) {
    if (!(error instanceof FrostError)) throw error;
    assert.equal(error.refusal, refusal, error.message);
    return error.identifier;
  }
  assert.fail(`nothing was refused, ${refusal} was expected`);
}
