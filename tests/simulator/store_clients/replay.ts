/**
 * The committed log once more, through the store and through its model side by side.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { assert } from "../../../lib/assert.ts";
import {
  type AppliedEntry,
  type Command,
  type CommandResult,
  decodeCommand,
  Store,
} from "../../../lib/kv/mod.ts";
import type { Entry } from "../../../lib/raft/mod.ts";
import { type ModelEvent, type Rows, StoreModel } from "../../support/store_model.ts";
import type { Scenario } from "../scenario.ts";
import { storeLimitsOf } from "../more_scenario.ts";
import { require } from "../violation.ts";
import { nameOf } from "./store_record.ts";

/** See the module. */
export class Replay {
  readonly #model: StoreModel;
  readonly #revisions: number[] = [0];
  readonly #results: (CommandResult | null)[] = [null];
  readonly #places = new Map<string, number[]>();
  readonly #compactions: { readonly index: number; readonly revision: number }[] = [];
  readonly #changesMax: number;

  /** Applies everything. @throws {Violation} where the store does not do what its model does. */
  constructor(committed: readonly Entry[], scenario: Scenario) {
    const { rememberedEntries } = scenario;
    const limits = storeLimitsOf(scenario);
    this.#changesMax = limits.history?.changesMax ?? Infinity;
    this.#model = new StoreModel({ rememberedEntries: rememberedEntries ?? Infinity });
    const outcomes = new Store(limits).apply(committed);
    committed.forEach((entry, at) => {
      const outcome = outcomes[at];
      assert(outcome !== undefined, "An outcome for each entry");
      this.#apply(entry, outcome);
      this.#revisions.push(this.#model.revision);
    });
  }

  /** Every change, in order. */
  get events(): readonly ModelEvent[] {
    return this.#model.events;
  }

  /** The last revision. */
  get revision(): number {
    return this.#model.revision;
  }

  /** Where commands with this idempotency key took effect. */
  placesOf(name: string): readonly number[] {
    return this.#places.get(name) ?? [];
  }

  /** What came of an entry. */
  resultAt(index: number): CommandResult | null {
    return this.#results[index] ?? null;
  }

  /** At which revision the store stood once this entry was applied. */
  revisionAt(index: number): number {
    return this.#revisions[index] ?? 0;
  }

  /** All keys at a revision. */
  rowsAt(revision: number): Rows {
    return this.#model.states[revision] ?? new Map();
  }

  /**
   * A node that has applied the log up to `index` says that it has forgotten what changed after `revision`,
   * or at it: it must have been asked to, or have more changes than it keeps.
   */
  checkForgotten(revision: number, index: number): void {
    const wasAsked = this.#compactions.some((compaction) =>
      compaction.index <= index && compaction.revision >= revision
    );
    const since =
      this.events.filter((event) => event.revision >= revision && event.revision <= index).length;
    require(wasAsked || since > this.#changesMax, "History is kept as long as is said", () => {
      return `revision ${revision} is forgotten at ${index}, with ${since} changes since then`;
    });
  }

  #apply(entry: Entry, outcome: AppliedEntry): void {
    if (outcome.kind !== "command" && outcome.kind !== "replayed") {
      this.#model.skip();
      this.#results.push(null);
      return;
    }
    const command = decodeCommand(entry.data);
    const { result, isReplayed } = this.#model.apply(command, entry.term);
    require(
      isReplayed === (outcome.kind === "replayed") && isDeepStrictEqual(result, outcome.result),
      "A command does what it says",
      () => `entry ${entry.index} ${command.kind}: ${shown(outcome.result)}, not ${shown(result)}`,
    );
    this.#results.push(outcome.result);
    this.#note(command, entry.index, isReplayed);
  }

  #note(command: Command, index: number, isReplayed: boolean): void {
    if (command.kind === "compact") {
      this.#compactions.push({ index, revision: command.revision });
    }
    const name = nameOf(command);
    if (name === null || isReplayed) return;
    const places = this.#places.get(name);
    if (places === undefined) this.#places.set(name, [index]);
    else places.push(index);
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    return part instanceof Uint8Array ? new TextDecoder().decode(part) : part;
  });
}
