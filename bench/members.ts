/**
 * Changes of the members of a running cluster of five: from the request to the committed change, the longest
 * gap between two acknowledged writes of one client meanwhile, and the processor's time of all nodes. Beside
 * them the same without a change.
 *
 * @module
 */

import { type NodeId, toNodeId } from "../lib/types.ts";
import { MembersCluster } from "../tests/e2e/harness/members.ts";

/** How long writes are watched before the first change, in milliseconds. */
const USUAL_MS = 3_000;

/** Writes one key again and again, and remembers when writes were acknowledged. */
class Writer {
  readonly #acknowledgedMs: number[] = [];
  readonly #done: Promise<void>;
  #isStopped = false;

  constructor(world: MembersCluster, members: () => readonly NodeId[]) {
    this.#done = this.#run(world, members);
  }

  /** The longest wait between two acknowledged writes since `fromMs`. */
  longestGapMs(fromMs: number): number {
    const times = [fromMs, ...this.#acknowledgedMs.filter((ms) => ms > fromMs), performance.now()];
    const gaps = times.slice(1).map((ms, at) => ms - (times[at] ?? ms));
    return Math.round(Math.max(...gaps));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(world: MembersCluster, members: () => readonly NodeId[]): Promise<void> {
    for (let count = 0; !this.#isStopped; count++) {
      const all = members();
      const through = all[count % all.length];
      if (through === undefined) continue;
      const init = { method: "PUT", body: String(count), signal: AbortSignal.timeout(1_000) };
      const response = await world.fetch(through, "/v1/kv/count", init).catch(() => null);
      await response?.text().catch(() => {});
      if (response?.status === 200) this.#acknowledgedMs.push(performance.now());
    }
  }
}

const server = (number: number) => toNodeId(`server_${number}`);
let members: readonly NodeId[] = [1, 2, 3, 4, 5].map(server);
await using world = new MembersCluster({ nodes: 5, spare: 2, logLevel: "info" });
await world.cluster.leader();
const writer = new Writer(world, () => members);
const figures: Record<string, number> = {};
await measure("usual", () => new Promise((resolve) => setTimeout(resolve, USUAL_MS)));

async function measure(name: string, change: () => Promise<unknown>): Promise<void> {
  const before = await cpuMs();
  const fromMs = performance.now();
  await change();
  const ms = Math.round(performance.now() - fromMs);
  const gapMs = writer.longestGapMs(fromMs);
  const after = await cpuMs();
  const spentMs = [...after].reduce((sum, [id, cpu]) => sum + cpu - (before.get(id) ?? 0), 0);
  Object.assign(figures, {
    [`${name}Ms`]: ms,
    [`${name}GapMs`]: gapMs,
    [`${name}CpuMs`]: Math.round(spentMs),
  });
  console.error(`${name}: ${ms} ms, longest gap ${gapMs} ms, processor ${Math.round(spentMs)} ms`);
}

/** What each node that answers has taken of a processor since its start. */
async function cpuMs(): Promise<ReadonlyMap<NodeId, number>> {
  const spent = new Map<NodeId, number>();
  for (const id of [1, 2, 3, 4, 5, 6, 7].map(server)) {
    const response = await world.fetch(id, "/metrics").catch(() => null);
    const text = await response?.text() ?? "";
    const seconds = /^process_cpu_seconds_total (.*)$/m.exec(text)?.[1];
    if (seconds !== undefined) spent.set(id, 1_000 * Number(seconds));
  }
  return spent;
}

// The first plan of a cluster states everybody's addresses as well.
await measure("first", () => world.change(members, { refresh: true }));
await measure("refresh", () => world.change(members, { refresh: true }));
await measure("add", () => world.add(members, server(6)));
members = [...members, server(6)];
await measure("remove", () => world.change(members, { remove: [server(2)] }));
members = members.filter((id) => id !== server(2));
await measure("replace", () => world.add(members, server(7), { remove: [server(3)] }));
await writer.stop();
console.log(JSON.stringify(figures));
