/**
 * Signs membership statements with the shares of one epoch: the two rounds of FROST, as for an election,
 * over a text that the voter has built itself, from its own log. That a voter signs the same text
 * more than once does no harm; what must not happen is that it signs two of one place in the chain, and
 * that is for the log to rule (`lib/reshare`).
 *
 * @module
 */

import { assert } from "../assert.ts";
import { encodeUtf8 } from "../bytes.ts";
import type { Epoch, NodeId, Term } from "../types.ts";
import {
  CertificateError,
  type GroupVoter,
  type Roster,
  type SignerCommitment,
} from "./certifier.ts";
import { type CertifierOptions, createFrostScheme } from "./frost_certifier.ts";
import { NoncePool } from "./nonce_pool.ts";
import {
  blaming,
  identifierOf,
  sharesByIdentifier,
  toSchemeSession,
  voterOf,
} from "./scheme_certifier.ts";
import type { SchemeSession, SigningScheme } from "./signing_scheme.ts";

/**
 * Most sessions of one leader in one term. There is one text to sign, so the limit is for the memory alone; a
 * leader that tries for long on a bad network needs many.
 */
const SESSIONS_PER_TERM_MAX = 1024;

/** The leader of a term, who brings the signers together. */
export interface SigningLeader {
  /** In which it leads: its sessions end with it. */
  readonly term: Term;
  /** Itself. It need not be one of the signers. */
  readonly leader: NodeId;
}

/** What to sign, and with whom. */
export interface MembershipRequest extends SigningLeader {
  /** The exact text. A signer takes it from its own log, never from the request of another. */
  readonly text: string;
  /** One entry for each signer, by rising identifier, at least t of them. */
  readonly commitments: readonly SignerCommitment[];
}

/** What came of combining shares. */
export type MembershipSignature =
  /** The signature, verified: 64 bytes. */
  | { readonly kind: "signature"; readonly signature: Uint8Array }
  /** There is none: the shares of these are wrong. */
  | { readonly kind: "cheaters"; readonly voters: readonly NodeId[] };

/** One node's part in signing membership statements with the shares of one epoch. */
export interface MembershipSigner extends Omit<Roster, "cluster"> {
  /** Whether this node holds a share of the epoch. */
  readonly canSign: boolean;
  /** Round one: the commitment to a nonce that waits for this leader's next session. */
  commit(leader: SigningLeader): Uint8Array;
  /** Checks another signer's commitment. @throws {CertificateError} naming the refusal. */
  checkCommitment(voter: NodeId, commitment: Uint8Array): void;
  /**
   * Round two: takes the nonce out of the pool for good and returns the share. An exact repeat of a
   * request yields the same share.
   *
   * @throws {CertificateError} as {@linkcode Certifier.takeNonce}.
   */
  sign(request: MembershipRequest): Uint8Array;
  /** Combines one share of every signer. */
  combine(request: MembershipRequest, shares: ReadonlyMap<NodeId, Uint8Array>): MembershipSignature;
  /** Erases every nonce and every cached share of a term below `term`. */
  forgetBelow(term: Term): void;
  /** Erases every nonce, every cached share and the node's own. */
  erase(): void;
}

/**
 * A signer for one of several voters.
 *
 * @throws as `createCertifier`.
 */
export function createMembershipSigner(options: CertifierOptions): MembershipSigner {
  return new SchemeMembershipSigner(options.group, options.self, createFrostScheme(options));
}

class SchemeMembershipSigner<Nonces> implements MembershipSigner {
  readonly epoch: Epoch;
  readonly threshold: number;
  readonly voters: readonly NodeId[];
  readonly #roster: Roster<GroupVoter>;
  readonly #self: NodeId;
  readonly #scheme: SigningScheme<Nonces>;
  readonly #pool: NoncePool<Nonces>;

  constructor(roster: Roster<GroupVoter>, self: NodeId, scheme: SigningScheme<Nonces>) {
    this.epoch = roster.epoch;
    this.threshold = roster.threshold;
    this.voters = roster.voters.map(({ id }) => id);
    this.#roster = roster;
    this.#self = self;
    this.#scheme = scheme;
    this.#pool = new NoncePool(scheme, { takenPerCandidateMax: SESSIONS_PER_TERM_MAX });
  }

  get canSign(): boolean {
    return this.#scheme.canSign;
  }

  commit({ term, leader }: SigningLeader): Uint8Array {
    assert(this.canSign, "Only who holds a share commits to a nonce");
    return this.#pool.commit({ term, candidate: leader });
  }

  checkCommitment(voter: NodeId, commitment: Uint8Array): void {
    const identifier = identifierOf(this.#roster, voter);
    blaming(voter, () => this.#scheme.checkCommitment(identifier, commitment));
  }

  sign(request: MembershipRequest): Uint8Array {
    const session = this.#open(request);
    const own = session.signers.find(({ voter }) => voter === this.#self);
    if (own === undefined) {
      throw new CertificateError("not-a-signer", `Cannot sign: ${this.#self} is not in the list`);
    }
    const { term, leader: candidate } = request;
    return this.#pool.redeem(this.#pool.take({ term, candidate }, own.commitment, session));
  }

  combine(
    request: MembershipRequest,
    shares: ReadonlyMap<NodeId, Uint8Array>,
  ): MembershipSignature {
    const session = this.#open(request);
    const result = this.#scheme.aggregate(session, sharesByIdentifier(session, shares));
    if (result.kind === "signature") return result;
    return { kind: "cheaters", voters: result.identifiers.map((at) => voterOf(session, at)) };
  }

  forgetBelow(term: Term): void {
    this.#pool.forgetBelow(term);
  }

  erase(): void {
    this.#pool.erase();
    this.#scheme.eraseShare();
  }

  #open({ text, commitments }: MembershipRequest): SchemeSession {
    const message = encodeUtf8(text);
    return toSchemeSession(
      this.#roster,
      { message, commitments },
      (identifier, commitment) => this.#scheme.checkCommitment(identifier, commitment),
    );
  }
}
