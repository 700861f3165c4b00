/**
 * What processes hold of the machine: memory and file descriptors, sockets included.
 *
 * @module
 */

import { pause } from "../../lib/transport/deadline.ts";
import type { NodeId } from "../../lib/types.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";

/** What one process holds. */
export interface Usage {
  /** Resident memory. */
  readonly rssBytes: number;
  /** Open file descriptors. */
  readonly fds: number;
}

/** A process may hold this many descriptors more than it did at the start. */
const FDS_MORE_MAX = 8;
/**
 * And so much more memory: it keeps its log in memory, and the garbage collector gives back late.
 * A process that forgot one small buffer for each message would be far beyond.
 */
const RSS_MORE_BYTES_MAX = 192 * 1024 * 1024;

/** How long connections may take to be seen as closed. */
const SETTLE_TIMEOUT_MS = 20_000;
const SAMPLE_INTERVAL_MS = 1_000;

/** One line for each process that is there: id, kB of memory, descriptors. */
const SAMPLE_SCRIPT = `
for pid; do
  rss=$(sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' "/proc/$pid/status") || continue
  echo "$pid $rss $(ls "/proc/$pid/fd" | wc -l)"
done 2>/dev/null
`;

/** Looks at the nodes' processes from start to end. Only Linux says what it asks. */
export class Resources {
  readonly #cluster: ChaosCluster;
  #start: Usage | null = null;
  #rssBytesMax = 0;
  #fdsMax = 0;

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
      await this.#sample();
      await pause(SAMPLE_INTERVAL_MS, signal);
    }
  }

  /** Waits until every node holds about what it did at the start; what is wrong when none does. */
  async findLeaks(): Promise<string[]> {
    const deadline = AbortSignal.timeout(SETTLE_TIMEOUT_MS);
    for (;;) {
      const leaks = this.#leaks(await this.#sample());
      if (leaks.length === 0 || deadline.aborted) return leaks;
      await pause(SAMPLE_INTERVAL_MS, deadline);
    }
  }

  #leaks(usages: ReadonlyMap<NodeId, Usage>): string[] {
    const start = this.#start;
    if (start === null) return [];
    return [...usages].flatMap(([id, { rssBytes, fds }]) => [
      ...(fds > start.fds + FDS_MORE_MAX
        ? [`${id} holds ${fds} file descriptors; at the start none held more than ${start.fds}`]
        : []),
      ...(rssBytes > start.rssBytes + RSS_MORE_BYTES_MAX
        ? [`${id} holds ${rssBytes} bytes; at the start none held more than ${start.rssBytes}`]
        : []),
    ]);
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
