/**
 * A state machine's whole state as bytes: what a simulated node sends as its snapshot.
 *
 * @module
 */

import { decode, encode } from "@msgpack/msgpack";
import { createHash } from "node:crypto";
import type { KeyValue, KeyValueStore, RememberedWrite, Token } from "../../../lib/kv/mod.ts";
import { toLogIndex } from "../../../lib/types.ts";
import { MemoryKeyValueStore } from "../../support/memory_store.ts";

interface State {
  readonly appliedIndex: number;
  readonly rows: readonly KeyValue[];
  readonly remembered: readonly RememberedWrite[];
  readonly tokens: readonly Token[];
}

/** Everything in a store. */
export function encodeStore(store: KeyValueStore): Uint8Array {
  const state: State = {
    appliedIndex: store.appliedIndex,
    rows: [...store.rows()],
    remembered: [...store.remembered.rows()],
    tokens: [...store.tokens.rows()],
  };
  return encode(state);
}

/** A new store with what {@linkcode encodeStore} found. */
export function decodeStore(bytes: Uint8Array): MemoryKeyValueStore {
  const state = decode(bytes) as State;
  const store = new MemoryKeyValueStore();
  store.transaction(toLogIndex(state.appliedIndex), () => {
    for (const row of state.rows) store.put(row);
    for (const write of state.remembered) store.remembered.add(write);
    for (const token of state.tokens) store.tokens.add(token);
  });
  return store;
}

/** SHA-256 of a snapshot. */
export function hashSnapshot(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
