import assert from "node:assert/strict";
import fc from "fast-check";
import { InvariantError } from "../../lib/assert.ts";
import { InputError } from "../../lib/errors.ts";
import { accessOf, coversRange } from "../../lib/kv/access.ts";
import { HistoryAge, RevisionQueue } from "../../lib/kv/history.ts";
import {
  ALL_KEYS,
  checkRange,
  compareKeys,
  compareValues,
  inRange,
  isEmptyRange,
  keysWithPrefix,
  nextKey,
  prefixEnd,
  prefixOf,
  rangeCovers,
  singleKey,
  singleKeyOf,
  startsWith,
} from "../../lib/kv/key_range.ts";
import { checkKeyBytes } from "../../lib/limits.ts";
import { keyRange } from "./commands.ts";
import { bytes, del, put, range, toRange, transaction } from "./support.ts";

const shortBytes = fc.array(fc.constantFrom(0, 1, 0x61, 0xfe, 0xff), { maxLength: 4 })
  .map((list) => Uint8Array.from(list));

Deno.test("a prefix range has exactly the keys that begin with the prefix", () => {
  fc.assert(fc.property(shortBytes, shortBytes, (prefix, key) => {
    assert.equal(inRange(keysWithPrefix(prefix), key), startsWith(key, prefix));
  }));
});

Deno.test("a single-key range has exactly that key", () => {
  fc.assert(fc.property(shortBytes, shortBytes, (key, other) => {
    assert.equal(inRange(singleKey(key), other), compareKeys(key, other) === 0);
  }));
});

Deno.test("keys are ordered by their bytes", () => {
  const order = ["", "\0", "a", "a\0", "aa", "b"].map(bytes);
  for (const [at, key] of order.entries()) {
    for (const [other, against] of order.entries()) {
      assert.equal(Math.sign(compareKeys(key, against)), Math.sign(at - other));
    }
  }
  assert.ok(compareKeys(Uint8Array.of(0x7f), Uint8Array.of(0x80)) < 0, "bytes have no sign");
});

Deno.test("prefixEnd() carries over bytes of 255, and ends nowhere for nothing else", () => {
  assert.deepEqual(prefixEnd(bytes("ab")), bytes("ac"));
  assert.deepEqual(prefixEnd(Uint8Array.of(1, 0xff, 0xff)), Uint8Array.of(2));
  assert.equal(prefixEnd(Uint8Array.of(0xff)), null);
  assert.equal(prefixEnd(new Uint8Array()), null);
});

Deno.test("singleKeyOf() and prefixOf() know their ranges and no others", () => {
  assert.deepEqual(singleKeyOf(singleKey(bytes("a"))), bytes("a"));
  assert.equal(singleKeyOf(keysWithPrefix(bytes("a"))), null);
  assert.equal(singleKeyOf({ start: bytes("a"), end: bytes("b\0") }), null);
  assert.equal(singleKeyOf({ start: new Uint8Array(), end: Uint8Array.of(0) }), null);
  assert.deepEqual(prefixOf(keysWithPrefix(bytes("a"))), bytes("a"));
  assert.deepEqual(prefixOf(keysWithPrefix(Uint8Array.of(0xff))), Uint8Array.of(0xff));
  assert.deepEqual(prefixOf(ALL_KEYS), new Uint8Array());
  assert.equal(prefixOf(singleKey(bytes("a"))), null);
  assert.equal(prefixOf({ start: bytes("a"), end: null }), null);
});

Deno.test("rangeCovers() holds where no key is in one range and not in the other", () => {
  fc.assert(fc.property(keyRange, keyRange, shortBytes, (outer, inner, key) => {
    if (!rangeCovers(outer, inner)) return;
    if (inRange(inner, key)) assert.ok(inRange(outer, key));
  }));
  assert.ok(rangeCovers(keysWithPrefix(bytes("a")), singleKey(bytes("a"))));
  assert.ok(!rangeCovers(keysWithPrefix(bytes("a")), { start: bytes("a"), end: bytes("b\0") }));
  assert.ok(!rangeCovers(keysWithPrefix(bytes("a")), { start: bytes("a"), end: null }));
  assert.ok(isEmptyRange({ start: bytes("b"), end: bytes("a") }));
});

Deno.test("keys and bounds have limits", () => {
  checkKeyBytes(new Uint8Array(1024));
  assert.throws(() => checkKeyBytes(new Uint8Array(1025)), InputError);
  assert.throws(() => checkKeyBytes(new Uint8Array(0)), InputError);
  checkRange(singleKey(new Uint8Array(1024)));
  assert.throws(() => checkRange({ start: new Uint8Array(1025), end: null }), InputError);
  assert.throws(() => checkRange({ start: bytes("a"), end: new Uint8Array(1026) }), InputError);
  assert.deepEqual(nextKey(bytes("a")), Uint8Array.of(0x61, 0));
});

Deno.test("a token covers the ranges that are inside one of its prefixes", () => {
  const token = { prefixes: ["a/", "b/"] };
  assert.ok(coversRange(token, toRange("a/1")));
  assert.ok(coversRange(token, toRange("a/*")));
  assert.ok(coversRange(token, toRange("b/x*")));
  for (const keys of ["a", "a*", "*", "c/1", "b"]) {
    assert.ok(!coversRange(token, toRange(keys)), keys);
  }
  assert.ok(!coversRange(token, { start: bytes("a/"), end: bytes("b0") }), "across two prefixes");
  assert.ok(coversRange({ prefixes: [] }, ALL_KEYS));
});

Deno.test("accessOf() has everything that a transaction can read or write, on any way", () => {
  const { reads, writes } = accessOf(transaction({
    conditions: [
      { target: "exists", keys: toRange("if"), exists: true },
      { target: "fence", lock: bytes("lock"), revision: 1 },
    ],
    success: [put("put", ""), put("shown", "", { isPreviousWanted: true }), range("range*")],
    failure: [
      { ...put("kept", null) },
      put("lease", "", { lease: null }),
      del("del*"),
      del("gone", { isPreviousWanted: true }),
      {
        kind: "transaction",
        ...transaction({
          conditions: [{ target: "version", keys: toRange("nested"), relation: "=", number: 1 }],
          failure: [put("deep", "")],
        }),
      },
    ],
  }));
  assert.deepEqual(
    reads,
    ["if", "lock/*", "shown", "range*", "kept", "lease", "gone", "nested"].map(toRange),
  );
  assert.deepEqual(writes, ["put", "shown", "kept", "lease", "del*", "gone", "deep"].map(toRange));
});

Deno.test("a queue of revisions finds them, and keeps its numbers as it grows and shrinks", () => {
  const queue = new RevisionQueue();
  for (let at = 0; at < 5_000; at++) {
    queue.push(Math.floor(at / 2) * 10, at + 1);
    if (at % 3 === 2) assert.equal(queue.shift(), Math.floor(at / 3) + 1);
  }
  assert.equal(queue.first, 1_666);
  assert.equal(queue.end, 5_000);
  assert.equal(queue.handle(4_000), 4_001);
  assert.equal(queue.revision(4_000), 20_000);
  assert.equal(queue.from(20_000), 4_000);
  assert.equal(queue.from(19_991), 4_000);
  assert.equal(queue.from(0), 1_666);
  assert.equal(queue.from(1e9), 5_000);
  assert.equal(queue.afterRevisionOf(4_000), 4_002);
  assert.equal(queue.afterRevisionOf(4_001), 4_002);
  assert.equal(queue.pop(), 5_000);
  assert.throws(() => queue.handle(1_665), InvariantError);
  assert.throws(() => queue.handle(4_999), InvariantError);
  assert.throws(() => queue.push(5, 1), InvariantError);
});

Deno.test("revisions become too old after so many ticks, at most a step later", () => {
  const age = new HistoryAge(320);
  const seen: (readonly [number, number])[] = [];
  for (let tick = 1; tick <= 400; tick++) {
    const tooOld = age.tick(tick);
    if (tooOld !== null) seen.push([tick, tooOld]);
  }
  assert.deepEqual(seen.slice(0, 2), [[330, 10], [340, 20]]);
});

Deno.test("compareValues() has one order for short and long values", () => {
  const sizes = fc.constantFrom(0, 1, 63, 64, 65, 200);
  fc.assert(fc.property(sizes, sizes, fc.nat(2), fc.nat(2), (left, right, one, other) => {
    const [a, b] = [new Uint8Array(left).fill(9), new Uint8Array(right).fill(9)];
    if (left > 0) a[left - 1] = one;
    if (right > 0) b[right - 1] = other;
    assert.equal(Math.sign(compareValues(a, b)), Math.sign(compareKeys(a, b)));
  }));
});
