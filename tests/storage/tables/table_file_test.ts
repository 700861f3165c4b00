import fc from "fast-check";
import assert from "node:assert/strict";
import type { StoreLimits } from "../../../lib/kv/store.ts";
import { Store } from "../../../lib/kv/store.ts";
import { digestStore } from "../../../lib/kv/store_digest.ts";
import { checkStore } from "../../../lib/kv/store_invariants.ts";
import { InputError } from "../../../lib/errors.ts";
import { TOKEN_ID_LENGTH } from "../../../lib/limits.ts";
import type { JobQueue } from "../../../lib/storage/job_queue.ts";
import { encodeBatch } from "../../../lib/storage/tables/batch_codec.ts";
import { atOnce, RowLoader } from "../../../lib/storage/tables/rows.ts";
import { KEY_VALUE_FILE, openTableFile } from "../../../lib/storage/tables/table_file.ts";
import { loadStore } from "../../../lib/storage/tables/tables.ts";
import { anyEntry } from "../../kv/commands.ts";
import {
  bytes,
  command,
  del,
  entryOf,
  historyOf,
  newToken,
  put,
  putCommand,
} from "../../kv/support.ts";
import { tamper, TestTables, withFolder, withTables } from "../support.ts";

Deno.test("tables that are closed and opened at any moment load the store that they follow", async () => {
  const steps = fc.array(fc.tuple(anyEntry, fc.integer({ min: 0, max: 5 })), { maxLength: 40 });
  const limits: StoreLimits = {
    history: { changesMax: 10, bytesMax: 1e9, ageTicksMax: null },
    memory: { entriesMax: 8, bytesMax: 1e9 },
  };
  const property = fc.asyncProperty(steps, (steps) =>
    withFolder((options) => {
      let tables = new TestTables(options, limits);
      const replayed = new Store(limits);
      for (const [command, what] of steps) {
        const entry = entryOf(replayed.appliedIndex + 1, command);
        replayed.apply([entry]);
        tables.store.apply([entry]);
        if (what > 3) continue;
        tables.write(what + 1);
        if (what > 0) continue;
        const before = historyOf(tables.store);
        tables.close();
        tables = new TestTables(options, limits);
        checkStore(tables.store);
        const after = historyOf(tables.store);
        assert.deepEqual(after, before.slice(before.length - after.length));
        assert.deepEqual(digestStore(tables.store), digestStore(replayed));
      }
      assert.deepEqual(digestStore(tables.store), digestStore(replayed));
      tables.close();
    }));
  await fc.assert(property, { numRuns: 30 });
});

Deno.test("a batch of any size is written in parts, and all of it is read again", () =>
  withFolder((options) => {
    const tables = new TestTables(options);
    const { store } = tables;
    const values = [0, 1, 255 * 1024, 512 * 1024].map((length) => new Uint8Array(length).fill(7));
    for (const round of [1, 2]) {
      for (const value of values) {
        const success = [1, 2].map((number) =>
          put(`${value.length}/${number}`, null, { value: value.subarray(round - 1) })
        );
        store.apply([entryOf(store.appliedIndex + 1, command({ success }))]);
      }
    }
    store.apply([entryOf(store.appliedIndex + 1, command({ success: [del("*")] }))]);
    tables.write(1_000_000);
    assert.deepEqual(historyOf(tables.load()), historyOf(store));
    assert.equal(tables.load().keys.liveKeys, 0);
    tables.close();
  }));

Deno.test("encodeBatch() makes no part much larger than the largest value", () => {
  const key = bytes("k");
  const value = new Uint8Array(512 * 1024);
  const before = { key, value, createRevision: 1, modRevision: 1, version: 1, lease: 0 };
  const row = { revision: 2, order: 0, key, kind: "delete", before };
  const batch = {
    appliedIndex: 2,
    revision: 2,
    compactedRevision: 0,
    puts: [],
    deletes: [],
    history: Array.from({ length: 20 }, (_, order) => ({ ...row, order })),
    leases: new Map(),
    tokens: new Map(),
    remembered: [],
    forgottenIndex: 0,
  };
  const parts = [...encodeBatch(batch as unknown as Parameters<typeof encodeBatch>[0], 0)];
  assert.ok(parts.length >= 10, `${parts.length} parts`);
  assert.ok(Math.max(...parts.map(({ length }) => length)) < 1.5 * 1024 * 1024);
});

Deno.test("nothing of a batch is there before it is committed", () =>
  withFolder((options) => {
    withTables(options, (tables) => tables.put("a", "1"));
    const file = openTableFile(options);
    const store = new Store();
    store.apply([entryOf(1, command({ success: [put("b", "2")] }))]);
    file.write(new Uint8Array(0));
    assert.equal(file.appliedIndex, 1);
    file.close();
    withTables(options, (tables) => assert.equal(tables.load().appliedIndex, 1));
  }));

Deno.test("history and remembered writes that were forgotten are gone from the file", () =>
  withFolder((options) => {
    const limits = {
      history: { changesMax: 5, bytesMax: 1e9, ageTicksMax: null },
      memory: { entriesMax: 5, bytesMax: 1e9 },
    };
    const tables = new TestTables(options, limits);
    for (let number = 1; number <= 40; number++) {
      const idempotency = { key: `write-${number}`, token: null };
      const success = [put("a", `secret ${number}.`)];
      const entry = entryOf(number, command({ success }, { idempotency }));
      tables.store.apply([entry]);
      tables.write();
    }
    const { keys, memory } = tables.load();
    assert.ok(keys.history.count <= 6 && memory.count <= 6);
    const count = (sql: string) => {
      let length = 0;
      for (let rows = tables.file.read(); rows !== null; rows = tables.file.read()) {
        length += new TextDecoder("latin1").decode(rows).split(sql).length - 1;
      }
      return length;
    };
    assert.ok(count("secret ") <= 8, "values before, and the newest");
    assert.ok(count("write-") <= 6);
    tables.close();
  }));

/** Tables with something of each kind. */
function fill(tables: TestTables): void {
  tables.store.apply([
    entryOf(1, { kind: "grantLease", id: 7, ttlSeconds: 60 }),
    entryOf(2, command({ success: [put("a", "1", { lease: 7 }), put("b", "2")] })),
    entryOf(3, { kind: "createToken", ...newToken("0") }),
    entryOf(4, command({ success: [put("a", "3")] }, { idempotency: { key: "k", token: null } })),
  ]);
  tables.write();
}

const DAMAGES: readonly (readonly [what: string, sql: string, damage: RegExp])[] = [
  [
    "key's row",
    "UPDATE keys SET row = zeroblob(40) WHERE key = x'61'",
    /the row of key "a" is damaged/,
  ],
  ["key's row that is short", "UPDATE keys SET row = x'' WHERE key = x'61'", /key "a" .*too short/],
  ["key", "UPDATE keys SET key = x'63' WHERE key = x'61'", /the row of key "c" is damaged/],
  ["row in another table", "INSERT INTO leases SELECT * FROM keys", /a row of leases is damaged/],
  ["lease", "UPDATE leases SET row = zeroblob(40)", /a row of leases is damaged/],
  ["token", "UPDATE tokens SET row = zeroblob(99)", /a row of tokens is damaged/],
  ["change", "UPDATE history SET row = zeroblob(40)", /a row of history is damaged/],
  [
    "remembered write",
    "UPDATE remembered SET row = zeroblob(40)",
    /a row of remembered is damaged/,
  ],
  ["applied index", "UPDATE state SET row = zeroblob(40)", /its applied index is damaged/],
  ["applied index that is gone", "DELETE FROM state", /its applied index is missing/],
  // Not above where reading begins.
  [
    "row id",
    "UPDATE keys SET rowid = -1 WHERE key = x'61'",
    /keys has 2 rows, of which 1 can be read/,
  ],
];
for (const [what, sql, damage] of DAMAGES) {
  Deno.test(`a start finds a damaged ${what}`, () =>
    withFolder((options) => {
      withTables(options, fill);
      tamper({ folder: options.folder, file: KEY_VALUE_FILE }, sql);
      const load = () => withTables(options, (tables) => tables.load());
      assert.throws(load, { name: "CorruptionError", message: damage });
    }));
}

const UNFITTING: readonly (readonly [what: string, sql: string, damage: RegExp])[] = [
  ["key", "DELETE FROM keys WHERE key = x'61'", /the change at revision 4 does not fit its key/],
  ["change of a key", "UPDATE keys SET row = (SELECT row FROM keys WHERE key = x'61')", /damaged/],
  ["lease of a key", "DELETE FROM leases", /lease 7 is not there/],
];
for (const [what, sql, damage] of UNFITTING) {
  Deno.test(`a start misses a ${what} that is gone`, () =>
    withFolder((options) => {
      withTables(options, (tables) => {
        tables.store.apply([
          entryOf(1, { kind: "grantLease", id: 7, ttlSeconds: 60 }),
          entryOf(2, command({ success: [put("a", "1", { lease: 7 }), put("b", "2")] })),
          entryOf(3, command({ success: [put("b", "1")] })),
          entryOf(4, command({ success: [put("a", "1", { lease: 7 })] })),
        ]);
        tables.write();
      });
      tamper({ folder: options.folder, file: KEY_VALUE_FILE }, sql);
      const load = () => withTables(options, (tables) => tables.load());
      assert.throws(load, { message: damage });
    }));
}

Deno.test("a token's row keeps all of it", () =>
  withFolder((options) => {
    const token = { ...newToken("a"), id: "a".repeat(TOKEN_ID_LENGTH), prefixes: ["app/", "ü"] };
    const brief = newToken("b", { expiresAtMs: 1_800_000_000_000 });
    withTables(options, (tables) => {
      tables.store.apply([
        entryOf(1, { kind: "createToken", ...token }),
        entryOf(2, { kind: "createToken", ...brief }),
      ]);
      tables.write();
    });
    withTables(options, (tables) => {
      assert.deepEqual(tables.load().tokenRows(), [
        { ...token, createRevision: 1 },
        { ...brief, createRevision: 2 },
      ]);
    });
  }));

Deno.test("RowLoader refuses rows without a state, or that end too early", () => {
  assert.throws(() => atOnce(new RowLoader({}).finish()), {
    message: /the applied index is missing/,
  });
  assert.throws(() => atOnce(new RowLoader({}).add(Uint8Array.of(9, 1))), {
    message: /ends too early/,
  });
});

Deno.test("loadStore() reports damage that the worker finds while the loop loads the rows before it", () =>
  withFolder(async (options) => {
    const rows = withTables(options, (tables) => {
      const { store } = tables;
      for (let index = 1; index <= 2_000; index++) {
        store.apply([entryOf(index, putCommand(`key ${index}`, "value"))]);
      }
      tables.write();
      return tables.file.read();
    });
    const answers = [() => Promise.resolve(rows), () => Promise.reject(new InputError("damaged"))];
    const jobs = { run: () => answers.shift()?.() } as unknown as JobQueue;
    await assert.rejects(loadStore(jobs, {}), { message: "damaged" });
  }));
