/**
 * Runs one seed from beginning to end.
 *
 * @module
 */

import { checkLiveness } from "./liveness.ts";
import { drawScenario, SAFETY_US, type Scenario } from "./scenario.ts";
import { Simulation } from "./simulation.ts";
import { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";

/** A broken promise, as data. */
export interface ViolationReport {
  /** Which promise. */
  readonly invariant: string;
  /** What was seen. */
  readonly message: string;
  /** Where in the code it was noticed. */
  readonly stack: string;
}

/** What came of a seed. Plain data, so that it can come from another process. */
export interface RunReport {
  /** The seed. */
  readonly seed: number;
  /** What it stands for. */
  readonly scenario: Scenario;
  /** What was broken; null when nothing was. */
  readonly violation: ViolationReport | null;
  /** How many events happened. */
  readonly events: number;
  /** How much simulated time passed. */
  readonly simulatedUs: number;
  /** How often each thing happened. */
  readonly counts: Readonly<Record<string, number>>;
  /** SHA-256 over the trace, in hex; of nothing when nobody watched. */
  readonly traceDigest: string;
}

/** Runs a seed; `watch` is told every line of its trace. */
export function runSeed(
  seed: number,
  watch: ((line: string) => void) | null = null,
): Promise<RunReport> {
  return runScenario(drawScenario(seed), watch);
}

/** The same with a world that is not drawn. */
export async function runScenario(
  scenario: Scenario,
  watch: ((line: string) => void) | null = null,
): Promise<RunReport> {
  const trace = new Trace(watch);
  const simulation = new Simulation(scenario, trace);
  const violation = await runChecked(simulation);
  const { queue, counters, checker } = simulation;
  counters.count("entriesCommitted", checker.committed.length);
  counters.count("termsLed", checker.leaderCount);
  counters.count("change.made", checker.members?.inForce.sequence ?? 0);
  countLeaseReads(simulation);
  return {
    seed: scenario.seed,
    scenario,
    violation,
    events: queue.scheduled,
    simulatedUs: queue.nowUs,
    counts: counters.toRecord(),
    traceDigest: trace.digest(),
  };
}

/** Leases are counted on beside liars as well, and checked. */
function countLeaseReads({ scenario, history, counters }: Simulation): void {
  if (scenario.liars === 0 || !scenario.replicationHolds || !scenario.hasGoodClocks) return;
  const reads = history.exchanges.filter(({ request, ending }) =>
    request.kind === "get" && request.lease && ending.kind === "read"
  );
  counters.count("world.leaseBesideLiars", reads.length);
}

async function runChecked(simulation: Simulation): Promise<ViolationReport | null> {
  const { scenario, trace, queue } = simulation;
  try {
    simulation.start();
    await simulation.runUntil(SAFETY_US);
    await checkLiveness(simulation);
    if (scenario.replicationHolds) {
      const givenUp = simulation.history.check(
        simulation.committed,
        scenario.rememberedEntries,
      );
      simulation.counters.count("linearizability.givenUp", givenUp);
      simulation.storeClients.check(simulation.committed);
    }
    return null;
  } catch (error) {
    const violation = error instanceof Violation
      ? error
      : new Violation("Nothing fails by itself", String(error), { cause: error });
    trace.add(queue.nowUs, "XX", () => `VIOLATION ${violation.message}`);
    const cause = violation.cause instanceof Error ? violation.cause : violation;
    return {
      invariant: violation.invariant,
      message: violation.message,
      stack: cause.stack ?? "",
    };
  }
}
