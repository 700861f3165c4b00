/**
 * How a client of the store asks a node, and learns how that ended. It asks one thing at a time.
 *
 * @module
 */

import { RequestError } from "../../../lib/node/api.ts";
import type { Counters } from "../counters.ts";
import type { EventQueue } from "../event_queue.ts";
import type { Life } from "../life.ts";
import type { Machine } from "../machine.ts";
import type { Random } from "../random.ts";
import type { StoreScenario } from "../more_scenario.ts";
import type { WorkloadScenario } from "../scenario.ts";
import type { Trace } from "../trace.ts";
import type { StoreRecord } from "./store_record.ts";

/** How long it takes to notice that nobody is there. */
const REFUSED_US = 20_000;

/** What a client of the store needs of the rest of the world. */
export interface StoreWorld {
  /** Time. */
  readonly queue: EventQueue;
  /** Chance, of this client alone. */
  readonly random: Random;
  /** The machines that it can ask. */
  readonly machines: readonly Machine[];
  /** What it does. */
  readonly scenario: StoreScenario;
  /** How it stands to its nodes. */
  readonly workload: WorkloadScenario;
  /** Where it writes down what happens. */
  readonly record: StoreRecord;
  /** Counts what happens. */
  readonly counters: Counters;
  /** For people. */
  readonly trace: Trace;
}

/** How a request ended. */
export type Outcome<Answer> =
  /** It was answered. */
  | { readonly kind: "answered"; readonly answer: Answer }
  /** It had no effect. */
  | { readonly kind: "failed" }
  /** Nobody knows. */
  | { readonly kind: "unknown" };

/** A client's requests. */
export class Asker {
  readonly #world: StoreWorld;
  #machine: Machine;
  #asked: { readonly life: Life; readonly lost: () => void } | null = null;

  /** It has not asked anything yet. */
  constructor(world: StoreWorld) {
    this.#world = world;
    this.#machine = world.random.pick(world.machines);
  }

  /** The machine that is asked. */
  get machine(): Machine {
    return this.#machine;
  }

  /** Turns to another machine, or the same. */
  move(): void {
    this.#machine = this.#world.random.pick(this.#world.machines);
  }

  /**
   * Asks the process that runs there. The answer is used when it is back at the client, unless the process
   * was killed in the turn in which it gave it.
   */
  ask<Answer>(
    work: (life: Life, deadlineMs: number) => Promise<Answer>,
    then: (outcome: Outcome<Answer>) => void,
  ): void {
    const { queue, workload: { distanceUs, timeoutMs } } = this.#world;
    const machine = this.#machine;
    const { life } = machine;
    if (life === null) return queue.after(REFUSED_US, () => then({ kind: "failed" }));
    const asked = {
      life,
      lost: () => finish({ kind: "unknown" }),
    };
    const finish = (outcome: Outcome<Answer>) => {
      if (this.#asked !== asked) return;
      this.#asked = null;
      then(outcome);
    };
    this.#asked = asked;
    queue.after(distanceUs, () => {
      if (this.#asked !== asked) return;
      if (machine.life !== life) return finish({ kind: "failed" });
      const back = (outcome: Outcome<Answer>) => queue.after(distanceUs, () => finish(outcome));
      work(life, machine.clock.nowMs + timeoutMs).then(
        (answer) => {
          if (machine.life === life) back({ kind: "answered", answer });
        },
        (error) => {
          if (!(error instanceof RequestError)) return this.#fail(error);
          back({ kind: error.maybeApplied ? "unknown" : "failed" });
        },
      );
    });
  }

  /** A process ended: what it was asked is not answered. */
  disconnected(machine: Machine): void {
    if (machine === this.#machine && this.#asked !== null && this.#asked.life !== machine.life) {
      this.#asked.lost();
    }
  }

  /** Where the run can see it, and not into a promise. */
  #fail(error: unknown): void {
    this.#world.queue.after(0, () => {
      throw error;
    });
  }
}
