/**
 * The consensus core as its node sees it.
 *
 * @module
 */

import { unreachable } from "../assert.ts";
import type { LogIndex, NodeId } from "../types.ts";
import { FORWARDED_TIMEOUTS, type RaftConfig } from "./config.ts";
import {
  answerDurableVotes,
  askSilentVoters,
  handlePreVoteResponse,
  handleTimeoutNow,
  handleVoteResponse,
  reopenIfStuck,
  startPreVote,
  tickPreCandidate,
} from "./election.ts";
import type { DurableState } from "./entry.ts";
import {
  askForSnapshot,
  handleAppendRequest,
  handleSnapshotRequest,
  snapshotReady,
  snapshotRefused,
  snapshotStored,
} from "./follower.ts";
import { type Input, Outbox, type Output } from "./input_output.ts";
import { advanceCommit, handleAppendResponse, replicate, tickLeader } from "./leader.ts";
import {
  changeMembers,
  driveChanges,
  handleMemberEntry,
  handleSubShare,
  planMembers,
  tickChange,
} from "./member_changes.ts";
import {
  handleSignatureRequest,
  handleSignatureResponse,
  tickSigning,
} from "./membership_signing.ts";
import type { ForwardedProposal, Message } from "./message.ts";
import {
  handleProposeRequest,
  handleProposeResponse,
  proposalsUnsent,
  propose,
} from "./proposals.ts";
import {
  breakLease,
  handleReadIndexRequest,
  handleReadIndexResponse,
  read,
  readsUnsent,
  repeatReads,
} from "./reads.ts";
import type { Candidate } from "./role.ts";
import { compactLog, handleSnapshotResponse, snapshotFailed, snapshotMade } from "./snapshots.ts";
import { CoreState } from "./state.ts";
import { startTransfer } from "./transfer.ts";
import type { RaftView } from "./view.ts";
import { answerEarlyRequest, handlePreVoteRequest, handleVoteRequest } from "./voter.ts";

/** One node's Raft. Deterministic: the same inputs and the same randomness give the same outputs. */
export class Raft {
  readonly #state: CoreState;

  /**
   * Resumes from what the store held; a new node resumes from nothing. `appliedIndex` is how far the
   * state machine has come.
   */
  constructor(config: RaftConfig, durable: DurableState, appliedIndex: LogIndex) {
    this.#state = new CoreState(config, durable, appliedIndex);
  }

  /** The node's state, to look at: for status reports and invariant checks. */
  get state(): RaftView {
    return this.#state;
  }

  /**
   * Takes everything that happened since the last step, in order, then all that clients asked, and
   * says what is to be done about it. A batch of proposals thus costs one write and one message
   * per follower.
   */
  step(inputs: readonly Input[]): Output {
    const state = this.#state;
    const proposals: ForwardedProposal[] = [];
    const reads = { quorum: [] as number[], lease: [] as number[] };
    for (const input of inputs) {
      if (input.kind === "propose") proposals.push(input);
      else if (input.kind === "read") reads[input.lease ? "lease" : "quorum"].push(input.readId);
      else takeInput(state, input);
    }
    if (proposals.length > 0) propose(state, proposals);
    if (reads.quorum.length > 0) read(state, reads.quorum, { lease: false });
    if (reads.lease.length > 0) read(state, reads.lease, { lease: true });
    return this.#finish();
  }

  /** How many nonces are drawn in advance for elections of the newest epoch. */
  get spareNonces(): number {
    const { epochs, members } = this.#state;
    return epochs.signing(members.newest.epoch)?.spareNonces ?? 0;
  }

  /** Spends idle time on what the next election needs at once. */
  prepare(): void {
    const { epochs, members } = this.#state;
    epochs.signing(members.newest.epoch)?.prepare();
  }

  #finish(): Output {
    const state = this.#state;
    answerDurableVotes(state);
    if (state.role.name === "leader") {
      advanceCommit(state, state.role);
    }
    driveChanges(state);
    if (state.role.name === "leader") replicate(state, state.role);
    const { currentTerm, votedFor } = state;
    const persist = state.durability.takeBatch(state.log, { currentTerm, votedFor });
    const outbox = state.output;
    state.output = new Outbox();
    return { ...outbox, persist, role: state.roleReporter.changed(state.report()) };
  }
}

function takeInput(
  state: CoreState,
  input: Exclude<Input, { readonly kind: "propose" | "read" }>,
): void {
  switch (input.kind) {
    case "tick":
      return tick(state);
    case "message":
      return receive(state, input.message);
    case "memberships":
      return state.cluster.learn(input.certificates);
    case "persisted":
      return state.durability.persisted(input.sequence);
    case "unreachable":
      return losePeer(state, input.peer);
    case "unsent":
      return takeBack(state, input.message);
    case "clockJumped":
      return breakLease(state);
    case "changeMembers":
      return changeMembers(state, input.proposal);
    case "planMembers":
      return planMembers(state, input.goal);
    case "cancelChange":
      return state.cluster.committed?.add({ kind: "cancel", reason: input.reason });
    case "transfer":
      return startTransfer(state, input);
    case "checkpointed":
      return compactLog(state, input.index);
    case "snapshotMade":
      return snapshotMade(state, input.snapshot);
    case "snapshotFailed":
      return snapshotFailed(state);
    case "snapshotStored":
      return snapshotStored(state, input);
    case "snapshotReady":
      return snapshotReady(state, input.snapshot);
    case "snapshotRefused":
      return snapshotRefused(state, input.snapshot);
    default:
      return unreachable(input);
  }
}

/** Raft §5.2: time passes. */
function tick(state: CoreState): void {
  state.nowTick++;
  tickChange(state);
  const { role } = state;
  if (role.name === "leader") {
    tickSigning(state, role);
    return tickLeader(state, role);
  }
  if (state.nowTick % state.config.electionTimeoutTicks === 0) {
    expireForwarded(state);
    repeatReads(state);
  }
  if (state.lacksState && state.nowTick % state.config.heartbeatTicks === 0) askForSnapshot(state);
  tickService(state);
  state.electionElapsedTicks++;
  if (state.electionElapsedTicks >= state.randomizedTimeoutTicks && state.mayStand) {
    return startPreVote(state, { toldRound: null });
  }
  // A voter that has not answered did not get the question, or still heard a leader when it did.
  if (role.name === "preCandidate") tickPreCandidate(state, role);
  if (role.name === "candidate") tickCandidate(state, role);
}

/** A leader that leaves undone what it was asked to commit is followed no longer than any other. */
function tickService(state: CoreState): void {
  const { certificate, commitIndex, forwarded, nowTick, currentTerm: term } = state;
  if (certificate === null || state.lacksState) return;
  if (!state.service.tick(nowTick, { asks: forwarded.hasProposals, commitIndex })) return;
  state.turns.failed(certificate.leader);
  state.output.events.push({ kind: "leaderStalled", term, leader: certificate.leader });
}

/** What the leader has not answered for so long, it never will. */
function expireForwarded(state: CoreState): void {
  const patienceTicks = FORWARDED_TIMEOUTS * state.config.electionTimeoutTicks;
  state.forwarded.expire(state.nowTick - patienceTicks, state.output);
}

function tickCandidate(state: CoreState, candidate: Candidate): void {
  const askAgain = state.electionElapsedTicks % state.config.signingTimeoutTicks === 0;
  if (askAgain) askSilentVoters(state, candidate);
  reopenIfStuck(state, candidate);
}

/** What clients asked and the leader never got, they may safely ask again; Raft repeats the rest. */
function takeBack(state: CoreState, message: Message): void {
  if (message.kind === "proposeRequest") proposalsUnsent(state, message);
  if (message.kind === "readIndexRequest") readsUnsent(state, message);
}

function losePeer(state: CoreState, peer: NodeId): void {
  if (state.role.name === "leader") state.role.followers.get(peer)?.lost();
  else if (state.certificate?.leader === peer) state.forwarded.leaderLost(state.output);
}

function receive(state: CoreState, message: Message): void {
  if (message.to !== state.self) return state.refuse(message.from, `message to ${message.to}`);
  if (message.from === state.self || !maySay(state, message)) {
    return state.refuse(message.from, "message from no member of this cluster");
  }
  switch (message.kind) {
    case "preVoteRequest":
      return handlePreVoteRequest(state, message);
    case "preVoteResponse":
      return handlePreVoteResponse(state, message);
    case "voteRequest":
      return handleVoteRequest(state, message);
    case "voteResponse":
      return handleVoteResponse(state, message);
    case "appendRequest":
      handleAppendRequest(state, message);
      return answerEarlyRequest(state);
    case "appendResponse":
      return handleAppendResponse(state, message);
    case "snapshotRequest":
      return handleSnapshotRequest(state, message);
    case "snapshotResponse":
      return handleSnapshotResponse(state, message);
    case "timeoutNowRequest":
      return handleTimeoutNow(state, message);
    case "proposeRequest":
      return handleProposeRequest(state, message);
    case "proposeResponse":
      return handleProposeResponse(state, message);
    case "readIndexRequest":
      return handleReadIndexRequest(state, message);
    case "readIndexResponse":
      return handleReadIndexResponse(state, message);
    case "subShare":
    case "subShareRequest":
      return handleSubShare(state, message);
    case "memberEntryRequest":
      return handleMemberEntry(state, message);
    case "signatureRequest":
      return handleSignatureRequest(state, message);
    case "signatureResponse":
      return handleSignatureResponse(state, message);
    default:
      return unreachable(message);
  }
}

/**
 * The senders that this node listens to. A certificate vouches for a leader, so a node that joins or was away
 * follows a leader that its own log does not know yet. A removed node may ask to be elected; the answer shows it
 * that it was removed.
 */
function maySay(
  { cluster, members, role, certificate, currentTerm }: CoreState,
  message: Message,
): boolean {
  const { from } = message;
  // A leader that leaves says so to the end of its term.
  if (cluster.has(from) || certificate?.leader === from) return true;
  if (members.newest.membership === null) return false;
  switch (message.kind) {
    case "appendRequest":
    case "snapshotRequest":
    case "timeoutNowRequest":
      // A leader that was removed, and does not know its successor, learns of it from the answer.
      return message.certificate !== null || message.term < currentTerm;
    case "preVoteRequest":
    case "preVoteResponse":
    case "voteRequest":
    case "voteResponse":
      return true;
    default:
      return role.name === "leader" && role.followers.has(from);
  }
}
