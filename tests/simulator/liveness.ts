/**
 * The liveness phase: enough honest nodes are healed and the rest taken away. They must elect a leader,
 * take writes through every node and come to the same state, within a bound of simulated time.
 *
 * @module
 */

import { PROGRESS_TICKS_MAX } from "../../lib/reshare/mod.ts";
import type { Ending } from "./history.ts";
import { LED_SHARE_MIN } from "./liars_world.ts";
import type { Machine } from "./machine.ts";
import { leaderOfHopelessPlan, settledMembers, soundMembers } from "./members/members_core.ts";
import type { Simulation } from "./simulation.ts";
import { require, Violation } from "./violation.ts";

/** How many election timeouts each part of the phase may take. */
const ELECTION_TIMEOUTS_MAX = 100;

/** A node is far ahead that is so many terms ahead of another. */
const FAR_AHEAD_TERMS = 4;

/** Heals, and waits for what must come. @throws {Violation} when it does not. */
export async function checkLiveness(simulation: Simulation): Promise<void> {
  if (!simulation.scenario.replicationHolds) {
    // A liar that led may have left the honest nodes with logs that cannot be reconciled.
    simulation.counters.count("liveness.notPromised");
    return;
  }
  const { operator } = simulation;
  let core = operator === null ? heal(simulation) : healMembers(simulation);
  // In half of the runs nobody writes from here on, until reads have succeeded.
  if (simulation.random.chance(0.5)) simulation.stopClients();
  if (core === null) {
    simulation.counters.count("liveness.tooFewLeft");
    return;
  }
  const liars = simulation.machines.filter(({ isHonest, isRetired }) => !isHonest && !isRetired);
  const healed = core;
  const staying = [...core, ...liars];
  await waitFor(
    simulation,
    "A leader is elected",
    () =>
      operator === null
        ? hasLeader(healed, staying)
        : staying.some(({ state }) => state?.role.name === "leader"),
  );
  // A follower that needs a snapshot catches up once the log does not outrun it any more.
  simulation.stopClients();
  if (operator !== null) core = await settleMembers(simulation, core);
  const members = core;
  // A new leader must come to know by itself what is committed.
  for (const machine of core) await readThrough(simulation, machine);
  for (const machine of core) await writeThrough(simulation, machine);
  await waitFor(simulation, "All nodes converge", () => hasConverged(members));
  await waitFor(simulation, "Who watches hears of everything", () => {
    return simulation.storeClients.haveSeen(members[0]?.store.keys.revision ?? 0);
  });
  await waitFor(simulation, "Leases end that nobody keeps alive", () => hasNoLeases(members));
  simulation.checker.members?.checkShares();
  for (const machine of core) simulation.checker.compareState(machine);
  if (liars.length === 0 && core.length > 1) await handOver(simulation, core);
  if (liars.length > 0) await checkLed(simulation, [...core, ...liars]);
  simulation.counters.count("liveness.reached");
}

/** All that can take part do. */
function healMembers(simulation: Simulation): readonly Machine[] | null {
  const { nemesis, operator, machines, queue, trace } = simulation;
  nemesis.stop();
  operator?.stop();
  simulation.stopRestarting();
  for (const machine of machines) machine.start();
  const sound = soundMembers(machines);
  if (sound === null) return null;
  for (const machine of machines) {
    machine.isPrompt = true;
    if (sound.includes(machine)) continue;
    machine.isRetired = true;
    machine.kill("not healed");
  }
  trace.add(queue.nowUs, "==", () => `HEALED ${sound.map(({ id }) => id).join(" ")}`);
  return sound;
}

/** How long a plan may take besides: an attempt or two that stand still, in ticks. */
const PLAN_TICKS_MAX = 3 * PROGRESS_TICKS_MAX;

/** How often an operator looks whether a plan waits for a node that is lost, in ticks. */
const PLAN_LOOK_TICKS = 100;

/** A change or plan that was under way is made, given up or cancelled. @returns who is a member then. */
async function settleMembers(
  simulation: Simulation,
  sound: readonly Machine[],
): Promise<readonly Machine[]> {
  const { queue, counters, scenario: { tickUs } } = simulation;
  const isSettled = () => settledMembers(sound) !== null;
  for (let ticks = 0; ticks < PLAN_TICKS_MAX && !isSettled(); ticks += PLAN_LOOK_TICKS) {
    await simulation.runUntil(queue.nowUs + PLAN_LOOK_TICKS * tickUs, isSettled);
    const leader = leaderOfHopelessPlan(sound);
    if (leader === null) continue;
    counters.count("change.hopeless");
    leader.life?.add({ kind: "cancelChange", reason: "a node of this plan is lost" });
  }
  await waitFor(simulation, "A change of the members ends", isSettled);
  return settledMembers(sound) ?? sound;
}

/** Leadership is handed to voters with a share. */
function isVoter({ id, state, shares: { current } }: Machine): boolean {
  if (state === null) return false;
  const { membership, voters, epoch } = state.members.newest;
  return membership === null || (voters.includes(id) && current?.epoch === epoch);
}

/** Picks who is to be healthy and takes the rest away; null when too few are left to do anything. */
function heal(simulation: Simulation): readonly Machine[] | null {
  const { scenario, machines, nemesis, queue, trace, random } = simulation;
  nemesis.stop();
  simulation.stopRestarting();
  // A machine whose disk is damaged finds out when it starts.
  for (const machine of machines) machine.start();
  const sound = random.shuffled(machines.filter((machine) => isSound(machine)));
  const needed = Math.max(scenario.threshold, Math.floor(scenario.size / 2) + 1);
  if (sound.length < needed) return null;
  const core = sound.slice(0, random.between(needed, sound.length));
  const liars = machines.filter(({ isHonest }) => !isHonest);
  const staying = [...core, ...liars.slice(0, scenario.size - scenario.threshold)];
  if (staying.length > core.length) simulation.letLiarsStay();
  for (const machine of machines) {
    machine.isPrompt = true;
    if (staying.includes(machine)) continue;
    machine.isRetired = true;
    machine.kill("not healed");
  }
  const terms = core.map(({ state }) => state?.currentTerm ?? 0);
  const isFarAhead = Math.max(...terms) - Math.min(...terms) >= FAR_AHEAD_TERMS;
  if (isFarAhead) simulation.counters.count("world.farAhead");
  trace.add(queue.nowUs, "==", () => `HEALED ${core.map(({ id }) => id).join(" ")}`);
  return core;
}

/** Whoever lacks its state may be the only one with the newest entries, and must not lead. */
function isSound({ isHonest, isGone, isDamaged, state }: Machine): boolean {
  return isHonest && !isGone && !isDamaged && state?.lacksState !== true;
}

async function waitFor(
  simulation: Simulation,
  what: string,
  isReached: () => boolean,
): Promise<void> {
  const { queue, scenario } = simulation;
  const electionTimeoutUs = scenario.electionTimeoutTicks * scenario.tickUs;
  const untilUs = queue.nowUs + ELECTION_TIMEOUTS_MAX * electionTimeoutUs;
  await simulation.runUntil(untilUs, isReached);
  if (!isReached()) {
    throw new Violation(what, `not in ${ELECTION_TIMEOUTS_MAX} election timeouts after healing`);
  }
}

/** Whether all of the core follow a leader that is still there. */
function hasLeader(core: readonly Machine[], staying: readonly Machine[]): boolean {
  return staying.some(({ state }) => state?.role.name === "leader") &&
    core.every(({ state }) => {
      return state !== null && state.certificate?.leader !== undefined &&
        staying.some(({ id }) => id === state.certificate?.leader);
    });
}

/** For how many election timeouts liars that stay are watched. */
const WATCHED_TIMEOUTS = 40;
/** How often in each somebody looks whether there is a leader. */
const LOOKS_PER_TIMEOUT = 4;

/** Liars that stay cost time, and little of it. */
async function checkLed(simulation: Simulation, staying: readonly Machine[]): Promise<void> {
  const { queue, scenario } = simulation;
  const lookUs = scenario.electionTimeoutTicks * scenario.tickUs / LOOKS_PER_TIMEOUT;
  const looks = WATCHED_TIMEOUTS * LOOKS_PER_TIMEOUT;
  let led = 0;
  for (let look = 0; look < looks; look++) {
    await simulation.runUntil(queue.nowUs + lookUs);
    if (staying.some(({ state }) => state?.role.name === "leader")) led++;
  }
  require(
    led >= LED_SHARE_MIN * looks,
    "Liars cost only time",
    () => `led ${led} of ${looks} looks`,
  );
}

/** Whom all of the core follow, itself included. */
function leaderOf(core: readonly Machine[]): Machine | null {
  const leads = ({ id, state }: Machine) =>
    state?.role.name === "leader" && core.every((other) => other.state?.leader === id);
  return core.find(leads) ?? null;
}

/**
 * Nobody fails and nobody lies, so leadership goes where it is to go, at the first attempt; unless a disk takes as
 * long as an election may. A voter may have lost its share while it led: it leads on.
 */
async function handOver(simulation: Simulation, core: readonly Machine[]): Promise<void> {
  const { counters, scenario: { acknowledgeUsMean, electionTimeoutTicks, tickUs } } = simulation;
  const hasSlowDisks = DISK_WAITS * acknowledgeUsMean > electionTimeoutTicks * tickUs;
  for (const target of simulation.random.shuffled(core.filter(isVoter))) {
    await waitFor(simulation, "A leader is followed by all", () => leaderOf(core) !== null);
    const leader = leaderOf(core);
    if (!leader?.life || leader === target) continue;
    const aborted = counters.of("transfer.aborted");
    const beganUs = simulation.queue.nowUs;
    leader.life.transfers.request(target.id, Infinity).catch(() => {});
    const leads = () => target.state?.role.name === "leader";
    const isAnothers = () => {
      const next = leaderOf(core);
      return next !== null && next !== leader;
    };
    const isOver = () => leads() || isAnothers() || counters.of("transfer.aborted") > aborted;
    await waitFor(simulation, "Transfers end", isOver);
    if (!leads() && hasSlowDisks) continue;
    require(leads(), "Transfers succeed when nothing fails", () => {
      return `${leader.id} leads on instead of ${target.id}`;
    });
    checkQuick(simulation, { beganUs, target });
    counters.count("liveness.handedOver");
  }
}

/** So many times its mean a disk may well take; an election waits for the candidate's and for its voters'. */
const DISK_WAITS = 10;

/** Ways of messages in a transfer: the word to stand, two rounds of an election, and what came before. */
const TRANSFER_WAYS = 8;

/** In a calm world a transfer takes no election timeout besides the ways of its messages. */
function checkQuick(
  { queue, scenario }: Simulation,
  { beganUs, target }: { readonly beganUs: number; readonly target: Machine },
): void {
  const { faults, network, electionTimeoutTicks, tickUs } = scenario;
  const isCalm = faults.length === 0 && scenario.turnUsMean === 0 &&
    scenario.clockDriftMax === 0 && scenario.acknowledgeUsMean === 0;
  if (!isCalm) return;
  const wayUs = network.latencyUsMin + 4 * network.latencyUsMean + network.farUs;
  const limitUs = 0.7 * electionTimeoutTicks * tickUs + TRANSFER_WAYS * wayUs;
  require(queue.nowUs - beganUs < limitUs, "Transfers succeed when nothing fails", () => {
    return `${target.id} leads after ${queue.nowUs - beganUs} us, not ${limitUs}`;
  });
}

/** Reads through a node until it succeeds: a leader may yet change, a request be lost. */
function readThrough(simulation: Simulation, machine: Machine): Promise<void> {
  const prober = simulation.createProber(machine);
  return askUntil(simulation, "Reads succeed through every node", {
    ask: (then) => prober.probeRead(then),
    isDone: ({ kind }) => kind === "read",
  });
}

/** The same with a write. */
function writeThrough(simulation: Simulation, machine: Machine): Promise<void> {
  const prober = simulation.createProber(machine);
  return askUntil(simulation, "Writes succeed through every node", {
    ask: (then) => prober.probe(then),
    isDone: ({ kind }) => kind === "written",
  });
}

async function askUntil(
  simulation: Simulation,
  what: string,
  { ask, isDone }: {
    readonly ask: (then: (ending: Ending) => void) => void;
    readonly isDone: (ending: Ending) => boolean;
  },
): Promise<void> {
  let hasSucceeded = false;
  const attempt = () => {
    ask((ending) => {
      hasSucceeded = isDone(ending);
      if (!hasSucceeded) attempt();
    });
  };
  attempt();
  await waitFor(simulation, what, () => hasSucceeded);
}

function hasNoLeases(core: readonly Machine[]): boolean {
  return core.every(({ store }) => store.keys.leases.count === 0);
}

function hasConverged(core: readonly Machine[]): boolean {
  const applied = new Set(core.map(({ store }) => store.appliedIndex));
  const last = new Set(core.map(({ state }) => state?.log.last.index));
  return applied.size === 1 && last.size === 1 && [...applied][0] === [...last][0];
}
