/**
 * The certifier: the rules of a voter, the same whatever the cryptography behind them.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { Epoch, NodeId, Term } from "../types.ts";
import type {
  Certificate,
  Certifier,
  CombineResult,
  NonceTicket,
  SigningRequest,
} from "./certifier.ts";
import { CertificateError } from "./error.ts";
import { NoncePool, signingSessionsMax } from "./nonce_pool.ts";
import { encodeSignedNote } from "./signed_note.ts";
import type { Session, SigningScheme } from "./signing_scheme.ts";
import { identifierOf, openSession, type Roster, toBadCommitment } from "./signing_session.ts";
import { encodeStatement } from "./statement.ts";
import { type ExpectedElection, verifyNote } from "./verify.ts";

/** A {@linkcode Certifier} over any {@linkcode SigningScheme}. */
export class SchemeCertifier<Nonces> implements Certifier {
  /** The dealing of shares in use. */
  readonly epoch: Epoch;
  /** How many voters must sign. */
  readonly threshold: number;
  /** Every voter of the epoch, by rising identifier. */
  readonly voters: readonly NodeId[];
  readonly #roster: Roster;
  readonly #self: NodeId;
  readonly #scheme: SigningScheme<Nonces>;
  readonly #pool: NoncePool<Nonces>;

  /**
   * A certifier for the voter `self`.
   *
   * @throws {CertificateError} `not-a-signer` when `self` is no voter of the roster.
   */
  constructor(roster: Roster, self: NodeId, scheme: SigningScheme<Nonces>) {
    identifierOf(roster, self, "not-a-signer");
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

  /**
   * Round one, for one candidate's election.
   *
   * @throws {CertificateError} `wrong-leader` when the candidate is no voter.
   */
  commit(election: { readonly term: Term; readonly candidate: NodeId }): Uint8Array {
    const { term, candidate } = election;
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
    try {
      this.#scheme.checkCommitment(identifier, commitment);
    } catch (cause) {
      throw toBadCommitment(voter, cause);
    }
  }

  /**
   * Checks a request and takes its nonce out of the pool, for good.
   *
   * @throws {CertificateError} as {@linkcode openSession}; `not-a-signer` when this voter is not in
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
   * @throws {CertificateError} as {@linkcode openSession}.
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

  #open(request: SigningRequest): Session {
    return openSession(
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

function sharesByIdentifier(
  session: Session,
  shares: ReadonlyMap<NodeId, Uint8Array>,
): Map<number, Uint8Array> {
  return new Map(session.signers.map(({ voter, identifier }) => {
    return [identifier, assertDefined(shares.get(voter), `Combining without ${voter}'s share`)];
  }));
}

function voterOf(session: Session, identifier: number): NodeId {
  const signer = session.signers.find((candidate) => candidate.identifier === identifier);
  return assertDefined(signer, `No signer has identifier ${identifier}`).voter;
}
