/**
 * Clients' commands on their way into the log: the leader appends them, other nodes forward them.
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
import { isLogFull } from "./snapshots.ts";
import type { CoreState } from "./state.ts";

/** Proposals of this node's clients. All proposals of one step travel together. */
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

/** A request to the leader was not sent, so no log can hold a part of it. */
export function proposalsUnsent(state: CoreState, message: ProposeRequest): void {
  for (const { proposalId } of message.proposals) {
    if (!state.forwarded.takeProposal(proposalId)) continue;
    state.output.rejected.push({ proposalId, reason: "noLeader", maybeApplied: false });
  }
}

/**
 * A follower forwards its clients' proposals. A refused proposal never takes effect, so this node refuses
 * only if no copy of the batch was taken or will be.
 */
export function handleProposeRequest(state: CoreState, message: ProposeRequest): void {
  const { takenBatches: taken } = state;
  // The leader of another term may have taken it, or this node in an earlier run.
  if (taken?.term !== message.term) return answerWith(state, message, toUnknown);
  // The first copy was answered. Another answer could contradict that one.
  if (taken.mayHold(message)) return state.refuse(message.from, `batch ${message.batchId} again`);
  // A node that no longer leads refuses it and remembers nothing: it never leads this term again.
  const isLeading = state.role.name === "leader";
  // Counts as taken even if it is refused now: a later copy must be refused, too.
  if (isLeading && !taken.take(message)) return answerWith(state, message, toOverloaded);
  answerWith(state, message, (proposal) => appendForwarded(state, proposal));
}

/** The leader's answer: the commands' places in its log, or a refusal. */
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

/** Another node encoded the command; what this node's own clients propose, it has encoded itself. */
function appendForwarded(state: CoreState, proposal: ForwardedProposal): ProposalOutcome {
  const { proposalId, command } = proposal;
  if (state.role.name === "leader" && !state.config.isCommand(command)) {
    return { kind: "refused", proposalId, reason: "unreadable" };
  }
  // A copy, because the log keeps it: a view would keep the whole message, and refused parts of that count
  // towards no limit.
  return appendProposal(state, { proposalId, command: command.slice() });
}

function appendProposal(state: CoreState, proposal: ForwardedProposal): ProposalOutcome {
  const { proposalId, command } = proposal;
  if (state.role.name !== "leader") return { kind: "refused", proposalId, reason: "notLeader" };
  if (state.role.transfer !== null) return { kind: "refused", proposalId, reason: "transferring" };
  const bytes = command.length + ENTRY_OVERHEAD_BYTES;
  const isTooMuch = state.role.uncommittedBytes + bytes > state.flowLimits.uncommittedBytesMax;
  if (isTooMuch || isLogFull(state)) {
    return { kind: "refused", proposalId, reason: "overloaded" };
  }
  state.role.uncommittedBytes += bytes;
  const { index } = appendEntry(state, { kind: "command", data: command });
  return { kind: "appended", proposalId, index };
}

/** Reports to this node's client what the leader of `term` did with its proposal. */
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
