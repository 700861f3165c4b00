/**
 * The goal of a plan, and the next step towards it. A goal is one entry of the log. Each step follows from
 * the goal, from the membership in force, and from which nodes are up. So any leader can continue, and no
 * node has to remember the progress of a plan.
 *
 * The first step is a statement within the epoch, if one is needed: new nodes become learners, leaving
 * learners are removed, and new addresses and keys are stated. Then the voters and the threshold change, in
 * the steps that
 * `plan.ts` finds safe. A new node votes once its log has caught up.
 *
 * @module
 */

import { checkPlannedMembership, type KnownMember, type Membership } from "../certificate/mod.ts";
import { equalBytes } from "../bytes.ts";
import { type NodeId, toEpoch } from "../types.ts";
import type { MembersGoal, PlanEntry, PlannedMember } from "./entry.ts";
import type { Proposal } from "./input_output.ts";
import { type ChangePlan, type ChangeRequest, planChange, type VoterSet } from "./plan.ts";

/** The nodes that can take part now, as the leader sees them. */
export interface NodesView {
  /** The nodes that answer. */
  readonly up: readonly NodeId[];
  /** The nodes whose log has caught up. */
  readonly caughtUp: readonly NodeId[];
}

/** What comes next. */
export type NextStep =
  | { readonly kind: "propose"; readonly proposal: Proposal }
  | {
    readonly kind: "wait";
    readonly stage: "between" | "catchingUp";
    readonly waitingFor: readonly NodeId[];
    readonly why: string;
  }
  | { readonly kind: "impossible"; readonly why: string };

/** A goal, and the epoch in which it was set. */
export type GoalSince = Pick<PlanEntry, "goal" | "epoch">;

/**
 * Checks that a goal can follow the present membership.
 *
 * @throws {CertificateError} naming the member at fault if there is one.
 */
export function checkGoal(current: Membership, { members, threshold }: MembersGoal): void {
  const { cluster, sequence, epoch, hash: previous } = current;
  checkPlannedMembership(current, {
    cluster,
    sequence: sequence + 1,
    epoch: toEpoch(epoch + 1),
    threshold,
    previous,
    members: members.map((member) => ({ ...member, verifyingShare: null })),
  });
}

/** Whether the goal is reached. */
export function isReached(current: Membership, { goal, epoch }: GoalSince): boolean {
  const isSame = current.threshold === goal.threshold &&
    current.members.length === goal.members.length &&
    goal.members.every((wanted) => isStated(current, wanted) && hasRole(current, wanted));
  return isSame && !(goal.isRefresh && current.epoch === epoch);
}

/** Whether a statement within the epoch must come first. */
export function needsStatement(current: Membership, goal: MembersGoal): boolean {
  const isLeaving = (id: NodeId) => !goal.members.some((member) => member.id === id);
  return [...goal.members, ...goal.leaving].some((member) =>
    isLeaving(member.id) && !current.members.some(({ id }) => id === member.id)
      ? false
      : !isStated(current, member)
  ) || current.members.some(({ id, role }) => role === "learner" && isLeaving(id));
}

/** Whether voters, threshold or shares must still change. */
export function needsResharing(current: Membership, { goal, epoch }: GoalSince): boolean {
  const [before, after] = [votersOf(current.members), votersOf(goal.members)];
  const isSame = before.length === after.length && after.every((id) => before.includes(id));
  return !isSame || current.threshold !== goal.threshold ||
    (goal.isRefresh && current.epoch === epoch);
}

/** The next step of a goal that is not reached. */
export function nextStep(current: Membership, since: GoalSince, nodes: NodesView): NextStep {
  const { goal } = since;
  if (needsStatement(current, goal)) {
    return { kind: "propose", proposal: toStatement(current, goal) };
  }
  const lacking = lackingDealers(current, nodes);
  if (lacking !== null) return lacking;
  const before = votersOf(current.members);
  const joiners = votersOf(goal.members).filter((id) => !before.includes(id));
  const behind = joiners.filter((id) => !nodes.up.includes(id) || !nodes.caughtUp.includes(id));
  if (behind.length > 0) {
    const why = `${behind.join(", ")} must catch up before it votes`;
    return { kind: "wait", stage: "catchingUp", waitingFor: behind, why };
  }
  const { plan, absent } = planFrom(current, goal, nodes);
  if (plan.kind === "impossible") {
    return absent.length === 0
      ? { kind: "impossible", why: plan.why }
      : { kind: "wait", stage: "between", waitingFor: absent, why: plan.why };
  }
  const [step] = plan.steps;
  if (step === undefined) return { kind: "impossible", why: "there is nothing to do" };
  return { kind: "propose", proposal: toResharing(current, goal, step) };
}

/** The steps that change the voters, and the nodes that take no part in them. */
export function planFrom(
  current: Membership,
  goal: MembersGoal,
  { up }: Pick<NodesView, "up">,
): ChangeRequest & { readonly plan: ChangePlan } {
  const before = { voters: votersOf(current.members), threshold: current.threshold };
  const after = { voters: votersOf(goal.members), threshold: goal.threshold };
  const absent = [...new Set([...before.voters, ...after.voters])].filter((id) => !up.includes(id));
  const request = { before, after, absent };
  return { ...request, plan: planChange(request) };
}

/** Waits when fewer voters with a share are up than must sign: they can neither deal nor sign a statement. */
function lackingDealers(current: Membership, { up }: NodesView): NextStep | null {
  const holders = current.members.filter(({ verifyingShare }) => verifyingShare !== null);
  const down = holders.map(({ id }) => id).filter((id) => !up.includes(id));
  const present = holders.length - down.length;
  if (present >= current.threshold) return null;
  const why = `${present} voters with a share are up, and ${current.threshold} must sign`;
  return { kind: "wait", stage: "between", waitingFor: down, why };
}

/** All present members in their present roles, and the new nodes as learners. */
function toStatement(current: Membership, goal: MembersGoal): Proposal {
  const lines = linesOf(goal).filter(({ id }) => {
    const known = current.members.find((member) => member.id === id);
    const isInGoal = goal.members.some((member) => member.id === id);
    return known === undefined ? isInGoal : isInGoal || known.role === "voter";
  });
  const roleOf = (id: NodeId) =>
    current.members.find((member) => member.id === id)?.role ?? "learner";
  const members = lines.map((line) => ({ ...line, role: roleOf(line.id) }));
  return { isResharing: false, threshold: current.threshold, members, absent: [] };
}

function toResharing(
  current: Membership,
  goal: MembersGoal,
  { after, absent }: { readonly after: VoterSet; readonly absent: readonly NodeId[] },
): Proposal {
  const inGoal = new Set(goal.members.map(({ id }) => id));
  const members = linesOf(goal)
    .filter(({ id }) => current.members.some((member) => member.id === id))
    .filter(({ id }) => inGoal.has(id) || after.voters.includes(id))
    .map((line): PlannedMember => ({
      ...line,
      role: after.voters.includes(line.id) ? "voter" : "learner",
    }));
  return { isResharing: true, threshold: after.threshold, members, absent };
}

/** All members of the plan, including the leaving ones, by rising identifier. */
function linesOf({ members, leaving }: MembersGoal): PlannedMember[] {
  return [...members, ...leaving].toSorted((left, right) => left.identifier - right.identifier);
}

/** Whether the chain describes a member as the goal does. The genesis has fewer fields. */
function isStated({ members }: Membership, wanted: PlannedMember): boolean {
  const known = members.find(({ id }) => id === wanted.id);
  return known !== undefined && isSameKey(known.identityKey, wanted.identityKey) &&
    isSameKey(known.channelKey, wanted.channelKey) &&
    known.peerAddress === wanted.peerAddress && known.apiAddress === wanted.apiAddress;
}

function isSameKey(known: Uint8Array | undefined, wanted: Uint8Array): boolean {
  return known !== undefined && equalBytes(known, wanted);
}

function hasRole({ members }: Membership, { id, role }: PlannedMember): boolean {
  return members.some((member) => member.id === id && member.role === role);
}

function votersOf(members: readonly Pick<KnownMember, "id" | "role">[]): NodeId[] {
  return members.filter(({ role }) => role === "voter").map(({ id }) => id);
}
