import assert from "node:assert/strict";
import fc from "fast-check";
import { InvariantError } from "../../lib/assert.ts";
import { Arena, SLAB_BYTES } from "../../lib/kv/arena.ts";
import { compareKeys, keyText } from "../../lib/kv/key_range.ts";
import { OrderedIndex } from "../../lib/kv/ordered_index.ts";
import { bytes } from "./support.ts";

/** An index over keys in a list: a key's handle is its place in the list plus 1. */
function newIndex(keys: readonly Uint8Array[]): OrderedIndex {
  const keyOf = (handle: number) => keys[handle - 1] ?? new Uint8Array();
  return new OrderedIndex({
    key: keyOf,
    compare: (key, handle) => compareKeys(key, keyOf(handle)),
  });
}

function numbered(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, at) => bytes(String(at).padStart(6, "0")));
}

Deno.test("an index of many keys is a sorted list, whatever comes and goes", () => {
  const steps = fc.array(
    fc.tuple(fc.constantFrom("set", "delete"), fc.nat(599), fc.integer({ min: 1, max: 90 })),
    { maxLength: 60, size: "max" },
  );
  fc.assert(
    fc.property(steps, (steps) => {
      const keys = Array.from({ length: 700 }, (_, at) => bytes(`${at % 7}/${at}`));
      const index = newIndex(keys);
      const model = new Map<string, number>();
      for (const [what, from, count] of steps) {
        for (let at = from; at < from + count; at++) {
          const key = keys[at] ?? new Uint8Array();
          const text = keyText(key);
          const before = what === "set" ? index.set(key, at + 1) : index.delete(key);
          assert.equal(before, model.get(text) ?? 0);
          if (what === "set") model.set(text, at + 1);
          else model.delete(text);
        }
        index.check();
        const sorted = [...model].sort(([left], [right]) => left < right ? -1 : 1);
        assert.deepEqual([...index.handles()], sorted.map(([, handle]) => handle));
        const backward: number[] = [];
        for (const cursor = index.before(null); cursor.handle !== 0; cursor.previous()) {
          backward.push(cursor.handle);
        }
        assert.deepEqual(backward.reverse(), sorted.map(([, handle]) => handle));
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("an index that is filled and emptied in order, or against it, works at every size", () => {
  const keys = numbered(5_000);
  for (const order of [keys, keys.toReversed()]) {
    const index = newIndex(keys);
    for (const key of order) index.set(key, keys.indexOf(key) + 1);
    index.check();
    assert.equal(index.count, 5_000);
    for (const [at, key] of order.entries()) {
      assert.notEqual(index.delete(key), 0);
      assert.equal(index.delete(key), 0);
      if (at % 500 === 0) index.check();
    }
    assert.equal(index.count, 0);
    assert.equal(index.before(null).handle, 0);
  }
});

Deno.test("a cursor begins at the first key at or above, or the last below", () => {
  const keys = numbered(300).filter((_, at) => at % 3 === 0);
  const index = newIndex(keys);
  keys.forEach((key, at) => index.set(key, at + 1));
  for (let number = 0; number < 300; number++) {
    const key = bytes(String(number).padStart(6, "0"));
    assert.equal(index.from(key).handle, number > 297 ? 0 : Math.ceil(number / 3) + 1);
    assert.equal(index.before(key).handle, Math.ceil(number / 3));
  }
});

Deno.test("an index notices each of its changes, for those who hold a place in it", () => {
  const keys = numbered(2);
  const index = newIndex(keys);
  const [first = new Uint8Array(), second = new Uint8Array()] = keys;
  const changes = [index.changes];
  for (
    const change of [
      () => index.set(first, 1),
      () => index.set(first, 1),
      () => index.delete(first),
    ]
  ) {
    change();
    changes.push(index.changes);
  }
  assert.equal(new Set(changes).size, 4);
  index.delete(second);
  assert.equal(index.changes, changes.at(-1), "what is not there is not removed");
});

Deno.test("an arena hands out slots that do not overlap, and takes them back", () => {
  const steps = fc.array(
    fc.tuple(fc.boolean(), fc.oneof(fc.nat(600), fc.nat(90_000))),
    { maxLength: 80, size: "max" },
  );
  fc.assert(
    fc.property(steps, (steps) => {
      const arena = new Arena();
      const held: { readonly handle: number; readonly size: number; readonly mark: number }[] = [];
      for (const [at, [isNew, size]] of steps.entries()) {
        const freed = isNew ? undefined : held.splice(size % Math.max(1, held.length), 1)[0];
        if (freed !== undefined) arena.free(freed.handle);
        else {
          const handle = arena.allocate(size);
          assert.notEqual(handle, 0);
          assert.equal(arena.offset(handle) % 8, 0);
          const start = arena.offset(handle);
          arena.slab(handle).bytes.fill(at, start, start + size);
          assert.ok(start + size <= arena.slab(handle).bytes.length);
          held.push({ handle, size, mark: at % 256 });
        }
        for (const { handle, size, mark } of held) {
          const start = arena.offset(handle);
          const slot = arena.slab(handle).bytes.subarray(start, start + size);
          assert.ok(slot.every((byte) => byte === mark));
        }
        assert.equal(arena.records, held.length);
      }
      for (const { handle } of held) arena.free(handle);
      assert.equal(arena.bytes, 0);
      assert.equal(arena.reservedBytes, 0);
    }),
    { numRuns: 20 },
  );
});

Deno.test("a slot is at most an eighth larger than what it is for, or 15 bytes", () => {
  for (let size = 1; size < 200_000; size += 1 + Math.floor(size / 50)) {
    const slot = Arena.slotBytes(size);
    assert.ok(slot >= size && slot % 8 === 0);
    assert.ok(slot - size < Math.max(16, size / 8), `${size} takes ${slot}`);
  }
});

Deno.test("a full slab is followed by another, and reused when it has room again", () => {
  const arena = new Arena();
  const slots = SLAB_BYTES / 64;
  const handles = Array.from({ length: slots + 1 }, () => arena.allocate(64));
  assert.equal(new Set(handles).size, slots + 1);
  assert.equal(arena.reservedBytes, 2 * SLAB_BYTES);
  const [first = 0] = handles;
  arena.free(handles.at(-1) ?? 0);
  assert.equal(arena.reservedBytes, SLAB_BYTES);
  arena.free(first);
  assert.equal(arena.allocate(64), first);
  assert.throws(() => arena.slab(0), InvariantError);
});
