import assert from "node:assert/strict";
import { ALL_KEYS } from "../../lib/kv/key_range.ts";
import { type RangeRead, StoreView } from "../../lib/kv/store_view.ts";
import { toLogIndex } from "../../lib/types.ts";
import { bytes, del, Driver, newToken, put, range, text, transaction } from "./support.ts";

const ONE = { keysMax: 1, bytesMax: 1e6 };

/** All keys of a range, each slice one key, with `between` done between two slices. */
function keysOf(read: RangeRead, between: () => void = () => {}): readonly string[] {
  const keys: string[] = [];
  for (;;) {
    const slice = read.next(ONE);
    assert.ok(slice.kind === "slice", slice.kind);
    keys.push(...slice.items.map((item) => item.kind === "row" ? text(item.row.key) : "folder"));
    if (slice.isDone) return keys;
    between();
  }
}

function setting() {
  const driver = new Driver();
  driver.do(put("a", "1"), put("b", "1"), put("c", "1"));
  return { driver, view: new StoreView(driver.store) };
}

Deno.test("a view shows keys as they are, and as they were", () => {
  const { driver, view } = setting();
  driver.do(put("a", "2"));
  assert.deepEqual(view.get(bytes("a"))?.value, bytes("2"));
  assert.equal(view.get(bytes("d")), null);
  const before = view.getAt(bytes("a"), toLogIndex(1));
  assert.ok(before !== null && "value" in before);
  assert.deepEqual(before.value, bytes("1"));
  assert.equal(view.getAt(bytes("d"), toLogIndex(1)), null);
  assert.deepEqual([view.appliedIndex, view.revision, view.keyCount], [2, 2, 3]);
});

Deno.test("a view says which revisions it cannot show", () => {
  const { driver, view } = setting();
  driver.do(put("a", "2"));
  driver.apply({ kind: "compact", revision: 2 });
  const key = bytes("a");
  assert.deepEqual(view.getAt(key, toLogIndex(1)), { kind: "compacted", oldestRevision: 2 });
  assert.deepEqual(view.getAt(key, toLogIndex(4)), { kind: "future", appliedIndex: 3 });
  assert.equal(view.compactedRevision, 2);
});

Deno.test("a range stays at its revision, whatever is written between two slices", () => {
  const { driver, view } = setting();
  const read = view.range({ keys: ALL_KEYS });
  const keys = keysOf(read, () => driver.do(del("b"), put(`a${driver.store.appliedIndex}`, "x")));
  assert.deepEqual([keys, read.revision], [["a", "b", "c"], 1]);
  assert.equal(view.get(bytes("b")), null);
});

Deno.test("a range at a revision that is forgotten meanwhile ends with a refusal", () => {
  const { driver, view } = setting();
  const read = view.range({ keys: ALL_KEYS });
  read.next(ONE);
  driver.do(put("a", "2"));
  driver.apply({ kind: "compact", revision: 2 });
  assert.deepEqual(read.next(ONE), { kind: "compacted", oldestRevision: 2 });
});

Deno.test("a view does a transaction that only reads, and refuses any other", () => {
  const { view } = setting();
  const read = view.transaction(transaction({ success: [range("a")] }));
  assert.ok(read.kind === "transaction" && read.answers[0]?.kind === "range");
  assert.equal(read.answers[0].rows.length, 1);
  assert.throws(
    () => view.transaction(transaction({ success: [put("a", "2")] })),
    /the transaction is not read-only/,
  );
});

Deno.test("a view shows leases with their keys, and tokens", () => {
  const { driver, view } = setting();
  driver.grant(7, 30);
  driver.do(put("b", "2", { lease: 7 }), put("a", "2", { lease: 7 }));
  assert.deepEqual(view.lease(7), { id: 7, ttlSeconds: 30, ending: null, grantedIndex: 2 });
  assert.deepEqual([view.lease(8), view.leases().length, view.leaseKeyCount(7)], [null, 1, 2]);
  assert.deepEqual(view.leaseKeys(7, 1).map(text), ["a"]);
  driver.apply({ kind: "createToken", ...newToken("a") });
  assert.deepEqual(view.tokens().map(({ id }) => id), [newToken("a").id]);
  assert.equal(view.token(newToken("a").id)?.name, "ci");
  assert.equal(view.token(newToken("b").id), null);
});
