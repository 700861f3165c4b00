/**
 * Decides which change of the voters is safe in one step, and divides other changes into several steps.
 *
 * While a cluster changes from one configuration to the next, an election under the old one and an election
 * under the new one, or a write under either, must share a voter that counts in both. Let U be the voters
 * of both together, and b the number of liars that both withstand:
 *
 * 1. t + t' >= |U| + b + 1: any two elections share b + 1 voters, so an honest one.
 * 2. majority(V) + t' > |U|: the new leader's voters have every write of the old majority.
 * 3. t + majority(V') > |U|: and the other way round.
 *
 * A voter that is down takes no part: it neither deals nor gets a share. If it leaves, it leaves in the
 * first step. If it stays, it counts as a voter without a share until a later resharing.
 *
 * @module
 */

import type { Roster } from "../certificate/mod.ts";
import { majorityOf, type Margins, marginsOf, type Quorum } from "../margins.ts";
import type { NodeId } from "../types.ts";

/** The voters, including those without a share, and the threshold. */
export type VoterSet = Pick<Roster, "voters" | "threshold">;

/** A requested change of the voters. */
export interface ChangeRequest {
  /** The voters in force. */
  readonly before: VoterSet;
  /** The voters after the change. */
  readonly after: VoterSet;
  /** Voters that are down or have no share, and take no part. */
  readonly absent: readonly NodeId[];
  /** The least number of liars to withstand in every step; by default, as many as both ends withstand. */
  readonly lying?: number;
}

/** One resharing. */
export interface PlanStep {
  /** The voters and the threshold after the step. */
  readonly after: VoterSet;
  /** The voters that get no share. */
  readonly absent: readonly NodeId[];
  /** How many failures the cluster tolerates afterwards. Absent voters count as if they were up. */
  readonly margins: Margins;
  /** How many more voters may crash during this step before the cluster must wait. */
  readonly sparesDuring: number;
}

/** The result of planning. */
export type ChangePlan =
  | { readonly kind: "steps"; readonly lying: number; readonly steps: readonly PlanStep[] }
  | { readonly kind: "impossible"; readonly why: string };

/** Most voters that one request adds, and most that it removes. */
export const CHANGED_VOTERS_MAX = 16;

/** An intermediate state of a change, as far as the rules need it. */
interface Stage {
  readonly removed: number;
  readonly added: number;
  readonly threshold: number;
}

/** A stage in the search, with the one before it. */
interface Visit {
  readonly stage: Stage;
  readonly previous: Visit | null;
  /** Voters that may crash during the step that leads here. */
  readonly spares: number;
  /** The fewest of any step so far. Of two paths with the same length, the one with more is better. */
  readonly sparesLeast: number;
}

/** The counts of a request. */
interface Counts {
  readonly voters: number;
  readonly threshold: number;
  readonly goal: Stage;
  readonly absentRemoved: number;
  readonly absentKept: number;
  readonly lying: number;
}

/**
 * Why it is not safe to change from one set of voters to another in one step; null when it is safe.
 */
export function explainIntersection(before: VoterSet, after: VoterSet): string | null {
  const union = new Set([...before.voters, ...after.voters]).size;
  return explainCounts(union, toQuorum(before), toQuorum(after));
}

/**
 * The shortest sequence of safe steps for a change. If several are equally short, the one during which the
 * most voters may crash.
 */
export function planChange(request: ChangeRequest): ChangePlan {
  const { before, after, absent } = request;
  const lying = request.lying ?? lyingInBoth(toQuorum(before), toQuorum(after));
  const why = explainRequest(request, lying);
  if (why !== null) return { kind: "impossible", why };
  const removed = leaversOf(request);
  const added = after.voters.filter((id) => !before.voters.includes(id));
  const last = searchOnce({
    voters: before.voters.length,
    threshold: before.threshold,
    goal: { removed: removed.length, added: added.length, threshold: after.threshold },
    absentRemoved: removed.filter((id) => absent.includes(id)).length,
    absentKept: after.voters.filter((id) => absent.includes(id)).length,
    lying,
  });
  if (last === null) {
    return { kind: "impossible", why: `no sequence of steps is safe against ${lying} liars` };
  }
  const steps = toStages(last).map((visit) => toStep(request, { removed, added, visit }));
  return { kind: "steps", lying, steps };
}

/** Describes a plan, with one line for each step. */
export function describePlan({ before }: ChangeRequest, plan: ChangePlan): readonly string[] {
  if (plan.kind === "impossible") return [`This change cannot be made: ${plan.why}.`];
  let current = before;
  return plan.steps.map((step) => {
    const line = describeStep(current, step);
    current = step.after;
    return line;
  });
}

/** As many liars as both withstand. */
function lyingInBoth(before: Quorum, after: Quorum): number {
  return Math.min(marginsOf(before).lying, marginsOf(after).lying);
}

function toQuorum({ voters, threshold }: VoterSet): Quorum {
  return { n: voters.length, threshold };
}

/** The three rules. */
function explainCounts(union: number, before: Quorum, after: Quorum): string | null {
  const lying = lyingInBoth(before, after);
  const both = before.threshold + after.threshold;
  if (both < union + lying + 1) {
    return `thresholds ${before.threshold} and ${after.threshold} are together below ` +
      `${union + lying + 1}, so ${lying} liars could make two leaders of one term`;
  }
  if (majorityOf(before.n) + after.threshold <= union) {
    return `a majority of the old ${before.n} and ${after.threshold} of the new voters need not ` +
      `meet, so a new leader could miss a write`;
  }
  if (before.threshold + majorityOf(after.n) <= union) {
    return `${before.threshold} of the old voters and a majority of the new ${after.n} need not ` +
      `meet, so an old leader could miss a write`;
  }
  return null;
}

/** Why no sequence of steps is possible; null if one may be. */
function explainRequest({ before, after, absent }: ChangeRequest, lying: number): string | null {
  for (const { voters, threshold } of [before, after]) {
    const n = voters.length;
    const isGood = Number.isInteger(threshold) && n >= 2 && threshold <= n && 2 * threshold > n;
    if (!isGood) {
      return `threshold ${threshold} is not more than half of ${n} voters and at most all of 2 or more`;
    }
    if (marginsOf({ n, threshold }).lying < lying) {
      return `${threshold} of ${n} voters withstands fewer than ${lying} liars`;
    }
  }
  const present = before.voters.filter((id) => !absent.includes(id)).length;
  if (present < before.threshold) {
    return `${present} voters with a share are up, and ${before.threshold} must sign`;
  }
  const receivers = after.voters.filter((id) => !absent.includes(id)).length;
  if (receivers < after.threshold) {
    return `${receivers} of the new voters are up, and ${after.threshold} must sign`;
  }
  const joiners = after.voters.filter((id) => !before.voters.includes(id));
  const missing = joiners.find((id) => absent.includes(id));
  if (missing !== undefined) return `${missing} is to join, and is down`;
  const leavers = before.voters.filter((id) => !after.voters.includes(id));
  const most = Math.max(joiners.length, leavers.length);
  if (most > CHANGED_VOTERS_MAX) {
    return `${most} voters at once are more than ${CHANGED_VOTERS_MAX}; ask for fewer`;
  }
  return null;
}

/** The voters that leave, those that are down first. */
function leaversOf({ before, after, absent }: ChangeRequest): NodeId[] {
  const leavers = before.voters.filter((id) => !after.voters.includes(id));
  const isDown = (id: NodeId) => absent.includes(id);
  return [...leavers.filter(isDown), ...leavers.filter((id) => !isDown(id))];
}

/** The last few results of the search, oldest first. It takes long for many voters, and is asked again and again. */
const results = new Map<string, Visit | null>();

/** Most results that are kept. */
const RESULTS_MAX = 64;

function searchOnce(counts: Counts): Visit | null {
  const { voters, threshold, goal, absentRemoved, absentKept, lying } = counts;
  const key = [voters, threshold, keyOf(goal), absentRemoved, absentKept, lying].join(" ");
  const known = results.get(key);
  if (known !== undefined) return known;
  const result = search(counts);
  results.set(key, result);
  const [oldest] = results.keys();
  if (results.size > RESULTS_MAX && oldest !== undefined) results.delete(oldest);
  return result;
}

/** Breadth-first search, so the first path found has the fewest steps. A refresh is a step too. */
function search(counts: Counts): Visit | null {
  const { threshold, goal, voters } = counts;
  const first = { removed: 0, added: 0, threshold };
  const unvisited = stagesOf(counts);
  let frontier: Visit[] = [{ stage: first, previous: null, spares: voters, sparesLeast: voters }];
  while (frontier.length > 0) {
    const found = new Map<string, Visit>();
    for (const from of frontier) {
      for (const [key, stage] of unvisited) {
        const spares = sparesOf(counts, from.stage, stage);
        if (spares === null) continue;
        const sparesLeast = Math.min(from.sparesLeast, spares);
        const known = found.get(key);
        if (known !== undefined && known.sparesLeast >= sparesLeast) continue;
        found.set(key, { stage, previous: from, spares, sparesLeast });
      }
    }
    const arrived = found.get(keyOf(goal));
    if (arrived !== undefined) return arrived;
    for (const key of found.keys()) unvisited.delete(key);
    frontier = [...found.values()];
  }
  return null;
}

/** Every intermediate configuration that withstands the liars and can sign. */
function stagesOf(counts: Counts): Map<string, Stage> {
  const { goal, voters, lying } = counts;
  const stages = new Map<string, Stage>();
  for (let removed = counts.absentRemoved; removed <= goal.removed; removed++) {
    for (let added = 0; added <= goal.added; added++) {
      const n = voters - removed + added;
      for (let threshold = Math.max(2, majorityOf(n)); threshold <= n; threshold++) {
        const stage = { removed, added, threshold };
        const canSign = n - counts.absentKept >= threshold;
        const isStrong = marginsOf({ n, threshold }).lying >= lying;
        if (canSign && isStrong) stages.set(keyOf(stage), stage);
      }
    }
  }
  return stages;
}

/** How many more voters may be down during a step; null when the step is not safe. */
function sparesOf(counts: Counts, from: Stage, to: Stage): number | null {
  if (to.removed < from.removed || to.added < from.added) return null;
  const before = { n: counts.voters - from.removed + from.added, threshold: from.threshold };
  const after = { n: counts.voters - to.removed + to.added, threshold: to.threshold };
  const union = before.n + to.added - from.added;
  if (explainCounts(union, before, after) !== null) return null;
  const absentBefore = counts.absentKept + Math.max(0, counts.absentRemoved - from.removed);
  return Math.min(
    before.n - absentBefore - before.threshold,
    after.n - counts.absentKept - after.threshold,
  );
}

function keyOf({ removed, added, threshold }: Stage): string {
  return `${removed} ${added} ${threshold}`;
}

/** The visits after the first, in order. */
function toStages(last: Visit): Visit[] {
  return last.previous === null ? [] : [...toStages(last.previous), last];
}

function toStep(
  { before, absent }: ChangeRequest,
  { removed, added, visit }: {
    readonly removed: readonly NodeId[];
    readonly added: readonly NodeId[];
    readonly visit: Visit;
  },
): PlanStep {
  const { stage: { threshold, ...stage }, spares } = visit;
  const gone = removed.slice(0, stage.removed);
  const voters = [
    ...before.voters.filter((id) => !gone.includes(id)),
    ...added.slice(0, stage.added),
  ];
  return {
    after: { voters, threshold },
    absent: voters.filter((id) => absent.includes(id)),
    margins: marginsOf({ n: voters.length, threshold }),
    sparesDuring: spares,
  };
}

function describeStep(
  before: VoterSet,
  { after, absent, margins, sparesDuring }: PlanStep,
): string {
  const leaves = before.voters.filter((id) => !after.voters.includes(id));
  const joins = after.voters.filter((id) => !before.voters.includes(id));
  const changes = [
    ...leaves.map((id) => `remove ${id}`),
    ...joins.map((id) => `add ${id}`),
  ];
  const what = changes.length === 0 ? "new shares for all voters" : changes.join(", ");
  const without = absent.length === 0 ? "" : ` (${absent.join(", ")} without a share)`;
  return `${what}: ${before.threshold} of ${before.voters.length} becomes ${after.threshold} of ` +
    `${after.voters.length}${without}. ${sparesDuring} may be down meanwhile; afterwards ` +
    `${margins.crashed} may be down, and ${margins.lying} may lie.`;
}
