/**
 * Who must get on with it once faults end, where members change: the members of what is then in force.
 *
 * @module
 */

import { majorityOf } from "../../../lib/margins.ts";
import type { Configuration } from "../../../lib/raft/mod.ts";
import type { Machine } from "../machine.ts";

/** A machine whose node can take part. */
const isSound = ({ isHonest, isGone, isDamaged, state }: Machine): boolean =>
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

/** Whether voters that hold a share are enough to elect and to commit. */
function isEnough({ epoch, threshold, voters }: Configuration, sound: readonly Machine[]): boolean {
  const able = sound.filter(({ id, shares: { current, next } }) => {
    return voters.includes(id) && [current, next].some((share) => share?.epoch === epoch);
  });
  return able.length >= Math.max(threshold, majorityOf(voters.length));
}

/** The members, once a leader knows of no change that is under way; null until then. */
export function settledMembers(sound: readonly Machine[]): readonly Machine[] | null {
  const leader = sound.find(({ state }) => state?.role.name === "leader");
  if (leader?.state === undefined || leader.state === null) return null;
  const { cluster, members, commitIndex, log } = leader.state;
  const isCommitted = commitIndex === log.last.index;
  if (cluster.change !== null || members.isPending || !isCommitted) return null;
  const { voters, learners } = members.newest;
  // One that leaves leads for a little while yet.
  if (!voters.includes(leader.id)) return null;
  return sound.filter(({ id }) => voters.includes(id) || learners.includes(id));
}
