/**
 * Log compaction (Raft §7). The state machine keeps its own durable state, so the log needs no
 * snapshot to be cut: what the state machine has made durable, the log may forget.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { LogIndex } from "../types.ts";
import { HELD_LOG_FACTOR, HELD_LOG_TIMEOUTS, KEPT_LOG_SHARE, LOG_LIMITS } from "./config.ts";
import type { EntryLimits, Log } from "./log.ts";
import type { CoreState } from "./state.ts";

/** The state machine is durable up to `index`: forgets what is not needed, once the log is long. */
export function compactLog(state: CoreState, index: LogIndex): void {
  assert(index <= state.commitIndex, "Only what is committed is applied");
  const { log } = state;
  const limits = state.config.logLimits ?? LOG_LIMITS;
  if (!exceeds(log, limits)) return;
  const wanted = Math.min(index, log.baseToKeep(times(limits, KEPT_LOG_SHARE))) as LogIndex;
  const base = exceeds(log, times(limits, HELD_LOG_FACTOR))
    ? leaveBehind(state, wanted)
    : holdBack(state, wanted);
  if (base <= log.base.index) return;
  log.compactTo(base);
  state.durability.logCompactedTo(log.base);
  state.output.events.push({ kind: "logCompacted", index: base });
}

/**
 * The entries after a snapshot that is being made or sent are kept, and those that its receiver has
 * yet to get when it is installed: else it would need another snapshot at once. A receiver that is
 * silent, or that cannot keep the snapshot, is not waited for.
 */
function holdBack(state: CoreState, base: LogIndex): LogIndex {
  const needed = [base, state.ownSnapshot.makingFromIndex ?? base];
  for (const [, follower] of listFollowers(state)) {
    const needsAfter = follower.needsLogAfter;
    if (needsAfter === null) continue;
    const isCaughtUp = follower.snapshot === null && needsAfter >= base;
    if (isCaughtUp) follower.caughtUp();
    const silentTicks = state.nowTick - follower.rounds.answeredSentTick;
    const isHeard = silentTicks <= HELD_LOG_TIMEOUTS * state.config.electionTimeoutTicks;
    if (isHeard && !isCaughtUp) needed.push(needsAfter);
  }
  return Math.min(...needed) as LogIndex;
}

/** The log is as long as memory allows: whoever still needs more of it starts over. */
function leaveBehind(state: CoreState, base: LogIndex): LogIndex {
  for (const [peer, follower] of listFollowers(state)) {
    const needsAfter = follower.needsLogAfter;
    if (needsAfter === null || needsAfter >= base) continue;
    state.output.events.push({ kind: "followerLeftBehind", peer, index: needsAfter });
  }
  return base;
}

function listFollowers({ role }: CoreState) {
  return role.name === "leader" ? [...role.followers] : [];
}

function times({ entriesMax, bytesMax }: EntryLimits, factor: number): EntryLimits {
  return { entriesMax: entriesMax * factor, bytesMax: bytesMax * factor };
}

function exceeds(log: Log, limits: EntryLimits): boolean {
  return log.length > limits.entriesMax || log.bytes > limits.bytesMax;
}
