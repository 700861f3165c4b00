/**
 * The leader's side of a snapshot (Raft §7): one for each follower whose next entry the log has
 * forgotten, a chunk at a time, from wherever the follower says it stands.
 *
 * @module
 */

import type { LogIndex, NodeId } from "../types.ts";
import type { Snapshot } from "./entry.ts";
import type { SnapshotResponse } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { Leader } from "./role.ts";
import type { CoreState } from "./state.ts";

/** Whether the log no longer keeps what the follower needs next, or it needs what came before. */
export function needsSnapshot(state: CoreState, follower: Progress): boolean {
  if (follower.nextIndex <= state.log.base.index) return true;
  const wanted = follower.wantedSnapshotIndex;
  // A new leader may know less of what is committed than the follower, and then needs its help.
  return wanted !== null && wanted <= state.commitIndex;
}

/** Sends the next chunk to a follower that needs a snapshot and answers, or has it made first. */
export function sendSnapshot(
  state: CoreState,
  leader: Leader,
  { peer, follower }: { readonly peer: NodeId; readonly follower: Progress },
): void {
  const { nowTick, config: { electionTimeoutTicks } } = state;
  // A follower that is down would cost a snapshot each time the log moves on.
  if (nowTick - follower.rounds.answeredSentTick > electionTimeoutTicks) return;
  const from = Math.max(state.log.base.index, follower.wantedSnapshotIndex ?? 0) as LogIndex;
  const snapshot = state.ownSnapshot.usableFrom(from);
  if (snapshot === null) {
    if (state.ownSnapshot.request(state.commitIndex, nowTick)) state.output.makeSnapshot = true;
    return;
  }
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

/** Learns how far a follower is with its snapshot. */
export function handleSnapshotResponse(state: CoreState, message: SnapshotResponse): void {
  if (state.role.name !== "leader" || state.adoptTerm(message)) return;
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
export function snapshotMade(state: CoreState, made: Omit<Snapshot, "term">): void {
  const term = state.log.termAt(made.index);
  // Compaction waits while one is being made, though not for ever: then it came too late.
  if (term === null) snapshotFailed(state);
  else state.ownSnapshot.made({ ...made, term });
}

/** The node could not make a snapshot. */
export function snapshotFailed(state: CoreState): void {
  state.ownSnapshot.failed(state.nowTick + state.config.electionTimeoutTicks);
}
