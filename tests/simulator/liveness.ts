/**
 * The liveness phase: enough honest nodes are healed and the rest taken away. They must elect a leader,
 * take writes through every node and come to the same state, within a bound of simulated time.
 *
 * @module
 */

import type { Machine } from "./machine.ts";
import type { Simulation } from "./simulation.ts";
import { Violation } from "./violation.ts";

/** How many election timeouts each part of the phase may take. */
const ELECTION_TIMEOUTS_MAX = 100;

/** Heals, and waits for what must come. @throws {Violation} when it does not. */
export async function checkLiveness(simulation: Simulation): Promise<void> {
  if (!simulation.scenario.replicationHolds) {
    // A liar that led may have left the honest nodes with logs that cannot be reconciled.
    simulation.counters.count("liveness.notPromised");
    return;
  }
  const core = heal(simulation);
  if (core === null) {
    simulation.counters.count("liveness.tooFewLeft");
    return;
  }
  await waitFor(simulation, "A leader is elected", () => hasLeader(core));
  // A follower that needs a snapshot catches up once the log does not outrun it any more.
  for (const client of simulation.clients) client.stop();
  for (const machine of core) await write(simulation, machine);
  await waitFor(simulation, "All nodes converge", () => hasConverged(core));
  for (const machine of core) simulation.checker.compareState(machine);
  simulation.counters.count("liveness.reached");
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
  for (const machine of machines) {
    machine.isPrompt = true;
    if (core.includes(machine)) continue;
    machine.isRetired = true;
    machine.kill("not healed");
  }
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

function hasLeader(core: readonly Machine[]): boolean {
  return core.some(({ state }) => state?.role.name === "leader") &&
    core.every(({ state }) => {
      return state !== null && state.certificate?.leader !== undefined &&
        core.some(({ id }) => id === state.certificate?.leader);
    });
}

/** Writes through a node until it succeeds: a leader may yet change, a request be lost. */
async function write(simulation: Simulation, machine: Machine): Promise<void> {
  const prober = simulation.createProber(machine);
  let isWritten = false;
  const attempt = () => {
    prober.probe((ending) => {
      isWritten = ending.kind === "written";
      if (!isWritten) attempt();
    });
  };
  attempt();
  await waitFor(simulation, "Writes succeed through every node", () => isWritten);
}

function hasConverged(core: readonly Machine[]): boolean {
  const applied = new Set(core.map(({ store }) => store.appliedIndex));
  const last = new Set(core.map(({ state }) => state?.log.last.index));
  return applied.size === 1 && last.size === 1 && [...applied][0] === [...last][0];
}
