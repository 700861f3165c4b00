/**
 * One node's part in the signing sessions of one epoch, for every kind of statement: which signers a session
 * may have, which nonce it takes, and how its shares are combined. `scheme_certifier.ts` and
 * `membership_signer.ts` decide what may be signed.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assert, assertDefined } from "../assert.ts";
import { encodeHex } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import type { NodeId, Term } from "../types.ts";
import {
  CertificateError,
  type CertificateRefusal,
  type GroupVoter,
  type NonceTicket,
  type Roster,
  type SignerCommitment,
} from "./certifier.ts";
import { type Election, NoncePool } from "./nonce_pool.ts";
import type { SchemeSession, SessionSigner, SigningScheme } from "./signing_scheme.ts";

/** The voters that may sign together: the part of a group that needs no keys. */
export type SignerRoster = Roster<Pick<GroupVoter, "id" | "identifier">>;

/** A message to sign, and one commitment of each signer. */
export interface SessionRequest {
  /** The statement's UTF-8 bytes. */
  readonly message: Uint8Array;
  /** One entry for each signer, by rising identifier, at least the threshold of them. */
  readonly commitments: readonly SignerCommitment[];
}

/** The settings of a node's signing sessions. */
interface SigningSessionsOptions<Nonces> {
  readonly roster: SignerRoster;
  /** This node. */
  readonly self: NodeId;
  /** The cryptography, with this node's share if it has one. */
  readonly scheme: SigningScheme<Nonces>;
  /** Most sessions that one candidate, or leader, gets in one term. */
  readonly takenPerCandidateMax: number;
}

/** The result of combining a session's shares. */
export type CombinedShares =
  /** The signature, verified: 64 bytes. */
  | { readonly kind: "signature"; readonly signature: Uint8Array }
  /** No signature: the shares of these voters are wrong. */
  | { readonly kind: "cheaters"; readonly voters: readonly NodeId[] };

/** A node's nonces and share of one epoch, and the rules of its signing sessions. */
export class SigningSessions<Nonces> {
  readonly #roster: SignerRoster;
  readonly #self: NodeId;
  readonly #scheme: SigningScheme<Nonces>;
  readonly #pool: NoncePool<Nonces>;

  /** Keeps no nonce yet. */
  constructor({ roster, self, scheme, takenPerCandidateMax }: SigningSessionsOptions<Nonces>) {
    this.#roster = roster;
    this.#self = self;
    this.#scheme = scheme;
    this.#pool = new NoncePool(scheme, { takenPerCandidateMax });
  }

  /** How many nonces are drawn in advance. */
  get spareNonces(): number {
    return this.#pool.spareCount;
  }

  /** Draws one nonce in advance, and returns true, unless there are enough. */
  prepare(): boolean {
    return this.#pool.prepare();
  }

  /** Round one: the commitment to an unused nonce for this election. The node must have a share. */
  commit({ term, candidate }: Election): Uint8Array {
    assert(this.#scheme.canSign, "only a node that has a share commits to a nonce");
    return this.#pool.commit({ term, candidate });
  }

  /**
   * Checks another voter's commitment when it arrives.
   *
   * @throws {CertificateError} `foreign-signer` or `bad-commitment`.
   */
  checkCommitment(voter: NodeId, commitment: Uint8Array): void {
    this.#checkPoints(voter, identifierOf(this.#roster, voter), commitment);
  }

  /**
   * Checks a request, and takes this node's nonce for it out of the pool for ever.
   *
   * @throws {CertificateError} as {@linkcode combine}; `not-a-signer` when this node is not in the list;
   * `nonce-reused`, `unknown-nonce` or `too-many-sessions`.
   */
  take(election: Election, request: SessionRequest): NonceTicket {
    const session = this.#open(request);
    const own = session.signers.find(({ voter }) => voter === this.#self);
    if (own === undefined) {
      throw new CertificateError("not-a-signer", `Cannot sign: ${this.#self} is not in the list`);
    }
    return this.#pool.take(election, own.commitment, session);
  }

  /**
   * Round two: the share for a ticket. Called again for the same ticket, it returns the same share.
   *
   * @throws {CertificateError} `unknown-nonce` for a ticket of another pool, or when the nonce was erased.
   */
  sign(ticket: NonceTicket): Uint8Array {
    return this.#pool.redeem(ticket);
  }

  /**
   * Combines the shares of the signers, and ignores other shares. There must be one of each signer.
   *
   * @throws {CertificateError} `too-few-signers`, `foreign-signer`, `unsorted-signers` or `bad-commitment`.
   */
  combine(request: SessionRequest, shares: ReadonlyMap<NodeId, Uint8Array>): CombinedShares {
    const session = this.#open(request);
    const result = this.#scheme.aggregate(session, sharesByIdentifier(session, shares));
    if (result.kind === "signature") return result;
    return { kind: "cheaters", voters: result.identifiers.map((at) => voterOf(session, at)) };
  }

  /** Erases every nonce and every cached share of a term below `term`. */
  forgetBelow(term: Term): void {
    this.#pool.forgetBelow(term);
  }

  /** Erases every nonce, every cached share, and this node's own share. */
  erase(): void {
    this.#pool.erase();
    this.#scheme.eraseShare();
  }

  /**
   * Checks the list of signers: at least the threshold, all voters of this epoch, sorted and unique, and
   * every commitment valid.
   */
  #open({ message, commitments }: SessionRequest): SchemeSession {
    if (commitments.length < this.#roster.threshold) {
      throw new CertificateError(
        "too-few-signers",
        `Cannot sign: ${commitments.length} signers are fewer than ${this.#roster.threshold}`,
      );
    }
    const signers = readSigners(this.#roster, commitments);
    for (const { voter, identifier, commitment } of signers) {
      this.#checkPoints(voter, identifier, commitment);
    }
    return { message, signers, digest: digestOf(message, signers) };
  }

  #checkPoints(voter: NodeId, identifier: number, commitment: Uint8Array): void {
    catching(InputError, () => this.#scheme.checkCommitment(identifier, commitment), (cause) => {
      const message = `Cannot accept commitment of ${voter}: ${cause.message}`;
      throw new CertificateError("bad-commitment", message, { voter, cause });
    });
  }
}

/** The identifier of a voter. @throws {CertificateError} `refusal` when the roster lacks it. */
export function identifierOf(
  roster: SignerRoster,
  voter: NodeId,
  refusal: CertificateRefusal = "foreign-signer",
): number {
  const found = roster.voters.find(({ id }) => id === voter);
  if (found !== undefined) return found.identifier;
  const message = `Cannot sign: ${voter} is not a voter of ${roster.cluster}`;
  throw new CertificateError(refusal, message, { voter });
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
        `Cannot sign: signer ${voter} is out of order or appears twice`,
        { voter },
      );
    }
    previous = identifier;
    signers.push({ voter, identifier, commitment });
  }
  return signers;
}

/** Each field's length is hashed before it, or is fixed, so no two sessions hash the same bytes. */
function digestOf(message: Uint8Array, signers: readonly SessionSigner[]): string {
  const hash = createHash("sha256");
  hash.update(`${message.length} `).update(message);
  for (const { identifier, commitment } of signers) {
    hash.update(`${identifier} ${commitment.length} `).update(commitment);
  }
  return encodeHex(hash.digest());
}

function sharesByIdentifier(
  session: SchemeSession,
  shares: ReadonlyMap<NodeId, Uint8Array>,
): Map<number, Uint8Array> {
  return new Map(session.signers.map(({ voter, identifier }) => {
    return [identifier, assertDefined(shares.get(voter), `${voter}'s share is missing`)];
  }));
}

function voterOf(session: SchemeSession, identifier: number): NodeId {
  const signer = session.signers.find((candidate) => candidate.identifier === identifier);
  return assertDefined(signer, `no signer has identifier ${identifier}`).voter;
}
