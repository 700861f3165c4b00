/**
 * One hash for the whole replicated state, so that two nodes' states can be compared.
 *
 * @module
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { encodeUtf8 } from "../bytes.ts";
import { ByteWriter } from "./byte_fields.ts";
import type { Store } from "./store.ts";
import { expiresBit, type Token, toScopeBits } from "./token.ts";

/**
 * The SHA-256 of everything that the log determines: 32 bytes, equal on all nodes at the same applied index. It
 * covers applied index, revision, keys in order, leases, remembered writes and tokens, each as `byte_fields.ts`
 * writes it. It does not cover history, because nodes can keep more history or less. It reads the whole store, so
 * it is for tests, simulation and audits, not for the path of a write.
 */
export function digestStore(store: Store): Uint8Array {
  const hash = sha256.create();
  const writer = new ByteWriter();
  const section = (name: string) => hash.update(writer.bytes(encodeUtf8(name)).finish());
  hash.update(writer.number(store.appliedIndex).number(store.keys.revision).finish());
  section("keys");
  const { records, index, leases } = store.keys;
  for (const handle of index.handles()) {
    if (!records.isLive(handle)) continue;
    const { key, value, createRevision, modRevision, version, lease } = records.view(handle);
    writer.bytes(key).bytes(value).number(createRevision).number(modRevision).number(version);
    hash.update(writer.number(lease).finish());
  }
  section("leases");
  for (const { id, ttlSeconds, ending, grantedIndex } of leases.rows()) {
    writer.number(id).number(ttlSeconds).number(grantedIndex).bytes(encodeUtf8(ending ?? ""));
    hash.update(writer.finish());
  }
  section("remembered");
  for (const { index, text, digest, result } of store.memory.rows()) {
    writer.number(index).bytes(encodeUtf8(text)).raw(digest).bytes(result);
    hash.update(writer.finish());
  }
  section("tokens");
  for (const token of store.tokenRows()) hash.update(writeToken(writer, token));
  return hash.digest();
}

function writeToken(writer: ByteWriter, token: Token): Uint8Array {
  const { id, name, secretDigest, scopes, prefixes, createRevision, expiresAtMs } = token;
  writer.number(createRevision).bytes(encodeUtf8(id)).bytes(encodeUtf8(name)).raw(secretDigest)
    .number(toScopeBits(scopes) | expiresBit(token))
    .list(prefixes, (prefix) => writer.bytes(encodeUtf8(prefix)));
  if (expiresAtMs !== null) writer.number(expiresAtMs);
  return writer.finish();
}
