/**
 * Whose turn it is to stand for election. A pre-vote grant is signed and can be shown later, and an opened
 * term is used up for all candidates; so a voter limits both. Safety needs none of this. It bounds the time
 * that liars cost.
 *
 * - **Silence.** A voter grants only after an election timeout in which it heard no leader *and* entered
 *   no term. So terms follow each other no faster than that, and no candidate can collect grants for the
 *   next term during this one's election.
 * - **Unfinished terms.** For each term that a candidate opened since the last certificate, the silence
 *   must be twice as long. So a liar that stands first and never finishes must wait, the next time, until
 *   every honest node's randomised timeout is over.
 * - **Pledges.** A grant is a pledge: for half an election timeout the voter grants to no other candidate,
 *   and in that term votes for no other. So t grants are t votes, and a quicker liar cannot take one of
 *   them. When a pledge has lapsed, the waiting candidate with the fewest pledges is next.
 *
 * @module
 */

import type { NodeId, Term } from "../types.ts";

/** At most this many doublings: 8 election timeouts. */
const DOUBLINGS_MAX = 3;

/** A candidate asks for a grant. */
export interface Asked {
  /** The term that it would open. */
  readonly term: Term;
  /** The node that stands. */
  readonly candidate: NodeId;
  /** The core's clock. */
  readonly nowTick: number;
}

interface Pledge {
  readonly term: Term;
  readonly candidate: NodeId;
  readonly sinceTick: number;
}

/** One voter's view. It lasts for one run of the process. */
export class Turns {
  readonly #self: NodeId;
  readonly #electionTimeoutTicks: number;
  /** When a leader was last heard or a term entered; null before the first such event. */
  #quietSinceTick: number | null = null;
  /** The value of the former when the current term was entered. */
  #quietBeforeTick: number | null = null;
  /** The candidate that opened the current term, until a leader is certified in it. */
  #opener: NodeId | null = null;
  readonly #unfinished = new Map<NodeId, number>();
  #pledge: Pledge | null = null;
  /** How many pledges each candidate had for the pledge's term, and when the others last asked. */
  readonly #served = new Map<NodeId, number>();
  readonly #waiting = new Map<NodeId, number>();

  /** Begins without any event. */
  constructor(self: NodeId, electionTimeoutTicks: number) {
    this.#self = self;
    this.#electionTimeoutTicks = electionTimeoutTicks;
  }

  /** A leader was heard, or may have been heard just before this run began. */
  leaderHeard(nowTick: number): void {
    this.#quietSinceTick = nowTick;
  }

  /** A term was entered. `opener` opened it; null where its leader's certificate proved it. */
  termEntered(nowTick: number, opener: NodeId | null): void {
    this.#quietBeforeTick = this.#quietSinceTick;
    this.#quietSinceTick = nowTick;
    this.#opener = opener;
    if (opener !== null) this.failed(opener);
  }

  /** The current term's certificate is known: the term was finished, and unfinished ones no longer count. */
  certified(): void {
    this.#opener = null;
    this.#unfinished.clear();
  }

  /** Counts one more unfinished term against a node: a term that it opened, or led without working. */
  failed(node: NodeId): void {
    this.#unfinished.set(node, (this.#unfinished.get(node) ?? 0) + 1);
  }

  /** Whether the silence has lasted as long as this candidate must wait. */
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
   * Pledges this voter to the candidate, unless it is pledged to another or it is another's turn. A candidate
   * to which this node gives way comes before this node's own candidacy.
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

  /** The leader transfers to this candidate: earlier pledges no longer count. */
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

  /** A node's pledge to itself lasts twice as long: meanwhile it asks for the others' grants. */
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
