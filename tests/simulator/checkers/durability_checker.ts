/**
 * Nothing leaves before what it depends on is durable.
 *
 * @module
 */

import type { AppendResponse, Message, RaftView, SnapshotResponse } from "../../../lib/raft/mod.ts";
import { require } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

/** Looks at a message on its way out, with the disk as it is at that moment. */
export function checkSending(
  node: NodeView,
  state: RaftView,
  message: Message,
): void {
  switch (message.kind) {
    case "voteRequest":
      // Once a later term is durable, this one's votes are never asked for again either.
      if (node.disk.hardState.currentTerm > message.term) return;
      return checkVote(node, message, node.id);
    case "voteResponse":
      return message.granted ? checkVote(node, message, message.to) : checkTerm(node, message);
    case "appendRequest":
    case "snapshotRequest":
    case "timeoutNowRequest":
      return checkVote(node, message, node.id);
    case "snapshotResponse":
      return checkInstalled(node, message);
    case "appendResponse":
      return checkAcknowledgement(node, state, message);
    default:
      return;
  }
}

/** The vote that the message speaks of is on disk. */
function checkVote(node: NodeView, message: Message, votedFor: string): void {
  const { hardState } = node.disk;
  const isDurable = hardState.currentTerm === message.term && hardState.votedFor === votedFor;
  require(isDurable, "A vote is durable before it leaves", () => {
    return `${node.id} sends ${message.kind} of term ${message.term} for ${votedFor}; on disk are ` +
      `term ${hardState.currentTerm} and vote ${hardState.votedFor}`;
  });
}

function checkTerm(node: NodeView, message: Message): void {
  const { currentTerm } = node.disk.hardState;
  require(currentTerm >= message.term, "A term is durable before it leaves", () => {
    return `${node.id} sends ${message.kind} of term ${message.term}; on disk is ${currentTerm}`;
  });
}

/** A snapshot counts as installed when the log reaches it and the state machine what the log forgot. */
function checkInstalled(node: NodeView, message: SnapshotResponse): void {
  checkTerm(node, message);
  if (message.outcome.kind !== "installed") return;
  const { index } = message;
  const { lastIndex, logStart } = node.disk;
  const isDurable = lastIndex >= index && node.store.appliedIndex >= logStart.index;
  require(isDurable, "An acknowledgement follows the durable write", () => {
    return `${node.id} acknowledges the snapshot up to ${index}; on disk is ${node.disk.lastIndex}`;
  });
}

function checkAcknowledgement(
  node: NodeView,
  state: RaftView,
  message: AppendResponse,
): void {
  checkTerm(node, message);
  // A leader of a later term, heard in the same step, may have replaced what was acknowledged.
  if (message.outcome.kind !== "accepted" || message.term < state.currentTerm) return;
  const { matchIndex } = message.outcome;
  // Compacted: it was durable when it was committed.
  if (matchIndex < node.disk.logStart.index) return;
  const onDisk = node.disk.termAt(matchIndex);
  // A snapshot may have taken the log's place in memory, and not on the disk yet.
  const isForgotten = matchIndex < state.log.base.index;
  const isDurable = onDisk !== null && (isForgotten || onDisk === state.log.termAt(matchIndex));
  require(isDurable, "An acknowledgement follows the durable write", () => {
    return `${node.id} acknowledges entry ${matchIndex}, of which the disk has term ${onDisk}`;
  });
}
