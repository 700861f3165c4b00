/**
 * Turns what an operator asks for into a goal for the members, and describes the steps to it in words.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { KnownMember, Membership } from "../certificate/mod.ts";
import { formatAddress, type PeerCard, type PinnedClusterConfig } from "../config/mod.ts";
import { InputError } from "../errors.ts";
import { majorityOf, marginsOf } from "../margins.ts";
import {
  describePlan,
  isReached,
  type MembersGoal,
  needsResharing,
  needsStatement,
  planFrom,
  type PlannedMember,
} from "../reshare/mod.ts";
import type { Epoch, NodeId } from "../types.ts";
import type { MembersPlan, MembersRequest, MembersStep } from "./members_api.ts";

/** The present members, from which a goal is made. */
interface Present {
  /** The membership in force. */
  readonly current: Membership;
  /** The members' addresses and keys, for as long as the chain does not have them. */
  readonly config: PinnedClusterConfig;
}

/**
 * The goal that a request means.
 *
 * @throws {InputError} when the request contradicts the members: the message says why, and what to do.
 */
export function toGoal({ current, config }: Present, request: MembersRequest): MembersGoal {
  const { add = [], remove = [], promote = [], demote = [], update = [] } = request;
  checkNames(current, request);
  const present = current.members.map((member) => toLine(member, config));
  const updated = present.map((line) => {
    const card = update.find(({ id }) => id === line.id);
    return card === undefined ? line : { ...line, ...toFields(card) };
  });
  const staying = updated.filter(({ id }) => !remove.includes(id)).map((line): PlannedMember => ({
    ...line,
    role: promote.includes(line.id) ? "voter" : demote.includes(line.id) ? "learner" : line.role,
  }));
  const joining = add.map(({ card, isLearner }, at): PlannedMember => ({
    ...toFields(card),
    role: isLearner ? "learner" : "voter",
    identifier: current.identifierMax + 1 + at,
  }));
  const members = [...staying, ...joining];
  checkAddresses(members);
  const voters = members.filter(({ role }) => role === "voter").length;
  const threshold = request.threshold ?? keepMargins(current, voters);
  const leaving = updated.filter(({ id }) => remove.includes(id));
  const goal = { threshold, members, leaving, isRefresh: request.refresh ?? false };
  if (
    isReached(current, { goal, epoch: current.epoch }) && current.sequence > 0 || isIdle(request)
  ) {
    throw new InputError("Nothing would change: the members are as asked for already");
  }
  return goal;
}

/**
 * The steps to a goal.
 *
 * @throws {InputError} when there is no safe way: the message says why.
 */
export function toPlan(
  current: Membership,
  { goal, epoch, up }: {
    readonly goal: MembersGoal;
    /** The epoch in force when the plan was made. */
    readonly epoch: Epoch;
    /** The voters that answer. */
    readonly up: readonly NodeId[];
  },
): MembersPlan {
  const statement = needsStatement(current, goal) ? [toStatementStep(current, goal)] : [];
  const { lying } = marginsOf({ n: votersOf(current).length, threshold: current.threshold });
  const spares = holdersOf(current) - current.threshold;
  if (!needsResharing(current, { goal, epoch })) {
    return { steps: statement, lying, sparesAfter: spares, takesLastSpare: false };
  }
  // A plan waits for the nodes that join, so they need not be up now.
  const known = new Set(current.members.map(({ id }) => id));
  const joiners = goal.members.map(({ id }) => id).filter((id) =>
    !known.has(id) || isLearner(current, id)
  );
  const { plan, ...asked } = planFrom(current, goal, { up: [...up, ...joiners] });
  if (plan.kind === "impossible") throw new InputError(`Cannot change the members: ${plan.why}`);
  const texts = describePlan(asked, plan);
  const steps = plan.steps.map((step, at): MembersStep => {
    const { after: { voters, threshold }, absent, margins, sparesDuring } = step;
    return {
      kind: "resharing",
      voters,
      learners: learnersAfter(goal, voters),
      threshold,
      absent,
      margins,
      sparesDuring,
      text: texts[at] ?? "",
    };
  });
  const last = assertDefined(steps.at(-1), "A resharing has a step");
  const sparesAfter = last.voters.length - last.absent.length - last.threshold;
  return {
    steps: [...statement, ...steps],
    lying: plan.lying,
    sparesAfter,
    takesLastSpare: spares > 0 && sparesAfter === 0,
  };
}

/**
 * Explains why a plan is not made unless the operator allows it: exactly as many voters as must sign would hold a
 * share. Steps on the way there are not counted: a dead voter leaves before its successor gets a share.
 */
export function explainNoSpare({ steps, takesLastSpare }: MembersPlan): string | null {
  const last = steps.at(-1);
  if (!takesLastSpare || last === undefined) return null;
  const without = last.absent.length === 0
    ? ""
    : ` ${last.absent.join(", ")} cannot be reached, and would get no share.`;
  return `Cannot change the members: no spare share would be left. ${last.threshold} voters would hold a ` +
    `share, and ${last.threshold} must sign: the next lost share loses the key for ever.${without} Replace ` +
    "a voter instead of removing it, choose a lower threshold, or start the nodes that are down. To do it " +
    "all the same: --allow-no-spare, in the API allowNoSpare";
}

function holdersOf({ members }: Membership): number {
  return members.filter(({ role, verifyingShare }) => role === "voter" && verifyingShare !== null)
    .length;
}

/** Refuses instead of guessing: no node is named twice, and each is named where it belongs. */
function checkNames(current: Membership, request: MembersRequest): void {
  const { add = [], remove = [], promote = [], demote = [], update = [] } = request;
  const ids = current.members.map(({ id }) => id);
  for (const id of [...remove, ...promote, ...demote, ...update.map((card) => card.id)]) {
    if (ids.includes(id)) continue;
    const why = current.formerIds.has(id) ? "was removed" : "is no member";
    throw new InputError(`${id} ${why}; the members are ${ids.join(", ")}`);
  }
  for (const { card: { id } } of add) {
    if (ids.includes(id)) {
      throw new InputError(
        `${id} is a member already; update it, or replace it by a node with another id`,
      );
    }
    if (!current.formerIds.has(id)) continue;
    throw new InputError(
      `${id} was a member once, and an id is never used again; make the node's identity anew, ` +
        "under another id",
    );
  }
  const named = [...remove, ...promote, ...demote, ...add.map(({ card }) => card.id)];
  const twice = named.find((id, at) => named.indexOf(id) !== at);
  if (twice !== undefined) throw new InputError(`${twice} is named twice`);
  checkRoles(current, { promote, demote });
}

function checkRoles(
  current: Membership,
  { promote, demote }: { readonly promote: readonly NodeId[]; readonly demote: readonly NodeId[] },
): void {
  const voter = promote.find((id) => !isLearner(current, id));
  if (voter !== undefined) throw new InputError(`${voter} is a voter already`);
  const learner = demote.find((id) => isLearner(current, id));
  if (learner !== undefined) throw new InputError(`${learner} is a learner already`);
}

/** Two members at one address could not both be reached. A member that leaves frees its address. */
function checkAddresses(members: readonly PlannedMember[]): void {
  for (const [at, { id, peerAddress, apiAddress }] of members.entries()) {
    const other = members.slice(0, at).find((member) =>
      member.peerAddress === peerAddress ||
      (apiAddress !== null && member.apiAddress === apiAddress)
    );
    if (other === undefined) continue;
    const address = other.peerAddress === peerAddress ? peerAddress : apiAddress;
    throw new InputError(`${address} is ${other.id}'s address already, so it cannot be ${id}'s`);
  }
}

function isIdle(
  { add, remove, promote, demote, update, threshold, refresh }: MembersRequest,
): boolean {
  const lists = [add, remove, promote, demote, update];
  return lists.every((list) => (list ?? []).length === 0) && threshold === undefined &&
    refresh !== true;
}

/** A bare majority stays a bare majority. Any other threshold withstands as many liars as before, where possible. */
function keepMargins(current: Membership, voters: number): number {
  const before = { n: votersOf(current).length, threshold: current.threshold };
  if (before.threshold === majorityOf(before.n)) return majorityOf(voters);
  const { lying } = marginsOf(before);
  return Math.min(voters, Math.max(majorityOf(voters), Math.ceil((voters + 1 + lying) / 2)));
}

function toStatementStep(current: Membership, goal: MembersGoal): MembersStep {
  const voters = votersOf(current);
  const inGoal = goal.members.map(({ id }) => id);
  const before = current.members.map(({ id }) => id);
  const joins = inGoal.filter((id) => !before.includes(id));
  const leaves = before.filter((id) => isLearner(current, id) && !inGoal.includes(id));
  const learners = [
    ...before.filter((id) => isLearner(current, id) && inGoal.includes(id)),
    ...joins,
  ];
  const parts = [
    ...joins.map((id) => `add ${id} as a learner`),
    ...leaves.map((id) => `remove learner ${id}`),
  ];
  const { threshold } = current;
  const quorum = { n: voters.length, threshold };
  return {
    kind: "statement",
    voters,
    learners,
    threshold,
    absent: [],
    margins: marginsOf(quorum),
    sparesDuring: quorum.n - threshold,
    text: `${parts.length === 0 ? "state the members' addresses and keys" : parts.join(", ")}: ` +
      `${threshold} of ${quorum.n} as before, and no share changes.`,
  };
}

function learnersAfter({ members }: MembersGoal, voters: readonly NodeId[]): readonly NodeId[] {
  return members.map(({ id }) => id).filter((id) => !voters.includes(id));
}

function votersOf({ members }: Membership): NodeId[] {
  return members.filter(({ role }) => role === "voter").map(({ id }) => id);
}

function isLearner({ members }: Membership, node: NodeId): boolean {
  return members.some(({ id, role }) => id === node && role === "learner");
}

/** A member as the chain has it; while there is only a genesis, as cluster.json has it. */
function toLine(member: KnownMember, { peers }: PinnedClusterConfig): PlannedMember {
  const { id, role, identifier, identityKey, channelKey, peerAddress, apiAddress = null } = member;
  if (channelKey !== undefined && peerAddress !== undefined) {
    return { id, role, identifier, identityKey, channelKey, peerAddress, apiAddress };
  }
  const peer = peers.find((known) => known.id === id);
  if (peer === undefined) throw new InputError(`This node knows no address of ${id}`);
  return { ...toFields(peer), role, identifier };
}

function toFields(
  { id, peer, api, keys }: Pick<PeerCard, "id" | "peer" | "api" | "keys">,
): Omit<PlannedMember, "role" | "identifier"> {
  return {
    id,
    identityKey: keys.signingKey,
    channelKey: keys.channelKey,
    peerAddress: formatAddress(peer),
    apiAddress: formatAddress(api),
  };
}
