/**
 * The operators of a run whose members change: every now and then one asks a leader for a change, or for a plan,
 * sometimes two at once, and sometimes one cancels it.
 *
 * @module
 */

import { majorityOf } from "../../../lib/margins.ts";
import type { RaftView } from "../../../lib/raft/mod.ts";
import { explainIntersection, type Proposal } from "../../../lib/reshare/mod.ts";
import type { NodeId } from "../../../lib/types.ts";
import { nodeId, type Wanted } from "../../support/changing_key.ts";
import type { FaultWorldOptions } from "../fault_world.ts";
import type { Machine } from "../machine.ts";
import type { MembersScenario } from "../more_scenario.ts";
import { CHANGE_KINDS, type ChangeKind, PLAN_KINDS } from "./change_kinds.ts";
import type { ChangingKeys } from "./changing_keys.ts";
import { drawGoal, type Now } from "./goals.ts";
import { isEnough, isSound } from "./members_core.ts";

/** How often a second operator asks for something else at once. */
const RIVAL_SHARE = 0.15;
/** How often a change that is under way is cancelled. */
const CANCEL_SHARE = 0.1;
/** How often a change is asked for that is not safe in one step, and must be refused. */
const UNSAFE_SHARE = 0.3;
/** How often a node goes down just when it is to be removed, and comes back with its old log and share. */
const AWAY_SHARE = 0.3;

/** What an operator works with. */
export interface OperatorOptions
  extends Pick<FaultWorldOptions, "queue" | "random" | "machines" | "counters" | "trace"> {
  /** How often, and for what. */
  readonly scenario: MembersScenario;
  /** How nodes are listed. */
  readonly keys: ChangingKeys;
}

/** See the module. */
export class Operator {
  readonly #options: OperatorOptions;
  #isOn = true;

  /** An operator that wants nothing yet. */
  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /** Goes on for ever from now on. */
  start(): void {
    const { queue, random, scenario } = this.#options;
    queue.after(random.exponential(scenario.changeUsMean), () => {
      if (!this.#isOn) return;
      this.#ask();
      if (random.chance(RIVAL_SHARE)) this.#rival();
      this.start();
    });
  }

  /** Wants nothing any more. */
  stop(): void {
    this.#isOn = false;
  }

  /** Another operator wants something at the same time. */
  #rival(): void {
    this.#options.counters.count("change.rival");
    this.#ask();
  }

  /** Asks whoever leads, or believes that it does. */
  #ask(): void {
    const { random, machines, counters, scenario } = this.#options;
    const leaders = machines.filter(({ state }) => state?.role.name === "leader");
    if (leaders.length === 0) return;
    const leader = random.pick(leaders);
    const { life, state } = leader;
    if (life === null || state === null) return;
    const { change, changes } = state.cluster;
    const isUnderWay = change !== null || (changes?.plan ?? null) !== null;
    if (isUnderWay && random.chance(CANCEL_SHARE)) {
      counters.count("change.cancel");
      return life.add({ kind: "cancelChange", reason: "an operator thinks better of it" });
    }
    if (random.chance(scenario.planShare)) return this.#askForPlan(leader, state);
    const kind = random.pick(CHANGE_KINDS);
    const proposal = this.#draw(kind, state);
    if (proposal === null) return;
    counters.count(`change.asked.${kind}`);
    this.#trace(leader, `${kind} ${proposal.members.map(({ id }) => id)} t${proposal.threshold}`);
    life.add({ kind: "changeMembers", proposal });
  }

  /** One command, which the leader carries out in as many changes as it takes. */
  #askForPlan(leader: Machine, state: RaftView): void {
    const { random, counters, keys } = this.#options;
    const now = toNow(state);
    if (now === null) return;
    const kind = random.pick(PLAN_KINDS);
    const goal = drawGoal(kind, now, {
      random,
      keys,
      joiner: this.#joiner(now),
      loseVoter: () => this.#loseVoter(state),
    });
    if (goal === null) return;
    counters.count(`change.asked.${kind}`);
    this.#trace(leader, `${kind} ${goal.members.map(({ id }) => id)} t${goal.threshold}`);
    leader.life?.add({ kind: "planMembers", goal });
  }

  /** A voter that is gone; without one, another loses its disk for good if the rest can do without it. */
  #loseVoter({ members: { inForce, newest }, cluster: { change } }: RaftView): number | null {
    const { random, machines, counters } = this.#options;
    const voters = machines.filter(({ id }) => newest.voters.includes(id));
    const lost = voters.filter(({ isGone }) => isGone);
    if (lost.length > 0) return numberOf(random.pick(lost).id);
    const victim = random.pick(voters);
    const rest = machines.filter((machine) => machine !== victim && isSound(machine));
    const isSpare = [inForce.configuration, newest].every((one) => isEnough(one, rest));
    // A change that is proven cannot be taken back, so it needs its new voters already.
    const receivers = rest.filter(({ id }) => change?.receivers.includes(id));
    if (!isSpare || (change !== null && receivers.length < change.begin.threshold)) return null;
    counters.count("change.lostForGood");
    victim.kill("disk lost for good");
    victim.wipe();
    return numberOf(victim.id);
  }

  #draw(kind: ChangeKind, state: RaftView): Proposal | null {
    const { voters, threshold } = state.members.newest;
    const now = toNow(state);
    if (now === null) return null;
    const wanted = this.#want(kind, now);
    if (wanted === null) return null;
    if (wanted.isResharing === false) return this.#propose(wanted);
    const after = { voters: wanted.voters.map(nodeId), threshold: wanted.threshold };
    const isSafe = explainIntersection({ voters, threshold }, after) === null;
    if (!isSafe && !this.#options.random.chance(UNSAFE_SHARE)) return null;
    if (!isSafe) this.#options.counters.count("change.unsafe");
    const absent = wanted.voters.filter((number) => !this.#isUp(number));
    // An operator leaves enough that are up to go on.
    const needed = Math.max(wanted.threshold, majorityOf(wanted.voters.length));
    if (wanted.voters.length - absent.length < needed) return null;
    return this.#propose({ ...wanted, absent });
  }

  #want(kind: ChangeKind, now: Now): Wanted | null {
    const { voters, learners, threshold } = now;
    const joiner = this.#joiner(now);
    const least = (count: number) => Math.max(threshold, majorityOf(count));
    switch (kind) {
      case "join":
        if (joiner === null || learners.length > 1) return null;
        return { voters, threshold, learners: [...learners, joiner], isResharing: false };
      case "promote":
        if (learners.length === 0) return null;
        return {
          voters: [...voters, ...learners],
          threshold: least(voters.length + 1),
          learners: [],
        };
      case "remove":
        return this.#without(now, learners, learners);
      case "replace":
        return learners.length === 0 ? null : this.#without(now, [], learners);
      case "refresh":
        return { voters, threshold, learners };
      case "thresholdUp":
        return threshold < voters.length ? { voters, threshold: threshold + 1, learners } : null;
      case "thresholdDown":
        if (threshold <= majorityOf(voters.length)) return null;
        return { voters, threshold: threshold - 1, learners };
      default:
        return kind satisfies never;
    }
  }

  /** One voter leaves, most likely one that is lost; these learners stay, and these take its place. */
  #without(now: Now, staying: readonly number[], coming: readonly number[]): Wanted | null {
    const { random } = this.#options;
    const { voters } = now;
    const isReplaced = staying.length === 0;
    if (voters.length < 3 && !isReplaced) return null;
    const lost = voters.filter((number) => this.#machine(number)?.isGone === true);
    const leaver = lost.length > 0 ? random.pick(lost) : random.pick(voters);
    const rest = voters.filter((number) => number !== leaver);
    const after = isReplaced ? [...rest, ...coming] : rest;
    const least = Math.max(majorityOf(after.length), random.chance(0.3) ? 0 : now.threshold);
    const threshold = Math.min(after.length, least);
    if (random.chance(AWAY_SHARE)) this.#sendAway(leaver);
    return { voters: after, threshold, learners: staying };
  }

  #sendAway(number: number): void {
    this.#options.counters.count("change.away");
    this.#machine(number)?.kill("away while it is to be removed");
  }

  /** The next node that was none of the members yet. */
  #joiner({ learners, identifierMax }: Now): number | null {
    const { machines } = this.#options;
    const next = identifierMax + 1;
    return next <= machines.length && !learners.includes(next) ? next : null;
  }

  #propose(
    { voters, learners = [], threshold, absent = [], isResharing = true }: Wanted,
  ): Proposal {
    const { keys } = this.#options;
    const members = [...voters, ...learners].toSorted((left, right) => left - right)
      .map((number) => keys.planned(number, voters.includes(number) ? "voter" : "learner"));
    return { isResharing, threshold, members, absent: absent.map(nodeId) };
  }

  #isUp(number: number): boolean {
    const machine = this.#machine(number);
    return machine !== null && machine.life !== null && !machine.isGone;
  }

  #machine(number: number): Machine | null {
    return this.#options.machines[number - 1] ?? null;
  }

  #trace(leader: Machine, what: string): void {
    const { trace, queue } = this.#options;
    trace.add(queue.nowUs, "@@", () => `asks ${leader.id}: ${what}`);
  }
}

/** The newest configuration; null where members never change. */
function toNow({ members: { newest } }: RaftView): Now | null {
  const { voters, learners, threshold, membership } = newest;
  if (membership === null) return null;
  const { identifierMax } = membership;
  const [voting, learning] = [voters.map(numberOf), learners.map(numberOf)];
  return { voters: voting, learners: learning, threshold, identifierMax };
}

function numberOf(id: NodeId): number {
  return Number(id.slice(1));
}
