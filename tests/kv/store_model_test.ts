import assert from "node:assert/strict";
import fc from "fast-check";
import { WatchHub } from "../../lib/kv/watch_hub.ts";
import { RangeReader } from "../../lib/kv/range_reader.ts";
import type { Store } from "../../lib/kv/store.ts";
import type { KeyValueRow } from "../../lib/kv/record.ts";
import { ALL_KEYS } from "../../lib/kv/key_range.ts";
import { toLogIndex } from "../../lib/types.ts";
import { anyEntry, keyRange } from "./commands.ts";
import { type Rows, StoreModel, within } from "../support/store_model.ts";
import { Driver } from "./support.ts";

/** Small histories, so that they end within a test. */
const limits = fc.constantFrom(
  { changesMax: 1000, bytesMax: 1e9, ageTicksMax: null },
  { changesMax: 5, bytesMax: 1e9, ageTicksMax: null },
  { changesMax: 1000, bytesMax: 400, ageTicksMax: null },
);

Deno.test("the store answers every command as the model does, and holds the same rows", () => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 40, size: "max" }), limits, (commands, history) => {
      const driver = new Driver({ history });
      const model = new StoreModel();
      for (const command of commands) {
        const { isReplayed, result } = model.apply(command);
        const applied = driver.applied(command);
        assert.equal(applied.kind, isReplayed ? "replayed" : "command");
        assert.deepEqual("result" in applied ? applied.result : null, result);
        assert.deepEqual(readAll(driver.store, driver.store.appliedIndex), model.sorted());
        assert.deepEqual(
          driver.store.keys.leases.rows(),
          [...model.leases.values()].sort((left, right) => left.id - right.id),
        );
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("every revision that is not compacted is read as it was", () => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 40, size: "max" }), limits, (commands, history) => {
      const driver = new Driver({ history });
      const model = new StoreModel();
      for (const command of commands) {
        model.apply(command);
        driver.applied(command);
      }
      const { keys, appliedIndex } = driver.store;
      for (let revision = keys.compactedRevision as number; revision <= appliedIndex; revision++) {
        const rows: Rows = model.states[revision] ?? new Map();
        assert.deepEqual(readAll(driver.store, revision), within(rows, ALL_KEYS));
      }
      if (keys.compactedRevision > 0) {
        const revision = toLogIndex(keys.compactedRevision - 1);
        const reader = new RangeReader(keys, { keys: ALL_KEYS, revision });
        assert.deepEqual(reader.next(appliedIndex), {
          kind: "compacted",
          oldestRevision: keys.compactedRevision,
        });
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("a watcher gets every change of its keys once, in order, however it takes them", () => {
  const steps = fc.array(fc.tuple(anyEntry, fc.integer({ min: 0, max: 3 })), {
    maxLength: 40,
    size: "max",
  });
  fc.assert(
    fc.property(steps, keyRange, fc.integer({ min: 1, max: 10 }), (steps, keys, from) => {
      const driver = new Driver();
      const model = new StoreModel();
      const hub = new WatchHub(driver.store.keys);
      const watcher = hub.watch({ keys, fromRevision: from, isPreviousWanted: true });
      assert.ok("take" in watcher);
      const late: { readonly got: unknown[]; readonly take: (max: number) => void }[] = [];
      late.push(taking(watcher));
      for (const [command, takes] of steps) {
        if (command.kind === "compact") continue;
        model.apply(command);
        driver.applied(command);
        if (takes > 0) hub.publish();
        const another = hub.watch({ keys, fromRevision: from, isPreviousWanted: true });
        assert.ok("take" in another);
        late.push(taking(another));
        for (const { take } of late) take(takes);
      }
      hub.publish();
      const wanted = model.events.filter(({ revision, key }) =>
        revision >= from && within(new Map([["", rowOf(key)]]), keys).length > 0
      );
      for (const { got, take } of late) {
        for (let round = 0; round < wanted.length + 3; round++) take(2);
        assert.deepEqual(got, wanted);
      }
    }),
    { numRuns: 200 },
  );
});

function taking(watcher: {
  take(limits: { changesMax: number; eventsMax: number; bytesMax: number }): unknown;
}) {
  const got: unknown[] = [];
  const take = (eventsMax: number) => {
    if (eventsMax === 0) return;
    const taken = watcher.take({ changesMax: 3, eventsMax, bytesMax: 1e6 }) as {
      events: { isLastOfRevision: boolean }[];
    };
    for (const { isLastOfRevision: _, ...event } of taken.events) got.push(event);
  };
  return { got, take };
}

function rowOf(key: Uint8Array): KeyValueRow {
  const zero = toLogIndex(0);
  const value = new Uint8Array();
  return { key, value, createRevision: zero, modRevision: zero, version: 1, lease: 0 };
}

function readAll({ keys, appliedIndex }: Store, revision: number): KeyValueRow[] {
  const reader = new RangeReader(keys, { keys: ALL_KEYS, revision: toLogIndex(revision) });
  const rows: KeyValueRow[] = [];
  for (;;) {
    const slice = reader.next(appliedIndex, { keysMax: 3, bytesMax: 1e6 });
    assert.equal(slice.kind, "slice");
    if (slice.kind !== "slice") return rows;
    for (const item of slice.items) if (item.kind === "row") rows.push(item.row);
    if (slice.isDone) return rows;
  }
}
