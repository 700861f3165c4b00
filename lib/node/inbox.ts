/**
 * Where everything that happens waits for the next turn of the loop. A socket callback or a client's
 * request puts an input here and does nothing else; all that arrive before the event loop comes
 * round again are handled in one turn, and so share one write to the disk.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Input, Message } from "../raft/mod.ts";
import type { NodeId } from "../types.ts";

/**
 * Most messages of one peer that wait for a turn; more are dropped, as the network might have. One
 * peer that floods thus takes no room from the others.
 */
export const INBOX_MESSAGES_PER_PEER_MAX = 2_000;

/** Collects inputs and hands them over in batches. */
export class Inbox {
  readonly #turn: (inputs: readonly Input[]) => void;
  #inputs: Input[] = [];
  readonly #messageCounts = new Map<NodeId, number>();
  #isScheduled = false;
  #isClosed = false;

  /** `turn` takes each batch; it must not throw. */
  constructor(turn: (inputs: readonly Input[]) => void) {
    this.#turn = turn;
  }

  /** Adds something that this node itself brings about; how much of it there is, its source bounds. */
  add(input: Input): void {
    if (this.#isClosed) return;
    this.#inputs.push(input);
    this.wake();
  }

  /** Sees to it that a turn comes, even if nothing is added. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => this.#drain());
  }

  /** Adds a peer's message; false when it was dropped because too many wait. */
  addMessage(message: Message): boolean {
    const count = this.#messageCounts.get(message.from) ?? 0;
    if (count >= INBOX_MESSAGES_PER_PEER_MAX) return false;
    this.#messageCounts.set(message.from, count + 1);
    this.add({ kind: "message", message });
    return true;
  }

  /** Drops what waits and takes no more. */
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
 * Most ticks passed on at once. A process that was stopped or starved hears its peers before it
 * concludes that they were silent; that its ticks no longer tell the time, the core is told.
 */
export const TICKS_AT_ONCE_MAX = 5;

/** Where the time comes from, in milliseconds. */
interface TimeSource {
  /** Never set, never goes back. */
  nowMs(): number;
  /** The time of day, which goes on while the machine is suspended. */
  wallMs(): number;
}

/** How many ticks `durationMs` takes, at least one. */
export function toTicks(durationMs: number): number {
  return Math.max(1, Math.round(durationMs / TICK_MS));
}

/**
 * Turns the time that has passed into inputs for the core. Its clock stands still while the machine
 * is suspended; the wall clock does not, so a gap between the two is told to the core as well.
 */
export class Ticker {
  readonly #clock: TimeSource;
  #tickedMs: number;
  /** How far the wall clock is ahead of the monotonic one. */
  #aheadMs: number;
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Reads the process's own clocks unless others are given. */
  constructor(clock: TimeSource = { nowMs: () => performance.now(), wallMs: () => Date.now() }) {
    this.#clock = clock;
    this.#tickedMs = clock.nowMs();
    this.#aheadMs = clock.wallMs() - this.#tickedMs;
  }

  /** Calls `wake` about every other tick, until {@linkcode stop}: nothing that is due is due to the tick. */
  start(wake: () => void): void {
    this.#timer = setInterval(wake, 2 * TICK_MS);
  }

  /** Ends the calls. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The inputs for the time since the last call. A turn takes them before anything else. */
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
