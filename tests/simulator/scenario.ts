/**
 * What a seed stands for. Everything about a run is drawn here, in the manner of swarm testing: each
 * seed turns most faults off and a few up, because a run with all of them at once is one average
 * run, over and over.
 *
 * @module
 */

import {
  FAULT_KINDS,
  type FaultKind,
  LIE_KINDS,
  type LieKind,
  LIES_BEYOND,
  LIES_OF_A_VOTER,
} from "./fault_kinds.ts";
import { LEASE_SHARE } from "../../lib/raft/config.ts";
import type { FlowLimits } from "../../lib/raft/mod.ts";
import {
  drawMembers,
  drawStore,
  type MembersScenario,
  type StoreScenario,
} from "./more_scenario.ts";
import { Random } from "./random.ts";

/** The rates at which messages go astray, and how long they take. */
export interface NetworkScenario {
  /** The shortest way. */
  readonly latencyUsMin: number;
  /** What is added on average. */
  readonly latencyUsMean: number;
  /** How many are lost. */
  readonly dropRate: number;
  /** How many arrive twice. */
  readonly duplicateRate: number;
  /** How many may overtake others. */
  readonly reorderRate: number;
  /** How many take very long. */
  readonly longTailRate: number;
  /** How long those take on average. */
  readonly longTailUsMean: number;
  /** How many messages to a leader arrive once more when it leads again. */
  readonly echoRate: number;
  /** How many nodes stand far away from the others. */
  readonly farNodes: number;
  /** How much longer the way there is, in each direction. */
  readonly farUs: number;
}

/** What clients do. */
export interface WorkloadScenario {
  /** How many at once. */
  readonly clients: number;
  /** How many keys they share. */
  readonly keys: number;
  /** How long each waits between two requests, on average. */
  readonly thinkUsMean: number;
  /** How many requests are reads. */
  readonly readShare: number;
  /** How many writes are deletions. */
  readonly deleteShare: number;
  /** How many reads are on the leader's lease; none where clocks are worse than it allows for. */
  readonly leaseShare: number;
  /** How many puts name the revision that they expect. */
  readonly conditionShare: number;
  /** How many writes are only to create a key, or to remove the very revision that was seen. */
  readonly strictShare: number;
  /** How many requests repeat a write that was answered long ago, or use its idempotency key again. */
  readonly echoShare: number;
  /** How many requests create or revoke a token. */
  readonly tokenShare: number;
  /** How long the way from a client to its node is. */
  readonly distanceUs: number;
  /** How many writes carry an idempotency key and are asked again when their outcome is unknown. */
  readonly retryShare: number;
  /** How long a client waits. */
  readonly timeoutMs: number;
  /** Most bytes in a value. */
  readonly valueBytesMax: number;
}

/** Limits that are so small that they are reached. */
export interface LimitsScenario extends FlowLimits {
  /** Most messages of one peer that wait for a turn. */
  readonly inboxMessagesMax: number;
}

/** How liars tell their lies. */
export interface LyingScenario {
  /** Whether they lie whenever they can; else every now and then. */
  readonly isConstant: boolean;
  /** How long they tell one lie before they go on to the next; null where they tell all at once. */
  readonly turnUs: number | null;
  /** How long it takes on average until they make up something again. */
  readonly mischiefUsMean: number;
}

/** Everything about one run. */
export interface Scenario {
  /** What it is drawn from. */
  readonly seed: number;
  /** How many voters, 1 to 9. */
  readonly size: number;
  /** How many must sign: more than half of them. */
  readonly threshold: number;
  /** How many voters lie, at most 2t - n - 1. */
  readonly liars: number;
  /** What they do. */
  readonly lies: readonly LieKind[];
  /** How the liars tell their lies. */
  readonly lying: LyingScenario;
  /**
   * Whether replication is safe in spite of the liars: t + majority >= n + b + 1, and they lie as
   * voters only. Where it is not, only what certificates promise is checked.
   */
  readonly replicationHolds: boolean;
  /** Whether certificates are real; else the double makes them. */
  readonly realFrost: boolean;
  /** Whether messages travel as the transport's bytes. */
  readonly encodesMessages: boolean;
  /** How long a tick of the core is. */
  readonly tickUs: number;
  /** See `RaftConfig`. */
  readonly electionTimeoutTicks: number;
  /** See `RaftConfig`. */
  readonly heartbeatTicks: number;
  /** See `RaftConfig`. */
  readonly signingTimeoutTicks: number;
  /** Most that a node's clock is too fast or too slow, as a fraction. */
  readonly clockDriftMax: number;
  /** Whether clocks are as good as leases need them to be. */
  readonly hasGoodClocks: boolean;
  /** Whether every clock is as far off as it may be, some too fast and the others too slow. */
  readonly hasExtremeClocks: boolean;
  /** How long a turn of a node's loop takes on average, without the disk. */
  readonly turnUsMean: number;
  /** How much may wait, or be on its way; null for as much as a node allows. */
  readonly limits: LimitsScenario | null;
  /** How long a durable write takes on average. */
  readonly persistUsMean: number;
  /** For how many entries a write is remembered for its retries; null for as many as a node does. */
  readonly rememberedEntries: number | null;
  /** When logs are compacted; null for never. */
  readonly logEntriesMax: number | null;
  /** Most bytes in a chunk of a snapshot. */
  readonly chunkBytesMax: number;
  /** How many snapshots cannot be made, for want of space perhaps. */
  readonly snapshotFailureRate: number;
  /** How long it takes on average until a core hears that a batch is durable; 0 for no time. */
  readonly acknowledgeUsMean: number;
  /** The network. */
  readonly network: NetworkScenario;
  /** The clients. */
  readonly workload: WorkloadScenario;
  /** The clients of all that the store has beyond single keys; null where there are none. */
  readonly store: StoreScenario | null;
  /** How the members change; null where they never do. */
  readonly members: MembersScenario | null;
  /** The faults that happen at all. */
  readonly faults: readonly FaultKind[];
  /** The time between two faults, on average. */
  readonly faultIntervalUsMean: number;
  /** How long a fault lasts on average, where it lasts. */
  readonly faultUsMean: number;
}

/** One seed in so many signs with real FROST. */
export const REAL_FROST_EVERY = 50;
/** How long faults go on, in each run. */
export const SAFETY_US = 20_000_000;

/** Draws a run. */
export function drawScenario(seed: number): Scenario {
  const random = new Random(`floe ${seed}`).split("scenario");
  const timing = drawTiming(random.split("timing"));
  const faults = drawFaults(random.split("faults"), timing);
  const drift = random.pick([0, 0.001, 0.02, 0.1]);
  const hasExtremeClocks = random.split("clocks").chance(0.15);
  const clockDriftMax = hasExtremeClocks ? leaseDriftOf(timing) : drift;
  const isWithinLease = hasExtremeClocks || (drift <= 0.02 && timing.electionTimeoutTicks >= 12);
  const hasGoodClocks = isWithinLease && !faults.faults.includes("clockJump");
  const realFrost = seed % REAL_FROST_EVERY === 0;
  const voters = drawVoters(random.split("voters"), realFrost);
  return {
    seed,
    realFrost,
    ...voters,
    ...timing,
    lying: drawLying(random.split("lying"), timing),
    encodesMessages: random.chance(0.1),
    ...faults,
    clockDriftMax,
    hasGoodClocks,
    hasExtremeClocks,
    turnUsMean: random.split("turns").pick([0, 0, 200, timing.tickUs / 5]),
    limits: drawLimits(random.split("limits")),
    rememberedEntries: random.split("memory").pick([null, null, null, 20, 100]),
    persistUsMean: random.pick([200, 500, 2_000]),
    logEntriesMax: random.pick([null, 5, 10, 20, 60]),
    chunkBytesMax: random.pick([1_000, 5_000, 100_000]),
    snapshotFailureRate: 0.1,
    acknowledgeUsMean: random.chance(0.4) ? random.pick([5_000, 50_000, 200_000]) : 0,
    network: drawNetwork(random.split("network"), timing),
    workload: drawWorkload(random.split("workload"), { hasGoodClocks }),
    store: voters.replicationHolds ? drawStore(random.split("store")) : null,
    members: realFrost ? null : drawMembers(random.split("members"), voters),
  };
}

/** How much of what leases allow for extreme clocks are off. */
const DRIFT_SHARE = 0.95;

/**
 * How far a leader's clock is too slow where clocks are extreme, while a voter's is as much too fast: nearly
 * so far that the lease would outlast the promise behind it.
 */
export function leaseDriftOf(
  { electionTimeoutTicks }: Pick<Scenario, "electionTimeoutTicks">,
): number {
  const promised = electionTimeoutTicks - 1;
  const leased = Math.floor(promised * LEASE_SHARE);
  return DRIFT_SHARE * (promised - leased) / (promised + leased);
}

function drawLimits(random: Random): LimitsScenario | null {
  if (random.chance(0.7)) return null;
  return {
    append: { entriesMax: random.pick([1, 2, 5]), bytesMax: random.pick([50, 500]) },
    inflight: { messagesMax: random.pick([1, 2, 4]), bytesMax: random.pick([100, 1_000]) },
    uncommittedBytesMax: random.pick([600, 1_500]),
    readersMax: random.pick([1, 3]),
    inboxMessagesMax: random.pick([5, 20]),
  };
}

function drawVoters(
  random: Random,
  realFrost: boolean,
): Pick<Scenario, "size" | "threshold" | "liars" | "lies" | "replicationHolds"> {
  const size = realFrost
    ? random.pick([1, 3, 5])
    : random.pick([1, 2, 3, 3, 3, 4, 5, 5, 5, 6, 7, 9]);
  const majority = Math.floor(size / 2) + 1;
  const threshold = random.chance(0.5)
    ? majority
    : random.between(majority, Math.max(majority, size - 1));
  const liarsMax = Math.min(2 * threshold - size - 1, size - 1);
  const liars = liarsMax > 0 && random.chance(0.6) ? random.between(1, liarsMax) : 0;
  const withinLine = threshold + majority >= size + liars + 1;
  const replicationHolds = liars === 0 || (withinLine && random.chance(0.7));
  const lies = liars === 0 ? [] : drawLies(random, { replicationHolds });
  return { size, threshold, liars, lies, replicationHolds };
}

function drawLies(
  random: Random,
  { replicationHolds }: { readonly replicationHolds: boolean },
): readonly LieKind[] {
  const count = random.between(1, 5);
  if (replicationHolds) return random.shuffled(LIES_OF_A_VOTER).slice(0, count);
  // There are fewer such runs, and these lies are told in no other.
  const first = random.pick(LIES_BEYOND);
  const others = LIE_KINDS.filter((kind) => kind !== first);
  return [first, ...random.shuffled(others).slice(0, count - 1)];
}

function drawLying(random: Random, timing: Timing): LyingScenario {
  const electionTimeoutUs = timing.electionTimeoutTicks * timing.tickUs;
  return {
    isConstant: random.chance(0.2),
    turnUs: random.chance(0.3) ? 10 * electionTimeoutUs : null,
    mischiefUsMean: random.pick([electionTimeoutUs / 4, 2 * electionTimeoutUs]),
  };
}

type Timing = Pick<
  Scenario,
  "tickUs" | "electionTimeoutTicks" | "heartbeatTicks" | "signingTimeoutTicks"
>;

function drawTiming(random: Random): Timing {
  const electionTimeoutTicks = random.between(8, 30);
  return {
    tickUs: random.pick([10_000, 20_000, 30_000]),
    electionTimeoutTicks,
    heartbeatTicks: random.between(1, Math.max(1, Math.floor(electionTimeoutTicks / 4))),
    signingTimeoutTicks: random.between(2, Math.max(2, Math.floor(electionTimeoutTicks / 3))),
  };
}

function drawNetwork(random: Random, timing: Timing): NetworkScenario {
  const electionTimeoutUs = timing.electionTimeoutTicks * timing.tickUs;
  const sometimes = (rates: readonly number[]) => random.chance(0.5) ? 0 : random.pick(rates);
  return {
    latencyUsMin: random.pick([50, 500, 5_000]),
    latencyUsMean: random.pick([100, 1_000, 5_000, electionTimeoutUs / 20]),
    dropRate: sometimes([0.001, 0.01, 0.05, 0.2]),
    duplicateRate: sometimes([0.01, 0.05, 0.2]),
    reorderRate: sometimes([0.01, 0.1, 1]),
    longTailRate: sometimes([0.001, 0.01, 0.05]),
    longTailUsMean: random.pick([electionTimeoutUs / 4, electionTimeoutUs, 4 * electionTimeoutUs]),
    echoRate: sometimes([0.1, 1]),
    ...drawDistance(random.split("distance"), electionTimeoutUs),
  };
}

/** An election takes three ways there and back, and must fit into its timeout. */
function drawDistance(
  random: Random,
  electionTimeoutUs: number,
): Pick<NetworkScenario, "farNodes" | "farUs"> {
  if (random.chance(0.7)) return { farNodes: 0, farUs: 0 };
  return {
    farNodes: random.between(1, 3),
    farUs: random.pick([electionTimeoutUs / 40, electionTimeoutUs / 10]),
  };
}

function drawWorkload(
  random: Random,
  { hasGoodClocks }: { readonly hasGoodClocks: boolean },
): WorkloadScenario {
  return {
    clients: random.between(1, 5),
    keys: random.pick([1, 2, 3, 6]),
    thinkUsMean: random.pick([20_000, 100_000, 300_000]),
    readShare: random.pick([0.1, 0.4, 0.7]),
    deleteShare: random.pick([0, 0.1, 0.3]),
    leaseShare: hasGoodClocks ? random.pick([0, 0.5, 1]) : 0,
    conditionShare: random.pick([0, 0.2, 0.6]),
    retryShare: random.pick([0, 0.5, 1]),
    timeoutMs: random.pick([300, 1_000, 3_000]),
    strictShare: random.split("strict").pick([0, 0, 0.3]),
    echoShare: random.split("echo").pick([0, 0.05, 0.2]),
    tokenShare: random.split("tokens").pick([0, 0, 0.1]),
    distanceUs: random.split("distance").pick([0, 0, 0, 30_000]),
    valueBytesMax: random.pick([16, 16, 200]),
  };
}

function drawFaults(
  random: Random,
  timing: Timing,
): Pick<Scenario, "faults" | "faultIntervalUsMean" | "faultUsMean"> {
  const electionTimeoutUs = timing.electionTimeoutTicks * timing.tickUs;
  const share = random.pick([0.15, 0.3, 0.6]);
  return {
    faults: random.chance(0.03) ? [] : FAULT_KINDS.filter(() => random.chance(share)),
    faultIntervalUsMean: random.pick([200_000, 600_000, 2_000_000]),
    faultUsMean: random.pick([electionTimeoutUs / 2, 2 * electionTimeoutUs, 6 * electionTimeoutUs]),
  };
}
