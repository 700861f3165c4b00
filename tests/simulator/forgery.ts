/**
 * What a liar makes up: notes out of genuine ones, and snapshots of a state that nobody was ever in.
 *
 * @module
 */

import { encodeUtf8 } from "../../lib/bytes.ts";
import type { Snapshot } from "../../lib/raft/mod.ts";
import type { LogIndex, NodeId, Term } from "../../lib/types.ts";
import { MemoryTables } from "../support/memory_tables.ts";
import { hashSnapshot } from "./disk/key_value_disk.ts";

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
  const tables = new MemoryTables();
  const key = encodeUtf8("key 0");
  const age = { createRevision: index, modRevision: index, version: 1, lease: 0 };
  tables.write({
    appliedIndex: index,
    revision: index,
    compactedRevision: index,
    puts: [{ key, value: encodeUtf8("lie"), ...age }],
    deletes: [],
    history: [],
    leases: new Map(),
    tokens: new Map(),
    remembered: [],
    forgottenIndex: 0,
  });
  const data = tables.encode();
  const sha256 = hashSnapshot(data);
  return { snapshot: { index, term, bytes: data.length, sha256, members: null }, data };
}
