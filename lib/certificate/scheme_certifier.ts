/**
 * The certifier: the rules of a voter, the same whatever the cryptography behind them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assert, assertDefined } from "../assert.ts";
import { encodeHex, encodeUtf8 } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import type { Epoch, NodeId, Term } from "../types.ts";
import {
  type Certificate,
  CertificateError,
  type CertificateRefusal,
  type Certifier,
  type CombineResult,
  type GroupVoter,
  type NonceTicket,
  type Roster,
  type SignerCommitment,
  type SigningRequest,
} from "./certifier.ts";
import { encodeStatement, type ExpectedElection, verifyNote } from "./election.ts";
import { NoncePool, signingSessionsMax } from "./nonce_pool.ts";
import { encodeSignedNote } from "./signed_note.ts";
import type { SchemeSession, SessionSigner, SigningScheme } from "./signing_scheme.ts";

/** The first signature of a process takes twice as long as the third; more rehearsals gain nothing. */
const REHEARSALS = 2;

/** A {@linkcode Certifier} over any {@linkcode SigningScheme}. */
export class SchemeCertifier<Nonces> implements Certifier {
  /** The dealing of shares in use. */
  readonly epoch: Epoch;
  /** How many voters must sign. */
  readonly threshold: number;
  /** Every voter of the epoch, by rising identifier. */
  readonly voters: readonly NodeId[];
  readonly #roster: SignerRoster;
  readonly #self: NodeId;
  readonly #scheme: SigningScheme<Nonces>;
  readonly #pool: NoncePool<Nonces>;
  #rehearsals = 0;

  /**
   * A certifier for the node `self`.
   *
   * @throws {CertificateError} `not-a-signer` when there is a share, and `self` is no voter of the roster.
   */
  constructor(roster: SignerRoster, self: NodeId, scheme: SigningScheme<Nonces>) {
    if (scheme.canSign) identifierOf(roster, self, "not-a-signer");
    this.epoch = roster.epoch;
    this.threshold = roster.threshold;
    this.voters = roster.voters.map(({ id }) => id);
    this.#roster = roster;
    this.#self = self;
    this.#scheme = scheme;
    const voters = roster.voters.length;
    this.#pool = new NoncePool(scheme, {
      takenPerCandidateMax: signingSessionsMax({ voters, threshold: roster.threshold }),
    });
  }

  /** Whether there is a share. */
  get canSign(): boolean {
    return this.#scheme.canSign;
  }

  /** Rehearses first, then draws nonces ahead. */
  prepare(): void {
    if (!this.canSign) return;
    if (this.#rehearsals < REHEARSALS) {
      this.#rehearsals++;
      return this.#scheme.rehearse();
    }
    this.#pool.prepare();
  }

  /**
   * Round one, for one candidate's election.
   *
   * @throws {CertificateError} `wrong-leader` when the candidate is no voter.
   */
  commit(election: { readonly term: Term; readonly candidate: NodeId }): Uint8Array {
    const { term, candidate } = election;
    assert(this.canSign, "Only who holds a share commits to a nonce");
    identifierOf(this.#roster, candidate, "wrong-leader");
    return this.#pool.commit({ term, candidate });
  }

  /**
   * Checks another voter's commitment as it arrives.
   *
   * @throws {CertificateError} `foreign-signer` or `bad-commitment`.
   */
  checkCommitment(voter: NodeId, commitment: Uint8Array): void {
    const identifier = identifierOf(this.#roster, voter);
    blaming(voter, () => this.#scheme.checkCommitment(identifier, commitment));
  }

  /**
   * Checks a request and takes its nonce out of the pool, for good.
   *
   * @throws {CertificateError} as {@linkcode openSchemeSession}; `not-a-signer` when this voter is not in
   * the list; `nonce-reused`, `unknown-nonce` or `too-many-sessions`.
   */
  takeNonce(request: SigningRequest): NonceTicket {
    const session = this.#open(request);
    const own = session.signers.find(({ voter }) => voter === this.#self);
    if (own === undefined) {
      throw new CertificateError("not-a-signer", `Cannot sign: ${this.#self} is not in the list`);
    }
    const { leader: candidate, term } = request.election;
    return this.#pool.take({ candidate, term }, own.commitment, session);
  }

  /**
   * Round two. Called again for the same ticket, returns the same share.
   *
   * @throws {CertificateError} `unknown-nonce` for another certifier's ticket, or when the nonce was
   * erased since.
   */
  sign(ticket: NonceTicket): Uint8Array {
    return this.#pool.redeem(ticket);
  }

  /**
   * Combines the signers' shares; shares of others are left aside. Every signer's must be there.
   *
   * @throws {CertificateError} as {@linkcode openSchemeSession}.
   */
  combine(request: SigningRequest, shares: ReadonlyMap<NodeId, Uint8Array>): CombineResult {
    const session = this.#open(request);
    const result = this.#scheme.aggregate(session, sharesByIdentifier(session, shares));
    if (result.kind === "cheaters") {
      return { kind: "cheaters", voters: result.identifiers.map((at) => voterOf(session, at)) };
    }
    return { kind: "certificate", certificate: this.#toCertificate(request, result.signature) };
  }

  /** Verifies a note from outside. @throws {CertificateError} as `verifyCertificate`. */
  verify(note: string, expected?: ExpectedElection): Certificate {
    const { cluster } = this.#roster;
    const scheme = this.#scheme;
    return verifyNote(note, {
      cluster,
      keyId: (name) => scheme.keyId(name),
      verify: (message, signature) => scheme.verify(message, signature),
    }, expected);
  }

  /** Erases every nonce and share of a term below `term`. */
  forgetBelow(term: Term): void {
    this.#pool.forgetBelow(term);
  }

  /** Erases every nonce, every share it made and the one that it made them with. */
  erase(): void {
    this.#pool.erase();
    this.#scheme.eraseShare();
  }

  #open(request: SigningRequest): SchemeSession {
    return openSchemeSession(
      this.#roster,
      request,
      (identifier, commitment) => this.#scheme.checkCommitment(identifier, commitment),
    );
  }

  #toCertificate({ election }: SigningRequest, signature: Uint8Array): Certificate {
    const { cluster } = this.#roster;
    const { epoch, term, leader, lastLogIndex, lastLogTerm } = election;
    const note = encodeSignedNote({
      text: encodeStatement({ cluster, ...election }),
      name: cluster,
      keyId: this.#scheme.keyId(cluster),
      signature,
    });
    return { epoch, term, leader, lastLogIndex, lastLogTerm, note };
  }
}

/** The signers' shares by their identifiers. Every signer's must be there. */
export function sharesByIdentifier(
  session: SchemeSession,
  shares: ReadonlyMap<NodeId, Uint8Array>,
): Map<number, Uint8Array> {
  return new Map(session.signers.map(({ voter, identifier }) => {
    return [identifier, assertDefined(shares.get(voter), `Combining without ${voter}'s share`)];
  }));
}

/** The signer with this identifier. */
export function voterOf(session: SchemeSession, identifier: number): NodeId {
  const signer = session.signers.find((candidate) => candidate.identifier === identifier);
  return assertDefined(signer, `No signer has identifier ${identifier}`).voter;
}

/** Who may sign together: the part of a group that needs no keys. */
export type SignerRoster = Roster<Pick<GroupVoter, "id" | "identifier">>;

/** Checks one voter's commitment. @throws {InputError} that says what is wrong with it. */
type CommitmentCheck = (identifier: number, commitment: Uint8Array) => void;

/**
 * Builds the statement from the request's typed fields and checks the list of signers: at least the
 * threshold, all voters of this epoch, sorted and unique, every commitment good.
 *
 * @throws {CertificateError} `wrong-epoch`, `wrong-leader`, `too-few-signers`, `foreign-signer`,
 * `unsorted-signers` or `bad-commitment`, the last three naming the voter.
 */
function openSchemeSession(
  roster: SignerRoster,
  request: SigningRequest,
  checkCommitment: CommitmentCheck,
): SchemeSession {
  checkElection(roster, request);
  const message = encodeUtf8(encodeStatement({ cluster: roster.cluster, ...request.election }));
  return toSchemeSession(roster, { message, commitments: request.commitments }, checkCommitment);
}

/**
 * Checks the list of those who sign a message together: at least the threshold, all voters of this epoch,
 * sorted and unique, every commitment good.
 *
 * @throws {CertificateError} `too-few-signers`, `foreign-signer`, `unsorted-signers` or `bad-commitment`.
 */
export function toSchemeSession(
  roster: SignerRoster,
  request: { readonly message: Uint8Array; readonly commitments: readonly SignerCommitment[] },
  checkCommitment: CommitmentCheck,
): SchemeSession {
  const { message, commitments } = request;
  if (commitments.length < roster.threshold) {
    throw new CertificateError(
      "too-few-signers",
      `Cannot sign: ${commitments.length} signers are fewer than ${roster.threshold}`,
    );
  }
  const signers = readSigners(roster, commitments);
  for (const { voter, identifier, commitment } of signers) {
    blaming(voter, () => checkCommitment(identifier, commitment));
  }
  return { message, signers, digest: digestOf(message, signers) };
}

/** Runs the check of a voter's commitment; what it refuses becomes a refusal that names the voter. */
export function blaming(voter: NodeId, check: () => void): void {
  catching(InputError, check, (cause) => {
    const message = `Cannot accept commitment of ${voter}: ${cause.message}`;
    throw new CertificateError("bad-commitment", message, { voter, cause });
  });
}

/** The identifier of a voter. @throws {CertificateError} `refusal` when the roster lacks it. */
export function identifierOf(
  roster: SignerRoster,
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

function checkElection(roster: SignerRoster, { election }: SigningRequest): void {
  if (election.epoch !== roster.epoch) {
    throw new CertificateError(
      "wrong-epoch",
      `Cannot sign: epoch ${election.epoch} is not ${roster.epoch}`,
    );
  }
  identifierOf(roster, election.leader, "wrong-leader");
}

function readSigners(
  roster: SignerRoster,
  commitments: readonly SignerCommitment[],
): SessionSigner[] {
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
