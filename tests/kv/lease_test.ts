import assert from "node:assert/strict";
import fc from "fast-check";
import { LEASE_KEYS_PER_ENTRY, LEASES_MAX } from "../../lib/kv/lease_table.ts";
import { Lessor } from "../../lib/kv/lessor.ts";
import { digestStore } from "../../lib/kv/store_digest.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { ANY_INDEX, bytes, command, del, Driver, put, TERM, text, toRange } from "./support.ts";

/** The kind of the last change of each key, newest first. */
function kinds(driver: Driver): readonly string[] {
  const { history, records } = driver.store.keys;
  return Array.from({ length: history.count }, (_, at) => {
    const handle = history.handle(history.end - 1 - at);
    return `${records.kind(handle)} ${text(records.key(handle))}`;
  });
}

Deno.test("a lease's keys go with it, in one revision", () => {
  const driver = new Driver();
  driver.grant(7);
  driver.do(put("b", "", { lease: 7 }), put("a", "", { lease: 7 }), put("c", ""));
  const result = driver.apply({ kind: "revokeLease", id: 7 });
  assert.deepEqual(result, {
    kind: "leaseRevoked",
    wasThere: true,
    keysDeleted: 2,
    keysLeft: 0,
    revision: 3,
  });
  assert.deepEqual(driver.keys(), ["c"]);
  assert.deepEqual(kinds(driver).slice(0, 2), ["delete b", "delete a"]);
  assert.equal(driver.store.keys.leases.get(7), null);
});

Deno.test("what a lease that ran out removed can be told from a delete", () => {
  const driver = new Driver();
  driver.grant(7);
  driver.do(put("a", "", { lease: 7 }));
  const result = driver.apply({
    kind: "expireLeases",
    term: TERM,
    appliedIndex: ANY_INDEX,
    ids: [7, 8],
  });
  assert.deepEqual(result, { kind: "leasesExpired", keysDeleted: 1, unfinished: [], revision: 3 });
  assert.deepEqual(kinds(driver)[0], "expire a");
});

Deno.test("the end of a lease without keys takes no revision", () => {
  const driver = new Driver();
  driver.grant(7);
  assert.equal(
    driver.apply({ kind: "expireLeases", term: TERM, appliedIndex: ANY_INDEX, ids: [7] }).revision,
    0,
  );
  assert.equal(driver.store.keys.leases.count, 0);
});

Deno.test("a key that is put anew under another lease, or none, leaves the first", () => {
  const driver = new Driver();
  driver.grant(1);
  driver.grant(2);
  driver.do(put("a", "", { lease: 1 }), put("b", "", { lease: 1 }), put("c", "", { lease: 1 }));
  driver.do(put("a", "", { lease: 2 }), put("b", ""), del("c"));
  assert.equal(driver.store.keys.leases.keyCount(1), 0);
  driver.apply({ kind: "revokeLease", id: 1 });
  assert.deepEqual(driver.keys(), ["a", "b"]);
});

Deno.test("a lease with too many keys for one entry goes in several, each bounded, first keys first", () => {
  const count = 2 * LEASE_KEYS_PER_ENTRY + 1;
  const names = Array.from({ length: count }, (_, at) => `k${String(at).padStart(5, "0")}`);
  const make = (order: readonly string[]) => {
    const driver = new Driver();
    driver.grant(7);
    const { keys } = driver.store;
    keys.begin(2);
    for (const name of order) keys.put({ key: bytes(name), value: bytes(""), lease: 7 });
    keys.commit();
    driver.skip(1);
    return driver;
  };
  const driver = make(names);
  const other = make(names.toReversed());
  const revoke = { kind: "revokeLease", id: 7 } as const;
  const first = driver.apply(revoke);
  assert.ok(first.kind === "leaseRevoked");
  assert.deepEqual([first.keysDeleted, first.keysLeft], [LEASE_KEYS_PER_ENTRY, count - 1000]);
  assert.deepEqual(driver.keys()[0], names[LEASE_KEYS_PER_ENTRY]);
  other.apply(revoke);
  assert.deepEqual(digestStore(other.store), digestStore(driver.store), "whatever came first");
  const going = driver.do(put("late", "", { lease: 7 }));
  assert.ok(going.kind === "transactionRefused" && going.reason === "leaseNotFound");
  const second = driver.apply({
    kind: "expireLeases",
    term: TERM,
    appliedIndex: ANY_INDEX,
    ids: [7],
  });
  assert.ok(second.kind === "leasesExpired");
  assert.deepEqual([second.keysDeleted, second.unfinished], [LEASE_KEYS_PER_ENTRY, [7]]);
  assert.match(kinds(driver)[0] ?? "", /^delete /, "it was revoked, so it does not expire");
  const last = driver.apply({
    kind: "expireLeases",
    term: TERM,
    appliedIndex: ANY_INDEX,
    ids: [7],
  });
  assert.ok(last.kind === "leasesExpired");
  assert.deepEqual([last.keysDeleted, last.unfinished], [1, []]);
  assert.deepEqual(driver.keys(), []);
});

Deno.test("one entry that ends several leases is bounded as a whole", () => {
  const driver = new Driver();
  const { keys } = driver.store;
  driver.grant(1);
  driver.grant(2);
  driver.grant(3);
  keys.begin(4);
  for (let at = 0; at < LEASE_KEYS_PER_ENTRY; at++) {
    keys.put({ key: bytes(`k${at}`), value: bytes(""), lease: 1 });
  }
  keys.put({ key: bytes("z"), value: bytes(""), lease: 2 });
  keys.commit();
  driver.skip(1);
  const result = driver.apply({
    kind: "expireLeases",
    term: TERM,
    appliedIndex: ANY_INDEX,
    ids: [1, 2, 3],
  });
  assert.ok(result.kind === "leasesExpired");
  assert.deepEqual([result.keysDeleted, result.unfinished], [LEASE_KEYS_PER_ENTRY, [2]]);
  assert.equal(keys.leases.get(2)?.ending, "expired");
});

Deno.test("an id is one lease's, and there are not too many", () => {
  const driver = new Driver();
  assert.deepEqual(driver.grant(1, 5), {
    kind: "leaseGranted",
    id: 1,
    ttlSeconds: 5,
    revision: 0,
  });
  assert.deepEqual(driver.grant(1), { kind: "leaseRefused", reason: "exists", revision: 0 });
  const { leases } = driver.store.keys;
  for (let id = 2; id < LEASES_MAX; id++) {
    leases.set({ id, ttlSeconds: 1, ending: null, grantedIndex: toLogIndex(1) });
  }
  assert.equal(driver.grant(LEASES_MAX).kind, "leaseGranted");
  assert.deepEqual(driver.grant(LEASES_MAX + 1), {
    kind: "leaseRefused",
    reason: "tooMany",
    revision: 0,
  });
});

Deno.test("a lease that is not there is revoked without effect", () => {
  const driver = new Driver();
  const result = driver.apply({ kind: "revokeLease", id: 4 });
  assert.ok(result.kind === "leaseRevoked");
  assert.equal(result.wasThere, false);
});

function newLessor(...ttls: readonly number[]): Lessor {
  const leases = ttls.map((ttlSeconds, at) => ({ id: at + 1, ttlSeconds, ending: null }));
  return new Lessor({ leases, ticksPerSecond: 10 });
}

function tick(lessor: Lessor, count: number): readonly number[] {
  const due: number[] = [];
  for (let left = count; left > 0; left--) {
    lessor.tick();
    due.push(...lessor.due(100));
  }
  return due;
}

Deno.test("a lease runs out after its time to live, and not a tick before", () => {
  const lessor = newLessor(2, 1);
  assert.deepEqual(tick(lessor, 10), []);
  assert.deepEqual(tick(lessor, 1), [2]);
  assert.deepEqual(tick(lessor, 9), []);
  assert.deepEqual(tick(lessor, 1), [1]);
});

Deno.test("a keepalive gives the full time again", () => {
  const lessor = newLessor(2);
  tick(lessor, 20);
  assert.ok(lessor.keepAlive(1));
  assert.equal(lessor.secondsLeft(1), 2);
  assert.deepEqual(tick(lessor, 20), []);
  assert.equal(lessor.secondsLeft(1), 0);
  assert.deepEqual(tick(lessor, 1), [1]);
});

Deno.test("a lease whose end was decided is not kept alive any more", () => {
  const lessor = newLessor(1);
  tick(lessor, 11);
  assert.equal(lessor.keepAlive(1), false);
  assert.equal(lessor.secondsLeft(1), 0);
  assert.equal(lessor.keepAlive(99), false);
  assert.equal(lessor.secondsLeft(99), null);
});

Deno.test("a proposal that seems lost is made again, and not after the lease is gone", () => {
  const lessor = newLessor(1, 1);
  assert.deepEqual(tick(lessor, 11), [1, 2]);
  lessor.changed(2, null);
  assert.deepEqual(tick(lessor, 49), []);
  assert.deepEqual(tick(lessor, 1), [1]);
  assert.equal(lessor.count, 1);
});

Deno.test("a lease that is not whole gone is due at once, and once", () => {
  const lessor = newLessor(1, 100);
  tick(lessor, 11);
  lessor.changed(1, { id: 1, ttlSeconds: 1, ending: "expired" });
  lessor.changed(2, { id: 2, ttlSeconds: 100, ending: "revoked" });
  assert.deepEqual(lessor.due(10), [1, 2]);
  assert.deepEqual(lessor.due(10), []);
  assert.deepEqual(tick(lessor, 50), [1, 2]);
});

Deno.test("a new leader gives every lease its full time, but goes on with those that are ending", () => {
  const leases = [
    { id: 1, ttlSeconds: 3, ending: null },
    { id: 2, ttlSeconds: 3, ending: "revoked" as const },
  ];
  const lessor = new Lessor({ leases, ticksPerSecond: 10 });
  assert.deepEqual(lessor.due(10), [2]);
  assert.equal(lessor.keepAlive(2), false);
  assert.deepEqual(tick(lessor, 30), []);
  assert.deepEqual(tick(lessor, 1), [1]);
});

Deno.test("due() gives no more than it is asked for, and the others the next time", () => {
  const lessor = newLessor(1, 1, 1);
  for (let left = 11; left > 0; left--) lessor.tick();
  assert.equal(lessor.due(2).length, 2);
  assert.equal(lessor.due(2).length, 1);
});

Deno.test("a lease granted anew under an old id does not inherit its time", () => {
  const lessor = newLessor(1);
  lessor.changed(1, null);
  tick(lessor, 5);
  lessor.changed(1, { id: 1, ttlSeconds: 1, ending: null });
  assert.deepEqual(tick(lessor, 10), []);
  assert.deepEqual(tick(lessor, 1), [1]);
});

Deno.test("many leases run out in the order of their deadlines, whatever is kept alive", () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 8 }), fc.boolean()), {
    maxLength: 60,
    size: "max",
  });
  fc.assert(fc.property(steps, (steps) => {
    const lessor = newLessor();
    const deadlines = new Map<number, number>();
    let now = 0;
    for (const [id, isKept] of steps) {
      if (isKept && deadlines.has(id)) {
        assert.ok(lessor.keepAlive(id));
        deadlines.set(id, now + id * 10 + 1);
      } else if (!deadlines.has(id)) {
        lessor.changed(id, { id, ttlSeconds: id, ending: null });
        deadlines.set(id, now + id * 10 + 1);
      }
      for (let left = 7; left > 0; left--) {
        lessor.tick();
        now++;
        const expected = [...deadlines].filter(([, tick]) => tick === now).map(([id]) => id);
        const due = lessor.due(100);
        assert.deepEqual(due, expected.sort((left, right) => left - right));
        for (const id of due) {
          lessor.changed(id, null);
          deadlines.delete(id);
        }
      }
    }
  }));
});

Deno.test("leases are expired by the leader of the entry's term alone", () => {
  const driver = new Driver();
  driver.apply({ kind: "grantLease", id: 7, ttlSeconds: 9 });
  driver.do(put("a", "1", { lease: 7 }));
  const late = {
    kind: "expireLeases",
    term: toTerm(TERM + 1),
    appliedIndex: ANY_INDEX,
    ids: [7],
  } as const;
  assert.deepEqual(driver.apply(late), {
    kind: "leasesExpired",
    keysDeleted: 0,
    unfinished: [],
    revision: 2,
  });
  assert.equal(driver.store.keys.leases.get(7)?.ending, null);
});

Deno.test("the end of a lease is not the end of the next one with its id", () => {
  const driver = new Driver();
  driver.grant(7);
  const seen = driver.store.appliedIndex;
  driver.apply({ kind: "revokeLease", id: 7 });
  driver.grant(7);
  driver.do(put("a", "", { lease: 7 }));
  const late = { kind: "expireLeases", term: TERM, appliedIndex: seen, ids: [7] } as const;
  const result = driver.apply(late);
  assert.ok(result.kind === "leasesExpired");
  assert.deepEqual([result.keysDeleted, result.unfinished], [0, []]);
  assert.equal(driver.store.keys.leases.get(7)?.ending, null);
  assert.equal(driver.get("a"), "");
  driver.apply({ ...late, appliedIndex: driver.store.appliedIndex });
  assert.equal(driver.store.keys.leases.get(7), null);
});

Deno.test("a lease is within ranges without a look at each of its keys", () => {
  const driver = new Driver();
  const { keys } = driver.store;
  driver.grant(7);
  driver.skip(1);
  keys.begin(2);
  for (let at = 0; at < 500; at++) {
    for (const folder of ["a/", "b/"]) {
      keys.put({ key: bytes(`${folder}${at}`), value: bytes(""), lease: 7 });
    }
  }
  keys.commit();
  let looked = 0;
  const { key } = keys.records;
  keys.records.key = (handle) => {
    looked++;
    return key.call(keys.records, handle);
  };
  const within = (...ranges: readonly string[]) => keys.leases.isWithin(7, ranges.map(toRange));
  assert.ok(within("a/*", "b/*"));
  assert.equal(looked, 2);
  assert.ok(within("*"));
  assert.ok(within("b/*", "x/*", "a/*"));
  assert.ok(!within("a/*"));
  assert.ok(!within("b/*"));
  assert.ok(!within("a/*", "b/1*"));
  assert.ok(!within());
  assert.ok(keys.leases.isWithin(8, []), "a lease without keys");
});

Deno.test("a store names the leases that entries touched, once", () => {
  const { store, ...driver } = touching();
  driver.grant(1);
  driver.grant(2);
  assert.deepEqual([...store.takeTouchedLeases()], [1, 2]);
  assert.deepEqual([...store.takeTouchedLeases()], []);
  driver.revoke(2);
  driver.revoke(3);
  assert.deepEqual([...store.takeTouchedLeases()], [2]);
});

function touching() {
  const driver = new Driver();
  return {
    store: driver.store,
    grant: (id: number) => driver.apply({ kind: "grantLease", id, ttlSeconds: 9 }),
    revoke: (id: number) => driver.apply({ kind: "revokeLease", id }),
  };
}

Deno.test("a lease granted under an idempotency key is granted once", () => {
  const driver = new Driver();
  const grant = {
    kind: "grantLease",
    id: 3,
    ttlSeconds: 9,
    idempotency: { token: null, key: "g" },
  } as const;
  const first = driver.apply(grant);
  assert.deepEqual(driver.applied(grant), { kind: "replayed", index: 2, result: first });
  assert.equal(
    driver.apply(command({}, { idempotency: grant.idempotency })).kind,
    "idempotencyKeyReused",
  );
});
