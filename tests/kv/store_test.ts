import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { InvariantError } from "../../lib/assert.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { Store } from "../../lib/kv/store.ts";
import { COMMAND_VERSION, encodeCommand } from "../../lib/kv/command_codec.ts";
import { digestStore } from "../../lib/kv/store_digest.ts";
import { TOKENS_MAX } from "../../lib/kv/token.ts";
import {
  decodeRememberedResult,
  encodeRememberedResult,
  type RememberedResult,
  WriteMemory,
} from "../../lib/kv/write_memory.ts";
import { InputError } from "../../lib/errors.ts";
import { toLogIndex } from "../../lib/types.ts";
import { bytes, command, del, Driver, entryOf, newToken, put, range, TERM } from "./support.ts";

const once = { token: null, key: "once" };
const putA = command({ success: [put("a", "1"), range("a")] }, { idempotency: once });

Deno.test("a write with an idempotency key takes effect once, and is answered as the first time", () => {
  const driver = new Driver();
  const first = driver.apply(putA);
  driver.do(put("a", "other"));
  const again = driver.applied(putA);
  assert.ok(first.kind === "transaction" && again.kind === "replayed");
  assert.ok(again.result.kind === "transaction");
  assert.equal(again.result.revision, 1);
  assert.deepEqual(again.result.answers[0], first.answers[0]);
  assert.deepEqual(again.result.answers[1], { kind: "notRemembered" });
  assert.equal(driver.get("a"), "other");
  assert.equal(driver.store.keys.revision, 2);
});

Deno.test("an idempotency key stands for one command", () => {
  const driver = new Driver();
  driver.apply(putA);
  assert.deepEqual(driver.apply(command({ success: [del("a")] }, { idempotency: once })), {
    kind: "idempotencyKeyReused",
    firstIndex: 1,
    revision: 1,
  });
  assert.equal(driver.get("a"), "1");
});

Deno.test("an idempotency key belongs to the token that used it", () => {
  const driver = new Driver();
  const tokens = [null, newToken("a").id, newToken("b").id];
  for (const token of tokens) {
    const mine = command({ success: [put("a", "1")] }, { idempotency: { token, key: "once" } });
    assert.equal(driver.applied(mine).kind, "command");
    assert.equal(driver.applied(mine).kind, "replayed");
  }
  assert.equal(driver.age("a")?.[2], 3);
});

Deno.test("a write that did not take effect is remembered as well", () => {
  const driver = new Driver();
  const missing = command({ success: [put("a", null)] }, { idempotency: once });
  assert.equal(driver.apply(missing).kind, "transactionRefused");
  driver.do(put("a", "1"));
  assert.equal(driver.applied(missing).kind, "replayed");
  assert.equal(driver.age("a")?.[2], 1);
});

Deno.test("a write is forgotten after so many entries, whatever those are", () => {
  const driver = new Driver({ memory: { entriesMax: 5, bytesMax: 1e9 } });
  driver.apply(putA);
  driver.skip(4);
  assert.equal(driver.store.memory.count, 1);
  driver.skip(1);
  assert.equal(driver.store.memory.count, 0);
  assert.equal(driver.applied(putA).kind, "command");
  assert.equal(driver.age("a")?.[2], 2);
});

Deno.test("a retry in the last entry of the window is known", () => {
  const driver = new Driver({ memory: { entriesMax: 5, bytesMax: 1e9 } });
  driver.apply(putA);
  driver.skip(3);
  assert.equal(driver.applied(putA).kind, "replayed");
});

Deno.test("remembered writes are bounded in bytes, the oldest go first", () => {
  const driver = new Driver({ memory: { entriesMax: 1000, bytesMax: 1000 } });
  const named = (at: number) =>
    command({ success: [put("a", "1")] }, { idempotency: { token: null, key: `k${at}` } });
  for (let at = 0; at < 20; at++) driver.apply(named(at));
  const { memory } = driver.store;
  driver.skip(1);
  assert.ok(memory.bytes <= 1000 && memory.count > 2);
  assert.equal(driver.applied(named(19)).kind, "replayed");
  assert.equal(driver.applied(named(0)).kind, "command");
});

Deno.test("a hash that the log has is used, and is the command's SHA-256", () => {
  const store = new Store();
  const data = encodeCommand(putA);
  const hash = new Uint8Array(createHash("sha256").update(data).digest());
  store.apply([{ index: toLogIndex(1), term: TERM, kind: "command", data, hash }]);
  const [again] = store.apply([{ index: toLogIndex(2), term: TERM, kind: "command", data }]);
  assert.equal(again?.kind, "replayed");
});

Deno.test("apply() takes entries in any batches to the same state", () => {
  const entries = [
    entryOf(1, putA),
    entryOf(2, { kind: "grantLease", id: 1, ttlSeconds: 3 }),
    entryOf(3, command({ success: [put("b", "", { lease: 1 })] })),
    entryOf(4, putA),
    entryOf(5, command({ success: [del("a")] })),
  ];
  const one = new Store();
  one.apply(entries);
  const many = new Store();
  for (const entry of entries) many.apply([entry]);
  assert.deepEqual(digestStore(one), digestStore(many));
  assert.deepEqual(one.apply(entries).map(({ kind }) => kind), entries.map(() => "skipped"));
});

Deno.test("apply() stops at a gap, before or inside a batch", () => {
  const store = new Store();
  assert.throws(() => store.apply([entryOf(2, putA)]), InvariantError);
  assert.throws(() => store.apply([entryOf(1, putA), entryOf(3, putA)]), InvariantError);
  assert.equal(store.appliedIndex, 0);
  assert.deepEqual(store.apply([]), []);
});

Deno.test("apply() refuses bytes that are no command, and goes on", () => {
  const store = new Store();
  const data = Uint8Array.of(COMMAND_VERSION, 99);
  const applied = store.apply([
    { index: toLogIndex(1), term: TERM, kind: "command", data },
    entryOf(2, putA),
  ]);
  assert.deepEqual(applied.map(({ kind }) => kind), ["refused", "command"]);
  assert.equal(store.appliedIndex, 2);
});

Deno.test("apply() stops at a command of a newer Floe, with nothing of the batch applied", () => {
  const store = new Store();
  const newer = {
    index: toLogIndex(2),
    term: TERM,
    kind: "command" as const,
    data: Uint8Array.of(COMMAND_VERSION + 1),
  };
  assert.throws(() => store.apply([entryOf(1, putA), newer]), EnvironmentError);
  assert.equal(store.appliedIndex, 0);
});

Deno.test("compact forgets up to a revision, at once to readers, and never what is not there", () => {
  const driver = new Driver();
  for (let at = 0; at < 5; at++) driver.do(put("a", String(at)));
  assert.deepEqual(driver.apply({ kind: "compact", revision: 3 }), {
    kind: "compacted",
    compactedRevision: 3,
    revision: 5,
  });
  const { keys } = driver.store;
  assert.equal(keys.unreadable(2, driver.store.appliedIndex)?.kind, "compacted");
  assert.equal(keys.unreadable(3, driver.store.appliedIndex), null);
  assert.equal(keys.records.version(keys.getAt(bytes("a"), 3)), 3);
  const beyond = driver.apply({ kind: "compact", revision: 1000 });
  assert.ok(beyond.kind === "compacted");
  assert.equal(beyond.compactedRevision, 5);
  driver.apply({ kind: "compact", revision: 1 });
  assert.equal(keys.compactedRevision, 5);
  keys.forget(1000);
  assert.equal(keys.history.count, 0);
  assert.equal(keys.records.count, 1);
  driver.do(del("a"));
  driver.apply({ kind: "compact", revision: 1000 });
  keys.forget(1000);
  assert.equal(keys.records.count, 0, "a tombstone that nobody can see takes no memory");
});

Deno.test("compaction in several steps forgets nothing that can still be read", () => {
  const driver = new Driver();
  for (let at = 0; at < 5; at++) driver.do(put("a", String(at)), put("b", String(at)));
  const { keys } = driver.store;
  driver.apply({ kind: "compact", revision: 4 });
  for (let step = 0; step < 9; step++) {
    keys.forget(1);
    assert.equal(keys.records.version(keys.getAt(bytes("b"), 4)), 4);
  }
  assert.equal(keys.history.count, 2);
});

Deno.test("a key that was deleted and put anew stays when its deletion is forgotten", () => {
  const driver = new Driver({ history: { changesMax: 1, bytesMax: 1e9, ageTicksMax: null } });
  driver.do(put("a", "1"));
  driver.do(del("a"));
  driver.do(put("a", "2"));
  driver.do(put("b", "1"));
  assert.equal(driver.get("a"), "2");
  driver.do(del("a"));
  driver.do(put("b", "2"));
  assert.deepEqual(driver.keys(), ["b"]);
  assert.equal(driver.store.keys.index.count, 1);
});

Deno.test("history that is too old is forgotten", () => {
  const history = { changesMax: 1000, bytesMax: 1e9, ageTicksMax: 64 };
  const { store } = new Driver({ history });
  const driver = new Driver(store);
  driver.do(put("a", "1"));
  for (let tick = 0; tick < 40; tick++) store.keys.tick();
  driver.do(put("a", "2"));
  for (let tick = 0; tick < 25; tick++) store.keys.tick();
  assert.equal(store.keys.history.count, 2, "65 ticks, but the mark was set at the second");
  store.keys.tick();
  assert.equal(store.keys.history.count, 1);
  for (let tick = 0; tick < 70; tick++) store.keys.tick();
  assert.equal(store.keys.history.count, 0);
  assert.equal(driver.get("a"), "2");
});

Deno.test("tokens are created, refused and revoked", () => {
  const driver = new Driver();
  const create = { kind: "createToken", ...newToken("1") } as const;
  assert.deepEqual(driver.apply(create), {
    kind: "tokenCreated",
    createRevision: 1,
    revision: 0,
  });
  assert.deepEqual(driver.apply(create), { kind: "tokenRefused", reason: "exists", revision: 0 });
  assert.equal(driver.store.tokens.get(create.id)?.createRevision, 1);
  const revoke = { kind: "revokeToken", id: create.id } as const;
  assert.deepEqual(driver.apply(revoke), { kind: "tokenRevoked", revoked: true, revision: 0 });
  assert.deepEqual(driver.apply(revoke), { kind: "tokenRevoked", revoked: false, revision: 0 });
  for (let at = 0; at < TOKENS_MAX; at++) {
    const id = at.toString(16).padStart(16, "0");
    driver.store.tokens.set(id, { ...newToken("1"), id, createRevision: toLogIndex(1) });
  }
  const tooMany = driver.apply({ kind: "createToken", ...newToken("f") });
  assert.ok(tooMany.kind === "tokenRefused" && tooMany.reason === "tooMany");
});

Deno.test("digestStore() sees each part of the state", () => {
  const digests = new Set<string>();
  const see = (driver: Driver) => digests.add(digestStore(driver.store).toHex());
  const driver = new Driver();
  see(driver);
  for (
    const step of [
      command({ success: [put("a", "1")] }),
      command({ success: [put("a", "1")] }),
      { kind: "grantLease", id: 1, ttlSeconds: 3 } as const,
      command({}, { idempotency: once }),
      { kind: "createToken", ...newToken("1") } as const,
    ]
  ) {
    driver.apply(step);
    see(driver);
  }
  assert.equal(digests.size, 6);
});

const RESULTS: readonly RememberedResult[] = [
  {
    kind: "transaction",
    revision: toLogIndex(300),
    succeeded: true,
    answers: [
      { kind: "put", createRevision: toLogIndex(7), version: 200 },
      { kind: "delete", deleted: 3 },
      { kind: "notRemembered" },
      { kind: "transaction", succeeded: false, answers: [] },
    ],
  },
  { kind: "transactionRefused", revision: toLogIndex(1), reason: "tooManyBytes" },
  { kind: "leaseGranted", revision: toLogIndex(1), id: 2 ** 53 - 1, ttlSeconds: 9 },
  { kind: "leaseRefused", revision: toLogIndex(1), reason: "tooMany" },
  {
    kind: "leaseRevoked",
    revision: toLogIndex(1),
    wasThere: true,
    keysDeleted: 4,
    keysLeft: 0,
  },
  { kind: "compacted", revision: toLogIndex(9), compactedRevision: toLogIndex(8) },
  { kind: "tokenCreated", createRevision: toLogIndex(3), revision: toLogIndex(0) },
  { kind: "tokenRefused", revision: toLogIndex(0), reason: "exists" },
  { kind: "tokenRevoked", revision: toLogIndex(0), revoked: false },
];

Deno.test("decodeRememberedResult() gives back every result, and refuses what is cut or goes on", () => {
  for (const result of RESULTS) {
    const whole = encodeRememberedResult(result);
    assert.deepEqual(decodeRememberedResult(whole), result);
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeRememberedResult(whole.subarray(0, length)), InputError);
    }
    assert.throws(() => decodeRememberedResult(Uint8Array.of(...whole, 0)), InputError);
  }
  assert.throws(() => decodeRememberedResult(Uint8Array.of(99, 0)), InputError);
});

Deno.test("an idempotency key is remembered once", () => {
  const memory = new WriteMemory();
  const row = { index: 1, text: "-/a", digest: new Uint8Array(32), result: bytes("r") };
  memory.add(row);
  assert.throws(() => memory.add({ ...row, index: 2 }), InvariantError);
  assert.deepEqual([...memory.rows()], [row]);
});
