/**
 * A leader numbers its heartbeats and reads. The answer to a round proves that the follower still
 * followed when the round was *sent*, which is what quorum checks and read confirmations count.
 *
 * @module
 */

/** The newest round, and the tick at which each recent round was sent. */
export class Rounds {
  #current = 0;
  #newestHeartbeat = 0;
  /** The first round of each tick in which any was sent, oldest first. */
  #starts: { readonly firstRound: number; readonly tick: number }[] = [];
  readonly #ticksKept: number;

  /** Remembers the rounds of the last `ticksKept` ticks; older answers count for nothing. */
  constructor(ticksKept: number) {
    this.#ticksKept = ticksKept;
  }

  /** The newest round; 0 before the first. */
  get current(): number {
    return this.#current;
  }

  /** The newest round that every follower is sent, however many it has not answered. */
  get newestHeartbeat(): number {
    return this.#newestHeartbeat;
  }

  /** Begins a round that every follower is sent. */
  beginHeartbeat(nowTick: number): void {
    this.#newestHeartbeat = this.begin(nowTick);
  }

  /** Begins another round at `nowTick` and returns its number. */
  begin(nowTick: number): number {
    this.#current++;
    if (this.#starts.at(-1)?.tick !== nowTick) {
      this.#starts.push({ firstRound: this.#current, tick: nowTick });
    }
    while (this.#starts[0] !== undefined && this.#starts[0].tick < nowTick - this.#ticksKept) {
      this.#starts.shift();
    }
    return this.#current;
  }

  /** The tick at which `round` was sent, or null when it never was or was too long ago. */
  sentTick(round: number): number | null {
    if (round > this.#current) return null;
    return this.#starts.findLast((start) => start.firstRound <= round)?.tick ?? null;
  }
}
