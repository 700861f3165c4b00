import assert from "node:assert/strict";
import { BATCH_LIMITS, Store, type TableBatch } from "../../lib/kv/mod.ts";
import { TableKeeper } from "../../lib/node/table_keeper.ts";
import type { Input } from "../../lib/raft/mod.ts";
import { entryOf, putCommand } from "../kv/support.ts";

/** After so many ticks a batch is begun with whatever there is. */
const MANY_TICKS = 200;

function setting() {
  const store = new Store();
  const batches: { readonly batch: TableBatch; readonly written: () => void }[] = [];
  const inputs: Input[] = [];
  const keeper = new TableKeeper({
    store,
    write: (batch, written) => batches.push({ batch, written }),
    submit: (input) => inputs.push(input),
  });
  const apply = (count: number) => {
    for (let left = count; left > 0; left--) {
      store.apply([entryOf(store.appliedIndex + 1, putCommand("k", "v"))]);
    }
    keeper.applied();
  };
  const tick = (count = MANY_TICKS) => {
    for (let left = count; left > 0; left--) keeper.tick();
  };
  return { store, keeper, batches, inputs, apply, tick };
}

Deno.test("a batch is begun at once when many changes wait", () => {
  const { apply, batches } = setting();
  apply(BATCH_LIMITS.changesMax - 1);
  assert.equal(batches.length, 0);
  apply(1);
  assert.equal(batches[0]?.batch.appliedIndex, BATCH_LIMITS.changesMax);
});

Deno.test("few changes are written after some ticks, and nothing where nothing changed", () => {
  const { apply, batches, tick } = setting();
  tick();
  apply(3);
  tick(MANY_TICKS - 1);
  assert.equal(batches.length, 0);
  tick(1);
  assert.deepEqual(batches.map(({ batch }) => batch.appliedIndex), [3]);
});

Deno.test("the core hears how far the tables are, and one batch is on its way at a time", () => {
  const { apply, batches, inputs, tick } = setting();
  apply(3);
  tick();
  apply(BATCH_LIMITS.changesMax);
  tick();
  assert.equal(batches.length, 1);
  assert.deepEqual(inputs, []);
  batches[0]?.written();
  assert.deepEqual(inputs, [{ kind: "checkpointed", index: 3 }]);
  assert.equal(batches.length, 2, "what waited is written at once, as it is much");
  batches[1]?.written();
  assert.equal(inputs.length, 2);
});

Deno.test("flush() writes all that is left, what is on its way included", async () => {
  const { keeper, apply, batches, tick } = setting();
  apply(1);
  tick();
  apply(1);
  let isDone = false;
  const flushed = keeper.flush().then(() => isDone = true);
  batches[0]?.written();
  await Promise.resolve();
  assert.deepEqual([batches.length, isDone], [2, false]);
  batches[1]?.written();
  await flushed;
  assert.equal(batches.length, 2);
  await keeper.flush();
});

Deno.test("flush() fails when the tables do", async () => {
  const { keeper, apply } = setting();
  apply(1);
  const flushed = keeper.flush();
  keeper.failed(new Error("full"));
  await assert.rejects(flushed, /full/);
});

Deno.test("nothing of a store that was replaced is confirmed or written any more", () => {
  const { keeper, apply, batches, inputs, tick } = setting();
  apply(3);
  tick();
  const other = new Store();
  keeper.replace(other);
  batches[0]?.written();
  assert.deepEqual(inputs, []);
  other.apply([entryOf(1, putCommand("k", "v"))]);
  keeper.applied();
  tick();
  assert.deepEqual(batches.map(({ batch }) => batch.appliedIndex), [3, 1]);
});
