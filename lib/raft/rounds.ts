/**
 * A leader numbers its heartbeats and reads. The answer to a round proves that the follower still
 * followed when the round was *sent*, which is what quorum checks and read confirmations count.
 *
 * @module
 */

import { INFLIGHT_ROUNDS_MAX } from "./config.ts";

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

/** One follower's part in the rounds: which it was sent, and which it has answered. */
export class FollowerRounds {
  #sent = 0;
  #answered = 0;
  #answeredSentTick: number;
  /** Rounds sent and not answered, oldest first: at most {@linkcode INFLIGHT_ROUNDS_MAX}. */
  #inflight: number[] = [];

  /** A follower that is taken to have followed at `nowTick`, when the leader's first round begins. */
  constructor(nowTick: number) {
    this.#answeredSentTick = nowTick;
  }

  /** The round last sent; 0 before the first. */
  get sent(): number {
    return this.#sent;
  }

  /** The newest round that the follower has answered; 0 before the first. */
  get answered(): number {
    return this.#answered;
  }

  /** The tick at which that round was sent; the leader's first tick until then. */
  get answeredSentTick(): number {
    return this.#answeredSentTick;
  }

  /** Whether another round may be sent before the next heartbeat. */
  get hasRoom(): boolean {
    return this.#inflight.length < INFLIGHT_ROUNDS_MAX;
  }

  /** Notes that a message of this round is on its way. */
  noteSent(round: number): void {
    if (round === this.#sent) return;
    this.#sent = round;
    if (this.hasRoom) this.#inflight.push(round);
  }

  /**
   * The follower answered a round that was sent at `sentTick`, null when that is too long ago, and
   * thereby all before it. Late and doubled answers do nothing.
   */
  noteAnswered(round: number, sentTick: number | null): void {
    if (round <= this.#answered) return;
    this.#answered = round;
    this.#answeredSentTick = sentTick ?? this.#answeredSentTick;
    this.#inflight = this.#inflight.filter((inflight) => inflight > round);
  }
}
