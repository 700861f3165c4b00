/**
 * How long a local cluster has been without a leader, from what its nodes announce. A file of its own, because a
 * test follows it without processes.
 *
 * @module
 */

/** A node's word that it knows no leader. */
interface Leaderless {
  readonly term: number;
  readonly role: string;
  /** Whether the user has cut it off from the others. */
  readonly isCutOff: boolean;
}

/** Measures from the moment at which a leader is lost to the next leader. */
export class LeaderlessTime {
  /** When the last leader was lost; null while there is one. */
  #sinceMs: number | null;
  #term = 0;

  /** The first leader is waited for from the start on. */
  constructor(startedMs: number) {
    this.#sinceMs = startedMs;
  }

  /** The term of the last leader; 0 before the first one. */
  get term(): number {
    return this.#term;
  }

  /** A node knows no leader. */
  announced({ term, role, isCutOff }: Leaderless, nowMs: number): void {
    // A late announcement of the election does not mean that its leader is lost. Neither does a node that hears
    // no other, because it was cut off.
    const isNews = term > this.#term || (term === this.#term && role === "preCandidate");
    if (isNews && !isCutOff) this.lost(nowMs);
  }

  /** A node follows the last leader, which still leads: it was not lost after all. */
  followed(term: number): void {
    if (term === this.#term) this.#sinceMs = null;
  }

  /** The leader is lost. */
  lost(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  /** There is a leader, after this many milliseconds without one. */
  elected(term: number, nowMs: number): number {
    const ms = Math.round(nowMs - (this.#sinceMs ?? nowMs));
    this.#term = term;
    this.#sinceMs = null;
    return ms;
  }
}
