/**
 * Clients' commands on their way into the log: appended by the leader, passed on by anyone else.
 *
 * @module
 */

import type { Term } from "../types.ts";
import { ENTRY_OVERHEAD_BYTES } from "./config.ts";
import { appendEntry } from "./leader.ts";
import type { EntryLimits } from "./log.ts";
import type {
  ForwardedProposal,
  ProposalOutcome,
  ProposeRequest,
  ProposeResponse,
} from "./message.ts";
import type { CoreState } from "./state.ts";

/** Clients of this node propose. All of one step travel together. */
export function propose(state: CoreState, proposals: readonly ForwardedProposal[]): void {
  if (state.role.name === "leader") {
    for (const outcome of proposals.map((proposal) => appendProposal(state, proposal))) {
      report(state, outcome, state.currentTerm);
    }
    return;
  }
  const { leader } = state;
  if (leader === null) {
    for (const { proposalId } of proposals) {
      state.output.rejected.push({ proposalId, reason: "noLeader", maybeApplied: false });
    }
    return;
  }
  for (const batch of batchesOf(proposals, state.flowLimits.append)) {
    state.send({
      kind: "proposeRequest",
      from: state.self,
      to: leader,
      term: state.currentTerm,
      incarnation: state.config.incarnation,
      batchId: state.forwarded.addProposals(
        batch.map(({ proposalId }) => proposalId),
        state.nowTick,
      ),
      proposals: batch,
    });
  }
}

/** A request to the leader did not leave: nothing of it can be in any log. */
export function proposalsUnsent(state: CoreState, message: ProposeRequest): void {
  for (const { proposalId } of message.proposals) {
    if (!state.forwarded.takeProposal(proposalId)) continue;
    state.output.rejected.push({ proposalId, reason: "noLeader", maybeApplied: false });
  }
}

/**
 * A follower passes on what its clients propose. What is refused never takes effect, so a refusal
 * must be sure that no copy of the batch was taken, and that none will be.
 */
export function handleProposeRequest(state: CoreState, message: ProposeRequest): void {
  const { takenBatches: taken } = state;
  // Another term's leader may have taken it, and so may this node in an earlier life.
  if (taken?.term !== message.term) return answerWith(state, message, toUnknown);
  // The first copy was answered; any other answer to this one could be untrue of that one.
  if (taken.mayHold(message)) return state.refuse(message.from, `batch ${message.batchId} again`);
  // A node that has stopped leading refuses it and remembers nothing: it never leads the term again.
  const isLeading = state.role.name === "leader";
  // Taken even if it is refused now: a copy that comes later must not fare better.
  if (isLeading && !taken.take(message)) return answerWith(state, message, toOverloaded);
  // A command of its own, as the log keeps it: a part of the message would keep all of it, and what
  // was refused of it counts towards no limit.
  answerWith(
    state,
    message,
    ({ proposalId, command }) => appendProposal(state, { proposalId, command: command.slice() }),
  );
}

/** The leader's answer: where the commands stand in its log, or that they do not. */
export function handleProposeResponse(state: CoreState, message: ProposeResponse): void {
  if (message.from !== state.leader || message.incarnation !== state.config.incarnation) return;
  for (const outcome of message.outcomes) {
    if (!state.forwarded.takeProposal(outcome.proposalId)) continue;
    if (outcome.kind === "appended") state.service.appended(outcome.index);
    report(state, outcome, message.term);
  }
}

/** Cuts proposals into messages of a bounded size; a single larger proposal travels alone. */
function batchesOf(
  proposals: readonly ForwardedProposal[],
  { bytesMax, entriesMax }: EntryLimits,
): readonly ForwardedProposal[][] {
  const batches: ForwardedProposal[][] = [];
  let bytes = Infinity;
  for (const proposal of proposals) {
    bytes += proposal.command.length;
    const batch = batches.at(-1);
    if (
      batch === undefined || bytes > bytesMax ||
      batch.length >= entriesMax
    ) {
      batches.push([proposal]);
      bytes = proposal.command.length;
    } else {
      batch.push(proposal);
    }
  }
  return batches;
}

function answerWith(
  state: CoreState,
  request: ProposeRequest,
  toOutcome: (proposal: ForwardedProposal) => ProposalOutcome,
): void {
  state.send({
    kind: "proposeResponse",
    from: state.self,
    to: request.from,
    term: state.currentTerm,
    incarnation: request.incarnation,
    outcomes: request.proposals.map(toOutcome),
  });
}

function toUnknown({ proposalId }: ForwardedProposal): ProposalOutcome {
  return { kind: "unknown", proposalId };
}

function toOverloaded({ proposalId }: ForwardedProposal): ProposalOutcome {
  return { kind: "refused", proposalId, reason: "overloaded" };
}

function appendProposal(state: CoreState, proposal: ForwardedProposal): ProposalOutcome {
  const { proposalId, command } = proposal;
  if (state.role.name !== "leader") return { kind: "refused", proposalId, reason: "notLeader" };
  if (!state.config.isCommand(command)) {
    return { kind: "refused", proposalId, reason: "unreadable" };
  }
  if (state.role.transfer !== null) return { kind: "refused", proposalId, reason: "transferring" };
  const bytes = command.length + ENTRY_OVERHEAD_BYTES;
  if (state.role.uncommittedBytes + bytes > state.flowLimits.uncommittedBytesMax) {
    return { kind: "refused", proposalId, reason: "overloaded" };
  }
  state.role.uncommittedBytes += bytes;
  const { index } = appendEntry(state, { kind: "command", data: command });
  return { kind: "appended", proposalId, index };
}

/** Tells this node's client what the leader of `term` did with its proposal. */
function report(state: CoreState, outcome: ProposalOutcome, term: Term): void {
  const { proposalId } = outcome;
  const { accepted, rejected } = state.output;
  switch (outcome.kind) {
    case "appended":
      accepted.push({ proposalId, index: outcome.index, term });
      return;
    case "refused":
      rejected.push({ proposalId, reason: outcome.reason, maybeApplied: false });
      return;
    case "unknown":
      rejected.push({ proposalId, reason: "leaderChanged", maybeApplied: true });
      return;
    default:
      outcome satisfies never;
  }
}
