import assert from "node:assert/strict";
import { readTransaction } from "../../lib/kv/run_transaction.ts";
import {
  type Condition,
  type Operation,
  type Relation,
  type Transaction,
  TRANSACTION_KEYS_MAX,
} from "../../lib/kv/transaction.ts";
import { TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { bytes, del, Driver, nest, put, range, text, toRange, transaction } from "./support.ts";

function holds(driver: Driver, condition: Condition): boolean {
  return driver.transact({ conditions: [condition] }).succeeded;
}

Deno.test("a key that is not there has 0 in every number, and no value at all", () => {
  const driver = new Driver();
  const keys = toRange("missing");
  for (const target of ["createRevision", "modRevision", "version", "lease"] as const) {
    const compare = (relation: Relation, number: number) =>
      holds(driver, { target, keys, relation, number });
    assert.deepEqual(
      [compare("=", 0), compare("!=", 0), compare("<", 1), compare(">", 0), compare("=", 1)],
      [true, false, true, false, false],
    );
  }
  for (const relation of ["=", "!=", "<", ">"] as const) {
    assert.equal(holds(driver, { target: "value", keys, relation, value: bytes("") }), false);
    assert.equal(
      holds(driver, { target: "value", keys: toRange("m*"), relation, value: bytes("") }),
      false,
    );
  }
  assert.equal(holds(driver, { target: "exists", keys, exists: false }), true);
  assert.equal(holds(driver, { target: "exists", keys, exists: true }), false);
});

Deno.test("values are compared by their bytes", () => {
  const driver = new Driver();
  driver.do(put("a", "b"));
  const compare = (relation: Relation, value: string) =>
    holds(driver, { target: "value", keys: toRange("a"), relation, value: bytes(value) });
  assert.ok(compare("=", "b"));
  assert.ok(compare("<", "ba"));
  assert.ok(compare(">", "a\xff"));
  assert.ok(compare("!=", ""));
  assert.ok(!compare("<", "b"));
});

Deno.test("a condition on a range holds only if it does for every key in it", () => {
  const driver = new Driver();
  driver.do(put("a", "1"), put("b", "1"));
  driver.do(put("b", "1"));
  const version = (keys: string, number: number) =>
    holds(driver, { target: "version", keys: toRange(keys), relation: "=", number });
  assert.ok(version("a", 1));
  assert.ok(!version("*", 1));
  assert.ok(holds(driver, { target: "version", keys: toRange("*"), relation: ">", number: 0 }));
  assert.ok(
    holds(driver, { target: "value", keys: toRange("*"), relation: "=", value: bytes("1") }),
  );
});

Deno.test("a key starts over after it was deleted", () => {
  const driver = new Driver();
  driver.do(put("a", "1"));
  driver.do(put("a", "2"));
  assert.deepEqual(driver.age("a"), [1, 2, 2, 0]);
  driver.do(del("a"));
  driver.do(put("a", "3"));
  assert.deepEqual(driver.age("a"), [4, 4, 1, 0]);
});

Deno.test("what changes nothing takes no revision", () => {
  const driver = new Driver();
  driver.do(put("a", "1"));
  assert.equal(driver.do(del("missing")).revision, 1);
  assert.equal(driver.do(range("a")).revision, 1);
  assert.equal(driver.do().revision, 1);
  assert.equal(driver.grant(4).revision, 1);
  assert.equal(driver.store.keys.history.count, 1);
  assert.equal(driver.do(put("a", "1")).revision, 6, "the index of its entry");
  assert.equal(driver.do(del("a"), del("a")).revision, 7);
  assert.equal(driver.store.keys.history.count, 3);
});

Deno.test("changes of a transaction share a revision and stand in order", () => {
  const driver = new Driver();
  driver.do(put("old", ""));
  const result = driver.do(put("b", ""), del("old"), put("a", ""));
  assert.equal(result.revision, 2);
  const { history, records } = driver.store.keys;
  const changed = [1, 2, 3].map((at) => records.key(history.handle(at)));
  assert.deepEqual(changed, [bytes("b"), bytes("old"), bytes("a")]);
});

Deno.test("reads see what the operations before them did, conditions do not", () => {
  const driver = new Driver();
  driver.do(put("a", "1"));
  const { answers } = driver.transact({
    success: [
      put("b", "2"),
      range("*", { show: "count" }),
      del("a"),
      range("*", { show: "count" }),
      nest({
        conditions: [{ target: "exists", keys: toRange("a"), exists: true }],
        success: [put("c", "3")],
      }),
    ],
  });
  assert.deepEqual(answers.map((answer) => answer.kind === "range" ? answer.count : null), [
    null,
    2,
    null,
    1,
    null,
  ]);
  assert.equal(driver.get("c"), "3");
});

Deno.test("a transaction that cannot be done to its end is not done at all", () => {
  const driver = new Driver();
  driver.grant(1);
  driver.do(put("a", "1", { lease: 1 }), put("b", "1"));
  const refusals: readonly [Operation, string][] = [
    [put("z", null), "keyNotFound"],
    [put("z", "", { lease: null }), "keyNotFound"],
    [put("z", "", { lease: 9 }), "leaseNotFound"],
  ];
  for (const [last, reason] of refusals) {
    const result = driver.do(put("new", ""), put("a", "2"), del("b"), last);
    assert.deepEqual(result, { kind: "transactionRefused", reason, revision: 2 });
    assert.deepEqual(driver.keys(), ["a", "b"]);
    assert.deepEqual(driver.age("a"), [2, 2, 1, 1]);
    assert.equal(driver.store.keys.leases.keyCount(1), 1);
  }
  driver.do(put("a", "2"));
  assert.deepEqual(driver.age("a"), [2, 6, 2, 0]);
});

Deno.test("a put can keep the value or the lease that is there, and show what was", () => {
  const driver = new Driver();
  driver.grant(1);
  driver.do(put("a", "1", { lease: 1 }));
  driver.do(put("a", "2", { lease: null }));
  assert.deepEqual(driver.age("a"), [2, 3, 2, 1]);
  const { answers } = driver.transact({ success: [put("a", null, { isPreviousWanted: true })] });
  assert.equal(driver.get("a"), "2");
  assert.deepEqual(driver.age("a"), [2, 4, 3, 0]);
  const [answer] = answers;
  assert.ok(answer?.kind === "put");
  assert.equal(answer.previous?.lease, 1);
  assert.equal(answer.previous?.version, 2);
  const fresh = driver.transact({ success: [put("n", "", { isPreviousWanted: true })] }).answers[0];
  assert.ok(fresh?.kind === "put");
  assert.equal(fresh.previous, null);
});

Deno.test("a delete says how many keys went, and shows them", () => {
  const driver = new Driver();
  driver.do(put("a/1", "x"), put("a/2", "y"), put("b", "z"));
  const [answer] = driver.transact({ success: [del("a/*", { isPreviousWanted: true })] }).answers;
  assert.ok(answer?.kind === "delete");
  assert.equal(answer.deleted, 2);
  assert.deepEqual(answer.previous?.map(({ value }) => value), [bytes("x"), bytes("y")]);
  assert.deepEqual(driver.keys(), ["b"]);
});

Deno.test("a read is sorted, limited and filtered", () => {
  const driver = new Driver();
  driver.do(put("a", "3"));
  driver.do(put("b", "2"));
  driver.do(put("c", "1"));
  driver.do(put("a", "3"));
  const names = (operation: Operation) => {
    const [answer] = driver.transact({ success: [operation] }).answers;
    assert.ok(answer?.kind === "range");
    return [
      answer.rows.map(({ key }) => new TextDecoder().decode(key)).join(""),
      answer.count,
      answer.hasMore,
    ];
  };
  assert.deepEqual(names(range("*", { sortBy: "value" })), ["cba", 3, false]);
  assert.deepEqual(names(range("*", { sortBy: "modRevision", limit: 1 })), ["b", 3, true]);
  assert.deepEqual(names(range("*", { sortBy: "createRevision", limit: 1 })), ["a", 3, true]);
  assert.deepEqual(names(range("*", { sortBy: "version", order: "descending" })), [
    "abc",
    3,
    false,
  ]);
  assert.deepEqual(names(range("*", { order: "descending", limit: 2 })), ["cb", 2, true]);
  assert.deepEqual(names(range("*", { limit: 2, countAll: true })), ["ab", 3, true]);
  assert.deepEqual(names(range("*", { modRevisionMax: 3 })), ["bc", 2, false]);
  assert.deepEqual(names(range("*", { show: "count", limit: 1 })), ["", 3, false]);
});

Deno.test("deleted keys, which history keeps, are not looked at by a transaction", () => {
  const driver = new Driver();
  const { keys } = driver.store;
  driver.do(put("a", "1"), put("z", "1"));
  driver.skip(2);
  keys.begin(2);
  for (let count = 0; count < 500; count++) {
    keys.put({ key: bytes(`k${count}`), value: bytes(""), lease: 0 });
  }
  keys.commit();
  keys.begin(3);
  for (let count = 0; count < 500; count++) keys.remove(bytes(`k${count}`), "delete");
  keys.commit();
  let looked = 0;
  const { versionAt } = keys;
  keys.versionAt = (...place) => {
    looked++;
    return versionAt.apply(keys, place);
  };
  const condition: Condition = { target: "exists", keys: toRange("k*"), exists: false };
  assert.ok(holds(driver, condition));
  assert.equal(looked, 0);
  const read = readTransaction(keys, transaction({ success: [range("*", { show: "keys" })] }));
  assert.ok(read.kind === "transaction" && read.answers[0]?.kind === "range");
  assert.deepEqual(read.answers[0].rows.map(({ key }) => text(key)), ["a", "z"]);
  assert.equal(looked, 2);
});

Deno.test("values that are too many to sort or to compare are refused before any is looked at", () => {
  const driver = new Driver();
  const { keys } = driver.store;
  const value = new Uint8Array(VALUE_BYTES_MAX).fill(1);
  const most = TRANSACTION_BYTES_MAX / VALUE_BYTES_MAX;
  keys.begin(1);
  for (let count = 0; count <= most; count++) {
    keys.put({ key: bytes(`k${count}`), value, lease: 0 });
  }
  keys.commit();
  let looked = 0;
  const read = keys.records.value;
  keys.records.value = (handle) => {
    looked++;
    return read.call(keys.records, handle);
  };
  const run = (parts: Partial<Transaction>) => readTransaction(keys, transaction(parts));
  const tooMany = { kind: "transactionRefused", reason: "tooManyBytes" };
  const sort = range("*", { sortBy: "value", show: "keys", limit: 1 });
  assert.deepEqual(run({ success: [sort] }), tooMany);
  assert.equal(looked, 0);
  const condition: Condition = { target: "value", keys: toRange("*"), relation: "=", value };
  assert.deepEqual(run({ conditions: [condition] }), tooMany);
  assert.equal(looked, most);
  assert.equal(run({ success: [{ ...sort, keys: toRange("k1*") }] }).kind, "transaction");
});

Deno.test("a transaction that would look at too many keys is refused, and one key fewer is not", () => {
  const driver = new Driver();
  const { store } = driver;
  store.keys.begin(1);
  for (let count = 0; count < TRANSACTION_KEYS_MAX; count++) {
    store.keys.put({ key: bytes(`k${count}`), value: bytes(""), lease: 0 });
  }
  store.keys.commit();
  const count = transaction({ success: [range("*", { show: "count" })] });
  const whole = readTransaction(store.keys, count);
  assert.ok(whole.kind === "transaction" && whole.answers[0]?.kind === "range");
  assert.equal(whole.answers[0].count, TRANSACTION_KEYS_MAX);
  const twice = transaction({ success: [range("*", { show: "count" }), range("k1")] });
  assert.deepEqual(readTransaction(store.keys, twice), {
    kind: "transactionRefused",
    reason: "tooManyKeys",
  });
});

Deno.test("a delete of too many keys, and an answer of too many bytes, leave everything as it was", () => {
  const driver = new Driver();
  driver.do(put("k", ""));
  const { keys } = driver.store;
  keys.begin(10);
  for (let count = 0; count <= TRANSACTION_KEYS_MAX; count++) {
    keys.put({ key: bytes(`k${count}`), value: bytes(""), lease: 0 });
  }
  keys.commit();
  driver.skip(10);
  assert.equal(driver.do(put("new", ""), del("k*")).kind, "transactionRefused");
  assert.equal(driver.get("new"), null);
  assert.equal(keys.liveKeys, TRANSACTION_KEYS_MAX + 2);
  const value = new Uint8Array(VALUE_BYTES_MAX);
  driver.do({ ...put("z", ""), value });
  const reads = (count: number) => driver.do(...Array.from({ length: count }, () => range("z")));
  assert.equal(reads(15).kind, "transaction");
  const refused = reads(16);
  assert.ok(refused.kind === "transactionRefused");
  assert.equal(refused.reason, "tooManyBytes");
});

Deno.test("readTransaction() is for reads", () => {
  const driver = new Driver();
  assert.throws(
    () => readTransaction(driver.store.keys, transaction({ failure: [put("a", "")] })),
    /not read-only/,
  );
});
