import assert from "node:assert/strict";
import { type AppliedEntry, type Command, encodeCommand } from "../../../lib/kv/mod.ts";
import { toLogIndex, toTerm } from "../../../lib/types.ts";
import { commandEntry } from "../../raft/entries.ts";
import { LifetimeChecker } from "./lifetime_checker.ts";
import { breaks } from "./support.ts";

const SECOND_US = 1_000_000;
const LEASE = { id: 7, ttlSeconds: 2 };
const EARLY = breaks("No lease ends early");

/** A checker, its clock, and what it is told. */
function watching({ jumpedUs = 0 } = {}) {
  const clock = { nowUs: 0 };
  const checker = new LifetimeChecker({
    nowUs: () => clock.nowUs,
    lifeUsMin: (ttlSeconds) => ttlSeconds * SECOND_US,
    jumpedUs: () => jumpedUs,
  });
  let index = 0;
  const apply = (command: Command, term: number, isOver = true): void => {
    const entry = { ...commandEntry(++index, term), data: encodeCommand(command) };
    const kind = command.kind === "revokeLease" ? "leaseRevoked" : "leasesExpired";
    const outcome = { kind: "command", index: toLogIndex(index), result: { kind } } as AppliedEntry;
    checker.applied([entry], [outcome], () => isOver);
  };
  const expire = (atUs: number, { term = 1, isOver = true } = {}): void => {
    clock.nowUs = atUs;
    apply(
      { kind: "expireLeases", term: toTerm(1), appliedIndex: toLogIndex(0), ids: [LEASE.id] },
      term,
      isOver,
    );
  };
  return { checker, clock, apply, expire };
}

Deno.test("LifetimeChecker accepts a lease that ends once its time is over", () => {
  const { checker, expire } = watching();
  checker.keptAlive(LEASE, 100);
  expire(100 + 2 * SECOND_US);
});

Deno.test("LifetimeChecker catches a lease that ends before", () => {
  const { checker, expire } = watching();
  checker.keptAlive(LEASE, 100);
  assert.throws(() => expire(99 + 2 * SECOND_US), EARLY);
});

Deno.test("LifetimeChecker counts from when the newest answered attempt began", () => {
  const { checker, expire } = watching();
  checker.keptAlive(LEASE, 100);
  checker.keptAlive(LEASE, SECOND_US);
  assert.throws(() => expire(100 + 2 * SECOND_US), EARLY);
});

Deno.test("LifetimeChecker catches an answer that comes after a lease ended too early", () => {
  const { checker, expire } = watching();
  expire(SECOND_US);
  assert.throws(() => checker.keptAlive(LEASE, 100), EARLY);
});

Deno.test("LifetimeChecker catches a lease that is said to live after it ended", () => {
  const { checker, expire } = watching();
  expire(SECOND_US);
  const gone = breaks("A lease that has ended is gone");
  assert.throws(() => checker.keptAlive(LEASE, SECOND_US + 1), gone);
});

Deno.test("LifetimeChecker catches a client that is told too early that its lease is gone", () => {
  const { checker, clock } = watching();
  checker.keptAlive(LEASE, 100);
  clock.nowUs = SECOND_US;
  assert.throws(() => checker.lost(LEASE.id), EARLY);
});

Deno.test("LifetimeChecker lets a client end its own lease, and jumps of clocks shorten it", () => {
  const own = watching();
  own.checker.keptAlive(LEASE, 100);
  own.checker.revoking(LEASE.id);
  own.apply({ kind: "revokeLease", id: LEASE.id }, 1);
  const jumping = watching({ jumpedUs: SECOND_US });
  jumping.checker.keptAlive(LEASE, 100);
  jumping.expire(100 + SECOND_US);
});

Deno.test("LifetimeChecker accepts an expiry of another term that did nothing", () => {
  const { checker, expire } = watching();
  checker.keptAlive(LEASE, 100);
  expire(SECOND_US, { term: 2, isOver: false });
});

Deno.test("LifetimeChecker catches an expiry of another term that took effect", () => {
  const { checker, expire } = watching();
  checker.keptAlive(LEASE, 100);
  assert.throws(() => expire(SECOND_US, { term: 2 }), EARLY);
});
