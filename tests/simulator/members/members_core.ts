/**
 * Who must get on with it once faults end, where members change: the members of what is then in force.
 *
 * @module
 */

import { majorityOf } from "../../../lib/margins.ts";
import { type Configuration, type RaftView, viewNodes } from "../../../lib/raft/mod.ts";
import { type MembersGoal, nextStep } from "../../../lib/reshare/mod.ts";
import type { NodeId } from "../../../lib/types.ts";
import type { Machine } from "../machine.ts";

/** A machine whose node can take part. */
export const isSound = ({ isHonest, isGone, isDamaged, state }: Machine): boolean =>
  isHonest && !isGone && !isDamaged && state !== null && !state.lacksState;

/**
 * Every machine that can take part; null when they are too few for a configuration that is in force, or that
 * is in a log.
 */
export function soundMembers(machines: readonly Machine[]): readonly Machine[] | null {
  const sound = machines.filter((machine) => isSound(machine));
  const configurations = sound.flatMap(({ state }) =>
    state === null ? [] : [state.members.inForce.configuration, state.members.newest]
  );
  const newest = Math.max(...configurations.map(({ membership }) => membership?.sequence ?? 0));
  const inForce = Math.max(
    ...sound.map(({ state }) => state?.members.inForce.configuration.membership?.sequence ?? 0),
  );
  const counting = configurations.filter(({ membership }) => {
    const sequence = membership?.sequence ?? 0;
    return sequence === newest || sequence === inForce;
  });
  return counting.every((configuration) => isEnough(configuration, sound)) ? sound : null;
}

/** Whether voters that hold a share are enough to elect, to commit, and to sign a membership. */
export function isEnough(
  { epoch, threshold, voters }: Configuration,
  sound: readonly Machine[],
): boolean {
  const able = sound.filter(({ id, shares: { current, next } }) => {
    return voters.includes(id) && [current, next].some((share) => share?.epoch === epoch);
  });
  const signing = able.filter(({ liesForEver }) => !liesForEver);
  return able.length >= majorityOf(voters.length) && signing.length >= threshold;
}

/**
 * The leader whose plan waits for a node that never comes, or for more signers than there are: its operators
 * cancel it. Null for none.
 */
export function leaderOfHopelessPlan(sound: readonly Machine[]): Machine | null {
  const leader = leaderOf(sound);
  const state = leader?.state ?? null;
  const { plan = null, current, change = null } = state?.cluster.changes ?? {};
  if (state === null || current === undefined || plan === null) return null;
  if (change?.stage !== "authorizing" && !canSign(plan.goal, sound)) return leader;
  if (change !== null) return null;
  const next = nextStep(current, plan, viewNodes(state));
  const isLost = (id: NodeId) => !sound.some((machine) => machine.id === id);
  return next.kind === "wait" && next.waitingFor.some(isLost) ? leader : null;
}

/** Whether as many of the plan's voters sign as its threshold says. */
function canSign({ members, threshold }: MembersGoal, sound: readonly Machine[]): boolean {
  const voters = members.filter(({ role }) => role === "voter").map(({ id }) => id);
  const signing = sound.filter(({ id, liesForEver }) => !liesForEver && voters.includes(id));
  return signing.length >= threshold;
}

/**
 * Whether a change is proven whose new voters are too few for ever, because one lost its disk just then. Nobody can
 * make it or give it up, and the members stay as they are.
 */
function isStuck({ cluster: { change } }: RaftView, sound: readonly Machine[]): boolean {
  if (change === null || change.isAmendment || change.stage !== "authorizing") return false;
  const answering = sound.filter(({ id }) => change.receivers.includes(id));
  return answering.length < change.begin.threshold;
}

function leaderOf(sound: readonly Machine[]): Machine | null {
  return sound.find(({ state }) => state?.role.name === "leader") ?? null;
}

/** The members, once a leader knows of no change and no plan that is under way; null until then. */
export function settledMembers(sound: readonly Machine[]): readonly Machine[] | null {
  const leader = leaderOf(sound);
  if (leader?.state === undefined || leader.state === null) return null;
  const { cluster, members, commitIndex, log, durability } = leader.state;
  // A leader that has not heard of its own disk yet does not know what others have committed for it.
  const isCommitted = commitIndex === log.last.index && durability.durableIndex >= commitIndex;
  const isUnderWay = cluster.change !== null || (cluster.changes?.plan ?? null) !== null;
  if ((isUnderWay && !isStuck(leader.state, sound)) || members.isPending || !isCommitted) {
    return null;
  }
  const { voters, learners } = members.newest;
  // One that leaves leads for a little while yet.
  if (!voters.includes(leader.id)) return null;
  return sound.filter(({ id }) => voters.includes(id) || learners.includes(id));
}
