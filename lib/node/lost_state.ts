/**
 * Starting with a key-value store that was lost.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { CorruptionError, type Stores } from "../storage/mod.ts";

/**
 * Says so when the store was made anew and the log no longer reaches back to its beginning: the leader
 * must send a snapshot, and until it is here this node votes and keeps entries, but does not lead.
 *
 * @throws {CorruptionError} when there is no other node that could.
 */
export function checkLostState(
  stores: Stores,
  { peerCount }: { readonly peerCount: number },
): void {
  if (!stores.lacksState) return;
  const { index } = stores.raft.logStart;
  if (peerCount > 0) {
    return getLogger(["floe", "node"]).warn("state.lost", { index, next: "snapshot of a leader" });
  }
  throw new CorruptionError({
    file: stores.keyValues.path,
    damage: `it was made anew, the log starts after entry ${index}, and there is no other node`,
    wayBack: "Put back every file whose name begins with kv.db that was moved out of this folder.",
  });
}
