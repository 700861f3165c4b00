/**
 * Whose turn it is to stand for election. A grant of a pre-vote is signed and can be shown later, and a
 * term that was opened is gone for everybody; so a voter is careful with both. None of this is needed
 * for safety. It is what bounds the time that liars cost.
 *
 * - **Silence.** A voter grants only after an election timeout in which it heard no leader *and* entered
 *   no term. So terms follow each other no faster than that, and nobody can collect grants for the next
 *   term while this one's election is under way.
 * - **Unfinished terms.** For each term that a candidate opened since the last certificate, the silence
 *   must be twice as long. A liar that stands first, at the end of the silence, and never finishes comes
 *   after every honest node's randomised timeout the next time.
 * - **Pledges.** A grant is a pledge: for half an election timeout the voter grants to nobody else, and in
 *   that term votes for nobody else. So t grants are t votes, and no liar takes one of them by being
 *   quicker. When a pledge has lapsed, the one of those that wait comes next that had the fewest.
 *
 * @module
 */

import type { NodeId, Term } from "../types.ts";

/** At most so many doublings: 8 election timeouts. */
const DOUBLINGS_MAX = 3;

/** A candidate asks for a grant. */
export interface Asked {
  /** The term that it would open. */
  readonly term: Term;
  /** Who asks. */
  readonly candidate: NodeId;
  /** The core's clock. */
  readonly nowTick: number;
}

interface Pledge {
  readonly term: Term;
  readonly candidate: NodeId;
  readonly sinceTick: number;
}

/** One voter's view; all of it belongs to one life of the process. */
export class Turns {
  readonly #self: NodeId;
  readonly #electionTimeoutTicks: number;
  /** Since when no leader was heard and no term entered; null before the first of either. */
  #quietSinceTick: number | null = null;
  /** The same as it was when the current term was entered. */
  #quietBeforeTick: number | null = null;
  /** Who opened the current term, until somebody is certified in it. */
  #opener: NodeId | null = null;
  readonly #unfinished = new Map<NodeId, number>();
  #pledge: Pledge | null = null;
  /** How many pledges for the pledge's term each had, and when others asked for one last. */
  readonly #served = new Map<NodeId, number>();
  readonly #waiting = new Map<NodeId, number>();

  /** A voter that has heard nothing yet. */
  constructor(self: NodeId, electionTimeoutTicks: number) {
    this.#self = self;
    this.#electionTimeoutTicks = electionTimeoutTicks;
  }

  /** A leader was heard, or may have been a moment before this life began. */
  leaderHeard(nowTick: number): void {
    this.#quietSinceTick = nowTick;
  }

  /** A term was entered, that `opener` opened; null where its leader's certificate proved it. */
  termEntered(nowTick: number, opener: NodeId | null): void {
    this.#quietBeforeTick = this.#quietSinceTick;
    this.#quietSinceTick = nowTick;
    this.#opener = opener;
    if (opener !== null) this.failed(opener);
  }

  /** The current term's certificate is known: it was finished, and the others' are forgiven. */
  certified(): void {
    this.#opener = null;
    this.#unfinished.clear();
  }

  /** A leader does not do its work, or a candidate's term has no leader. */
  failed(node: NodeId): void {
    this.#unfinished.set(node, (this.#unfinished.get(node) ?? 0) + 1);
  }

  /** Whether it has been silent for as long as this candidate must wait. */
  isSilentFor({ candidate, nowTick }: Asked): boolean {
    return this.#hasPassed(this.#quietSinceTick, nowTick, this.#unfinished.get(candidate) ?? 0);
  }

  /** Whether the candidate may have this voter's vote in the current term. */
  mayVote({ term, candidate, nowTick }: Asked): boolean {
    const unfinished = this.#unfinished.get(candidate) ?? 0;
    const before = unfinished - (this.#opener === candidate ? 1 : 0);
    if (!this.#hasPassed(this.#quietBeforeTick, nowTick, before)) return false;
    const pledge = this.#pledge;
    return pledge?.term !== term || pledge.candidate === candidate || this.#hasLapsed(nowTick);
  }

  /**
   * Pledges this voter to the candidate, unless it is pledged to another or another's turn has come.
   * A candidate to which this node gives way comes before this node's own candidacy.
   */
  pledge(asked: Asked, options: { readonly givesWay: boolean }): boolean {
    const { term, candidate, nowTick } = asked;
    if (this.#pledge?.term !== term) this.#forgetTerm();
    if (this.#pledge?.candidate === candidate && !this.#hasLapsed(nowTick)) return true;
    if (!this.#isFreeFor(asked, options)) {
      this.#waiting.set(candidate, nowTick);
      return false;
    }
    this.#pledge = { term, candidate, sinceTick: nowTick };
    this.#served.set(candidate, this.#timesServed(candidate) + 1);
    this.#waiting.delete(candidate);
    return true;
  }

  /** The leader itself wants this candidate: whatever was pledged counts no more. */
  pledgeAtOnce({ term, candidate, nowTick }: Asked): void {
    this.#forgetTerm();
    this.#pledge = { term, candidate, sinceTick: nowTick };
  }

  #isFreeFor({ candidate, nowTick }: Asked, { givesWay }: { readonly givesWay: boolean }): boolean {
    const times = this.#timesServed(candidate);
    if (this.#pledge !== null && !this.#hasLapsed(nowTick)) {
      return this.#pledge.candidate === this.#self && givesWay && times === 0;
    }
    return ![...this.#waiting].some(([other, askedTick]) =>
      this.#timesServed(other) < times && nowTick - askedTick < this.#pledgeTicks
    );
  }

  #timesServed(candidate: NodeId): number {
    return this.#served.get(candidate) ?? 0;
  }

  get #pledgeTicks(): number {
    return Math.ceil(this.#electionTimeoutTicks / 2);
  }

  /** A node waits twice as long for its own candidacy, which asks for the others' grants meanwhile. */
  #hasLapsed(nowTick: number): boolean {
    if (this.#pledge === null) return true;
    const { candidate, sinceTick } = this.#pledge;
    return nowTick - sinceTick >= this.#pledgeTicks * (candidate === this.#self ? 2 : 1);
  }

  #hasPassed(sinceTick: number | null, nowTick: number, unfinished: number): boolean {
    if (sinceTick === null) return true;
    const waitTicks = this.#electionTimeoutTicks * 2 ** Math.min(unfinished, DOUBLINGS_MAX);
    return nowTick - sinceTick >= waitTicks;
  }

  #forgetTerm(): void {
    this.#pledge = null;
    this.#served.clear();
    this.#waiting.clear();
  }
}
