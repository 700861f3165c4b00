import assert from "node:assert/strict";
import { InputError } from "../../lib/errors.ts";
import {
  acquireTransaction,
  checkLockName,
  LOCK_NAME_BYTES_MAX,
  lockKey,
  releaseTransaction,
} from "../../lib/kv/lock.ts";
import { ANY_INDEX, bytes, Driver, put, TERM, text } from "./support.ts";

const name = bytes("jobs");

/** Claims the lock; the claim's fence, and the keys of all claims, first come first. */
function acquire(driver: Driver, lease: number): readonly [number, readonly string[]] {
  const { answers } = driver.transact(acquireTransaction({ name, lease, value: bytes("me") }));
  const [own, claims] = answers.slice(-2);
  assert.ok(own?.kind === "range" && claims?.kind === "range");
  return [own.rows[0]?.createRevision ?? 0, claims.rows.map(({ key }) => text(key))];
}

/** Whether a write under this fence takes effect. */
function writes(driver: Driver, fence: number): boolean {
  return driver.transact({
    conditions: [{ target: "fence", lock: name, revision: fence }],
    success: [put("done", String(fence))],
  }).succeeded;
}

function newDriver(...leases: readonly number[]): Driver {
  const driver = new Driver();
  for (const lease of leases) driver.grant(lease);
  return driver;
}

Deno.test("who claims a lock first has it, the others wait in order", () => {
  const driver = newDriver(0xb0b, 0xa, 0xc);
  const [first, alone] = acquire(driver, 0xb0b);
  assert.deepEqual(alone, ["jobs/b0b"]);
  const [second, both] = acquire(driver, 0xa);
  assert.deepEqual(both, ["jobs/b0b", "jobs/a"]);
  assert.ok(second > first);
  assert.ok(writes(driver, first));
  assert.ok(!writes(driver, second));
  driver.transact(releaseTransaction({ name, lease: 0xb0b, fence: first }));
  assert.ok(writes(driver, second));
  assert.ok(!writes(driver, first));
});

Deno.test("a claim that is made again keeps its place and its fence", () => {
  const driver = newDriver(1, 2);
  const [fence] = acquire(driver, 1);
  acquire(driver, 2);
  const [again, claims] = acquire(driver, 1);
  assert.equal(again, fence);
  assert.deepEqual(claims, ["jobs/1", "jobs/2"]);
});

Deno.test("a holder whose lease ran out fails at the store, and the next one holds", () => {
  const driver = newDriver(1, 2);
  const [stale] = acquire(driver, 1);
  const [next] = acquire(driver, 2);
  driver.apply({ kind: "expireLeases", term: TERM, appliedIndex: ANY_INDEX, ids: [1] });
  assert.ok(!writes(driver, stale));
  assert.ok(writes(driver, next));
  assert.equal(driver.get("done"), String(next));
});

Deno.test("nobody holds a lock that nobody claims", () => {
  const driver = newDriver(1);
  assert.ok(!writes(driver, 0));
  assert.ok(!writes(driver, 1));
  const [fence] = acquire(driver, 1);
  driver.transact(releaseTransaction({ name, lease: 1, fence }));
  assert.ok(!writes(driver, fence));
});

Deno.test("a release under an old fence leaves a newer claim of the same lease", () => {
  const driver = newDriver(1);
  const [old] = acquire(driver, 1);
  driver.transact(releaseTransaction({ name, lease: 1, fence: old }));
  const [fence] = acquire(driver, 1);
  driver.transact(releaseTransaction({ name, lease: 1, fence: old }));
  assert.ok(writes(driver, fence));
});

Deno.test("keys below a lock's name that are no claims do not hold it", () => {
  const driver = newDriver(1, 2);
  driver.do(put("jobs/other", ""), put("jobs/2/1", "", { lease: 1 }), put("jobs/1", ""));
  driver.do(put("jobs/7", "", { lease: 1 }), put("jobs/0", ""));
  const [fence] = acquire(driver, 2);
  assert.ok(writes(driver, fence));
});

Deno.test("a lock's key is that of etcd's clients", () => {
  assert.deepEqual(lockKey(name, 0x694d7a), bytes("jobs/694d7a"));
});

Deno.test("a lock's name leaves room for the longest id of a lease", () => {
  checkLockName(new Uint8Array(LOCK_NAME_BYTES_MAX));
  assert.throws(() => checkLockName(new Uint8Array(LOCK_NAME_BYTES_MAX + 1)), InputError);
  assert.throws(() => checkLockName(new Uint8Array(0)), InputError);
});
