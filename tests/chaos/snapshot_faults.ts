/**
 * Faults after which a node needs a snapshot: the others' logs no longer have what it lacks.
 *
 * @module
 */

import { FreshConnections } from "../../lib/cli/process_context.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import type { FaultContext } from "./faults.ts";

/** Written to keys of no client's; few, so that the databases stay small. */
const FILLER_BYTES = 64 * 1024;
const FILLER_TIMEOUT_MS = 2_000;
const FILLERS = 8;
/** A cluster that takes nothing is not waited for. */
const OUTRUN_TIMEOUT_MS = 15_000;
/** How long a node may take to get its state back before the next thing happens. */
const RECOVERY_LOOKS_MAX = 150;
const RECOVERY_LOOK_MS = 200;

/** A node is down for so long that the log moves on beyond it. */
export async function leaveBehind({ cluster, random, hold }: FaultContext): Promise<string> {
  const node = random.pick(cluster.mortals);
  await node.kill();
  await outrun(cluster);
  await hold(random.between(0, 500));
  await node.start();
  return "left behind by the log";
}

/**
 * A node loses its key-value store, of which the log no longer has the beginning. One at a time, as
 * operators are told: who lacks its state cannot lead, and might be the only one with the newest entry.
 */
export async function loseStore({ cluster, random, hold }: FaultContext): Promise<string> {
  const victims = cluster.mortals.filter(({ disk }) => disk === null);
  const { lacksState } = cluster;
  if (lacksState !== null && !await cluster.hasState(lacksState)) {
    return "kv.db lost (skipped: another one is missing still)";
  }
  const node = random.pick(victims);
  await outrun(cluster);
  await node.kill();
  node.loseStore();
  cluster.lacksState = node.id;
  await node.start();
  for (let looks = 0; looks < RECOVERY_LOOKS_MAX && !await cluster.hasState(node.id); looks++) {
    await hold(RECOVERY_LOOK_MS);
  }
  return "kv.db lost";
}

/** Writes more than the log may hold, as far as the cluster takes it. */
async function outrun({ config, endpoints }: ChaosCluster): Promise<void> {
  using connections = new FreshConnections();
  const over = AbortSignal.timeout(OUTRUN_TIMEOUT_MS);
  let writesLeft = Math.ceil(1.5 * config.log.bytesMax / FILLER_BYTES);
  const body = new Uint8Array(FILLER_BYTES);
  const fill = async (filler: number) => {
    for (let node = filler; writesLeft > 0 && !over.aborted;) {
      const url = `${endpoints[node % endpoints.length]?.url}/v1/kv/filler-${filler}`;
      const signal = AbortSignal.timeout(FILLER_TIMEOUT_MS);
      try {
        const answer = await connections.fetch(url, { method: "PUT", body, signal });
        await answer.body?.cancel();
        if (answer.ok) writesLeft--;
        else node++;
      } catch {
        node++;
      }
    }
  };
  await Promise.all(Array.from({ length: FILLERS }, (_, filler) => fill(filler)));
}
