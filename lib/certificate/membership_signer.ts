/**
 * Signs membership statements with the shares of one epoch: the two rounds of FROST, as for an election, over
 * a text that each voter builds from its own log. A voter may sign the same text more than once. It must not
 * sign two different texts for one place in the chain, and the log makes sure of that (`lib/reshare`).
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import type { Epoch, NodeId, Term } from "../types.ts";
import type { Roster, SignerCommitment } from "./certifier.ts";
import { type CertifierOptions, createFrostScheme } from "./frost_certifier.ts";
import type { SigningScheme } from "./signing_scheme.ts";
import {
  type CombinedShares,
  type SessionRequest,
  type SignerRoster,
  SigningSessions,
} from "./signing_sessions.ts";

/**
 * Most sessions of one leader in one term. There is only one text to sign, so the limit only bounds memory. A
 * leader that tries for long on a bad network needs many.
 */
const SESSIONS_PER_TERM_MAX = 1024;

/** The leader of a term, which asks the signers. */
export interface SigningLeader {
  /** The term in which it leads. Its sessions end with the term. */
  readonly term: Term;
  /** The leader's id. It need not be one of the signers. */
  readonly leader: NodeId;
}

/** The text to sign, and the signers' commitments. */
export interface MembershipRequest extends SigningLeader {
  /** The exact text. A signer takes it from its own log, never from another node's request. */
  readonly text: string;
  /** One entry for each signer, by rising identifier, at least t of them. */
  readonly commitments: readonly SignerCommitment[];
}

/** The result of combining shares: the group's signature, or the voters whose shares are wrong. */
export type MembershipSignature = CombinedShares;

/** One node's part in signing membership statements with the shares of one epoch. */
export interface MembershipSigner extends Omit<Roster, "cluster"> {
  /** Whether this node has a share of the epoch. */
  readonly canSign: boolean;
  /** Round one: the commitment to a nonce for this leader's next session. */
  commit(leader: SigningLeader): Uint8Array;
  /** Checks another signer's commitment. @throws {CertificateError} `foreign-signer` or `bad-commitment`. */
  checkCommitment(voter: NodeId, commitment: Uint8Array): void;
  /**
   * Round two: takes the nonce out of the pool for ever, and returns the share. An exact repeat of a request
   * returns the same share.
   *
   * @throws {CertificateError} as {@linkcode Certifier.takeNonce}.
   */
  sign(request: MembershipRequest): Uint8Array;
  /** Combines one share of each signer. */
  combine(request: MembershipRequest, shares: ReadonlyMap<NodeId, Uint8Array>): MembershipSignature;
  /** Erases every nonce and every cached share of a term below `term`. */
  forgetBelow(term: Term): void;
  /** Erases every nonce, every cached share, and this node's own share. */
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
  readonly #scheme: SigningScheme<Nonces>;
  readonly #sessions: SigningSessions<Nonces>;

  constructor(roster: SignerRoster, self: NodeId, scheme: SigningScheme<Nonces>) {
    this.epoch = roster.epoch;
    this.threshold = roster.threshold;
    this.voters = roster.voters.map(({ id }) => id);
    this.#scheme = scheme;
    const takenPerCandidateMax = SESSIONS_PER_TERM_MAX;
    this.#sessions = new SigningSessions({ roster, self, scheme, takenPerCandidateMax });
  }

  get canSign(): boolean {
    return this.#scheme.canSign;
  }

  commit({ term, leader: candidate }: SigningLeader): Uint8Array {
    return this.#sessions.commit({ term, candidate });
  }

  checkCommitment(voter: NodeId, commitment: Uint8Array): void {
    this.#sessions.checkCommitment(voter, commitment);
  }

  sign(request: MembershipRequest): Uint8Array {
    const { term, leader: candidate } = request;
    return this.#sessions.sign(this.#sessions.take({ term, candidate }, toSession(request)));
  }

  combine(
    request: MembershipRequest,
    shares: ReadonlyMap<NodeId, Uint8Array>,
  ): MembershipSignature {
    return this.#sessions.combine(toSession(request), shares);
  }

  forgetBelow(term: Term): void {
    this.#sessions.forgetBelow(term);
  }

  erase(): void {
    this.#sessions.erase();
  }
}

function toSession({ text, commitments }: MembershipRequest): SessionRequest {
  return { message: encodeUtf8(text), commitments };
}
