import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../lib/errors.ts";
import type { KeyValueRow } from "../../lib/kv/record.ts";
import { digestStore } from "../../lib/kv/store_digest.ts";
import { checkStore } from "../../lib/kv/store_invariants.ts";
import {
  BATCH_LIMITS,
  type HistoryRow,
  StoreLoader,
  TableWriter,
} from "../../lib/kv/store_tables.ts";
import { toLogIndex } from "../../lib/types.ts";
import { MemoryTables } from "../support/memory_tables.ts";
import { anyEntry } from "./commands.ts";
import { bytes, command, del, Driver, entryOf, historyOf, newToken, put } from "./support.ts";

function writeAll(writer: TableWriter, tables: MemoryTables, changesMax = 2): void {
  for (;;) {
    const batch = writer.next({ changesMax, bytesMax: 1e9 });
    if (batch === null) return;
    tables.write(batch);
    writer.confirm();
  }
}

Deno.test("tables written at any moment, in any batches, load as the store was at their index", () => {
  const steps = fc.array(fc.tuple(anyEntry, fc.integer({ min: 0, max: 4 })), {
    maxLength: 40,
    size: "max",
  });
  const changes = fc.constantFrom(3, 1000);
  fc.assert(
    fc.property(steps, changes, (steps, changesMax) => {
      const limits = {
        history: { changesMax, bytesMax: 1e9, ageTicksMax: null },
        memory: { entriesMax: 8, bytesMax: 1e9 },
      };
      const driver = new Driver(limits);
      const writer = new TableWriter(driver.store);
      const tables = new MemoryTables();
      for (const [command, size] of steps) {
        driver.applied(command);
        const batch = size === 0 ? null : writer.next({ changesMax: size, bytesMax: 1e9 });
        if (batch === null) continue;
        tables.write(batch);
        writer.confirm();
      }
      const loaded = tables.load(limits);
      checkStore(loaded);
      const replayed = new Driver(limits);
      for (const [command] of steps.slice(0, loaded.appliedIndex)) replayed.applied(command);
      assert.deepEqual(digestStore(loaded), digestStore(replayed.store));
      // The log has the rest.
      const again = new Driver(loaded);
      for (const [command] of steps.slice(loaded.appliedIndex)) again.applied(command);
      assert.deepEqual(digestStore(again.store), digestStore(driver.store));
    }),
    { numRuns: 150 },
  );
});

Deno.test("a loaded store has the history that was written", () => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 40, size: "max" }), (commands) => {
      const driver = new Driver();
      const writer = new TableWriter(driver.store);
      const tables = new MemoryTables();
      for (const command of commands) {
        if (command.kind === "compact") continue;
        driver.applied(command);
      }
      writeAll(writer, tables);
      const loaded = tables.load({});
      assert.deepEqual(historyOf(loaded), historyOf(driver.store));
      assert.equal(loaded.keys.historyBytes, driver.store.keys.historyBytes);
    }),
    { numRuns: 100 },
  );
});

Deno.test("next() takes whole entries, and says up to which index the batch is whole", () => {
  const driver = new Driver();
  const writer = new TableWriter(driver.store);
  driver.do(put("a", "1"), put("b", "1"), put("c", "1"));
  driver.skip(2);
  driver.do(put("a", "2"));
  const first = writer.next({ changesMax: 1, bytesMax: 1e9 });
  assert.equal(first?.appliedIndex, 3);
  assert.equal(first?.revision, 1);
  assert.equal([...first?.puts ?? []].length, 3);
  assert.deepEqual([...first?.history ?? []].map(({ order }) => order), [0, 1, 2]);
  writer.confirm();
  assert.equal(writer.writtenIndex, 3);
  assert.equal(writer.waiting, 1);
  const second = writer.next();
  assert.equal(second?.appliedIndex, 4);
  assert.equal([...second?.history ?? []][0]?.before?.version, 1);
  writer.confirm();
  assert.equal(writer.next(), null);
});

Deno.test("next() writes a key once that changed twice, and both of its changes", () => {
  const driver = new Driver();
  const writer = new TableWriter(driver.store);
  driver.do(put("a", "1"));
  driver.do(put("a", "2"));
  driver.do(put("b", "1"));
  driver.do(del("b"));
  const batch = writer.next();
  assert.deepEqual([...batch?.puts ?? []].map(({ version }) => version), [2]);
  assert.deepEqual([...batch?.deletes ?? []], [bytes("b")]);
  assert.equal([...batch?.history ?? []].length, 4);
});

Deno.test("next() has nothing of what was changed after its index", () => {
  const driver = new Driver();
  const writer = new TableWriter(driver.store);
  driver.do(put("a", "old"));
  driver.do(put("a", "new"));
  driver.grant(7);
  const batch = writer.next({ changesMax: 1, bytesMax: 1e9 });
  assert.equal(batch?.appliedIndex, 1);
  assert.deepEqual([...batch?.puts ?? []].map(({ value }) => value), [bytes("old")]);
  assert.equal(batch?.leases.size, 0);
});

Deno.test("the rows of a batch are the same when they are read late, whatever changes meanwhile", () => {
  const driver = new Driver({ history: { changesMax: 2, bytesMax: 1e9, ageTicksMax: null } });
  const writer = new TableWriter(driver.store);
  driver.do(put("a", "old"), put("b", "1"));
  driver.do(put("a", "new"));
  driver.do(del("b"), put("c", "1"));
  const batch = writer.next();
  const rows = () =>
    structuredClone({
      puts: [...batch?.puts ?? []],
      deletes: [...batch?.deletes ?? []],
      history: [...batch?.history ?? []],
    });
  const before = rows();
  for (let count = 0; count < 10; count++) driver.do(put("a", String(count)), put("b", "again"));
  driver.do(del("a"), del("b"), del("c"));
  assert.deepEqual(rows(), before);
  assert.deepEqual(Object.values(before).map((list) => list.length), [2, 1, 5]);
});

Deno.test("next() ends a batch that has enough bytes", () => {
  const driver = new Driver();
  const writer = new TableWriter(driver.store);
  for (let count = 0; count < 4; count++) driver.do(put(`k${count}`, "x".repeat(1000)));
  const batch = writer.next({ changesMax: 100, bytesMax: 1500 });
  assert.equal([...batch?.puts ?? []].length, 2);
});

Deno.test("what is not yet written is not forgotten, whatever history may keep", () => {
  const driver = new Driver({ history: { changesMax: 2, bytesMax: 1e9, ageTicksMax: null } });
  const writer = new TableWriter(driver.store);
  for (let count = 0; count < 10; count++) driver.do(put("a", String(count)));
  assert.equal(driver.store.keys.history.count, 10);
  const tables = new MemoryTables();
  writeAll(writer, tables);
  assert.equal(driver.store.keys.history.count, 2);
  checkStore(driver.store);
});

Deno.test("tokens, leases and remembered writes come back, and their retries are known", () => {
  const driver = new Driver();
  const writer = new TableWriter(driver.store);
  const tables = new MemoryTables();
  const named = command({ success: [put("a", "1")] }, {
    idempotency: { token: null, key: "once" },
  });
  driver.apply({ kind: "createToken", ...newToken("1") });
  driver.apply({ kind: "createToken", ...newToken("2") });
  driver.apply({ kind: "revokeToken", id: newToken("2").id });
  driver.grant(5, 30);
  driver.apply(named);
  writeAll(writer, tables);
  const loaded = new Driver(tables.load({}));
  assert.deepEqual(loaded.store.tokenRows().map(({ id }) => id), [newToken("1").id]);
  assert.equal(loaded.store.keys.leases.get(5)?.ttlSeconds, 30);
  assert.equal(loaded.applied(named).kind, "replayed");
});

Deno.test("finish() refuses history that does not fit the keys", () => {
  const heads = {
    appliedIndex: toLogIndex(9),
    revision: toLogIndex(9),
    compactedRevision: toLogIndex(0),
  };
  const row = (changes: Partial<HistoryRow>): HistoryRow => ({
    revision: toLogIndex(9),
    order: 0,
    key: bytes("a"),
    kind: "put",
    before: null,
    ...changes,
  });
  const there: KeyValueRow = {
    key: bytes("a"),
    value: bytes("1"),
    createRevision: toLogIndex(9),
    modRevision: toLogIndex(9),
    version: 1,
    lease: 0,
  };
  const load = (keys: readonly KeyValueRow[], history: readonly HistoryRow[]) => () => {
    const loader = new StoreLoader();
    for (const key of keys) loader.key(key);
    for (const change of history) loader.history(change);
    return loader.finish(heads);
  };
  assert.doesNotThrow(load([there], [row({})]));
  assert.throws(load([], [row({})]), InputError, "a put of a key that is not there");
  assert.throws(load([there], [row({ kind: "delete", before: there })]), InputError);
  assert.throws(load([there], [row({ revision: toLogIndex(8) })]), InputError);
  assert.throws(
    load([there], [row({ revision: toLogIndex(8) }), row({})]),
    InputError,
    "a put after a put has something before it",
  );
  assert.throws(load([{ ...there, lease: 4 }], []), InputError, "a lease that is not there");
});

Deno.test("fitSome() fits one key after the other, and finish() what is left", () => {
  const revision = toLogIndex(3);
  const loader = new StoreLoader();
  for (const key of ["a", "b", "c"]) {
    loader.history({ revision, order: 0, key: bytes(key), kind: "delete", before: null });
  }
  assert.deepEqual([loader.fitSome(1), loader.fitSome(1)], [true, true]);
  const heads = { appliedIndex: revision, revision, compactedRevision: toLogIndex(0) };
  const { keys } = loader.finish(heads);
  assert.deepEqual([keys.index.count, keys.history.count], [3, 3]);
  assert.equal(loader.fitSome(1), false);
});

Deno.test("one batch is out at a time", () => {
  const driver = new Driver();
  const writer = new TableWriter(driver.store);
  driver.do(put("a", "1"));
  assert.throws(() => writer.confirm(), /no batch to confirm/);
  writer.next(BATCH_LIMITS);
  assert.throws(() => writer.next(), /only one batch at a time/);
});

Deno.test("a store replays entries that its tables have, without effect", () => {
  const driver = new Driver();
  const writer = new TableWriter(driver.store);
  const tables = new MemoryTables();
  driver.do(put("a", "1"));
  driver.do(put("a", "2"));
  writeAll(writer, tables);
  const loaded = tables.load({});
  const entries = [1, 2, 3].map((index) => entryOf(index, command({ success: [put("a", "x")] })));
  assert.deepEqual(
    loaded.apply(entries).map(({ kind }) => kind),
    ["skipped", "skipped", "command"],
  );
  assert.equal(new Driver(loaded).age("a")?.[2], 3);
});
