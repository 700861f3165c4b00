import assert from "node:assert/strict";
import { encodeHex } from "../../lib/bytes.ts";
import { type CommittedEntry, StateMachine } from "../../lib/kv/state_machine.ts";
import { toLogIndex } from "../../lib/types.ts";
import { MemoryKeyValueStore } from "../support/memory_store.ts";
import { digestState } from "../support/state_digest.ts";
import { certificateEntry, newToken, putEntry } from "./support.ts";

Deno.test("digestState() is equal for equal states and differs in each field", () => {
  const digestOf = (...entries: readonly CommittedEntry[]) => {
    const store = new MemoryKeyValueStore();
    new StateMachine(store).apply(entries);
    return encodeHex(digestState(store));
  };
  const base = digestOf(putEntry(1, "a", "one"), putEntry(2, "b", "two"));
  assert.equal(digestOf(putEntry(1, "a", "one"), putEntry(2, "b", "two")), base);
  const others = [
    digestOf(),
    digestOf(certificateEntry(1)),
    digestOf(putEntry(1, "a", "one")),
    digestOf(putEntry(1, "a", "one"), putEntry(2, "b", "twö")),
    digestOf(putEntry(1, "a", "one"), putEntry(2, "c", "two")),
    digestOf(putEntry(1, "b", "two"), putEntry(2, "a", "one")),
    digestOf(putEntry(1, "a", "one"), putEntry(2, "bt", "wo")),
    digestOf(putEntry(1, "a", "one"), putEntry(2, "b", "two"), certificateEntry(3)),
  ];
  assert.equal(new Set([base, ...others]).size, others.length + 1);
});

Deno.test("digestState() differs in each field of a token", () => {
  const base = { ...newToken("a", { prefixes: ["a", "bc"] }), createRevision: toLogIndex(1) };
  const tokens = [
    base,
    { ...base, id: "b".repeat(16) },
    { ...base, secretDigest: new Uint8Array(32) },
    { ...base, name: "c" },
    { ...base, scopes: ["read"] as const },
    { ...base, prefixes: ["ab", "c"] },
    { ...base, prefixes: ["a"] },
    { ...base, createRevision: toLogIndex(0) },
  ];
  const digests = tokens.map((token) => {
    const store = new MemoryKeyValueStore();
    store.transaction(toLogIndex(1), () => store.tokens.add(token));
    return encodeHex(digestState(store));
  });
  assert.equal(new Set(digests).size, tokens.length);
});
