/**
 * Log compaction (Raft §7). The state machine has durable state of its own, so compaction needs no
 * snapshot: the log may forget all entries whose effects are durable.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { highest, type LogIndex, lowest, type NodeId, toLogIndex } from "../types.ts";
import {
  FULL_LOG_FACTOR,
  HELD_LOG_FACTOR,
  HELD_LOG_TIMEOUTS,
  KEPT_LOG_SHARE,
  LOG_LIMITS,
} from "./config.ts";
import type { Snapshot } from "./entry.ts";
import type { EntryLimits, Log } from "./log.ts";
import type { SnapshotResponse } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { Leader } from "./role.ts";
import type { CoreState } from "./state.ts";

/** The state machine is durable up to `index`. If the log is long, it forgets unneeded entries. */
export function compactLog(state: CoreState, index: LogIndex): void {
  assert(index <= state.commitIndex, "Only what is committed is applied");
  const { log } = state;
  const limits = state.config.logLimits ?? LOG_LIMITS;
  if (!exceeds(log, limits)) return;
  const wanted = lowest(index, log.baseToKeep(times(limits, KEPT_LOG_SHARE)));
  const base = exceeds(log, times(limits, HELD_LOG_FACTOR))
    ? leaveBehind(state, wanted)
    : holdBack(state, wanted);
  if (base <= log.base.index) return;
  log.compactTo(base);
  state.durability.logCompactedTo(log.base, state.cluster.record);
  state.output.events.push({ kind: "logCompacted", index: base });
}

/**
 * The entries after a snapshot are kept while it is made and sent, and until its receiver has caught up;
 * otherwise the receiver would need another snapshot immediately. A receiver that is silent, or cannot
 * store the snapshot, holds nothing back.
 */
function holdBack(state: CoreState, base: LogIndex): LogIndex {
  const needed = [base, state.ownSnapshot.makingFromIndex ?? base];
  for (const [, follower] of listFollowers(state)) {
    const needsAfter = follower.needsLogAfter;
    // Its next entry is forgotten already, so it needs another snapshot, and no entry of this log.
    if (needsAfter === null || needsAfter < state.log.base.index) continue;
    const isCaughtUp = follower.snapshot === null && needsAfter >= base;
    if (isCaughtUp) follower.caughtUp();
    const silentTicks = state.nowTick - follower.rounds.answeredSentTick;
    const isHeard = silentTicks <= HELD_LOG_TIMEOUTS * state.config.electionTimeoutTicks;
    if (isHeard && !isCaughtUp) needed.push(needsAfter);
  }
  return lowest(...needed);
}

/** The log is as long as memory allows. A follower that needs older entries starts over with a snapshot. */
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

/**
 * Whether the log is so long that nothing more is taken into it: what is applied is not durable yet, as the
 * disk with the state machine does not keep up, or this node waits for a snapshot.
 */
export function isLogFull({ log, config }: CoreState): boolean {
  // However short a log is wanted, that much is no trouble.
  if (!exceeds(log, LOG_LIMITS)) return false;
  return exceeds(log, times(config.logLimits ?? LOG_LIMITS, FULL_LOG_FACTOR));
}

function times({ entriesMax, bytesMax }: EntryLimits, factor: number): EntryLimits {
  return { entriesMax: entriesMax * factor, bytesMax: bytesMax * factor };
}

function exceeds(log: Log, limits: EntryLimits): boolean {
  return log.length > limits.entriesMax || log.bytes > limits.bytesMax;
}

/** Whether the follower needs a snapshot: its next entry is forgotten, or it lost its state machine. */
export function needsSnapshot(state: CoreState, follower: Progress): boolean {
  if (follower.nextIndex <= state.log.base.index) return true;
  const wanted = follower.wantedSnapshotIndex;
  // A new leader may have a lower commit index than the follower, and then needs the follower's answer.
  return wanted !== null && wanted <= state.commitIndex;
}

/** Sends the next chunk to a follower that needs a snapshot and answers. Without a snapshot, requests one. */
export function sendSnapshot(
  state: CoreState,
  leader: Leader,
  { peer, follower }: { readonly peer: NodeId; readonly follower: Progress },
): void {
  const { nowTick, config: { electionTimeoutTicks } } = state;
  // Otherwise a follower that is down would cost a snapshot each time the log is compacted.
  if (nowTick - follower.rounds.answeredSentTick > electionTimeoutTicks) return;
  const from = highest(state.log.base.index, follower.wantedSnapshotIndex ?? toLogIndex(0));
  const snapshot = state.ownSnapshot.usableFrom(from);
  if (snapshot === null) return haveSnapshotMade(state, follower);
  if (follower.snapshot !== snapshot) {
    follower.startSnapshot(snapshot);
    state.output.events.push({ kind: "snapshotSending", peer, index: snapshot.index });
  }
  const offset = follower.takeChunkOffset(nowTick, electionTimeoutTicks);
  if (offset === null) return;
  state.output.sendChunks.push({
    kind: "snapshotRequest",
    from: state.self,
    to: peer,
    term: state.currentTerm,
    snapshot,
    offset,
    round: leader.rounds.current,
    certificate: follower.isCertified ? null : leader.certificate.note,
  });
}

function haveSnapshotMade(state: CoreState, follower: Progress): void {
  const { nowTick, log, ownSnapshot, config: { electionTimeoutTicks } } = state;
  if (!ownSnapshot.mayBeMade(nowTick)) return;
  if (!follower.takeSnapshotTurn(nowTick, electionTimeoutTicks)) return;
  // It stands at what the state machine has made durable, which is nowhere before the log.
  ownSnapshot.making(log.base.index);
  state.output.makeSnapshot = true;
}

/** Takes a follower's progress with its snapshot. */
export function handleSnapshotResponse(state: CoreState, message: SnapshotResponse): void {
  if (state.role.name !== "leader") return;
  if (message.term !== state.currentTerm) return;
  const follower = state.role.followers.get(message.from);
  if (follower === undefined) return;
  const { outcome } = message;
  if (outcome.kind === "wanted") return follower.snapshotWanted(message.index);
  const { snapshot } = follower;
  if (snapshot?.index !== message.index) return;
  switch (outcome.kind) {
    case "installed":
      return follower.snapshotInstalled(snapshot.index);
    case "stored":
      if (outcome.nextOffset > snapshot.bytes) {
        return state.refuse(message.from, `wants byte ${outcome.nextOffset} of ${snapshot.bytes}`);
      }
      return follower.chunkStored(outcome.nextOffset);
    case "refused":
      return follower.chunkRefused();
    default:
      outcome satisfies never;
  }
}

/** The node made a snapshot. */
export function snapshotMade(state: CoreState, made: Omit<Snapshot, "term" | "members">): void {
  const term = state.log.termAt(made.index);
  // Compaction waits for a snapshot only for a bounded time. This one was too late.
  if (term === null) snapshotFailed(state);
  else state.ownSnapshot.made({ ...made, term, members: state.cluster.record });
}

/** The node could not make a snapshot. */
export function snapshotFailed(state: CoreState): void {
  state.ownSnapshot.failed(state.nowTick + state.config.electionTimeoutTicks);
}
