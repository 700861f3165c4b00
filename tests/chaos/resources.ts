/**
 * What processes hold of the machine: memory and file descriptors, sockets included.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import type { NodeId } from "../../lib/types.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import { findGrowth, type Growth, isMemoryGrowing, type Sample } from "./growth.ts";

/** What one process holds. */
export interface Usage {
  /** Resident memory. */
  readonly rssBytes: number;
  /** Open file descriptors. */
  readonly fds: number;
}

/** What the thread that checks snapshots holds from the first one on: its event loop, kv.db, snapshots. */
const SNAPSHOT_WORKER_FDS = 9;
/**
 * How much more than at the start a process may hold once all is quiet. The store and its history are in
 * memory, a snapshot that arrives is a second store until it takes the place of the first, and V8 collects
 * byte arrays only when 64 MiB of them have come since the last time. Nodes that had taken snapshots held 156 MiB
 * more after 165 seconds of few writes, of which 70 were in use, and 252 after 25 seconds of many.
 * `growth.ts` tells a leak from that.
 */
const QUIET_MORE_MAX: Usage = { rssBytes: 352 * 1024 * 1024, fds: SNAPSHOT_WORKER_FDS + 8 };
/** And at any time: with clients that wait, and peers that have not noticed that others are gone. */
const BUSY_MORE_MAX: Usage = { rssBytes: 384 * 1024 * 1024, fds: 128 };

/** How many more descriptors a process that was spared may hold at the end than early in its life. */
const FDS_GROWTH_MAX = 24;
/** A leak that matters takes so much more memory in each fifth of a life of minutes. */
const RSS_GROWTH_STEP_BYTES = 16 * 1024 * 1024;

/** How long connections may take to be seen as closed. */
const SETTLE_TIMEOUT_MS = 20_000;
const SAMPLE_INTERVAL_MS = 1_000;

/**
 * One line for each process that is there: id, kB of memory, descriptors. Those of /dev/null are not counted:
 * for some milliseconds at its start a node opens that once for each descriptor that it hopes for, up to 1,280
 * times, to learn how many it has.
 */
const SAMPLE_SCRIPT = `
for pid; do
  rss=$(sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' "/proc/$pid/status") || continue
  echo "$pid $rss $(ls -l "/proc/$pid/fd" | grep -- "->" | grep -vc "/dev/null$")"
done 2>/dev/null
`;

/** Looks at the nodes' processes from start to end. Only Linux says what it asks. */
export class Resources {
  readonly #cluster: ChaosCluster;
  #start: Usage | null = null;
  #rssBytesMax = 0;
  #fdsMax = 0;
  readonly #sparedSamples: Sample[] = [];

  /** Looks at nothing yet. */
  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  /** The most that any process was seen with. */
  get most(): Usage {
    return { rssBytes: this.#rssBytesMax, fds: this.#fdsMax };
  }

  /** The most of any node at the start; null where that is not known. */
  get start(): Usage | null {
    return this.#start;
  }

  /** Remembers how much nodes hold that have only just elected a leader: the most of any. */
  async rememberStart(): Promise<void> {
    const usages = [...(await this.#sample()).values()];
    if (usages.length === 0) return;
    this.#start = {
      rssBytes: Math.max(...usages.map(({ rssBytes }) => rssBytes)),
      fds: Math.max(...usages.map(({ fds }) => fds)),
    };
  }

  /** Looks every now and then. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#noteSpared(await this.#sample());
      await pause(SAMPLE_INTERVAL_MS, signal);
    }
  }

  /** How much the node that was spared came to hold while clients asked; null when none was. */
  get growth(): Growth | null {
    return findGrowth(this.#sparedSamples);
  }

  /** What is wrong with it. */
  findGrowthFaults(): string[] {
    const { growth } = this;
    if (growth === null) return [];
    const { early, late, rssFloors } = growth;
    const { spared } = this.#cluster;
    const faults: string[] = [];
    if (late.fds > early.fds + FDS_GROWTH_MAX) {
      faults.push(`${spared} went from ${early.fds} descriptors to ${late.fds} under one load`);
    }
    if (isMemoryGrowing(growth, RSS_GROWTH_STEP_BYTES)) {
      faults.push(`${spared} held at least ${rssFloors.join(", then ")} bytes under one load`);
    }
    return faults;
  }

  /** Waits until every node holds about what it did at the start; what is wrong when one does not. */
  async findLeaks(): Promise<string[]> {
    const deadline = AbortSignal.timeout(SETTLE_TIMEOUT_MS);
    const busy = this.#excess("A node", this.most, BUSY_MORE_MAX);
    for (;;) {
      const usages = [...await this.#sample()];
      const quiet = usages.flatMap(([id, usage]) => this.#excess(id, usage, QUIET_MORE_MAX));
      if (quiet.length === 0 || deadline.aborted) return [...busy, ...quiet];
      await pause(SAMPLE_INTERVAL_MS, deadline);
    }
  }

  #noteSpared(usages: ReadonlyMap<NodeId, Usage>): void {
    const node = this.#cluster.nodes.find(({ id }) => id === this.#cluster.spared);
    const usage = node === undefined ? undefined : usages.get(node.id);
    const pid = node?.pid ?? null;
    if (usage !== undefined && pid !== null) this.#sparedSamples.push({ pid, ...usage });
  }

  #excess(who: string, usage: Usage, moreMax: Usage): string[] {
    const start = this.#start;
    if (start === null) return [];
    return (["rssBytes", "fds"] as const).flatMap((what) => {
      if (usage[what] <= start[what] + moreMax[what]) return [];
      return [
        `${who} held ${usage[what]} ${what}; at the start none held more than ${start[what]}`,
      ];
    });
  }

  async #sample(): Promise<ReadonlyMap<NodeId, Usage>> {
    const usages = new Map<NodeId, Usage>();
    if (Deno.build.os !== "linux") return usages;
    const ids = new Map(this.#cluster.nodes.map(({ id, pid }) => [String(pid), id]));
    const pids = [...ids.keys()].filter((pid) => pid !== "null");
    const args = ["-c", SAMPLE_SCRIPT, "sh", ...pids];
    const { stdout } = await new Deno.Command("sh", { args, stderr: "null" }).output();
    for (const line of new TextDecoder().decode(stdout).split("\n")) {
      const [pid = "", kilobytes, fds] = line.split(" ");
      const id = ids.get(pid);
      if (id === undefined) continue;
      usages.set(id, { rssBytes: Number(kilobytes) * 1024, fds: Number(fds) });
    }
    for (const { rssBytes, fds } of usages.values()) {
      this.#rssBytesMax = Math.max(this.#rssBytesMax, rssBytes);
      this.#fdsMax = Math.max(this.#fdsMax, fds);
    }
    return usages;
  }
}
