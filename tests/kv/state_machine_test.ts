import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { COMMAND_VERSION } from "../../lib/kv/command_codec.ts";
import { StateMachine } from "../../lib/kv/state_machine.ts";
import { MemoryKeyValueStore } from "../support/memory_store.ts";
import { certificateEntry, deleteEntry, putEntry, rawEntry } from "./support.ts";

function newMachine(): { readonly machine: StateMachine; readonly store: MemoryKeyValueStore } {
  const store = new MemoryKeyValueStore();
  return { machine: new StateMachine(store), store };
}

Deno.test("apply() creates a key at version 1 with the entry's index as both revisions", () => {
  const { machine } = newMachine();
  const results = machine.apply([certificateEntry(1), putEntry(2, "a", "one")]);
  assert.deepEqual(results, [
    { kind: "certificate", index: 1 },
    {
      kind: "command",
      index: 2,
      result: { kind: "put", revision: 2, createRevision: 2, version: 1 },
    },
  ]);
  assert.deepEqual(machine.get("a"), {
    key: "a",
    value: new TextEncoder().encode("one"),
    createRevision: 2,
    modRevision: 2,
    version: 1,
  });
  assert.equal(machine.appliedIndex, 2);
});

Deno.test("apply() keeps createRevision and counts versions over several writes", () => {
  const { machine } = newMachine();
  const results = machine.apply([putEntry(1, "a", "one"), putEntry(2, "b", "x")]);
  assert.equal(results.length, 2);
  const [last] = machine.apply([putEntry(3, "a", "two")]);
  assert.deepEqual(last, {
    kind: "command",
    index: 3,
    result: { kind: "put", revision: 3, createRevision: 1, version: 2 },
  });
});

Deno.test("apply() starts a key's history afresh after a delete", () => {
  const { machine } = newMachine();
  machine.apply([putEntry(1, "a", "one"), putEntry(2, "a", "two")]);
  const results = machine.apply([deleteEntry(3, "a"), deleteEntry(4, "a"), putEntry(5, "a", "x")]);
  assert.deepEqual(results.map((entry) => entry.kind === "command" ? entry.result : null), [
    { kind: "delete", revision: 3, deleted: true },
    { kind: "delete", revision: 4, deleted: false },
    { kind: "put", revision: 5, createRevision: 5, version: 1 },
  ]);
});

Deno.test("apply() sees the writes of earlier entries of the same batch", () => {
  const { machine } = newMachine();
  machine.apply([putEntry(1, "a", "one"), deleteEntry(2, "a"), putEntry(3, "a", "two")]);
  assert.equal(machine.get("a")?.createRevision, 3);
});

Deno.test("apply() moves only the applied index for a certificate", () => {
  const { machine, store } = newMachine();
  machine.apply([certificateEntry(1)]);
  assert.equal(machine.appliedIndex, 1);
  assert.deepEqual([...store.rows()], []);
});

Deno.test("apply() refuses bytes that are no command, and goes on", () => {
  const { machine, store } = newMachine();
  const results = machine.apply([
    rawEntry(1, new Uint8Array(0)),
    rawEntry(2, Uint8Array.of(COMMAND_VERSION, 0xc0)),
    putEntry(3, "a", "one"),
  ]);
  assert.deepEqual(results.map(({ kind }) => kind), ["refused", "refused", "command"]);
  assert.equal(machine.appliedIndex, 3);
  assert.deepEqual([...store.rows()].map(({ key }) => key), ["a"]);
});

Deno.test("apply() stops at a command of a newer version, and applies nothing of its batch", () => {
  const { machine, store } = newMachine();
  const entries = [putEntry(1, "a", "one"), rawEntry(2, Uint8Array.of(COMMAND_VERSION + 1))];
  assert.throws(() => machine.apply(entries), (error: unknown) => {
    assert.ok(error instanceof EnvironmentError);
    assert.match(error.message, /entry 2: its command is in format 3/);
    return true;
  });
  assert.equal(machine.appliedIndex, 0);
  assert.deepEqual([...store.rows()], []);
});

Deno.test("apply() skips what was applied before, in a replayed log of any overlap", () => {
  const { machine, store } = newMachine();
  const log = [certificateEntry(1), putEntry(2, "a", "one"), putEntry(3, "a", "two")];
  machine.apply(log.slice(0, 2));
  const restarted = new StateMachine(store);
  assert.deepEqual(restarted.apply(log).map(({ kind }) => kind), ["skipped", "skipped", "command"]);
  assert.equal(restarted.get("a")?.version, 2);
  assert.deepEqual(restarted.apply(log).map(({ kind }) => kind), ["skipped", "skipped", "skipped"]);
  assert.equal(restarted.get("a")?.version, 2);
});

Deno.test("apply() takes an empty batch", () => {
  assert.deepEqual(newMachine().machine.apply([]), []);
});

Deno.test("apply() asserts that no entry is missing before the batch", () => {
  const { machine } = newMachine();
  machine.apply([putEntry(1, "a", "one")]);
  assert.throws(() => machine.apply([putEntry(3, "a", "three")]), InvariantError);
  assert.equal(machine.appliedIndex, 1);
});

Deno.test("apply() asserts that no entry is missing, doubled or misplaced within the batch", () => {
  for (const second of [1, 3]) {
    const { machine } = newMachine();
    const entries = [putEntry(1, "a", "one"), putEntry(second, "a", "two")];
    assert.throws(() => machine.apply(entries), InvariantError);
    assert.equal(machine.appliedIndex, 0);
  }
});
