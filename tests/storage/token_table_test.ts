import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import type { Token } from "../../lib/kv/token.ts";
import { KEY_VALUE_FILE, type SqliteKeyValueStore } from "../../lib/storage/key_value_store.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { toLogIndex } from "../../lib/types.ts";
import { newToken } from "../kv/support.ts";
import { copyAsIfKilled, tamper, withFolder, withKeyValueStore } from "./support.ts";

const tokens: readonly Token[] = [
  { ...newToken("1", { prefixes: ["a/", "\u0000ü"] }), createRevision: toLogIndex(4) },
  { ...newToken("a", { scopes: ["admin"], prefixes: [] }), createRevision: toLogIndex(1) },
  { ...newToken("f", { name: "" }), createRevision: toLogIndex(2) },
];

function addAll(store: SqliteKeyValueStore): void {
  const add = () => tokens.toReversed().forEach((token) => store.tokens.add(token));
  store.transaction(toLogIndex(4), add);
}

Deno.test("TokenTable keeps tokens over a restart and when its process is killed", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      addAll(store);
      withKeyValueStore(copyAsIfKilled(options), (reopened) => {
        assert.deepEqual([...reopened.tokens.rows()], tokens);
      });
    });
    withKeyValueStore(options, (store) => {
      assert.deepEqual([...store.tokens.rows()], tokens);
      assert.deepEqual(store.tokens.get("a".repeat(16)), tokens[1]);
      assert.equal(store.tokens.get("b".repeat(16)), null);
      assert.equal(store.tokens.count, 3);
    });
  }));

Deno.test("TokenTable removes a token, and is undone together with the rows", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      addAll(store);
      const failing = () =>
        store.transaction(toLogIndex(5), () => {
          store.tokens.delete("a".repeat(16));
          assert.equal(store.tokens.count, 2);
          throw new Error("on purpose");
        });
      assert.throws(failing, /on purpose/);
      assert.equal(store.tokens.count, 3);
      store.transaction(toLogIndex(5), () => store.tokens.delete("a".repeat(16)));
      assert.equal(store.tokens.get("a".repeat(16)), null);
    });
  }));

Deno.test("TokenTable asserts that writes are in a transaction", () =>
  withFolder((options) => {
    withKeyValueStore(options, (store) => {
      assert.throws(() => store.tokens.delete("a".repeat(16)), InvariantError);
    });
  }));

for (
  const [what, sql] of [
    ["the digest of another secret", "UPDATE tokens SET secret_sha256 = zeroblob(32)"],
    ["more scopes", "UPDATE tokens SET scopes = 3"],
    ["scopes that are none", "UPDATE tokens SET scopes = 9"],
    ["no prefixes", "UPDATE tokens SET prefixes = x'90'"],
    ["prefixes that are no array", "UPDATE tokens SET prefixes = x'01'"],
    ["prefixes that are no MessagePack", "UPDATE tokens SET prefixes = x'c1'"],
    ["another name", "UPDATE tokens SET name = x'41'"],
    ["another revision", "UPDATE tokens SET create_revision = 2"],
    ["another id", `UPDATE tokens SET id = x'${"61".repeat(16)}'`],
    ["another hash", "UPDATE tokens SET sha256 = zeroblob(32)"],
  ] as const
) {
  Deno.test(`TokenTable lets nobody in by a row that was given ${what}`, () =>
    withFolder((options) => {
      withKeyValueStore(options, (store) => {
        const token = { ...newToken("b", { scopes: ["read"] }), createRevision: toLogIndex(1) };
        store.transaction(toLogIndex(1), () => store.tokens.add(token));
      });
      tamper({ folder: options.folder, file: KEY_VALUE_FILE }, sql);
      withKeyValueStore(options, (store) => {
        const message = /kv\.db: the row of a token is damaged.*rebuilds kv\.db/;
        assert.throws(() => [...store.tokens.rows()], { name: "CorruptionError", message });
        const id = what === "another id" ? "a" : "b";
        assert.throws(() => store.tokens.get(id.repeat(16)), CorruptionError);
      });
    }));
}
