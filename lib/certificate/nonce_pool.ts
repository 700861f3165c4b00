/**
 * The life of a voter's nonces, from the commitment to the share. This file makes sure that no nonce is
 * used twice: two different signatures with one nonce reveal the secret share.
 *
 * A nonce is issued for one election, which is a candidate and a term. It is taken for ever, for one
 * request. It is used for one share, and erased. The share is kept for an exact repeat of the request.
 *
 * @module
 */

import { encodeHex, equalBytes } from "../bytes.ts";
import type { NodeId, Term } from "../types.ts";
import { CertificateError, type NonceTicket } from "./certifier.ts";
import type { SchemeSession, SigningScheme } from "./signing_scheme.ts";

/**
 * Most unused commitments for one candidate. A candidate needs two: one for the next signing session of its
 * current term, one for the PreVote of the next term. Beyond the limit, the oldest is erased.
 */
export const ISSUED_PER_CANDIDATE_MAX = 4;

/**
 * How many nonces are drawn in advance, in idle moments, for later elections (RFC 9591 §5.1 lets a signer
 * prepare them). One election takes two: one for the PreVote, one for a retry.
 */
export const SPARE_NONCES = 4;

/**
 * Most signing sessions for which an honest candidate asks one voter. Of n voters, n - t can each spoil one
 * session by cheating or silence before the last one succeeds. Each of the other n - 1 voters can spoil one
 * more by declining once, after a restart. The sum is n - t + 1 + n - 1.
 */
export function signingSessionsMax(
  { voters, threshold }: { readonly voters: number; readonly threshold: number },
): number {
  return 2 * voters - threshold;
}

/** An election, for which nonces are issued. */
export interface Election {
  readonly term: Term;
  readonly candidate: NodeId;
}

/** Fresh nonces with the commitment to them. */
type Fresh<Nonces> = ReturnType<SigningScheme<Nonces>["commit"]>;

/** A nonce that waits for its request. */
interface Issued<Nonces> {
  readonly term: Term;
  readonly nonces: Nonces;
  readonly commitment: Uint8Array;
}

/** A nonce that belongs to one request for ever. It is unused first, then a share or erased. */
interface Taken<Nonces> {
  readonly term: Term;
  readonly digest: string;
  readonly commitment: string;
  state:
    | { readonly kind: "unused"; readonly session: SchemeSession; readonly nonces: Nonces }
    | { readonly kind: "signed"; readonly share: Uint8Array }
    | { readonly kind: "erased" };
}

/** The nonces of one candidate, oldest first. */
interface CandidateNonces<Nonces> {
  issued: Issued<Nonces>[];
  taken: Taken<Nonces>[];
}

/**
 * A voter's nonces, in memory only. Each candidate has its own limits, so no candidate can push out the
 * nonces of another. The caller allows only voters of the epoch as candidates, and forgets ended terms.
 * Taken nonces are never pushed out, because the pool needs them to recognise an exact repeat. So a
 * candidate that wants more than the limit is refused.
 */
export class NoncePool<Nonces> {
  readonly #scheme: SigningScheme<Nonces>;
  readonly #takenPerCandidateMax: number;
  readonly #spares: Fresh<Nonces>[] = [];
  readonly #candidates = new Map<NodeId, CandidateNonces<Nonces>>();
  readonly #tickets = new WeakMap<NonceTicket, Taken<Nonces>>();

  /**
   * `scheme` makes, uses and erases the nonces. Each candidate gets at most `takenPerCandidateMax` nonces;
   * an honest candidate needs at most {@linkcode signingSessionsMax}.
   */
  constructor(
    scheme: SigningScheme<Nonces>,
    options: { readonly takenPerCandidateMax: number },
  ) {
    this.#scheme = scheme;
    this.#takenPerCandidateMax = options.takenPerCandidateMax;
  }

  /** How many nonces are drawn in advance. */
  get spareCount(): number {
    return this.#spares.length;
  }

  /** Draws one nonce in advance, and returns true, unless there are enough. */
  prepare(): boolean {
    if (this.#spares.length === SPARE_NONCES) return false;
    this.#spares.push(this.#scheme.commit());
    return true;
  }

  /** The commitment to the election's unused nonce, or to a fresh nonce if there is none. */
  commit(election: Election): Uint8Array {
    const own = this.#of(election.candidate);
    const unused = own.issued.find(({ term }) => term === election.term);
    if (unused !== undefined) return unused.commitment.slice();
    const { nonces, commitment } = this.#spares.pop() ?? this.#scheme.commit();
    own.issued.push({ term: election.term, nonces, commitment });
    const excess = Math.max(0, own.issued.length - ISSUED_PER_CANDIDATE_MAX);
    for (const old of own.issued.splice(0, excess)) {
      this.#scheme.eraseNonces(old.nonces);
    }
    return commitment.slice();
  }

  /**
   * Takes the nonce of `commitment` out of the pool, only for `session`. For an exact repeat of an earlier
   * session it returns a ticket for the same share.
   *
   * @throws {CertificateError} `nonce-reused` when it was taken for another session; `unknown-nonce` when it
   * was not issued for this election, or was forgotten; `too-many-sessions` when the candidate already has
   * its full number.
   */
  take(election: Election, commitment: Uint8Array, session: SchemeSession): NonceTicket {
    const own = this.#of(election.candidate);
    const at = own.issued.findIndex((issued) =>
      issued.term === election.term && equalBytes(issued.commitment, commitment)
    );
    if (at >= 0) this.#checkRoom(election, own);
    const [issued] = at < 0 ? [] : own.issued.splice(at, 1);
    const taken = issued === undefined
      ? findRepeat(own.taken, { ...election, commitment, session })
      : this.#keep(own, issued, session);
    const ticket = Object.freeze({ ...election });
    this.#tickets.set(ticket, taken);
    return ticket;
  }

  /**
   * The share for a ticket. It is made once. Later calls return the same share.
   *
   * @throws {CertificateError} `unknown-nonce` when the ticket is of another pool, or its nonce was erased.
   */
  redeem(ticket: NonceTicket): Uint8Array {
    const taken = this.#tickets.get(ticket);
    if (taken === undefined || taken.state.kind === "erased") {
      throw new CertificateError("unknown-nonce", "Cannot sign: the ticket's nonce was erased");
    }
    if (taken.state.kind === "unused") {
      const { session, nonces } = taken.state;
      // First, so that the nonce is never used again even when the signing fails.
      taken.state = { kind: "erased" };
      taken.state = { kind: "signed", share: this.#scheme.sign(session, nonces) };
    }
    return taken.state.share.slice();
  }

  /** Erases every nonce and share of a term below `term`. */
  forgetBelow(term: Term): void {
    for (const [candidate, own] of this.#candidates) {
      for (const issued of own.issued) {
        if (issued.term < term) this.#scheme.eraseNonces(issued.nonces);
      }
      for (const taken of own.taken) {
        if (taken.term < term) this.#erase(taken);
      }
      own.issued = own.issued.filter((issued) => issued.term >= term);
      own.taken = own.taken.filter((taken) => taken.term >= term);
      if (own.issued.length + own.taken.length === 0) this.#candidates.delete(candidate);
    }
  }

  /** Erases every nonce and share. */
  erase(): void {
    this.forgetBelow(Infinity as Term);
    for (const { nonces } of this.#spares.splice(0)) this.#scheme.eraseNonces(nonces);
  }

  #of(candidate: NodeId): CandidateNonces<Nonces> {
    let own = this.#candidates.get(candidate);
    if (own === undefined) {
      own = { issued: [], taken: [] };
      this.#candidates.set(candidate, own);
    }
    return own;
  }

  #keep(
    own: CandidateNonces<Nonces>,
    { term, nonces, commitment }: Issued<Nonces>,
    session: SchemeSession,
  ): Taken<Nonces> {
    const taken: Taken<Nonces> = {
      term,
      digest: session.digest,
      commitment: encodeHex(commitment),
      state: { kind: "unused", session, nonces },
    };
    own.taken.push(taken);
    return taken;
  }

  #checkRoom({ term, candidate }: Election, { taken }: CandidateNonces<Nonces>): void {
    if (taken.length < this.#takenPerCandidateMax) return;
    throw new CertificateError(
      "too-many-sessions",
      `Cannot sign: ${candidate} has had ${taken.length} sessions in term ${term}, as many as ` +
        `an honest candidate can need`,
      { voter: candidate },
    );
  }

  #erase(taken: Taken<Nonces>): void {
    if (taken.state.kind === "unused") this.#scheme.eraseNonces(taken.state.nonces);
    if (taken.state.kind === "signed") taken.state.share.fill(0);
    taken.state = { kind: "erased" };
  }
}

/** Finds the taken nonce of an earlier request that this one repeats exactly. */
function findRepeat<Nonces>(
  taken: readonly Taken<Nonces>[],
  wanted: Election & { readonly commitment: Uint8Array; readonly session: SchemeSession },
): Taken<Nonces> {
  const commitment = encodeHex(wanted.commitment);
  const earlier = taken.find((candidate) => candidate.commitment === commitment);
  if (earlier === undefined) {
    throw new CertificateError(
      "unknown-nonce",
      `Cannot sign: no nonce for ${wanted.candidate} in term ${wanted.term} has this commitment`,
    );
  }
  if (earlier.digest !== wanted.session.digest) {
    throw new CertificateError(
      "nonce-reused",
      `Cannot sign: the nonce was taken for another request of ${wanted.candidate}`,
      { voter: wanted.candidate },
    );
  }
  return earlier;
}
