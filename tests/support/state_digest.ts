/**
 * One hash for the whole state, so that two nodes' states can be compared.
 *
 * @module
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { encodeResult, type RememberedWrite } from "../../lib/kv/apply_command.ts";
import type { KeyValue } from "../../lib/kv/command.ts";
import type { KeyValueStore } from "../../lib/kv/state_machine.ts";
import { type Token, toScopeBits } from "../../lib/kv/token.ts";

type Hash = ReturnType<typeof sha256.create>;

/**
 * The SHA-256 of everything in a store: 32 bytes, equal on all nodes at equal applied index.
 *
 * It covers the applied index as an 8-byte big-endian number and the SHA-256s of the rows, of the
 * remembered writes and of the tokens. A row, in the order of the keys, is lengths of key and value,
 * createRevision, modRevision and version as such numbers, key in UTF-8, value; a remembered write,
 * by rising revision, is revision, lengths of idempotency key and result, then idempotency key,
 * digest of the command, result; a token, by rising id, is createRevision, scopes, the number of its
 * texts and the length of each, then the texts (id, name, prefixes), digest of the secret. Reads the whole store: for tests, simulation and audits, not for
 * the path of a write.
 */
export function digestState(store: KeyValueStore): Uint8Array {
  const rows = sha256.create();
  for (const row of store.rows()) updateWithRow(rows, row);
  const remembered = sha256.create();
  for (const write of store.remembered.rows()) updateWithRemembered(remembered, write);
  const tokens = sha256.create();
  for (const token of store.tokens.rows()) updateWithToken(tokens, token);
  return sha256.create().update(encodeNumbers([store.appliedIndex])).update(rows.digest())
    .update(remembered.digest()).update(tokens.digest()).digest();
}

function updateWithRow(hash: Hash, row: KeyValue): void {
  const key = encodeUtf8(row.key);
  const { value, createRevision, modRevision, version } = row;
  hash.update(
    encodeNumbers([key.length, value.length, createRevision, modRevision, version]),
  );
  hash.update(key).update(value);
}

function updateWithRemembered(hash: Hash, write: RememberedWrite): void {
  const idempotencyKey = encodeUtf8(write.idempotencyKey);
  const result = encodeResult(write.result);
  hash.update(encodeNumbers([write.result.revision, idempotencyKey.length, result.length]));
  hash.update(idempotencyKey).update(write.commandDigest).update(result);
}

function updateWithToken(hash: Hash, token: Token): void {
  const texts = [token.id, token.name, ...token.prefixes].map(encodeUtf8);
  hash.update(encodeNumbers([token.createRevision, toScopeBits(token.scopes), texts.length]));
  hash.update(encodeNumbers(texts.map(({ length }) => length)));
  for (const text of texts) hash.update(text);
  hash.update(token.secretDigest);
}

function encodeNumbers(numbers: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * numbers.length));
  numbers.forEach((number, position) => view.setBigUint64(8 * position, BigInt(number)));
  return new Uint8Array(view.buffer);
}
