/**
 * Working at a pace that leaves the machine to the node.
 *
 * @module
 */

/** How long the worker works before it rests: much less than the time between two heartbeats. */
export const WORK_MS_MAX = 5;

/** How long it rests for each millisecond that it has worked. */
export const REST_PER_WORK = 1;

/** The longest rest: a call that cannot be interrupted is no reason to stand still for as long. */
export const REST_MS_MAX = 100;

/** Where the time comes from, and how it passes. */
export interface PaceClock {
  /** Milliseconds that never go back. */
  nowMs(): number;
  /** Blocks the thread. */
  sleep(milliseconds: number): void;
}

/**
 * Makes a worker rest as long as it works. Work on a snapshot is long and in no hurry, while the loop
 * has heartbeats to send and a log to sync: on a machine with few processors or a slow disk it would
 * wait for the worker. Time spent waiting for the disk counts as work, so that the worker yields the
 * more, the busier the disk is.
 */
export class Pace {
  readonly #clock: PaceClock;
  #workingSinceMs: number;

  /** Work begins now. The thread's own clock and sleep unless others are given. */
  constructor(clock: PaceClock = { nowMs: () => performance.now(), sleep: blockThread }) {
    this.#clock = clock;
    this.#workingSinceMs = clock.nowMs();
  }

  /** Work begins now; before, there was none. */
  begin(): void {
    this.#workingSinceMs = this.#clock.nowMs();
  }

  /** A piece of work is done: rests if it is time. */
  rest(): void {
    const workedMs = this.#clock.nowMs() - this.#workingSinceMs;
    if (workedMs < WORK_MS_MAX) return;
    this.#clock.sleep(Math.min(workedMs * REST_PER_WORK, REST_MS_MAX));
    this.#workingSinceMs = this.#clock.nowMs();
  }
}

function blockThread(milliseconds: number): void {
  const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(nobodyWakes, 0, 0, milliseconds);
}
