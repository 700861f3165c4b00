/**
 * The follower (Raft §5.3): makes its log match that of the leader it has accepted.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import type { LogIndex } from "../types.ts";
import { acceptLeader, answerLeader } from "./certified_leader.ts";
import type { Entry } from "./entry.ts";
import type { AppendOutcome, AppendRequest } from "./message.ts";
import type { CoreState } from "./state.ts";

/** Raft Figure 2, AppendEntries, behind the proof that its sender leads. */
export function handleAppendRequest(state: CoreState, message: AppendRequest): void {
  if (!acceptLeader(state, message)) return;
  state.voterPromise.transferTarget = message.transferTarget;
  if (message.entries.length === 0) {
    const { term, from: leader } = message;
    state.output.events.push({ kind: "heartbeatReceived", term, leader });
  }
  const outcome = matchLog(state, message);
  if (outcome !== null) answerLeader(state, message, outcome);
}

/** Raft §5.3, receiver steps 2 to 5. Returns null for a request that no honest leader makes. */
function matchLog(state: CoreState, message: AppendRequest): AppendOutcome | null {
  const { log } = state;
  const { previousLogIndex, previousLogTerm, entries } = message;
  const fault = entriesFault(state, message);
  if (fault !== null) {
    state.refuse(message.from, fault);
    return null;
  }
  // What this log has forgotten is committed, so the leader's log agrees with it.
  const isForgotten = previousLogIndex < log.base.index;
  if (!isForgotten && log.termAt(previousLogIndex) !== previousLogTerm) {
    const hint = log.highestPossibleMatch(previousLogIndex, previousLogTerm);
    return { kind: "conflict", previousLogIndex, hintIndex: hint.index, hintTerm: hint.term };
  }
  // Step 3: an entry is removed only where another stands in its place. A request that arrives late
  // or twice finds its entries here already and removes nothing.
  const conflict = entries.findIndex(({ index, term }) =>
    index > log.base.index && log.termAt(index) !== term
  );
  if (conflict !== -1) replaceFrom(state, entries.slice(conflict));
  const matchIndex = previousLogIndex + entries.length as LogIndex;
  // Step 5: not above the last entry that is known to match, whatever else this log holds.
  state.commitTo(Math.min(message.leaderCommit, matchIndex) as LogIndex);
  return { kind: "accepted", matchIndex };
}

/** Why the entries cannot come from an honest leader; null when they can. */
function entriesFault(state: CoreState, message: AppendRequest): string | null {
  let { previousLogIndex: index, previousLogTerm: term } = message;
  // What the log has forgotten is committed, even on a node that lost its state machine.
  const committed = Math.max(state.commitIndex, state.log.base.index);
  for (const entry of message.entries) {
    if (entry.index !== index + 1) return `entry ${entry.index} after ${index}`;
    if (entry.term < term || entry.term > message.term) {
      return `entry ${entry.index} of term ${entry.term} after ${term} in term ${message.term}`;
    }
    // Its signature costs time to check, which one term's leader must not ask for twice.
    if (entry.kind === "certificate" && entry.term === term) {
      return `entry ${entry.index} is a certificate, and not the first entry of term ${term}`;
    }
    const committedTerm = entry.index <= committed ? state.log.termAt(entry.index) : null;
    if (committedTerm !== null && committedTerm !== entry.term) {
      return `entry ${entry.index} differs from the one committed`;
    }
    ({ index, term } = entry);
  }
  return null;
}

function replaceFrom(state: CoreState, entries: readonly Entry[]): void {
  const { log } = state;
  const first = entries[0];
  if (first === undefined) return;
  if (first.index <= log.last.index) log.truncateFrom(first.index);
  for (const entry of entries) {
    log.append(entry);
    if (entry.kind === "certificate") learnCertificate(state, entry);
  }
  state.durability.logChangedFrom(first.index);
}

/** The log is the audit trail of leadership: what it says of earlier leaders is kept by term. */
function learnCertificate(state: CoreState, entry: Entry): void {
  try {
    const certificate = state.config.certifier.verify(decodeUtf8(entry.data));
    if (certificate.term === entry.term) state.durability.certificateLearned(certificate);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const from = state.certificate?.leader ?? state.self;
    const reason = `entry ${entry.index}: ${error.message}`;
    state.output.events.push({ kind: "certificateRefused", from, term: entry.term, reason });
  }
}
