/**
 * What the nodes' logs tell of events that nobody outside sees.
 *
 * @module
 */

import { LOG_FILE } from "../../lib/cli/local_cluster/node_process.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";

/** What is counted, by the name of its event in the log. */
const COUNTED = {
  "log.compacted": "logs compacted",
  "snapshot.made": "snapshots made",
  "snapshot.sending": "snapshots sent",
  "snapshot.installed": "snapshots installed",
  "follower.left_behind": "snapshots begun anew",
  "state.lost": "starts without state",
} as const;

/** How often each thing happened on any node. */
export type NodeEvents = Readonly<Record<typeof COUNTED[keyof typeof COUNTED], number>>;

/** Counts what stands in the nodes' logs, so far where they still run. */
export async function countNodeEvents(cluster: ChaosCluster): Promise<NodeEvents> {
  const counts = Object.fromEntries(Object.values(COUNTED).map((name) => [name, 0]));
  for (const { id } of cluster.everyone) {
    for (const suffix of ["", ".1"]) {
      const text = await readIfThere(`${cluster.folderOf(id)}/${LOG_FILE}${suffix}`);
      for (const event of eventsIn(text)) counts[event] = (counts[event] ?? 0) + 1;
    }
  }
  return counts as NodeEvents;
}

/** The counted events in a log, by their names in the report. What is cut off in a line is no event. */
export function* eventsIn(log: string): Iterable<string> {
  for (const [, event = ""] of log.matchAll(/"event":"([a-z_.]+)"/g)) {
    if (event in COUNTED) yield COUNTED[event as keyof typeof COUNTED];
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
