import assert from "node:assert/strict";
import { KEY_VALUE_FILE } from "../../lib/storage/key_value_store.ts";
import { checkRows } from "../../lib/storage/row_digest.ts";
import { toLogIndex } from "../../lib/types.ts";
import { tamper, withFolder, withKeyValueStore } from "./support.ts";

const ROW_COUNT = 300;

Deno.test("checkRows() passes what a store wrote", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      checkRows(store);
      const revision = toLogIndex(1);
      store.transaction(revision, () => {
        for (let number = 0; number < ROW_COUNT; number++) {
          const value = Uint8Array.of(number & 0xff);
          const revisions = { createRevision: revision, modRevision: revision, version: 1 };
          store.put({ key: `key ${number}`, value, ...revisions });
        }
      });
      checkRows(store);
    });
  }));

const DAMAGES: readonly (readonly [what: string, sql: string, damage: RegExp])[] = [
  [
    "key's row",
    "INSERT INTO kv VALUES (x'61', x'01', 1, 1, 1, zeroblob(32))",
    /the row of key "a" is damaged/,
  ],
  [
    "remembered write",
    "INSERT INTO remembered VALUES (1, x'41', x'', x'', x'')",
    /the row of the remembered write 1 is damaged/,
  ],
  [
    // Not above where reading begins.
    "remembered write before the first entry",
    "INSERT INTO remembered VALUES (-1, x'41', x'', x'', x'')",
    /remembered has 1 rows, of which 0 can be read/,
  ],
  [
    "token",
    "INSERT INTO tokens VALUES (x'61', zeroblob(32), x'', 1, x'90', 1, zeroblob(32))",
    /the row of a token is damaged/,
  ],
];
for (const [what, sql, damage] of DAMAGES) {
  Deno.test(`checkRows() finds a damaged ${what}`, () =>
    withFolder((options) => {
      withKeyValueStore(options, () => {});
      tamper({ folder: options.folder, file: KEY_VALUE_FILE }, sql);
      withKeyValueStore(options, (store) => {
        assert.throws(() => checkRows(store), { name: "CorruptionError", message: damage });
      });
    }));
}
