/**
 * Log compaction (Raft §7). The state machine keeps its own durable state, so the log needs no
 * snapshot to be cut: what the state machine has made durable, the log may forget.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { LogIndex } from "../types.ts";
import { LOG_LIMITS } from "./config.ts";
import type { SliceLimits } from "./log.ts";
import type { RaftState } from "./state.ts";

/** The state machine is durable up to `index`: forgets what is not needed, once the log is long. */
export function compactLog(state: RaftState, index: LogIndex): void {
  assert(index <= state.commitIndex, "Only what is committed is applied");
  const { log } = state;
  const limits = state.config.logLimits ?? LOG_LIMITS;
  if (!exceeds(log, limits)) return;
  const half = { entriesMax: limits.entriesMax / 2, bytesMax: limits.bytesMax / 2 };
  const base = Math.min(index, log.baseToKeep(half), neededFrom(state, limits)) as LogIndex;
  if (base <= log.base.index) return;
  log.compactTo(base);
  state.durability.logCompactedTo(log.base);
  state.output.events.push({ kind: "logCompacted", index: base });
}

/**
 * The entries after a snapshot that is being made or sent are kept, so that its receiver can go on
 * from it; but not for ever, as a receiver that never finishes must not fill the memory.
 */
function neededFrom(state: RaftState, limits: SliceLimits): number {
  const twice = { entriesMax: 2 * limits.entriesMax, bytesMax: 2 * limits.bytesMax };
  if (exceeds(state.log, twice)) return Infinity;
  const needed = [state.ownSnapshot.makingSince ?? Infinity];
  if (state.role.name === "leader") {
    for (const follower of state.role.followers.values()) {
      needed.push(follower.snapshot?.index ?? Infinity);
    }
  }
  return Math.min(...needed);
}

function exceeds(log: RaftState["log"], limits: SliceLimits): boolean {
  return log.length > limits.entriesMax || log.bytes > limits.bytesMax;
}
