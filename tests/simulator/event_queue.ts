/**
 * Simulated time: what is to happen, in the order in which it happens. Events of the same instant
 * happen in the order in which they were scheduled.
 *
 * @module
 */

interface Event {
  readonly atUs: number;
  readonly sequence: number;
  readonly run: () => void;
}

/** A binary heap of events, and the clock that moves from one to the next. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #sequence = 0;
  #nowUs = 0;

  /** The present, in microseconds since the beginning. */
  get nowUs(): number {
    return this.#nowUs;
  }

  /** How many events have been scheduled so far. */
  get scheduled(): number {
    return this.#sequence;
  }

  /** Schedules `run` for `atUs`, or for now when that has passed. */
  at(atUs: number, run: () => void): void {
    const event = { atUs: Math.max(atUs, this.#nowUs), sequence: ++this.#sequence, run };
    this.#heap.push(event);
    this.#rise(event);
  }

  /** Schedules `run` for `delayUs` from now. */
  after(delayUs: number, run: () => void): void {
    this.at(this.#nowUs + delayUs, run);
  }

  /** Moves to the next event and runs it; false when none is left before `untilUs`. */
  runNext(untilUs: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.atUs > untilUs) {
      this.#nowUs = Math.max(this.#nowUs, untilUs);
      return false;
    }
    this.#removeFirst();
    this.#nowUs = next.atUs;
    next.run();
    return true;
  }

  #rise(event: Event): void {
    let at = this.#heap.length - 1;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#heap[parentAt];
      if (parent === undefined || isBefore(parent, event)) break;
      this.#heap[at] = parent;
      at = parentAt;
    }
    this.#heap[at] = event;
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    const { length } = this.#heap;
    if (last === undefined || length === 0) return;
    let at = 0;
    for (;;) {
      const left = this.#heap[2 * at + 1];
      const right = this.#heap[2 * at + 2];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (isBefore(last, child)) break;
      this.#heap[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    this.#heap[at] = last;
  }
}

function isBefore(left: Event, right: Event): boolean {
  return left.atUs < right.atUs || (left.atUs === right.atUs && left.sequence < right.sequence);
}
