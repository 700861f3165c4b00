/**
 * Every input waits here for the next turn of the loop. A socket callback or a client's request adds an input
 * and does nothing else. All inputs that arrive in one turn of the event loop are handled together, and so
 * share one write to the disk.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Input, Message } from "../raft/mod.ts";
import type { NodeId } from "../types.ts";

/**
 * Most messages of one peer that wait for a turn. Further ones are dropped, as the network could have dropped
 * them, so that a peer that floods takes no room from the others.
 */
export const INBOX_MESSAGES_PER_PEER_MAX = 2_000;

/** Collects inputs and hands them over in batches. */
export class Inbox {
  readonly #turn: (inputs: readonly Input[]) => void;
  #inputs: Input[] = [];
  readonly #messageCounts = new Map<NodeId, number>();
  #isScheduled = false;
  #isClosed = false;

  /** `turn` handles each batch; it must not throw. */
  constructor(turn: (inputs: readonly Input[]) => void) {
    this.#turn = turn;
  }

  /** Adds an input of this node itself. Its source must limit how many there are. */
  add(input: Input): void {
    if (this.#isClosed) return;
    this.#inputs.push(input);
    this.wake();
  }

  /** Schedules a turn, even if no input is added. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => this.#drain());
  }

  /** Makes a turn at once, unless one is scheduled. That saves a round of the event loop. */
  turn(): void {
    if (!this.#isScheduled) this.#drain();
  }

  /** Adds a peer's message; false when it was dropped because too many wait. */
  addMessage(message: Message): boolean {
    const count = this.#messageCounts.get(message.from) ?? 0;
    if (count >= INBOX_MESSAGES_PER_PEER_MAX) return false;
    this.#messageCounts.set(message.from, count + 1);
    this.add({ kind: "message", message });
    return true;
  }

  /** Drops the waiting inputs and accepts no more. */
  close(): void {
    this.#isClosed = true;
    this.#inputs = [];
  }

  #drain(): void {
    const inputs = this.#inputs;
    this.#inputs = [];
    this.#messageCounts.clear();
    this.#isScheduled = false;
    if (!this.#isClosed) this.#turn(inputs);
    // The core has its own copy of each sub-share.
    for (const input of inputs) {
      if (input.kind === "message" && input.message.kind === "subShare") {
        input.message.secret.fill(0);
      }
    }
  }
}

/** One tick of the core's clock, in milliseconds. */
export const TICK_MS = 10;
/**
 * Most ticks that are passed on at once, so that a process that was stopped or starved hears its peers before
 * it concludes that they were silent. The core learns that its ticks then no longer count the real time.
 */
export const TICKS_AT_ONCE_MAX = 5;

/** The clocks, in milliseconds. */
interface TimeSource {
  /** A clock that nobody sets and that never goes back. */
  nowMs(): number;
  /** The time of day, which goes on while the machine is suspended. */
  wallMs(): number;
}

/** How many ticks `durationMs` takes, at least one. */
export function toTicks(durationMs: number): number {
  return Math.max(1, Math.round(durationMs / TICK_MS));
}

/**
 * Turns the time that has passed into inputs for the core. The monotonic clock stands still while the machine
 * is suspended, and the wall clock does not; so the core also learns of a gap between the two.
 */
export class Ticker {
  readonly #clock: TimeSource;
  #tickedMs: number;
  /** How far the wall clock is ahead of the monotonic one. */
  #aheadMs: number;
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Reads the clocks of the process by default. */
  constructor(clock: TimeSource = { nowMs: () => performance.now(), wallMs: () => Date.now() }) {
    this.#clock = clock;
    this.#tickedMs = clock.nowMs();
    this.#aheadMs = clock.wallMs() - this.#tickedMs;
  }

  /**
   * Calls `wake` about every third tick, until {@linkcode stop}. No deadline needs the exact tick, and each call
   * costs an idle node CPU time. Heartbeats of 50 ms go out 30 or 60 ms apart, 50 on average.
   */
  start(wake: () => void): void {
    this.#timer = setInterval(wake, 3 * TICK_MS);
  }

  /** Ends the calls. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The inputs for the time since the last call. A turn handles them first. */
  take(): readonly Input[] {
    const nowMs = this.#clock.nowMs();
    const passed = Math.floor((nowMs - this.#tickedMs) / TICK_MS);
    this.#tickedMs += passed * TICK_MS;
    const inputs: Input[] = [];
    if (passed > TICKS_AT_ONCE_MAX || this.#wallClockJumped(nowMs)) {
      inputs.push({ kind: "clockJumped" });
    }
    for (let count = 0; count < Math.min(passed, TICKS_AT_ONCE_MAX); count++) {
      inputs.push({ kind: "tick" });
    }
    return inputs;
  }

  #wallClockJumped(nowMs: number): boolean {
    const aheadMs = this.#clock.wallMs() - nowMs;
    const hasJumped = Math.abs(aheadMs - this.#aheadMs) > TICKS_AT_ONCE_MAX * TICK_MS;
    if (hasJumped) this.#aheadMs = aheadMs;
    return hasJumped;
  }
}
