/**
 * From a signing request, which a peer may have made up, to a session that may be signed.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { encodeHex, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import type { ClusterName, Epoch, NodeId } from "../types.ts";
import type { CertificateRefusal, SigningRequest } from "./certifier.ts";
import { CertificateError } from "./error.ts";
import type { Session, SessionSigner } from "./signing_scheme.ts";
import { encodeStatement } from "./statement.ts";

/** Who may sign together: the part of a group that needs no keys. */
export interface Roster {
  /** The cluster. */
  readonly cluster: ClusterName;
  /** Which dealing of shares this is. */
  readonly epoch: Epoch;
  /** How many voters must sign. */
  readonly threshold: number;
  /** Every voter with its FROST identifier, by rising identifier. */
  readonly voters: readonly { readonly id: NodeId; readonly identifier: number }[];
}

/** Checks one voter's commitment. @throws {InputError} that says what is wrong with it. */
export type CommitmentCheck = (identifier: number, commitment: Uint8Array) => void;

/**
 * Builds the statement from the request's typed fields and checks the list of signers: at least the
 * threshold, all voters of this epoch, sorted and unique, every commitment good.
 *
 * @throws {CertificateError} `wrong-epoch`, `wrong-leader`, `too-few-signers`, `foreign-signer`,
 * `unsorted-signers` or `bad-commitment`, the last three naming the voter.
 */
export function openSession(
  roster: Roster,
  request: SigningRequest,
  checkCommitment: CommitmentCheck,
): Session {
  checkElection(roster, request);
  const signers = readSigners(roster, request);
  for (const { voter, identifier, commitment } of signers) {
    try {
      checkCommitment(identifier, commitment);
    } catch (cause) {
      throw toBadCommitment(voter, cause);
    }
  }
  const message = encodeUtf8(encodeStatement({ cluster: roster.cluster, ...request.election }));
  return { message, signers, digest: digestOf(message, signers) };
}

/** The refusal of a voter's commitment; other errors than bad input are thrown on as they are. */
export function toBadCommitment(voter: NodeId, cause: unknown): CertificateError {
  if (!(cause instanceof InputError)) throw cause;
  return new CertificateError(
    "bad-commitment",
    `Cannot accept commitment of ${voter}: ${cause.message}`,
    { voter, cause },
  );
}

/** The identifier of a voter. @throws {CertificateError} `refusal` when the roster lacks it. */
export function identifierOf(
  roster: Roster,
  voter: NodeId,
  refusal: CertificateRefusal = "foreign-signer",
): number {
  const found = roster.voters.find(({ id }) => id === voter);
  if (found === undefined) {
    throw new CertificateError(
      refusal,
      `Cannot sign: ${voter} is not a voter of ${roster.cluster}`,
      {
        voter,
      },
    );
  }
  return found.identifier;
}

function checkElection(roster: Roster, { election, commitments }: SigningRequest): void {
  if (election.epoch !== roster.epoch) {
    throw new CertificateError(
      "wrong-epoch",
      `Cannot sign: epoch ${election.epoch} is not ${roster.epoch}`,
    );
  }
  identifierOf(roster, election.leader, "wrong-leader");
  if (commitments.length < roster.threshold) {
    throw new CertificateError(
      "too-few-signers",
      `Cannot sign: ${commitments.length} signers are fewer than ${roster.threshold}`,
    );
  }
}

function readSigners(roster: Roster, { commitments }: SigningRequest): SessionSigner[] {
  const signers: SessionSigner[] = [];
  let previous = 0;
  for (const { voter, commitment } of commitments) {
    const identifier = identifierOf(roster, voter);
    if (identifier <= previous) {
      throw new CertificateError(
        "unsorted-signers",
        `Cannot sign: signer ${voter} is out of order or there twice`,
        { voter },
      );
    }
    previous = identifier;
    signers.push({ voter, identifier, commitment });
  }
  return signers;
}

/** Each field is of a length that the one before it tells, so no two sessions hash the same bytes. */
function digestOf(message: Uint8Array, signers: readonly SessionSigner[]): string {
  const hash = createHash("sha256");
  hash.update(`${message.length} `).update(message);
  for (const { identifier, commitment } of signers) {
    hash.update(`${identifier} ${commitment.length} `).update(commitment);
  }
  return encodeHex(hash.digest());
}
