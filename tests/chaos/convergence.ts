/**
 * The end of the chaos: the cluster is whole again, and every node must come to the same state.
 *
 * @module
 */

import { encodeUtf8 } from "../../lib/bytes.ts";
import { FreshConnections } from "../../lib/cli/process_context.ts";
import { ApiClient, systemClock } from "../../lib/client/client.ts";
import type { ElectionsBody, StatusBody } from "../../lib/wire/mod.ts";
import type { ChaosCluster, Endpoint } from "./chaos_cluster.ts";

/** How long a healed cluster may take for all of it. */
const CONVERGENCE_TIMEOUT_MS = 60_000;

/** A key of no client's. */
const MARKER_PATH = "/v1/kv/converged";

/**
 * Waits until all nodes follow one leader and have applied the same log to its end.
 *
 * @returns what is still different when the time is up; empty when all is well.
 */
export async function converge(cluster: ChaosCluster): Promise<string[]> {
  using connections = new FreshConnections();
  const ask = (endpoints: readonly Endpoint[]) => clientOf(endpoints, connections);
  const deadline = AbortSignal.timeout(CONVERGENCE_TIMEOUT_MS);
  for (;;) {
    // A write that every node has seen: each status that follows is at least as new.
    await writeMarker(cluster.endpoints, ask);
    const statuses = await Promise.all(
      cluster.endpoints.map((endpoint) => statusOf(ask([endpoint]))),
    );
    const differences = findDifferences(statuses);
    if (differences.length === 0 || deadline.aborted) return differences;
  }
}

/** Every certificate that any node keeps goes to {@linkcode Elections}. */
export async function collectElections(cluster: ChaosCluster): Promise<void> {
  using connections = new FreshConnections();
  for (const { id } of cluster.nodes) {
    const client = clientOf(cluster.endpoints.filter((node) => node.id === id), connections);
    let before: number | null = Number.MAX_SAFE_INTEGER;
    while (before !== null) {
      const page: ElectionsBody = await getJson(client, "/v1/elections", {
        before: String(before),
        limit: "500",
      });
      for (const { certificate } of page.elections) cluster.elections.add(id, certificate);
      before = page.nextBefore;
    }
  }
}

async function writeMarker(
  endpoints: readonly Endpoint[],
  ask: (endpoints: readonly Endpoint[]) => ApiClient,
): Promise<void> {
  await ask(endpoints).send({
    method: "PUT",
    path: MARKER_PATH,
    takesTimeout: true,
    idempotencyKey: crypto.randomUUID(),
    body: encodeUtf8(crypto.randomUUID()),
  });
  // A linearizable read is answered from the node's own state, once that has the write.
  await Promise.all(
    endpoints.map((endpoint) =>
      ask([endpoint]).send({ method: "GET", path: MARKER_PATH, takesTimeout: true })
    ),
  );
}

async function statusOf(client: ApiClient): Promise<StatusBody> {
  return await getJson(client, "/v1/status", {});
}

function findDifferences(statuses: readonly StatusBody[]): string[] {
  const states = statuses.map(({ id, term, leader, commitIndex, appliedIndex, lastLogIndex }) => ({
    id,
    state: JSON.stringify({ term, leader, commitIndex, appliedIndex, lastLogIndex }),
    isDone: appliedIndex === lastLogIndex && commitIndex === lastLogIndex,
  }));
  const isSame = new Set(states.map(({ state }) => state)).size === 1;
  if (isSame && states.every(({ isDone }) => isDone)) return [];
  return states.map(({ id, state }) => `The cluster has not converged: ${id} has ${state}`);
}

async function getJson<Body>(
  client: ApiClient,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<Body> {
  const { body } = await client.send({ method: "GET", path, query });
  return JSON.parse(new TextDecoder().decode(body));
}

function clientOf(endpoints: readonly Endpoint[], { fetch }: FreshConnections): ApiClient {
  return new ApiClient({
    endpoints,
    timeoutMs: CONVERGENCE_TIMEOUT_MS,
    fetch,
    clock: systemClock,
  });
}
