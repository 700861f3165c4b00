/**
 * The certifier: which elections a voter may sign. The rules are the same for every signing scheme.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import type { Epoch, NodeId, Term } from "../types.ts";
import {
  type Certificate,
  CertificateError,
  type Certifier,
  type CombineResult,
  type NonceTicket,
  type SigningRequest,
} from "./certifier.ts";
import { encodeStatement, type ExpectedElection, verifyNote } from "./election.ts";
import { type Election, signingSessionsMax } from "./nonce_pool.ts";
import { encodeSignedNote } from "./signed_note.ts";
import type { SigningScheme } from "./signing_scheme.ts";
import {
  identifierOf,
  type SessionRequest,
  type SignerRoster,
  SigningSessions,
} from "./signing_sessions.ts";

/** A {@linkcode Certifier} over any {@linkcode SigningScheme}. */
export class SchemeCertifier<Nonces> implements Certifier {
  readonly epoch: Epoch;
  readonly threshold: number;
  readonly voters: readonly NodeId[];
  readonly #roster: SignerRoster;
  readonly #scheme: SigningScheme<Nonces>;
  readonly #sessions: SigningSessions<Nonces>;

  /**
   * A certifier for the node `self`.
   *
   * @throws {CertificateError} `not-a-signer` when there is a share, but `self` is not a voter of the roster.
   */
  constructor(roster: SignerRoster, self: NodeId, scheme: SigningScheme<Nonces>) {
    if (scheme.canSign) identifierOf(roster, self, "not-a-signer");
    this.epoch = roster.epoch;
    this.threshold = roster.threshold;
    this.voters = roster.voters.map(({ id }) => id);
    this.#roster = roster;
    this.#scheme = scheme;
    const { threshold, voters: { length: voters } } = roster;
    const takenPerCandidateMax = signingSessionsMax({ voters, threshold });
    this.#sessions = new SigningSessions({ roster, self, scheme, takenPerCandidateMax });
  }

  /** See {@linkcode Certifier.canSign}. */
  get canSign(): boolean {
    return this.#scheme.canSign;
  }

  /** See {@linkcode Certifier.spareNonces}. */
  get spareNonces(): number {
    return this.#sessions.spareNonces;
  }

  /** Draws nonces in advance first, then rehearses. */
  prepare(): void {
    if (this.canSign && !this.#sessions.prepare()) this.#scheme.rehearse();
  }

  /** See {@linkcode Certifier.commit}. @throws {CertificateError} `wrong-leader` unless a voter stands. */
  commit(election: Election): Uint8Array {
    identifierOf(this.#roster, election.candidate, "wrong-leader");
    return this.#sessions.commit(election);
  }

  /** See {@linkcode Certifier.checkCommitment}. */
  checkCommitment(voter: NodeId, commitment: Uint8Array): void {
    this.#sessions.checkCommitment(voter, commitment);
  }

  /**
   * See {@linkcode Certifier.takeNonce}.
   *
   * @throws {CertificateError} `wrong-epoch` or `wrong-leader`, and as {@linkcode SigningSessions.take}.
   */
  takeNonce(request: SigningRequest): NonceTicket {
    const { leader: candidate, term } = request.election;
    return this.#sessions.take({ candidate, term }, this.#toSession(request));
  }

  /** See {@linkcode Certifier.sign}. @throws {CertificateError} as {@linkcode SigningSessions.sign}. */
  sign(ticket: NonceTicket): Uint8Array {
    return this.#sessions.sign(ticket);
  }

  /**
   * See {@linkcode Certifier.combine}.
   *
   * @throws {CertificateError} `wrong-epoch` or `wrong-leader`, and as {@linkcode SigningSessions.combine}.
   */
  combine(request: SigningRequest, shares: ReadonlyMap<NodeId, Uint8Array>): CombineResult {
    const result = this.#sessions.combine(this.#toSession(request), shares);
    if (result.kind === "cheaters") return result;
    return { kind: "certificate", certificate: this.#toCertificate(request, result.signature) };
  }

  /** See {@linkcode Certifier.verify}. @throws {CertificateError} as `verifyCertificate`. */
  verify(note: string, expected?: ExpectedElection): Certificate {
    const { cluster } = this.#roster;
    const scheme = this.#scheme;
    return verifyNote(note, {
      cluster,
      keyId: (name) => scheme.keyId(name),
      verify: (message, signature) => scheme.verify(message, signature),
    }, expected);
  }

  /** See {@linkcode Certifier.forgetBelow}. */
  forgetBelow(term: Term): void {
    this.#sessions.forgetBelow(term);
  }

  /** See {@linkcode Certifier.erase}. */
  erase(): void {
    this.#sessions.erase();
  }

  /** Builds the statement from the request's typed fields: a voter never signs bytes that it received. */
  #toSession({ election, commitments }: SigningRequest): SessionRequest {
    const { cluster, epoch } = this.#roster;
    if (election.epoch !== epoch) {
      throw new CertificateError(
        "wrong-epoch",
        `Cannot sign: epoch ${election.epoch} is not ${epoch}`,
      );
    }
    identifierOf(this.#roster, election.leader, "wrong-leader");
    return { message: encodeUtf8(encodeStatement({ cluster, ...election })), commitments };
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
