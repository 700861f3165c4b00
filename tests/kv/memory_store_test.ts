import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import type { KeyValue } from "../../lib/kv/command.ts";
import { toLogIndex } from "../../lib/types.ts";
import { MemoryKeyValueStore } from "../support/memory_store.ts";
import { remembered } from "./support.ts";

function row(key: string, value = Uint8Array.of(1)): KeyValue {
  return { key, value, createRevision: toLogIndex(1), modRevision: toLogIndex(1), version: 1 };
}

Deno.test("MemoryKeyValueStore undoes a transaction that throws", () => {
  const store = new MemoryKeyValueStore();
  store.transaction(toLogIndex(1), () => {
    store.put(row("kept"));
    store.put(row("overwritten"));
  });
  const failing = () =>
    store.transaction(toLogIndex(2), () => {
      store.delete("kept");
      store.put(row("overwritten", Uint8Array.of(2)));
      store.put(row("new"));
      store.delete("new");
      store.put(row("new"));
      throw new Error("on purpose");
    });
  assert.throws(failing, /on purpose/);
  assert.equal(store.appliedIndex, 1);
  assert.deepEqual([...store.rows()], [row("kept"), row("overwritten")]);
});

Deno.test("MemoryKeyValueStore lists keys by their UTF-8 bytes, not their UTF-16 units", () => {
  const store = new MemoryKeyValueStore();
  const ordered = ["\u0000", "a", "a\u0000", "ab", "é", "\uffee", "\u{10000}"];
  store.transaction(
    toLogIndex(1),
    () => ordered.toReversed().forEach((key) => store.put(row(key))),
  );
  assert.deepEqual([...store.rows()].map(({ key }) => key), ordered);
});

Deno.test("MemoryKeyValueStore keeps a copy of the value", () => {
  const store = new MemoryKeyValueStore();
  const value = Uint8Array.of(1);
  store.transaction(toLogIndex(1), () => store.put(row("a", value)));
  value[0] = 2;
  assert.deepEqual(store.get("a")?.value, Uint8Array.of(1));
});

Deno.test("MemoryKeyValueStore asserts that writes are in one transaction, going forward", () => {
  const store = new MemoryKeyValueStore();
  assert.throws(() => store.put(row("a")), InvariantError);
  assert.throws(() => store.delete("a"), InvariantError);
  store.transaction(toLogIndex(2), () => {
    assert.throws(() => store.transaction(toLogIndex(3), () => {}), InvariantError);
  });
  assert.throws(() => store.transaction(toLogIndex(1), () => {}), InvariantError);
  assert.equal(store.appliedIndex, 2);
});

Deno.test("MemoryKeyValueStore finds remembered writes by key, lists and forgets by revision", () => {
  const store = new MemoryKeyValueStore();
  const writes = [remembered(1, "z"), remembered(2, "a"), remembered(4, "m")];
  store.transaction(toLogIndex(4), () => writes.forEach((write) => store.remembered.add(write)));
  assert.deepEqual([...store.remembered.rows()], writes);
  assert.deepEqual(store.remembered.get("a"), remembered(2, "a"));
  store.transaction(toLogIndex(5), () => {
    store.remembered.delete(toLogIndex(2));
    store.remembered.delete(toLogIndex(3));
  });
  assert.equal(store.remembered.get("a"), null);
  assert.deepEqual([...store.remembered.rows()], [remembered(1, "z"), remembered(4, "m")]);
});

Deno.test("MemoryKeyValueStore undoes what a transaction that throws remembered and forgot", () => {
  const store = new MemoryKeyValueStore();
  store.transaction(toLogIndex(1), () => store.remembered.add(remembered(1, "a")));
  const failing = () =>
    store.transaction(toLogIndex(2), () => {
      store.remembered.delete(toLogIndex(1));
      store.remembered.add(remembered(2, "b"));
      throw new Error("on purpose");
    });
  assert.throws(failing, /on purpose/);
  assert.deepEqual([...store.remembered.rows()], [remembered(1, "a")]);
  assert.deepEqual(store.remembered.get("a"), remembered(1, "a"));
  assert.equal(store.remembered.get("b"), null);
});

Deno.test("MemoryKeyValueStore asserts that an idempotency key stands for one write", () => {
  const store = new MemoryKeyValueStore();
  assert.throws(() => store.remembered.add(remembered(1, "a")), InvariantError);
  store.transaction(toLogIndex(2), () => {
    store.remembered.add(remembered(1, "a"));
    assert.throws(() => store.remembered.add(remembered(2, "a")), InvariantError);
  });
});
