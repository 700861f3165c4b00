import assert from "node:assert/strict";
import { encodeHex } from "../../lib/bytes.ts";
import type { CommandResult } from "../../lib/kv/command.ts";
import {
  type AppliedEntry,
  type CommittedEntry,
  StateMachine,
} from "../../lib/kv/state_machine.ts";
import { TOKENS_MAX } from "../../lib/kv/token.ts";
import { toLogIndex } from "../../lib/types.ts";
import { MemoryKeyValueStore } from "../support/memory_store.ts";
import { digestState } from "../support/state_digest.ts";
import {
  certificateEntry,
  commandEntry,
  deleteEntry,
  newToken,
  putEntry,
  rawEntry,
} from "./support.ts";

/** Conditions and idempotency keys, through the state machine as every node runs it. */

function newMachine(rememberedEntries = 100) {
  const store = new MemoryKeyValueStore();
  return { store, machine: new StateMachine(store, { rememberedEntries }) };
}

/** What came of each entry, as `[kind, result]` of those that are commands. */
function outcomesOf(applied: readonly AppliedEntry[]): readonly (readonly [string, unknown])[] {
  return applied.map((entry) => [entry.kind, "result" in entry ? entry.result : null]);
}

function results(applied: readonly AppliedEntry[]): readonly (CommandResult["kind"] | null)[] {
  return applied.map((entry) => entry.kind === "command" ? entry.result.kind : null);
}

const once = { idempotencyKey: "k1" };
const ifAbsent = { ifModRevision: toLogIndex(0) };
const ifRevision = (revision: number) => ({ ifModRevision: toLogIndex(revision) });

Deno.test("a put under the condition of no key creates it once", () => {
  const { machine } = newMachine();
  const applied = machine.apply([
    putEntry(1, "a", "one", ifAbsent),
    putEntry(2, "a", "two", ifAbsent),
    deleteEntry(3, "a"),
    putEntry(4, "a", "three", ifAbsent),
  ]);
  assert.deepEqual(outcomesOf(applied), [
    ["command", { kind: "put", revision: 1, createRevision: 1, version: 1 }],
    ["command", { kind: "preconditionFailed", revision: 2, modRevision: 1 }],
    ["command", { kind: "delete", revision: 3, deleted: true }],
    ["command", { kind: "put", revision: 4, createRevision: 4, version: 1 }],
  ]);
});

Deno.test("of two puts under one revision the first in the log succeeds", () => {
  const { machine, store } = newMachine();
  const applied = machine.apply([
    putEntry(1, "a", "one"),
    putEntry(2, "a", "two", ifRevision(1)),
    putEntry(3, "a", "three", ifRevision(1)),
  ]);
  assert.deepEqual(results(applied), ["put", "put", "preconditionFailed"]);
  assert.deepEqual(store.get("a")?.value, new TextEncoder().encode("two"));
});

Deno.test("a delete under a condition removes only what it names", () => {
  const { machine, store } = newMachine();
  const applied = machine.apply([
    deleteEntry(1, "a", ifRevision(7)),
    putEntry(2, "a", "one"),
    deleteEntry(3, "a", ifRevision(1)),
    deleteEntry(4, "a", ifAbsent),
    deleteEntry(5, "a", ifRevision(2)),
    deleteEntry(6, "a", ifAbsent),
  ]);
  assert.deepEqual(outcomesOf(applied).map(([, result]) => result), [
    { kind: "preconditionFailed", revision: 1, modRevision: 0 },
    { kind: "put", revision: 2, createRevision: 2, version: 1 },
    { kind: "preconditionFailed", revision: 3, modRevision: 2 },
    { kind: "preconditionFailed", revision: 4, modRevision: 2 },
    { kind: "delete", revision: 5, deleted: true },
    { kind: "delete", revision: 6, deleted: false },
  ]);
  assert.equal(store.get("a"), null);
});

Deno.test("a key that was deleted and written again does not have its old revision", () => {
  const { machine } = newMachine();
  const applied = machine.apply([
    putEntry(1, "a", "one"),
    deleteEntry(2, "a"),
    putEntry(3, "a", "one"),
    putEntry(4, "a", "two", ifRevision(1)),
  ]);
  assert.deepEqual(results(applied).at(-1), "preconditionFailed");
});

Deno.test("a repeated write has one effect and the first one's answer", () => {
  const { machine, store } = newMachine();
  const applied = machine.apply([
    putEntry(1, "a", "one", once),
    putEntry(2, "a", "two"),
    putEntry(3, "a", "one", once),
  ]);
  const answer = { kind: "put", revision: 1, createRevision: 1, version: 1 };
  assert.deepEqual([applied[0], applied[2]], [
    { kind: "command", index: 1, result: answer },
    { kind: "replayed", index: 3, result: answer },
  ]);
  assert.deepEqual(store.get("a")?.modRevision, 2);
  assert.equal(machine.appliedIndex, 3);
});

Deno.test("a repeated delete says again that there was a key", () => {
  const { machine } = newMachine();
  const applied = machine.apply([
    putEntry(1, "a", "one"),
    deleteEntry(2, "a", once),
    deleteEntry(3, "a", once),
  ]);
  assert.deepEqual(outcomesOf(applied)[2], ["replayed", {
    kind: "delete",
    revision: 2,
    deleted: true,
  }]);
});

Deno.test("a repeated conditional write succeeds again, though its own effect broke the condition", () => {
  const { machine } = newMachine();
  const options = { ...once, ...ifAbsent };
  const applied = machine.apply([
    putEntry(1, "a", "one", options),
    putEntry(2, "a", "one", options),
  ]);
  assert.deepEqual(outcomesOf(applied)[1], ["replayed", {
    kind: "put",
    revision: 1,
    createRevision: 1,
    version: 1,
  }]);
});

Deno.test("a write whose condition failed fails again, though it would hold by now", () => {
  const { machine, store } = newMachine();
  const options = { ...once, ...ifAbsent };
  const applied = machine.apply([
    putEntry(1, "a", "one"),
    putEntry(2, "a", "two", options),
    deleteEntry(3, "a"),
    putEntry(4, "a", "two", options),
  ]);
  assert.deepEqual(outcomesOf(applied)[3], ["replayed", {
    kind: "preconditionFailed",
    revision: 2,
    modRevision: 1,
  }]);
  assert.equal(store.get("a"), null);
});

for (
  const [what, entry] of [
    ["another value", putEntry(2, "a", "two", once)],
    ["another key", putEntry(2, "b", "one", once)],
    ["another kind", deleteEntry(2, "a", once)],
    ["another condition", putEntry(2, "a", "one", { ...once, ...ifRevision(1) })],
  ] as const
) {
  Deno.test(`an idempotency key with ${what} is refused, and goes on to mean the first`, () => {
    const { machine, store } = newMachine();
    const applied = machine.apply([
      putEntry(1, "a", "one", once),
      entry,
      putEntry(3, "a", "one", once),
    ]);
    assert.deepEqual(applied[1], {
      kind: "command",
      index: 2,
      result: { kind: "idempotencyKeyReused", revision: 2, firstRevision: 1 },
    });
    assert.equal(applied[2]?.kind, "replayed");
    assert.deepEqual([...store.rows()].map(({ modRevision }) => modRevision), [1]);
  });
}

Deno.test("an idempotency key belongs to the token that it came with, and to no other", () => {
  const { machine, store } = newMachine();
  const [first, second] = ["a", "b"].map((digit) => ({
    ...once,
    idempotencyOwner: digit.repeat(16),
  }));
  const applied = machine.apply([
    putEntry(1, "a", "one", first),
    putEntry(2, "a", "two", second),
    putEntry(3, "a", "three", once),
    putEntry(4, "a", "one", first),
    putEntry(5, "a", "other", second),
  ]);
  assert.deepEqual(results(applied.slice(0, 3)), ["put", "put", "put"]);
  assert.deepEqual([applied[3]?.kind, store.get("a")?.modRevision], ["replayed", 3]);
  assert.deepEqual(applied[4], {
    kind: "command",
    index: 5,
    result: { kind: "idempotencyKeyReused", revision: 5, firstRevision: 2 },
  });
});

Deno.test("writes without an idempotency key are never taken for each other", () => {
  const { machine, store } = newMachine();
  machine.apply([putEntry(1, "a", "one"), putEntry(2, "a", "one")]);
  assert.equal(store.get("a")?.version, 2);
  assert.deepEqual([...store.remembered.rows()], []);
});

Deno.test("a write is remembered until as many entries as the window has follow, of any kind", () => {
  const fillers: readonly ((index: number) => CommittedEntry)[] = [
    (index) => putEntry(index, "b", "x"),
    (index) => putEntry(index, "b", "x", { idempotencyKey: `other-${index}` }),
    certificateEntry,
    (index) => rawEntry(index, Uint8Array.of(1, 2)),
  ];
  for (const filler of fillers) {
    for (const [retryIndex, kind] of [[5, "replayed"], [6, "command"]] as const) {
      const { machine } = newMachine(5);
      machine.apply([putEntry(1, "a", "one", once)]);
      for (let index = 2; index < retryIndex; index++) machine.apply([filler(index)]);
      const [retried] = machine.apply([putEntry(retryIndex, "a", "one", once)]);
      assert.equal(retried?.kind, kind, `at ${retryIndex}`);
    }
  }
});

Deno.test("a replay does not make a write be remembered for longer", () => {
  const { machine } = newMachine(3);
  machine.apply([putEntry(1, "a", "one", once), putEntry(2, "a", "one", once)]);
  const applied = machine.apply([
    putEntry(3, "a", "one", once),
    putEntry(4, "a", "one", once),
    putEntry(5, "a", "one", once),
  ]);
  assert.deepEqual(applied.map(({ kind }) => kind), ["replayed", "command", "replayed"]);
  assert.equal(machine.get("a")?.version, 2);
});

Deno.test("an idempotency key that was forgotten may stand for another command", () => {
  const { machine } = newMachine(1);
  const applied = machine.apply([
    putEntry(1, "a", "one", once),
    putEntry(2, "b", "two", once),
  ]);
  assert.deepEqual(results(applied), ["put", "put"]);
});

Deno.test("no more writes are remembered than the window has entries", () => {
  const { machine, store } = newMachine(4);
  for (let index = 1; index <= 20; index++) {
    machine.apply([putEntry(index, "a", "x", { idempotencyKey: `k${index}` })]);
    assert.equal([...store.remembered.rows()].length, Math.min(index, 4));
  }
  assert.deepEqual([...store.remembered.rows()].map(({ result }) => result.revision), [
    17,
    18,
    19,
    20,
  ]);
});

Deno.test("what is remembered is part of the state's digest", () => {
  const digestOf = (...entries: readonly CommittedEntry[]) => {
    const { machine, store } = newMachine(5);
    machine.apply(entries);
    return encodeHex(digestState(store));
  };
  const digests = [
    digestOf(putEntry(1, "a", "one")),
    digestOf(putEntry(1, "a", "one", once)),
    digestOf(putEntry(1, "a", "one", { idempotencyKey: "k2" })),
    digestOf(putEntry(1, "a", "one", { ...once, ...ifAbsent })),
  ];
  assert.equal(new Set(digests).size, digests.length);
});

Deno.test("a token is created, refused under an id that is taken, revoked and gone", () => {
  const { machine } = newMachine();
  const token = newToken("a");
  const applied = machine.apply([
    commandEntry(1, { kind: "createToken", ...token }),
    commandEntry(2, { kind: "createToken", ...newToken("a", { name: "other" }) }),
    commandEntry(3, { kind: "createToken", ...newToken("b") }),
  ]);
  assert.deepEqual(outcomesOf(applied), [
    ["command", { kind: "tokenCreated", revision: 1 }],
    ["command", { kind: "tokenRefused", revision: 2, reason: "exists" }],
    ["command", { kind: "tokenCreated", revision: 3 }],
  ]);
  assert.deepEqual(machine.token(token.id), { ...token, createRevision: 1 });
  assert.deepEqual(machine.tokens().map(({ createRevision }) => createRevision), [1, 3]);
  const revoked = machine.apply([
    commandEntry(4, { kind: "revokeToken", id: token.id }),
    commandEntry(5, { kind: "revokeToken", id: token.id }),
  ]);
  assert.deepEqual(outcomesOf(revoked), [
    ["command", { kind: "tokenRevoked", revision: 4, revoked: true }],
    ["command", { kind: "tokenRevoked", revision: 5, revoked: false }],
  ]);
  assert.equal(machine.token(token.id), null);
});

Deno.test("there are as many tokens as may be, and no more until one is revoked", () => {
  const { machine } = newMachine();
  const create = (index: number, name: number) => {
    const id = name.toString(16).padStart(16, "0");
    return commandEntry(index, { kind: "createToken", ...newToken("0"), id });
  };
  const entries = Array.from({ length: TOKENS_MAX + 1 }, (_, at) => create(at + 1, at));
  const last = machine.apply(entries).at(-1);
  const revision = TOKENS_MAX + 1;
  const result = { kind: "tokenRefused", revision, reason: "tooMany" };
  assert.deepEqual(last, { kind: "command", index: revision, result });
  const next = machine.apply([
    commandEntry(revision + 1, { kind: "revokeToken", id: "0".repeat(16) }),
    create(revision + 2, TOKENS_MAX),
  ]);
  assert.deepEqual(results(next), ["tokenRevoked", "tokenCreated"]);
  assert.equal(machine.tokens().length, TOKENS_MAX);
});

Deno.test("a token that is asked for twice under one idempotency key is made once", () => {
  const { machine } = newMachine();
  const command = { kind: "createToken", ...newToken("a"), ...once } as const;
  const applied = machine.apply([commandEntry(1, command), commandEntry(2, command)]);
  assert.deepEqual(outcomesOf(applied), [
    ["command", { kind: "tokenCreated", revision: 1 }],
    ["replayed", { kind: "tokenCreated", revision: 1 }],
  ]);
});

Deno.test("a token is out of reach of keys, and keys of tokens", () => {
  const { machine, store } = newMachine();
  const token = newToken("a");
  machine.apply([
    commandEntry(1, { kind: "createToken", ...token }),
    deleteEntry(2, token.id),
    putEntry(3, "a", "one"),
    commandEntry(4, { kind: "revokeToken", id: "b".repeat(16) }),
  ]);
  assert.equal(machine.tokens().length, 1);
  assert.deepEqual([...store.rows()].map(({ key }) => key), ["a"]);
});
