/**
 * The core's part in changes of the members: the outputs of `lib/reshare` become entries and messages, and
 * entries and messages become its inputs.
 *
 * @module
 */

import { catching, InputError } from "../errors.ts";
import {
  decodeReshareEntry,
  encodeReshareEntry,
  type MembersGoal,
  type NodesView,
  type Proposal,
  type ReshareEntry,
  type ReshareMessage,
  type ReshareOutput,
} from "../reshare/mod.ts";
import { appendConfiguration } from "./configurations.ts";
import { appendEntry } from "./leader.ts";
import { endSigning, startSigning } from "./membership_signing.ts";
import type { MemberEntryRequest, SubShareMessage, SubShareRequest } from "./message.ts";
import type { Leader } from "./role.ts";
import { plus } from "../types.ts";
import { CAUGHT_UP_ENTRIES, UP_TIMEOUTS } from "./config.ts";
import type { CoreState } from "./state.ts";
import type { RaftView } from "./view.ts";

/** Most bytes of a node's entry: a deal or a word about deals has less than 200 for each of 255 voters. */
const WORD_BYTES_MAX = 65_536;

/** Most entries of one author in a leader's log in one change, for each possible dealer. */
const WORDS_PER_DEALER_MAX = 3;

/** At the end of a step: gives `lib/reshare` its inputs, and performs its outputs. */
export function driveChanges(state: CoreState): void {
  const { cluster: { committed }, role, log, commitIndex, currentTerm } = state;
  if (committed === null) return;
  const settled = state.cluster.takeSettledShares();
  if (settled !== null) state.output.shares = settled;
  const isLeading = role.name === "leader" && log.termAt(commitIndex) === currentTerm &&
    role.transfer === null;
  if (isLeading !== state.cluster.leadsChanges) {
    state.cluster.leadsChanges = isLeading;
    committed.add({ kind: "leading", isLeader: isLeading });
  }
  if (isLeading && committed.log.plan !== null && committed.change === null) {
    committed.add({ kind: "nodes", nodes: viewNodes(state) });
  }
  const output = committed.step(state.durability.durableIndex);
  if (output !== null) carryOut(state, output);
  if (committed.change === null) endSigning(state);
}

/** An operator asks for a change. A node that gets a share must already have the log, which has the deals. */
export function changeMembers(state: CoreState, proposal: Proposal): void {
  const joiner = proposal.members.find(({ id, role }) =>
    role === "voter" && !state.members.has(id)
  );
  if (joiner === undefined) return state.cluster.committed?.add({ kind: "propose", proposal });
  const reason = `Cannot begin change: ${joiner.id} must join as a learner first`;
  const event = { kind: "proposalRefused", reason } as const;
  state.output.events.push({ kind: "resharing", event });
}

/** Counts a tick for the change under way. */
export function tickChange({ cluster: { committed } }: CoreState): void {
  if (committed === null) return;
  const isUnderWay = committed.change !== null || committed.log.plan !== null;
  if (isUnderWay) committed.add({ kind: "tick" });
}

/** An operator sets a goal, which can take several changes. */
export function planMembers(state: CoreState, goal: MembersGoal): void {
  const { committed } = state.cluster;
  if (committed !== null) return committed.add({ kind: "plan", goal });
  const reason = "The members of a cluster of one cannot be changed";
  state.output.events.push({ kind: "resharing", event: { kind: "planRefused", goal, reason } });
}

/** The nodes that can take part in a change, as the leader sees them. A new leader first counts all as up. */
export function viewNodes(
  { self, role, nowTick, commitIndex, config }: Pick<
    RaftView,
    "self" | "role" | "nowTick" | "commitIndex" | "config"
  >,
): NodesView {
  if (role.name !== "leader") return { up: [self], caughtUp: [self] };
  const oldestTick = nowTick - UP_TIMEOUTS * config.electionTimeoutTicks;
  const up = [...role.followers].filter(([, { rounds }]) => rounds.answeredSentTick >= oldestTick);
  const caughtUp = up.filter(([, { matchIndex, snapshot, isCertified }]) =>
    isCertified && matchIndex > 0 && snapshot === null &&
    matchIndex + CAUGHT_UP_ENTRIES >= commitIndex
  );
  const idsOf = (nodes: typeof up) => [self, ...nodes.map(([id]) => id)];
  return { up: idsOf(up), caughtUp: idsOf(caughtUp) };
}

/** A dealer's sub-share, or a receiver's request for one. */
export function handleSubShare(state: CoreState, message: SubShareMessage | SubShareRequest): void {
  state.cluster.committed?.add({ kind: "message", message: fromMessage(message) });
}

/** A node asks the leader to append its entry. The entry is signed, and only its author may send it. */
export function handleMemberEntry(state: CoreState, message: MemberEntryRequest): void {
  const leader = state.role;
  // Reading costs time, so it is not done for what would not be appended.
  if (leader.name !== "leader" || state.cluster.change === null || leader.transfer !== null) return;
  if (message.data.length > WORD_BYTES_MAX) {
    return state.refuse(
      message.from,
      `entry of ${message.data.length} bytes, above ${WORD_BYTES_MAX}`,
    );
  }
  const entry = catching(InputError, () => decodeReshareEntry(message.data), (error) => {
    state.refuse(message.from, error.message);
    return null;
  });
  if (entry === null) return;
  if (!("author" in entry) || entry.author !== message.from) {
    return state.refuse(message.from, `${entry.kind} of another's`);
  }
  appendWord(state, leader, entry);
}

function carryOut(state: CoreState, output: ReshareOutput): void {
  if (output.persist !== null) {
    state.epochs.useShares(output.persist);
    state.output.shares = output.persist;
  }
  for (const message of output.send) state.send(toMessage(state, message));
  for (const entry of output.propose) propose(state, entry);
  if (output.sign !== null && state.role.name === "leader") startSigning(state, state.role);
  output.adopted?.secret?.fill(0);
  for (const event of output.events) state.output.events.push({ kind: "resharing", event });
}

/** Proposes an entry. If it is lost, `lib/reshare` proposes it again. */
function propose(state: CoreState, entry: ReshareEntry): void {
  const { role, leader, self } = state;
  if (role.name === "leader") {
    if ("author" in entry) return appendWord(state, role, entry);
    if (entry.kind === "configuration") {
      const why = appendConfiguration(state, role, entry);
      if (why !== null) state.output.events.push({ kind: "configurationDelayed", reason: why });
      return;
    }
    if (role.transfer === null) append(state, withName(state, entry));
    return;
  }
  if (leader === null || !("author" in entry)) return;
  const data = encodeReshareEntry(entry);
  state.send({
    kind: "memberEntryRequest",
    from: self,
    to: leader,
    term: state.currentTerm,
    data,
  });
}

/** Appends a node's entry, within limits: one of each kind at a time, and a maximum for each author. */
function appendWord(
  state: CoreState,
  leader: Leader,
  entry: Extract<ReshareEntry, { readonly author: unknown }>,
): void {
  const change = state.cluster.committed?.change ?? null;
  if (change?.id !== entry.change || leader.transfer !== null) return;
  const name = `${entry.change} ${entry.author} ${entry.kind}`;
  const before = leader.words.get(name) ?? { index: 0, count: 0 };
  if (before.index > state.commitIndex) return;
  if (before.count >= WORDS_PER_DEALER_MAX * change.before.members.length) return;
  const index = append(state, entry);
  leader.words.set(name, { index, count: before.count + 1 });
}

/** The id of a plan is the index of its entry. */
function withName({ log }: CoreState, entry: ReshareEntry): ReshareEntry {
  return entry.kind === "plan" ? { ...entry, id: plus(log.last.index, 1) } : entry;
}

function append(state: CoreState, entry: ReshareEntry): number {
  return appendEntry(state, { kind: "resharing", data: encodeReshareEntry(entry) }).index;
}

function toMessage(
  { currentTerm: term }: CoreState,
  message: ReshareMessage,
): SubShareMessage | SubShareRequest {
  if (message.kind === "subShare") return { ...message, term };
  const { from, to, change } = message;
  return { kind: "subShareRequest", from, to, term, change };
}

function fromMessage(message: SubShareMessage | SubShareRequest): ReshareMessage {
  const { from, to, change } = message;
  return message.kind === "subShare"
    ? { kind: "subShare", from, to, change, secret: message.secret }
    : { kind: "want", from, to, change };
}
