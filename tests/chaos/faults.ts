/**
 * Everything that is done to a cluster. Each fault is applied, held for a while and undone; chance
 * chooses whom it hits.
 *
 * @module
 */

import type { NodeId } from "../../lib/types.ts";
import type { Random } from "../simulator/random.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import type { ChaosNode } from "./chaos_node.ts";
import { leaveBehind, loseStore } from "./snapshot_faults.ts";

/** What a fault works with. */
export interface FaultContext {
  /** Whom it happens to. */
  readonly cluster: ChaosCluster;
  /** Chance. */
  readonly random: Random;
  /** Waits so long, or until the chaos is over. */
  readonly hold: (milliseconds: number) => Promise<void>;
}

/** Does it and undoes it. Returns what it is counted as. */
export type Fault = (context: FaultContext) => Promise<string>;

/** What is done to processes and their disks. One at a time. */
export const PROCESS_FAULTS: readonly Fault[] = [
  killSome,
  killSome,
  killLeader,
  killAll,
  pauseSome,
  pauseLeader,
  stopLeader,
  stopSome,
  fillDisk,
  leaveBehind,
  loseStore,
];

/** What is done to the network. One at a time, beside what is done to processes. */
export const NETWORK_FAULTS: readonly Fault[] = [
  isolateLeader,
  isolateLeader,
  cutOne,
  muteOne,
  deafenOne,
  partition,
  delayAll,
  delayOne,
  resetAll,
];

async function killSome({ cluster, random, hold }: FaultContext): Promise<string> {
  const nodes = random.shuffled(cluster.mortals).slice(0, random.between(1, cluster.breakable));
  await killAndRestart(nodes, () => hold(random.between(100, 2_500)));
  return "kill -9";
}

async function killLeader({ cluster, random, hold }: FaultContext): Promise<string> {
  if (!cluster.mortals.includes(cluster.leader)) return "kill -9 of the leader (spared)";
  await killAndRestart([cluster.leader], () => hold(random.between(100, 2_500)));
  return "kill -9 of the leader";
}

async function killAll({ cluster, random, hold }: FaultContext): Promise<string> {
  const { mortals } = cluster;
  await killAndRestart(mortals, () => hold(random.between(50, 500)));
  return mortals.length < cluster.nodes.length ? "kill -9 of all but one" : "kill -9 of all";
}

async function killAndRestart(
  nodes: readonly ChaosNode[],
  wait: () => Promise<void>,
): Promise<void> {
  await Promise.all(nodes.map((node) => node.kill()));
  await wait();
  await Promise.all(nodes.map((node) => node.start()));
}

async function pauseSome({ cluster, random, hold }: FaultContext): Promise<string> {
  const nodes = random.shuffled(cluster.nodes).slice(0, random.between(1, cluster.breakable));
  await pauseFor(nodes, () => hold(random.between(100, 3_000)));
  return "SIGSTOP";
}

/** Longer than an election takes, so that it wakes up into another's term. */
async function pauseLeader({ cluster, random, hold }: FaultContext): Promise<string> {
  await pauseFor([cluster.leader], () => hold(random.between(1_200, 3_500)));
  return "SIGSTOP of the leader";
}

async function pauseFor(nodes: readonly ChaosNode[], wait: () => Promise<void>): Promise<void> {
  const pauses = await Promise.all(nodes.map((node) => node.pause()));
  try {
    await wait();
  } finally {
    await Promise.all(pauses.map((pause) => pause?.end()));
  }
}

/** It hands over first, if it can. */
async function stopLeader({ cluster, random, hold }: FaultContext): Promise<string> {
  if (!cluster.mortals.includes(cluster.leader)) return "SIGTERM to the leader (spared)";
  await stopAndRestart(cluster.leader, () => hold(random.between(0, 1_000)));
  return "SIGTERM to the leader";
}

async function stopSome({ cluster, random, hold }: FaultContext): Promise<string> {
  await stopAndRestart(random.pick(cluster.mortals), () => hold(random.between(0, 1_000)));
  return "SIGTERM";
}

async function stopAndRestart(node: ChaosNode, wait: () => Promise<void>): Promise<void> {
  await node.terminate();
  await wait();
  await node.start();
}

async function fillDisk({ cluster, random, hold }: FaultContext): Promise<string> {
  const node = cluster.nodes.find(({ disk }) => disk !== null);
  if (node === undefined || node.disk === null) return "full disk (skipped)";
  const hasStopped = await node.fillDisk(node.disk, hold(random.between(3_000, 6_000)));
  await node.start();
  return hasStopped ? "full disk, and the node stopped" : "full disk, unnoticed";
}

/** A network that swallows everything: nobody is told that a connection has ended. */
async function isolateLeader({ cluster, random, hold }: FaultContext): Promise<string> {
  const { network, leader: { id } } = cluster;
  network.set({ kind: "clogged" }, (from, to) => from === id || to === id);
  await hold(random.between(700, 3_500));
  network.heal();
  return "leader isolated";
}

async function cutOne({ cluster, random, hold }: FaultContext): Promise<string> {
  const { id } = random.pick(cluster.nodes);
  cluster.network.set({ kind: "cut" }, (from, to) => from === id || to === id);
  await hold(random.between(500, 3_000));
  cluster.network.heal();
  return "node cut off";
}

/** It hears everything and nobody hears it. */
async function muteOne({ cluster, random, hold }: FaultContext): Promise<string> {
  const { id } = random.pick(cluster.nodes);
  cluster.network.set({ kind: "clogged" }, (from) => from === id);
  await hold(random.between(500, 3_000));
  cluster.network.heal();
  return "one-way: not heard";
}

/** Everyone hears it and it hears nobody. */
async function deafenOne({ cluster, random, hold }: FaultContext): Promise<string> {
  const { id } = random.pick(cluster.nodes);
  cluster.network.set({ kind: "clogged" }, (_from, to) => to === id);
  await hold(random.between(500, 3_000));
  cluster.network.heal();
  return "one-way: hears nothing";
}

async function partition({ cluster, random, hold }: FaultContext): Promise<string> {
  const ids = random.shuffled(cluster.nodes).map(({ id }) => id);
  const minority = new Set<NodeId>(ids.slice(0, cluster.breakable));
  const kind = random.chance(0.5) ? "clogged" : "cut";
  cluster.network.set({ kind }, (from, to) => minority.has(from) !== minority.has(to));
  await hold(random.between(700, 3_500));
  cluster.network.heal();
  return "partition";
}

async function delayAll({ cluster, random, hold }: FaultContext): Promise<string> {
  cluster.network.set({ kind: "slow", delayMs: random.between(2, 40) }, () => true);
  await hold(random.between(1_000, 4_000));
  cluster.network.heal();
  return "all links slow";
}

/** Slow enough that its heartbeats, or the answers to them, come too late. */
async function delayOne({ cluster, random, hold }: FaultContext): Promise<string> {
  const { id } = random.pick(cluster.nodes);
  const delayMs = random.between(50, 600);
  cluster.network.set({ kind: "slow", delayMs }, (from, to) => from === id || to === id);
  await hold(random.between(1_000, 4_000));
  cluster.network.heal();
  return "one node's links slow";
}

async function resetAll({ cluster, random, hold }: FaultContext): Promise<string> {
  for (let times = random.between(1, 5); times > 0; times--) {
    cluster.network.reset();
    await hold(random.between(20, 400));
  }
  return "all connections reset";
}
