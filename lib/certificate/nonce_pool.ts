/**
 * The life of a voter's nonces, from the commitment to the share. This file keeps a nonce
 * from being used twice: two different signatures with one nonce give the secret share away.
 *
 * A nonce is issued for one election, a candidate and a term; taken, for good, for one request; used
 * for one share, and erased. The share stays for an exact repeat of the request.
 *
 * @module
 */

import { encodeHex, equalBytes } from "../bytes.ts";
import type { NodeId, Term } from "../types.ts";
import { CertificateError, type NonceTicket } from "./certifier.ts";
import type { SchemeSession, SigningScheme } from "./signing_scheme.ts";

/**
 * Most unused commitments for one candidate. A candidate needs two: its current term's next signing
 * session, and the PreVote for the term after. The oldest is erased when there would be more.
 */
export const ISSUED_PER_CANDIDATE_MAX = 4;

/**
 * How many nonces wait, drawn in an idle moment, for elections that nobody has asked for yet (RFC 9591
 * §5.1 lets a signer prepare them). One election takes two: a PreVote's and a retry's.
 */
export const SPARE_NONCES = 4;

/**
 * Most signing sessions that an honest candidate asks one voter to sign in. Of n voters, n - t may
 * cost it a session each by cheating or silence before the last succeeds, and each of the n - 1
 * others one more by declining once, as a voter that restarted does: n - t + 1 + n - 1.
 */
export function signingSessionsMax(
  { voters, threshold }: { readonly voters: number; readonly threshold: number },
): number {
  return 2 * voters - threshold;
}

/** An election that nonces are issued for. */
interface Election {
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

/** A nonce that belongs to one request for ever: first unused, then a share, or else erased. */
interface Taken<Nonces> {
  readonly term: Term;
  readonly digest: string;
  readonly commitment: string;
  state:
    | { readonly kind: "unused"; readonly session: SchemeSession; readonly nonces: Nonces }
    | { readonly kind: "signed"; readonly share: Uint8Array }
    | { readonly kind: "erased" };
}

/** What one candidate was given, oldest first. */
interface CandidateNonces<Nonces> {
  issued: Issued<Nonces>[];
  taken: Taken<Nonces>[];
}

/**
 * A voter's nonces, in memory only. Bounded for each candidate, so that no candidate can push out
 * what belongs to another; the caller admits voters of the epoch as candidates only, and forgets
 * ended terms. What was taken is never pushed out at all: it is what tells an exact repeat from
 * anything else, so a candidate that wants more than may be remembered is refused.
 */
export class NoncePool<Nonces> {
  readonly #scheme: SigningScheme<Nonces>;
  readonly #takenPerCandidateMax: number;
  readonly #spares: Fresh<Nonces>[] = [];
  readonly #candidates = new Map<NodeId, CandidateNonces<Nonces>>();
  readonly #tickets = new WeakMap<NonceTicket, Taken<Nonces>>();

  /**
   * `scheme` makes, uses and erases the nonces; each candidate is given at most
   * `takenPerCandidateMax` of them, {@linkcode signingSessionsMax} for an honest one.
   */
  constructor(
    scheme: SigningScheme<Nonces>,
    options: { readonly takenPerCandidateMax: number },
  ) {
    this.#scheme = scheme;
    this.#takenPerCandidateMax = options.takenPerCandidateMax;
  }

  /** Draws one nonce ahead, unless enough are waiting. */
  prepare(): void {
    if (this.#spares.length < SPARE_NONCES) this.#spares.push(this.#scheme.commit());
  }

  /** The commitment to the election's unused nonce; to a fresh one where there is none. */
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
   * Takes the nonce behind `commitment` out of the pool, for `session` and no other. For an exact
   * repeat of an earlier session, a ticket for the same share.
   *
   * @throws {CertificateError} `nonce-reused` when it was taken for another session;
   * `unknown-nonce` when it was not issued for this election, or is forgotten; `too-many-sessions`
   * when the candidate already has its full number.
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
   * The share for a ticket: made once, and the same ever after.
   *
   * @throws {CertificateError} `unknown-nonce` when the ticket is not this pool's or its nonce was
   * erased meanwhile.
   */
  redeem(ticket: NonceTicket): Uint8Array {
    const taken = this.#tickets.get(ticket);
    if (taken === undefined || taken.state.kind === "erased") {
      throw new CertificateError("unknown-nonce", "Cannot sign: the ticket's nonce is not here");
    }
    if (taken.state.kind === "unused") {
      const { session, nonces } = taken.state;
      // Before anything can fail: whatever comes of it, this nonce is not used again.
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
      `Cannot sign: ${taken.length} sessions of ${candidate} in term ${term} are as many as ` +
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

/** Finds the earlier take that a request repeats exactly. */
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
