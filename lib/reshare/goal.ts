/**
 * What the members are to become, and the next step on the way. A goal is one entry of the log; each step
 * follows from it, from what is in force and from who is up, so whoever leads goes on, and nobody has to
 * remember how far a plan has come.
 *
 * The first step is a statement within the epoch, where one is needed: joiners become learners, learners that
 * leave go, and addresses and keys are stated anew. Then the voters and the threshold change, in the steps
 * that `plan.ts` finds safe. A joiner votes once its log has caught up.
 *
 * @module
 */

import { checkPlannedMembership, type KnownMember, type Membership } from "../certificate/mod.ts";
import { equalBytes } from "../bytes.ts";
import { type NodeId, toEpoch } from "../types.ts";
import type { MembersGoal, PlanEntry, PlannedMember } from "./entry.ts";
import type { Proposal } from "./input_output.ts";
import { type ChangePlan, type ChangeRequest, planChange, type VoterSet } from "./plan.ts";

/** Who can take part now, as the leader sees it. */
export interface NodesView {
  /** Who answers. */
  readonly up: readonly NodeId[];
  /** Whose log has caught up. */
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

/** A goal, and since when it is one. */
export type GoalSince = Pick<PlanEntry, "goal" | "epoch">;

/**
 * Checks that a goal can be the end of a chain that stands here.
 *
 * @throws {CertificateError} naming the member where one is at fault.
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

/** Whether everything is as the goal has it. */
export function isReached(current: Membership, { goal, epoch }: GoalSince): boolean {
  const isSame = current.threshold === goal.threshold &&
    current.members.length === goal.members.length &&
    goal.members.every((wanted) => isStated(current, wanted) && hasRole(current, wanted));
  return isSame && !(goal.isRefresh && current.epoch === epoch);
}

/** Whether a statement within the epoch comes first. */
export function needsStatement(current: Membership, goal: MembersGoal): boolean {
  const isLeaving = (id: NodeId) => !goal.members.some((member) => member.id === id);
  return [...goal.members, ...goal.leaving].some((member) =>
    isLeaving(member.id) && !current.members.some(({ id }) => id === member.id)
      ? false
      : !isStated(current, member)
  ) || current.members.some(({ id, role }) => role === "learner" && isLeaving(id));
}

/** Whether voters, threshold or shares are still to change. */
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

/** The steps by which the voters change, and who takes no part in them. */
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

/** Fewer voters with a share than must sign: nothing can be dealt or stated. */
function lackingDealers(current: Membership, { up }: NodesView): NextStep | null {
  const holders = current.members.filter(({ verifyingShare }) => verifyingShare !== null);
  const down = holders.map(({ id }) => id).filter((id) => !up.includes(id));
  const present = holders.length - down.length;
  if (present >= current.threshold) return null;
  const why = `${present} voters with a share are up, and ${current.threshold} must sign`;
  return { kind: "wait", stage: "between", waitingFor: down, why };
}

/** Everybody who is there or joins, in today's roles; joiners as learners. */
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

/** A line for everybody whom the plan is about, by rising identifier. */
function linesOf({ members, leaving }: MembersGoal): PlannedMember[] {
  return [...members, ...leaving].toSorted((left, right) => left.identifier - right.identifier);
}

/** Whether the chain says of a member what the goal says. The genesis alone says less. */
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
