/**
 * Messages and outputs as lines that a person can read.
 *
 * @module
 */

import { type Carried, isLeaseMessage } from "./network.ts";
import type { AppendOutcome, Message, Output, RaftEvent } from "../../lib/raft/mod.ts";

/** One line: who tells whom what. */
export function describeMessage(message: Carried): string {
  if (isLeaseMessage(message)) {
    return `${message.from} -> ${message.to} ${message.kind} ${message.requestId}`;
  }
  const { from, to, kind, term } = message;
  return `${from} -> ${to} ${kind} t${term}${describeBody(message)}`;
}

/** What a step did, one line for each thing worth one. */
export function describeOutput(output: Output): string[] {
  const lines: string[] = [];
  const { role, persist, apply } = output;
  if (role !== null) lines.push(`IS ${role.role} t${role.term} leader ${role.leader ?? "none"}`);
  for (const event of output.events) {
    const line = describeEvent(event);
    if (line !== null) lines.push(line);
  }
  const vote = persist?.hardState;
  if (vote) lines.push(`writes t${vote.currentTerm} vote ${vote.votedFor ?? "none"}`);
  const [first, last] = [persist?.entries[0], persist?.entries.at(-1)];
  if (first && last) lines.push(`writes entries ${first.index}..${last.index} t${last.term}`);
  const applied = apply.at(-1);
  if (applied) lines.push(`applies ${apply[0]?.index}..${applied.index} t${applied.term}`);
  return lines;
}

function describeEvent(event: RaftEvent): string | null {
  switch (event.kind) {
    case "heartbeatSent":
    case "heartbeatReceived":
      return null;
    case "electionWon":
      return `WON t${event.term} with a certificate`;
    case "certificateSeen":
      return `saw ${event.certificate.leader} t${event.certificate.term}`;
    case "certificateVerified":
      return `verified ${event.certificate.leader} t${event.certificate.term}`;
    case "resharing":
      return `resharing ${Object.values(event.event).map(String).join(" ")}`;
    case "membersChanged": {
      const { epoch, threshold, voters, learners } = event.configuration;
      return `MEMBERS epoch ${epoch} ${threshold} of ${voters}, learning ${learners}`;
    }
    default:
      return Object.values(event).map(String).join(" ");
  }
}

function describeBody(message: Message): string {
  switch (message.kind) {
    case "preVoteRequest":
      return ` log ${message.lastLogIndex}@${message.lastLogTerm}`;
    case "voteRequest": {
      const signers = message.commitments.map(({ voter }) => voter).join(",");
      const { lastLogIndex, lastLogTerm, session } = message;
      return ` log ${lastLogIndex}@${lastLogTerm} session ${session} signers ${signers || "-"}`;
    }
    case "preVoteResponse":
      return message.granted ? " granted" : " refused";
    case "voteResponse": {
      const share = message.share === null ? "no share" : "share";
      return `${message.granted ? " granted" : " refused"} session ${message.session} ${share}`;
    }
    case "appendRequest": {
      const { previousLogIndex, previousLogTerm, entries, leaderCommit, round } = message;
      const certificate = message.certificate === null ? "" : " +certificate";
      return ` after ${previousLogIndex}@${previousLogTerm} ${entries.length} entries` +
        ` commit ${leaderCommit} round ${round}${certificate}`;
    }
    case "appendResponse":
      return ` ${describeOutcome(message.outcome)} round ${message.round}`;
    case "proposeRequest":
      return ` ${message.proposals.length} proposals`;
    case "proposeResponse":
      return ` ${message.outcomes.map(({ kind }) => kind).join(",")}`;
    case "signatureRequest": {
      const signers = message.commitments.map(({ voter }) => voter).join(",");
      return ` epoch ${message.epoch} session ${message.session} signers ${signers || "-"}`;
    }
    case "signatureResponse": {
      const { epoch, session, share } = message;
      return ` epoch ${epoch} session ${session} ${share === null ? "no share" : "share"}`;
    }
    case "readIndexResponse":
      return ` batch ${message.batchId} index ${message.readIndex ?? "none"}`;
    default:
      return "";
  }
}

function describeOutcome(outcome: AppendOutcome): string {
  switch (outcome.kind) {
    case "accepted":
      return `accepted ${outcome.matchIndex}`;
    case "conflict":
      return `conflict at ${outcome.previousLogIndex} hint ${outcome.hintIndex}@${outcome.hintTerm}`;
    default:
      return outcome.kind;
  }
}
