import assert from "node:assert/strict";
import { join } from "node:path";
import { InvariantError } from "../../lib/assert.ts";
import type { KeyValue } from "../../lib/kv/command.ts";
import { KEY_VALUE_FILE, openKeyValueStore } from "../../lib/storage/key_value_store.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { toLogIndex } from "../../lib/types.ts";
import { copyAsIfKilled, countRows, tamper, withFolder, withKeyValueStore } from "./support.ts";

function row(key: string, value = Uint8Array.of(1)): KeyValue {
  return { key, value, createRevision: toLogIndex(1), modRevision: toLogIndex(2), version: 3 };
}

Deno.test("SqliteKeyValueStore keeps rows and applied index over a restart", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      assert.equal(store.appliedIndex, 0);
      store.transaction(toLogIndex(7), () => store.put(row("a")));
    });
    withKeyValueStore(options, (store) => {
      assert.equal(store.appliedIndex, 7);
      assert.deepEqual(store.get("a"), row("a"));
      assert.equal(store.get("b"), null);
    });
  }));

Deno.test("SqliteKeyValueStore keeps rows and applied index when its process is killed", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      store.transaction(toLogIndex(1), () => store.put(row("a")));
      store.transaction(toLogIndex(2), () => store.delete("a"));
      store.transaction(toLogIndex(3), () => store.put(row("b")));
      withKeyValueStore(copyAsIfKilled(options), (reopened) => {
        assert.equal(reopened.appliedIndex, 3);
        assert.deepEqual([...reopened.rows()], [row("b")]);
      });
    });
  }));

Deno.test("checkpoint() leaves all that was applied in kv.db itself, and says up to where", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      assert.equal(store.checkpoint(), 0);
      store.transaction(toLogIndex(7), () => store.put(row("a")));
      const file = "after-a-power-failure.db";
      const path = join(options.folder, file);
      Deno.copyFileSync(store.path, path);
      assert.equal(countRows({ folder: options.folder, file }, "kv"), 0);
      assert.equal(store.checkpoint(), 7);
      Deno.copyFileSync(store.path, path);
      assert.equal(countRows({ folder: options.folder, file }, "kv"), 1);
    });
  }));

for (const isHeld of [false, true]) {
  const when = isHeld ? ", even if it was held for a copy" : "";
  Deno.test(`replace() has all of the old file in kv.db before it is closed${when}`, () =>
    withFolder((options) =>
      withKeyValueStore(options, (store) => {
        if (isHeld) {
          store.database.beginCopy();
          store.database.holdFile();
        }
        store.transaction(toLogIndex(1), () => store.put(row("a")));
        const { database } = store;
        const close = database.close.bind(database);
        let rowsWithoutLog: unknown = null;
        database.close = () => {
          const file = "kv.db-alone";
          Deno.copyFileSync(store.path, join(options.folder, file));
          rowsWithoutLog = countRows({ folder: options.folder, file }, "kv");
          close();
        };
        store.replace(() => {});
        assert.equal(rowsWithoutLog, 1);
      })
    ));
}

Deno.test("SqliteKeyValueStore sees its own writes inside a transaction", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) =>
      store.transaction(toLogIndex(1), () => {
        store.put(row("a"));
        assert.deepEqual(store.get("a"), row("a"));
        store.put(row("a", new Uint8Array(0)));
        assert.deepEqual(store.get("a")?.value, new Uint8Array(0));
        store.delete("a");
        assert.equal(store.get("a"), null);
      }));
  }));

Deno.test("SqliteKeyValueStore undoes a transaction that throws, applied index included", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      store.transaction(toLogIndex(1), () => store.put(row("kept")));
      const failing = () =>
        store.transaction(toLogIndex(2), () => {
          store.delete("kept");
          store.put(row("new"));
          throw new Error("on purpose");
        });
      assert.throws(failing, /on purpose/);
      assert.equal(store.appliedIndex, 1);
      assert.deepEqual([...store.rows()], [row("kept")]);
      store.transaction(toLogIndex(2), () => store.put(row("new")));
      assert.deepEqual([...store.rows()], [row("kept"), row("new")]);
    });
  }));

Deno.test("SqliteKeyValueStore lists any Unicode key whole, by its UTF-8 bytes", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      const ordered = ["\u0000", "a", "a\u0000", "a\u0000b", "ab", "é", "\uffee", "\u{10000}"];
      store.transaction(toLogIndex(1), () => {
        for (const key of ordered.toReversed()) store.put(row(key));
      });
      assert.deepEqual([...store.rows()], ordered.map((key) => row(key)));
      for (const key of ordered) assert.deepEqual(store.get(key), row(key));
    });
  }));

Deno.test("SqliteKeyValueStore asserts that writes are in one transaction, going forward", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      assert.throws(() => store.put(row("a")), InvariantError);
      assert.throws(() => store.delete("a"), InvariantError);
      store.transaction(toLogIndex(2), () => {
        assert.throws(() => store.transaction(toLogIndex(3), () => {}), InvariantError);
      });
      assert.throws(() => store.transaction(toLogIndex(1), () => {}), InvariantError);
      assert.equal(store.appliedIndex, 2);
    });
  }));

for (
  const [what, sql] of [
    ["a value", "UPDATE kv SET value = x'02'"],
    ["a revision", "UPDATE kv SET mod_revision = 3"],
    ["a version", "UPDATE kv SET version = 4"],
    ["a hash", "UPDATE kv SET sha256 = zeroblob(32)"],
  ] as const
) {
  Deno.test(`SqliteKeyValueStore does not serve a row with ${what} that was changed`, () =>
    withFolder((options) => {
      withKeyValueStore(
        options,
        (store) => store.transaction(toLogIndex(1), () => store.put(row("a"))),
      );
      tamper({ folder: options.folder, file: KEY_VALUE_FILE }, sql);
      withKeyValueStore(options, (store) => {
        const message = /kv\.db: the row of key "a" is damaged.*rebuilds kv\.db/;
        assert.throws(() => store.get("a"), { name: "CorruptionError", message });
        assert.throws(() => [...store.rows()], CorruptionError);
      });
    }));
}

for (
  const [what, sql, message] of [
    ["changed", "UPDATE applied SET applied_index = 9", /its applied index is damaged/],
    ["missing", "DELETE FROM applied", /its applied index is missing/],
  ] as const
) {
  Deno.test(`openKeyValueStore() refuses an applied index that is ${what}`, () =>
    withFolder((options) => {
      withKeyValueStore(
        options,
        (store) => store.transaction(toLogIndex(1), () => store.put(row("a"))),
      );
      tamper({ folder: options.folder, file: KEY_VALUE_FILE }, sql);
      assert.throws(() => openKeyValueStore(options), { name: "CorruptionError", message });
    }));
}
