import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import type { WriteResult } from "../../lib/kv/command.ts";
import { KEY_VALUE_FILE, type SqliteKeyValueStore } from "../../lib/storage/key_value_store.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { toLogIndex } from "../../lib/types.ts";
import { remembered } from "../kv/support.ts";
import { copyAsIfKilled, tamper, withFolder, withKeyValueStore } from "./support.ts";

const writes = [remembered(1, "z"), remembered(2, "a"), remembered(4, "m")];

function addAll(store: SqliteKeyValueStore): void {
  store.transaction(toLogIndex(4), () => writes.forEach((write) => store.remembered.add(write)));
}

Deno.test("RememberedTable keeps writes over a restart and when its process is killed", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      addAll(store);
      withKeyValueStore(copyAsIfKilled(options), (reopened) => {
        assert.deepEqual([...reopened.remembered.rows()], writes);
      });
    });
    withKeyValueStore(options, (store) => {
      assert.deepEqual([...store.remembered.rows()], writes);
      assert.deepEqual(store.remembered.get("a"), remembered(2, "a"));
      assert.equal(store.remembered.get("b"), null);
    });
  }));

Deno.test("RememberedTable keeps every kind of result", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      const revision = toLogIndex(1);
      const results: readonly WriteResult[] = [
        { kind: "put", revision, createRevision: revision, version: 3 },
        { kind: "delete", revision, deleted: true },
        { kind: "preconditionFailed", revision, modRevision: toLogIndex(0) },
      ];
      for (const result of results) {
        const write = { ...remembered(1, result.kind), result };
        store.transaction(revision, () => {
          store.remembered.delete(revision);
          store.remembered.add(write);
        });
        assert.deepEqual(store.remembered.get(result.kind), write);
      }
    });
  }));

Deno.test("RememberedTable forgets by revision, and its key is free again", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      addAll(store);
      store.transaction(toLogIndex(5), () => {
        store.remembered.delete(toLogIndex(2));
        store.remembered.delete(toLogIndex(3));
        assert.equal(store.remembered.get("a"), null);
        store.remembered.add(remembered(5, "a"));
      });
      assert.deepEqual(
        [...store.remembered.rows()].map(({ result }) => result.revision),
        [1, 4, 5],
      );
    });
  }));

Deno.test("RememberedTable is undone together with the rows", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      addAll(store);
      const failing = () =>
        store.transaction(toLogIndex(5), () => {
          store.remembered.delete(toLogIndex(1));
          store.remembered.add(remembered(5, "new"));
          throw new Error("on purpose");
        });
      assert.throws(failing, /on purpose/);
      assert.deepEqual([...store.remembered.rows()], writes);
    });
  }));

Deno.test("RememberedTable asserts that writes are in a transaction", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      assert.throws(() => store.remembered.add(remembered(1, "a")), InvariantError);
      assert.throws(() => store.remembered.delete(toLogIndex(1)), InvariantError);
    });
  }));

for (
  const [what, sql] of [
    ["a result", "UPDATE remembered SET result = x'93a37075740203'"],
    ["a result that is none", "UPDATE remembered SET result = x'c0'"],
    ["a digest", "UPDATE remembered SET command_sha256 = zeroblob(32)"],
    ["a revision", "UPDATE remembered SET revision = 2"],
    ["a hash", "UPDATE remembered SET sha256 = zeroblob(32)"],
  ] as const
) {
  Deno.test(`RememberedTable does not answer with a row with ${what} that was changed`, () =>
    withFolder((options) => {
      withKeyValueStore(options, (store) => {
        store.transaction(toLogIndex(1), () => store.remembered.add(remembered(1, "a")));
      });
      tamper({ folder: options.folder, file: KEY_VALUE_FILE }, sql);
      withKeyValueStore(options, (store) => {
        const message = /kv\.db: the row of the remembered write [12] is damaged.*rebuilds kv\.db/;
        assert.throws(() => store.remembered.get("a"), { name: "CorruptionError", message });
        assert.throws(() => [...store.remembered.rows()], CorruptionError);
      });
    }));
}

Deno.test("RememberedTable does not take a write for that of another key", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      store.transaction(toLogIndex(1), () => store.remembered.add(remembered(1, "a")));
    });
    const sql = "UPDATE remembered SET idempotency_key = x'62'";
    tamper({ folder: options.folder, file: KEY_VALUE_FILE }, sql);
    withKeyValueStore(options, (store) => {
      assert.throws(() => store.remembered.get("b"), CorruptionError);
    });
  }));
