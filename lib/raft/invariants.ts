/**
 * Checks whole states and whole transitions of one node, after every step in tests and simulations; it is
 * too slow for production. The simulator checks the properties of several nodes (election safety, log
 * matching, leader completeness).
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import type { LogIndex, NodeId, Term } from "../types.ts";
import type { Entry, PersistBatch } from "./entry.ts";
import type { Output } from "./input_output.ts";
import type { Message } from "./message.ts";
import type { Raft } from "./raft.ts";
import type { RaftView } from "./view.ts";

/** What the checker remembers of the state before a step. */
interface Before {
  readonly term: Term;
  readonly votedFor: NodeId | null;
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly roleName: RaftView["role"]["name"];
  readonly committed: Entry | null;
}

/** Watches one node through its life. */
export class InvariantChecker {
  readonly #raft: Raft;
  #before: Before;
  #lastAppliedIndex: LogIndex;

  /** Starts from the node's state as it is now. */
  constructor(raft: Raft) {
    this.#raft = raft;
    this.#before = remember(raft.state);
    this.#lastAppliedIndex = raft.state.commitIndex;
    checkState(raft.state);
  }

  /**
   * Checks the state after a step, the transition, and the step's output.
   *
   * @throws {InvariantError} naming the invariant that is broken.
   */
  check(output: Output): void {
    const { state } = this.#raft;
    checkState(state);
    checkTransition(this.#before, state);
    checkOutput(this.#before, state, output);
    this.#checkApply(output);
    this.#before = remember(state);
  }

  #checkApply(output: Output): void {
    if (output.installSnapshot !== null) {
      assert(output.installSnapshot.index > this.#lastAppliedIndex, "A snapshot moves forward");
      this.#lastAppliedIndex = output.installSnapshot.index;
    }
    for (const entry of output.apply) {
      assert(entry.index === this.#lastAppliedIndex + 1, "Entries are applied once, in order");
      this.#lastAppliedIndex = entry.index;
    }
    assert(
      this.#lastAppliedIndex === this.#raft.state.commitIndex,
      "Everything committed is applied",
    );
  }
}

function remember(state: RaftView): Before {
  return {
    term: state.currentTerm,
    votedFor: state.votedFor,
    commitIndex: state.commitIndex,
    lastIndex: state.log.last.index,
    roleName: state.role.name,
    committed: state.log.entryAt(state.commitIndex),
  };
}

function checkState(state: RaftView): void {
  const { log, role, durability } = state;
  assert(state.commitIndex <= log.last.index, "Only what the log holds is committed");
  assert(
    state.commitIndex >= log.base.index || state.commitIndex === 0,
    "Only what is committed is forgotten",
  );
  assert(!state.lacksState || role.name === "follower", "Who lacks the state stands for nothing");
  assert(durability.durableIndex <= log.last.index, "Only what the log holds is durable");
  assert(log.last.term <= state.currentTerm, "The log holds no entry of a later term");
  assert((state.proof?.term ?? 0) === state.currentTerm, "The current term is proven");
  assert(
    state.certificate === null || state.certificate.term === state.currentTerm,
    "A leader is known by a certificate of the current term",
  );
  switch (role.name) {
    case "leader":
      return checkLeader(state, role);
    case "candidate":
      assert(state.votedFor === state.self, "A candidate votes for itself");
      assert(role.answers.get(state.self) === "granted", "A candidate counts its own vote");
      return;
    case "preCandidate":
      assert(role.askedTerm === state.currentTerm + 1, "A pre-vote asks for the next term");
      return;
    case "follower":
      assert(role.following?.certificate.leader !== state.self, "Nobody follows itself");
      return;
    default:
      role satisfies never;
  }
}

function checkLeader(
  state: RaftView,
  role: Extract<RaftView["role"], { readonly name: "leader" }>,
): void {
  assert(role.certificate.leader === state.self, "A leader's certificate names it");
  assert(state.votedFor === state.self, "A leader voted for itself");
  assert(role.uncommittedBytes >= 0, "Uncommitted bytes are counted down only once");
  for (const follower of role.followers.values()) {
    assert(follower.matchIndex < follower.nextIndex, "matchIndex < nextIndex");
    assert(follower.matchIndex <= state.log.last.index, "No follower holds more than was sent");
    assert(
      follower.rounds.answered <= role.rounds.current,
      "No round is answered before it is sent",
    );
  }
}

function checkTransition(before: Before, state: RaftView): void {
  assert(state.currentTerm >= before.term, "The term never falls");
  if (state.currentTerm === before.term) {
    assert(
      before.votedFor === null || state.votedFor === before.votedFor,
      "A vote is never changed within its term",
    );
    if (before.roleName === "leader" && state.role.name === "leader") {
      assert(state.log.last.index >= before.lastIndex, "A leader only appends to its log");
    }
  }
  assert(state.commitIndex >= before.commitIndex, "The commit index never falls");
  if (before.committed !== null && before.committed.index > state.log.base.index) {
    const now = assertDefined(
      state.log.entryAt(before.committed.index),
      "A committed entry stays in the log",
    );
    assert(now.term === before.committed.term, "A committed entry never changes");
  }
}

function checkOutput(before: Before, state: RaftView, output: Output): void {
  const { persist } = output;
  if (persist?.hardState) {
    assert(persist.hardState.currentTerm === state.currentTerm, "The newest term is written");
    assert(persist.hardState.votedFor === state.votedFor, "Term and vote are written together");
    checkProofWritten(before, persist);
  }
  for (const message of output.send) checkSentAtOnce(message, { before, state, output });
}

/** A term is written with its proof, in one transaction. */
function checkProofWritten(before: Before, persist: PersistBatch): void {
  const { currentTerm } = persist.hardState ?? { currentTerm: before.term };
  if (currentTerm === before.term) return;
  const isProven = persist.grants?.term === currentTerm ||
    persist.certificates.some(({ term }) => term === currentTerm);
  assert(isProven, "A term is written with its proof");
}

/** Messages that are sent before the step's write is durable must not depend on it. */
function checkSentAtOnce(
  message: Message,
  { before, state, output }: {
    readonly before: Before;
    readonly state: RaftView;
    readonly output: Output;
  },
): void {
  switch (message.kind) {
    case "voteResponse":
      assert(message.granted, "Only a durable vote is answered at once");
      assert(message.term === state.currentTerm, "A vote is answered in its own term");
      assert(message.to === state.votedFor, "A share goes to the one candidate voted for");
      assert(!output.persist?.hardState, "A vote is durable before its answer leaves");
      return;
    case "preVoteResponse":
      // The term may have risen since, in the same step.
      assert(
        !message.granted || (message.term > before.term && message.term <= state.currentTerm + 1),
        "A voter grants the next term, and no other",
      );
      return;
    case "appendRequest":
      assert(state.role.name === "leader", "Only a leader appends");
      assert(!output.persist?.hardState, "A leader's term is durable");
      return;
    case "voteRequest":
    case "appendResponse":
    case "snapshotResponse":
      return assert(false, `${message.kind} waits for the write`);
    default:
      return;
  }
}
