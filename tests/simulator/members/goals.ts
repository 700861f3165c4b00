/**
 * The goals of operators: what a plan is to lead to, whatever steps that takes.
 *
 * @module
 */

import { majorityOf } from "../../../lib/margins.ts";
import type { MembersGoal } from "../../../lib/reshare/mod.ts";
import type { Random } from "../random.ts";
import type { PlanKind } from "./change_kinds.ts";
import type { ChangingKeys } from "./changing_keys.ts";

/** How often all voters get new shares besides. */
const REFRESH_SHARE = 0.2;

/** The members of a configuration, by their numbers. */
export interface Now {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  readonly threshold: number;
  readonly identifierMax: number;
}

/** The world in which a goal is drawn. */
export interface GoalWorld {
  readonly random: Random;
  /** How nodes are listed. */
  readonly keys: ChangingKeys;
  /** The next node that was no member yet; null for none. */
  readonly joiner: number | null;
  /** A voter that is lost for good, or is lost now; null where none can be spared. */
  readonly loseVoter: () => number | null;
}

/** The voters that a goal wants, and their threshold. */
interface Wanted {
  readonly voters: readonly number[];
  readonly threshold: number;
}

/** Draws a goal; null where this kind cannot be wanted now. */
export function drawGoal(kind: PlanKind, now: Now, world: GoalWorld): MembersGoal | null {
  const wanted = want(kind, now, world);
  return wanted === null ? null : toGoal(kind, { now, wanted }, world);
}

function want(kind: PlanKind, { voters, threshold }: Now, world: GoalWorld): Wanted | null {
  const { random, joiner } = world;
  const without = (leavers: readonly number[]) =>
    voters.filter((number) => !leavers.includes(number));
  const replaced = (leaver: number | null) =>
    joiner === null || leaver === null
      ? null
      : { voters: [...without([leaver]), joiner], threshold };
  switch (kind) {
    case "planAdd":
      return joiner === null ? null : withMajority([...voters, joiner], threshold);
    case "planRemove": {
      const leavers = random.shuffled(voters).slice(0, random.between(1, 2));
      return voters.length - leavers.length < 2 ? null : withMajority(without(leavers), threshold);
    }
    case "planReplace":
      return replaced(random.pick(voters));
    case "planReplaceLost":
      return joiner === null ? null : replaced(world.loseVoter());
    case "planRefresh":
      return { voters, threshold };
    case "planThreshold":
      return { voters, threshold: random.between(majorityOf(voters.length), voters.length) };
    default:
      return kind satisfies never;
  }
}

/** The threshold stays if it can. */
function withMajority(voters: readonly number[], threshold: number): Wanted {
  const least = Math.max(threshold, majorityOf(voters.length));
  return { voters, threshold: Math.min(least, voters.length) };
}

function toGoal(
  kind: PlanKind,
  { now, wanted }: { readonly now: Now; readonly wanted: Wanted },
  { random, keys }: GoalWorld,
): MembersGoal {
  const { voters, threshold } = wanted;
  const learners = now.learners.filter((number) => !voters.includes(number));
  const leaving = now.voters.filter((number) => !voters.includes(number));
  return {
    threshold,
    members: [...voters, ...learners].toSorted((left, right) => left - right)
      .map((number) => keys.planned(number, voters.includes(number) ? "voter" : "learner")),
    leaving: leaving.map((number) => keys.planned(number, "voter")),
    isRefresh: kind === "planRefresh" || random.chance(REFRESH_SHARE),
  };
}
