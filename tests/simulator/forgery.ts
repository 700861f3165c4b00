/**
 * What a liar makes up: notes out of genuine ones, and snapshots of a state that nobody was ever in.
 *
 * @module
 */

import { encodeUtf8 } from "../../lib/bytes.ts";
import type { Snapshot } from "../../lib/raft/mod.ts";
import type { LogIndex, NodeId, Term } from "../../lib/types.ts";
import { MemoryKeyValueStore } from "../support/memory_store.ts";
import { encodeStore, hashSnapshot } from "./disk/snapshot_bytes.ts";

/** The note with another term and leader under the same signature. */
export function forgeNote(
  note: string,
  claim: { readonly term: Term; readonly leader: NodeId },
): string {
  return note
    .replace(/^term \d+$/m, `term ${claim.term}`)
    .replace(/^leader \S+$/m, `leader ${claim.leader}`);
}

/** A snapshot with nothing wrong about it but what it says. */
export function forgeSnapshot(
  { index, term }: { readonly index: LogIndex; readonly term: Term },
): { readonly snapshot: Snapshot; readonly data: Uint8Array } {
  const store = new MemoryKeyValueStore();
  const place = { createRevision: index, modRevision: index, version: 1 };
  store.transaction(index, () => store.put({ key: "key 0", value: encodeUtf8("lie"), ...place }));
  const data = encodeStore(store);
  return {
    snapshot: { index, term, bytes: data.length, sha256: hashSnapshot(data), members: null },
    data,
  };
}
