import assert from "node:assert/strict";
import fc from "fast-check";
import { catching, InputError } from "../../lib/errors.ts";
import { inRange } from "../../lib/kv/key_range.ts";
import {
  checkTransaction,
  type Condition,
  isReadOnly,
  type Operation,
  OPERATIONS_MAX,
  type Transaction,
  TRANSACTION_PARTS_MAX,
} from "../../lib/kv/transaction.ts";
import { bytes, del, nest, put, range, text, toRange, transaction } from "./support.ts";

function assertRefused(parts: Partial<Transaction>, why: RegExp): void {
  assert.throws(() => checkTransaction(transaction(parts)), (error) => {
    assert.ok(error instanceof InputError);
    assert.match(error.message, why);
    return true;
  });
}

const TWICE = /could change key "k" twice/;

Deno.test("checkTransaction() refuses a key that is put twice, or put and deleted", () => {
  assertRefused({ success: [put("k", "1"), put("k", "2")] }, TWICE);
  assertRefused({ failure: [put("k", "1"), put("k", "2")] }, TWICE);
  assertRefused({ success: [put("k", "1"), del("k")] }, TWICE);
  assertRefused({ success: [del("k"), put("k", "1")] }, TWICE);
  assertRefused({ success: [del("*"), put("k", "1")] }, TWICE);
  assertRefused({ success: [put("k", "1"), del({ start: bytes("j"), end: bytes("l") })] }, TWICE);
});

Deno.test("checkTransaction() takes what cannot change a key twice", () => {
  checkTransaction(transaction({ success: [put("k", "1")], failure: [put("k", "2"), del("j")] }));
  checkTransaction(transaction({ success: [del("k"), del("*"), range("k")] }));
  checkTransaction(
    transaction({ success: [put("k", "1"), del({ start: bytes("l"), end: null })] }),
  );
  checkTransaction(
    transaction({ success: [put("k", "1"), del({ start: bytes("a"), end: bytes("k") })] }),
  );
  checkTransaction(
    transaction({ success: [del({ start: bytes("z"), end: bytes("a") }), put("k", "")] }),
  );
});

Deno.test("checkTransaction() looks into nested transactions, but not at both branches of one", () => {
  assertRefused({ success: [put("k", "1"), nest({ success: [put("k", "2")] })] }, TWICE);
  assertRefused({ success: [nest({ failure: [put("k", "2")] }), put("k", "1")] }, TWICE);
  assertRefused({ success: [nest({ success: [put("k", "2")] }), del("*")] }, TWICE);
  assertRefused({ success: [put("k", "1"), nest({ failure: [del("k")] })] }, TWICE);
  assertRefused({ success: [del("k"), nest({ failure: [put("k", "1")] })] }, TWICE);
  assertRefused(
    { success: [nest({ success: [put("k", "")] }), nest({ failure: [del("k")] })] },
    TWICE,
  );
  assertRefused({ success: [nest({ success: [put("k", "1"), put("k", "2")] })] }, TWICE);
  checkTransaction(transaction({
    success: [nest({ success: [put("k", "1")], failure: [put("k", "2")] })],
  }));
  checkTransaction(transaction({
    success: [nest({ success: [put("k", "1")], failure: [del("k")] })],
  }));
});

Deno.test("checkTransaction() takes 128 operations on each way through, and not one more", () => {
  const puts = (count: number, name: string) =>
    Array.from({ length: count }, (_, at) => put(`${name}${at}`, ""));
  const full = puts(OPERATIONS_MAX, "a");
  checkTransaction(transaction({ success: full, failure: full }));
  assertRefused({ success: [...full, put("z", "")] }, /129 operations/);
  assertRefused({ success: [nest({ success: full })] }, /129 operations/);
  checkTransaction(
    transaction({ success: [nest({ success: puts(127, "a"), failure: full.slice(1) })] }),
  );
  const condition: Condition = { target: "exists", keys: toRange("a"), exists: true };
  assertRefused({ conditions: Array.from({ length: 129 }, () => condition) }, /129/);
});

/** Both branches of each level have the level below: few operations can run, and very many are there. */
function tree(levels: number, leaf: () => Operation): Operation {
  const branch = () => [levels === 0 ? leaf() : tree(levels - 1, leaf)];
  return nest({ success: branch(), failure: branch() });
}

Deno.test("checkTransaction() counts what all branches have, before it looks at any key", () => {
  const small = Array.from({ length: OPERATIONS_MAX }, (_, at) => put(`k${at}`, ""));
  const condition: Condition = { target: "exists", keys: toRange("a"), exists: true };
  const conditions = Array.from({ length: OPERATIONS_MAX }, () => condition);
  checkTransaction(transaction({ conditions, success: small, failure: small }));
  let keysLookedAt = 0;
  const watched = {
    ...put("k", ""),
    get key() {
      keysLookedAt++;
      return bytes("k");
    },
  };
  assertRefused(
    { success: [tree(8, () => watched)] },
    new RegExp(`1023 operations.* above ${TRANSACTION_PARTS_MAX}; divide it`),
  );
  assert.equal(keysLookedAt, 0);
});

Deno.test("checkTransaction() finds exactly the keys that two operations change", () => {
  const name = fc.constantFrom("a", "b", "c", "d");
  const deleted = fc.tuple(name, name).map(([start, end]) =>
    del({ start: bytes(start), end: end === "d" ? null : bytes(end) })
  );
  const simple = fc.oneof(name.map((key) => put(key, "")), deleted);
  const parts = fc.array(
    fc.oneof(
      simple,
      fc.record({
        success: fc.array(simple, { maxLength: 2 }),
        failure: fc.array(simple, { maxLength: 2 }),
      }).map(nest),
    ),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(parts, (success) => {
      const isRefused = catching(InputError, () => {
        checkTransaction(transaction({ success }));
        return false;
      }, () => true);
      assert.equal(isRefused, changesTwice(success));
    }),
    { numRuns: 500 },
  );
});

/** The rule itself: every pair of operations that can both run, and every key. */
function changesTwice(operations: readonly Operation[]): boolean {
  return operations.some((left, at) => {
    const branches = left.kind === "transaction" ? [left.success, left.failure] : [];
    return branches.some(changesTwice) ||
      operations.slice(at + 1).some((right) =>
        ["a", "b", "c", "d"].some((key) => clash(left, right, key))
      );
  });
}

function clash(left: Operation, right: Operation, key: string): boolean {
  const [one, other] = [effects(left, key), effects(right, key)];
  return one.has("put") && other.size > 0 || other.has("put") && one.size > 0;
}

function effects(operation: Operation, key: string): ReadonlySet<string> {
  if (operation.kind === "transaction") {
    const inner = [...operation.success, ...operation.failure];
    return new Set(inner.flatMap((each) => [...effects(each, key)]));
  }
  if (operation.kind === "put") return new Set(text(operation.key) === key ? ["put"] : []);
  if (operation.kind !== "delete") return new Set();
  return new Set(inRange(operation.keys, bytes(key)) ? ["delete"] : []);
}

Deno.test("isReadOnly() sees a change in a branch of a nested transaction", () => {
  assert.ok(isReadOnly(transaction({ success: [range("a"), nest({ failure: [range("a")] })] })));
  assert.ok(!isReadOnly(transaction({ success: [nest({ failure: [del("a")] })] })));
  assert.ok(!isReadOnly(transaction({ failure: [put("a", "")] })));
});
