/**
 * What the clients ask for.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import type { Random } from "../simulator/random.ts";
import { type Ending, type Request, type Seen, seenBy } from "./history.ts";

/** How many keys are in use at a time: few, so that clients get in each other's way. */
const KEYS_AT_ONCE = 10;
/** After so many requests a key gives way to a new one: a history's check takes time. */
const REQUESTS_PER_KEY = 120;

/** What was last heard of a key; null: there is none. */
type Known = Seen | null;

/** Draws requests, and remembers what came of them, for conditions that have a chance to hold. */
export class Workload {
  readonly #slots = Array.from({ length: KEYS_AT_ONCE }, () => ({ generation: 0, requests: 0 }));
  readonly #known = new Map<string, Known>();

  /** Every key so far. */
  get keys(): readonly string[] {
    return this.#slots.flatMap(({ generation }, slot) =>
      Array.from({ length: generation + 1 }, (_, number) => keyOf(slot, number))
    );
  }

  /** A request; `value` is what it writes, if it does, and nothing else ever. */
  draw(random: Random, value: string): Request {
    const key = this.#drawKey(random);
    const kind = random.below(100);
    if (kind < 30) return { kind: "get", key, consistency: "linearizable" };
    if (kind < 45) return { kind: "get", key, consistency: "lease" };
    if (kind < 65) return { kind: "put", key, value };
    if (kind < 75) return { kind: "delete", key };
    return { kind: "swap", key, expected: this.#known.get(key) ?? null, value };
  }

  /** Takes note of how a request ended. */
  learn(request: Request, ending: Ending): void {
    const seen = seenBy({ request, ending });
    if (seen !== null) this.#known.set(request.key, seen);
    else if (ending.kind === "deleted" || ending.kind === "read") {
      this.#known.set(request.key, null);
    }
  }

  #drawKey(random: Random): string {
    const number = random.below(KEYS_AT_ONCE);
    const slot = assertDefined(this.#slots[number], "there is no such slot");
    if (++slot.requests > REQUESTS_PER_KEY) {
      slot.generation++;
      slot.requests = 1;
    }
    return keyOf(number, slot.generation);
  }
}

function keyOf(slot: number, generation: number): string {
  return `chaos/${slot}/${generation}`;
}
