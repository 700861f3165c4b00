/**
 * Deliberate bugs in what the store has beyond single keys: transactions, history, watches, leases and locks.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

/** See the module. */
export const STORE_MUTANTS: readonly Mutant[] = [
  {
    name: "transaction-half-done",
    bug: "a transaction that cannot be done keeps what it has done so far",
    file: "lib/kv/run_transaction.ts",
    find: `    store.rollBack();\n`,
    replace: `    store.commit();\n`,
  },
  {
    name: "transaction-conditions-one-by-one",
    bug: "the conditions of a nested transaction are looked at after the operations before it",
    file: "lib/kv/run_transaction.ts",
    find: `        const chosen = assertDefined(path, "a nested transaction has no path");\n`,
    replace:
      `        assertDefined(path, "a nested transaction has no path");\n        const chosen = this.#choose(operation);\n`,
  },
  {
    name: "stale-holder-writes",
    bug: "a holder whose lease is over passes the fence of the next",
    file: "lib/kv/run_transaction.ts",
    find: `return first === fence;`,
    replace: `return first >= fence;`,
  },
  {
    name: "compacted-under-a-reader",
    bug: "a range is read on when history has forgotten its revision between two slices",
    file: "lib/kv/range_reader.ts",
    find: `if (refused !== null) return refused;`,
    replace: `if (refused?.kind === "future") return refused;`,
  },
  {
    name: "range-at-several-revisions",
    bug: "each slice of a range is read as the store is by then",
    file: "lib/kv/range_reader.ts",
    find: `return this.#store.versionAt(this.#cursor.handle, this.#revision);`,
    replace: `return this.#store.versionAt(this.#cursor.handle, Infinity);`,
  },
  {
    name: "history-forgotten-unwritten",
    bug: "history forgets changes that are not in the tables yet",
    file: "lib/kv/multi_version_store.ts",
    find: `history.count > 0 && history.first < this.heldFrom`,
    replace: `history.count > 0`,
  },
  {
    name: "watch-skips-at-a-resume",
    bug: "a watch that is begun anew leaves out the revision that it is to begin with",
    file: "lib/kv/watch_hub.ts",
    find: `const sequence = this.#keys.history.from(fromRevision);`,
    replace: `const sequence = this.#keys.history.from(fromRevision + 1);`,
  },
  {
    name: "watch-doubles-at-a-resume",
    bug: "a watch on a node that is behind brings what its client has got elsewhere",
    file: "lib/kv/watch_hub.ts",
    find: `    if (this.#keys.history.revision(sequence) < fromRevision) return false;\n`,
    replace: ``,
  },
  {
    name: "watch-splits-a-revision",
    bug: "a client may resume between two events of a revision",
    file: "lib/kv/watch_hub.ts",
    find: `const isLast = !this.#hasMoreInRevision(watcher, sequence);`,
    replace: `const isLast = true;`,
  },
  {
    name: "watch-forgets-its-gap",
    bug: "a watcher that is too far behind goes on with the oldest change that is left",
    file: "lib/kv/watch_hub.ts",
    find: `    if (this.#isForgotten(watcher)) {\n      this.end(watcher);\n`,
    replace:
      `    if (this.#isForgotten(watcher) && watcher.place.kind === "behind") {\n      watcher.place.sequence = this.#keys.history.first;\n    } else if (this.#isForgotten(watcher)) {\n      this.end(watcher);\n`,
    world: "shortHistories",
  },
  {
    name: "watch-outlives-its-store",
    bug: "watches go on when a snapshot takes the place of the store, and hear of nothing any more",
    file: "lib/node/live_store.ts",
    find: `    this.endWatches("replaced");\n`,
    replace: ``,
  },
  {
    name: "lessor-goes-on-counting",
    bug: "who leads again goes on counting leases where it left off",
    file: "lib/node/leases.ts",
    find:
      `    if (role !== "leader") this.#lessor = null;\n    else if (this.#lessor?.term !== term) {\n`,
    replace:
      `    if (role === "leader" && this.#lessor !== null) {\n      this.#lessor = { lessor: this.#lessor.lessor, term };\n    } else if (role === "leader") {\n`,
  },
  {
    name: "kept-alive-by-hearsay",
    bug: "a leader answers for leases without asking whether it still leads",
    file: "lib/node/leases.ts",
    find: `      await this.#parts.requests.confirmRead(deadlineMs);\n`,
    replace: `      await Promise.resolve(deadlineMs);\n`,
  },
  {
    name: "expiry-of-an-earlier-term",
    bug: "what an earlier leader said of leases takes effect under the next one",
    file: "lib/kv/store.ts",
    find: `command.term === term ? this.#meant(command) : []`,
    replace: `this.#meant(command)`,
    world: "leasesHandedOver",
  },
  {
    name: "keep-alive-is-not-counted",
    bug: "a lease that is kept alive runs out as if it were not",
    file: "lib/kv/lessor.ts",
    find: `    timer.deadlineTick = this.#nowTick + timer.ttlTicks;\n`,
    replace: ``,
  },
  {
    name: "expiry-is-never-repeated",
    bug: "a lease whose end was proposed once, and got lost, never ends",
    file: "lib/kv/lessor.ts",
    find:
      `    timer.deadlineTick = this.#nowTick + RETRY_SECONDS * this.#ticksPerSecond;\n    this.#push({ tick: timer.deadlineTick, timer });\n`,
    replace: ``,
    world: "leasesInACrowd",
  },
];
