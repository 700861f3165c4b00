/**
 * The follower (Raft §5.3): makes its log match the log of the leader that it accepted.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { decodeUtf8 } from "../bytes.ts";
import type { Certificate } from "../certificate/mod.ts";
import { catching, InputError } from "../errors.ts";
import { highest, type LogIndex, lowest, type NodeId, plus } from "../types.ts";
import type { Entry, LogPosition, Snapshot } from "./entry.ts";
import { configurationsOf } from "./members.ts";
import type {
  AppendOutcome,
  AppendRequest,
  SnapshotOutcome,
  SnapshotRequest,
  TimeoutNowRequest,
} from "./message.ts";
import { isLogFull } from "./snapshots.ts";
import type { CoreState } from "./state.ts";

/** Raft Figure 2, AppendEntries, behind the proof that its sender leads. */
export function handleAppendRequest(state: CoreState, message: AppendRequest): void {
  if (!acceptLeader(state, message)) return;
  state.leaderCommit = message.leaderCommit;
  hearOfTransfer(state, message);
  endHandOver(state, message);
  if (message.entries.length === 0) {
    const { term, from: leader } = message;
    state.output.events.push({ kind: "heartbeatReceived", term, leader });
  }
  // A full log takes no entries; the leader sends them again.
  const outcome = matchLog(state, isLogFull(state) ? { ...message, entries: [] } : message);
  if (outcome !== null) answerLeader(state, message, outcome);
}

/** Notes the transfer target, from the leader's newest round only: a late message of an earlier one changes nothing. */
function hearOfTransfer({ voterPromise }: CoreState, message: AppendRequest): void {
  const transferTerm = message.term + 1;
  if (transferTerm === voterPromise.transferTerm && message.round < voterPromise.round) return;
  voterPromise.round = message.round;
  voterPromise.transferTarget = message.transferTarget;
  voterPromise.transferTerm = transferTerm;
}

/** Ends this node's pre-candidacy when the leader has aborted the transfer to it. */
function endHandOver(state: CoreState, { transferTarget, round }: AppendRequest): void {
  const { role } = state;
  if (role.name !== "preCandidate" || !role.transfer || transferTarget === state.self) return;
  if (round >= role.toldRound) state.changeRole({ name: "follower", following: role.following });
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
    noticeLoss(state, message, hint.index);
    return { kind: "conflict", previousLogIndex, hintIndex: hint.index, hintTerm: hint.term };
  }
  // Step 3: an entry is removed only if another takes its place. A late or doubled request finds its
  // entries in the log already and removes nothing.
  const conflict = entries.findIndex(({ index, term }) =>
    index > log.base.index && log.termAt(index) !== term
  );
  if (conflict !== -1 && !replaceFrom(state, message.from, entries.slice(conflict))) return null;
  const matchIndex = plus(previousLogIndex, entries.length);
  if (matchIndex >= (state.lostEntries?.acknowledgedIndex ?? 0)) state.lostEntries = null;
  state.service.matched(matchIndex);
  // Step 5: not above the last entry that is known to match, even if this log is longer.
  state.commitTo(lowest(message.leaderCommit, matchIndex));
  return { kind: "accepted", matchIndex };
}

/**
 * Acknowledged entries are durable and equal to the leader's, so the log must match up to the last of them,
 * even for a late message. A log that does not is an older copy, or lost entries.
 */
function noticeLoss(
  state: CoreState,
  { from: leader, matchIndex: acknowledgedIndex }: AppendRequest,
  heldIndex: LogIndex,
): void {
  if (heldIndex >= acknowledgedIndex || state.lostEntries !== null) return;
  const lost = { acknowledgedIndex, heldIndex };
  state.lostEntries = lost;
  state.output.events.push({ kind: "entriesLost", leader, lost });
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
    // The check of its signature takes time; the leader of a term may cause it only once.
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

/** Appends the entries. @returns false for a configuration that does not verify: it would be in force at once. */
function replaceFrom(state: CoreState, leader: NodeId, entries: readonly Entry[]): boolean {
  const { log, cluster } = state;
  const first = assertDefined(entries[0], "There is one that is not here");
  const read = () => configurationsOf(cluster.members, entries, () => cluster.certificates);
  const added = catching(InputError, read, (error) => {
    state.refuse(leader, `configuration: ${error.message}`);
    return null;
  });
  if (added === null) return false;
  if (first.index <= log.last.index) {
    log.truncateFrom(first.index);
    cluster.truncateFrom(first.index);
  }
  for (const entry of entries) {
    log.append(entry);
    if (entry.kind === "certificate") learnCertificate(state, entry);
  }
  cluster.add(added);
  state.durability.logChangedFrom(first.index);
  return true;
}

/** Keeps an earlier leader's certificate by term. The log is the audit trail of leadership. */
function learnCertificate(state: CoreState, entry: Entry): void {
  catching(InputError, () => {
    const certificate = state.epochs.verifier.verify(decodeUtf8(entry.data));
    if (certificate.term === entry.term) state.durability.certificateLearned(certificate);
  }, (error) => {
    const from = state.certificate?.leader ?? state.self;
    const reason = `entry ${entry.index}: ${error.message}`;
    state.output.events.push({ kind: "certificateRefused", from, term: entry.term, reason });
  });
}

/** What only a leader says. */
type LeaderMessage = AppendRequest | SnapshotRequest | TimeoutNowRequest;

/**
 * Whether the sender is the certified leader of this term or a higher one, by the known certificate or the
 * one in the message. If so, this node follows it, and the election timer restarts.
 */
export function acceptLeader(state: CoreState, message: LeaderMessage): boolean {
  if (message.term < state.currentTerm) {
    // Answered, so that a leader left behind by an election it missed steps down.
    noticeCertificate(state, message);
    const proof = assertDefined(state.proof, "A term above another is proven");
    answerLeader(state, message, { kind: "staleTerm", proof });
    return false;
  }
  const certificate = certificateOf(state, message);
  if (certificate === null) return false;
  state.hearFrom(certificate);
  return true;
}

/**
 * An answer leaves only when all that it acknowledges is durable. In the same step another leader's entries
 * may replace these; that is equivalent to an answer sent just before they arrived.
 */
function answerLeader(
  state: CoreState,
  message: LeaderMessage,
  outcome: AppendOutcome,
): void {
  state.sendAfterPersist({
    kind: "appendResponse",
    from: state.self,
    to: message.from,
    term: state.currentTerm,
    // A leader that does not count as heard gets no promise, because its lease depends on the rounds.
    round: state.service.isStalled ? 0 : message.round,
    promiseTicks: state.config.electionTimeoutTicks,
    outcome,
  });
}

/** The sender's certificate for the message's term; null when it is refused. */
function certificateOf(state: CoreState, message: LeaderMessage): Certificate | null {
  const { from, term } = message;
  if (term === state.currentTerm && state.certificate !== null) {
    if (state.certificate.leader === from) return state.certificate;
    noticeCertificate(state, message);
    return refuseLeader(state, message, `term ${term} is led by ${state.certificate.leader}`);
  }
  if (message.certificate === null) {
    answerLeader(state, message, { kind: "uncertified" });
    return refuseLeader(state, message, "no certificate");
  }
  let certificate: Certificate;
  try {
    certificate = state.epochs.verifier.verify(message.certificate, { term, leader: from });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return refuseLeader(state, message, error.message);
  }
  if (!state.members.mayBeLedBy(certificate)) {
    return refuseLeader(state, message, `the certificate is of epoch ${certificate.epoch}`);
  }
  const missing = missingEntries(state.log.base, certificate);
  if (missing !== null) return refuseLeader(state, message, missing);
  if (term > state.currentTerm) state.enterTerm(certificate);
  else state.certify(certificate);
  state.output.events.push({ kind: "certificateVerified", certificate });
  return certificate;
}

/** Reports a certificate that is not acted on if it is valid: its term may have another leader, as a lie of many. */
function noticeCertificate(state: CoreState, { certificate: note }: LeaderMessage): void {
  if (note === null) return;
  const certificate = catching(InputError, () => state.epochs.verifier.verify(note), () => null);
  if (certificate !== null) state.output.events.push({ kind: "certificateSeen", certificate });
}

/**
 * Raft §5.4.3: a leader has every committed entry, and what this log has forgotten is committed. It is not so
 * where votes or data were lost, or a snapshot was restored into the folders of some nodes only.
 */
function missingEntries(
  base: LogPosition,
  { term, lastLogIndex, lastLogTerm }: Certificate,
): string | null {
  // An entry of the leader's own term came after its election.
  const isThere = base.term >= term || lastLogTerm > base.term ||
    (lastLogTerm === base.term && lastLogIndex >= base.index);
  if (isThere) return null;
  return `its log ended at entry ${lastLogIndex} when it was elected, and entry ${base.index} is committed`;
}

function refuseLeader(state: CoreState, message: LeaderMessage, reason: string): null {
  const { from, term } = message;
  state.output.events.push({ kind: "certificateRefused", from, term, reason });
  return null;
}

/** Takes a chunk of a leader's snapshot. */
export function handleSnapshotRequest(state: CoreState, message: SnapshotRequest): void {
  if (!acceptLeader(state, message)) return;
  const { snapshot, offset, data } = message;
  if (snapshot.index > state.leaderCommit) state.leaderCommit = snapshot.index;
  if (snapshot.index <= state.commitIndex) {
    return answer(state, snapshot.index, { kind: "installed" });
  }
  if (state.lacksState && snapshot.index < state.log.base.index) return askForSnapshot(state);
  if (!isTermPossible(state, snapshot)) return refuseTerm(state, message.from, snapshot);
  const fault = state.cluster.explainRecord(snapshot);
  if (fault !== null) return state.refuse(message.from, `members in a snapshot: ${fault}`);
  if (offset + data.length > snapshot.bytes) {
    return state.refuse(message.from, `snapshot chunk ends beyond byte ${snapshot.bytes}`);
  }
  state.output.storeChunks.push(message);
}

/** The state machine was lost: requests a snapshot that the log can continue. */
export function askForSnapshot(state: CoreState): void {
  answer(state, state.log.base.index, { kind: "wanted" });
}

/** The node stored a chunk, or could not use it. Requests the next one. */
export function snapshotStored(
  state: CoreState,
  stored: { readonly snapshot: Snapshot; readonly nextOffset: number },
): void {
  answer(state, stored.snapshot.index, { kind: "stored", nextOffset: stored.nextOffset });
}

/** The snapshot is complete, checked and durable: it replaces this node's state. */
export function snapshotReady(state: CoreState, snapshot: Snapshot): void {
  const isNews = snapshot.index > state.commitIndex;
  // A leader has every committed entry, so it needs no snapshot. A candidate takes one: if it wins, its log
  // at the vote had every committed entry.
  if (isNews && state.role.name === "leader") return;
  const from = state.certificate?.leader ?? null;
  if (isNews && state.cluster.explainRecord(snapshot) !== null) {
    return snapshotRefused(state, snapshot);
  }
  if (isNews && !isTermPossible(state, snapshot)) {
    // It was needed when it came, but the log moved on while it was checked.
    refuseTerm(state, from ?? state.self, snapshot);
    return snapshotRefused(state, snapshot);
  }
  if (isNews) {
    state.restore(snapshot);
    state.output.events.push({ kind: "snapshotInstalled", from, index: snapshot.index });
  }
  answer(state, snapshot.index, { kind: "installed" });
}

/** The snapshot was not the announced one, or could not be stored. */
export function snapshotRefused(state: CoreState, snapshot: Snapshot): void {
  answer(state, snapshot.index, { kind: "refused" });
}

/** The terms of a log never fall, so an entry above the committed ones has at least their term. */
function isTermPossible(state: CoreState, { term }: Snapshot): boolean {
  const committed = highest(state.commitIndex, state.log.base.index);
  return term >= (state.log.termAt(committed) ?? term) && term <= state.currentTerm;
}

function refuseTerm(state: CoreState, from: NodeId, { index, term }: Snapshot): void {
  state.refuse(from, `snapshot at ${index} of term ${term} in term ${state.currentTerm}`);
}

/** Sends an answer to the leader, if this node follows one. */
function answer(state: CoreState, index: LogIndex, outcome: SnapshotOutcome): void {
  const leader = state.certificate?.leader;
  if (leader === undefined || leader === state.self) return;
  state.sendAfterPersist({
    kind: "snapshotResponse",
    from: state.self,
    to: leader,
    term: state.currentTerm,
    index,
    outcome,
  });
}
