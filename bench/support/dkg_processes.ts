/**
 * Key generation by real processes on one machine: from the last node being up to the key being durable
 * everywhere. All but the last are up and connected before.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import type { NodeId } from "../../lib/types.ts";
import { TestCluster } from "../../tests/e2e/harness/test_cluster.ts";

/** One cluster's first moments, in milliseconds. */
export interface Founding {
  /** From the last node's API being up to the last node's having its key. */
  readonly fromUpMs: number;
  /** The same from the last node's process being started. */
  readonly fromStartMs: number;
}

/** Founds one cluster of `nodes`, `threshold` of whom must sign. */
export async function found(
  { nodes, threshold }: { readonly nodes: number; readonly threshold: number },
): Promise<Founding> {
  const options = { nodes, threshold, keyless: true, absent: 1, logLevel: "info" } as const;
  await using cluster = new TestCluster(options);
  const last = assertDefined(cluster.ids.at(-1), "no nodes");
  await Promise.all(cluster.ids.slice(0, -1).map((id) => waitsForOnly(cluster, id, last)));
  const startedMs = performance.now();
  cluster.start(last);
  await says(cluster, last, "started");
  const upMs = performance.now();
  await Promise.all(cluster.ids.map((id) => says(cluster, id, "key")));
  const keyMs = performance.now();
  return { fromUpMs: keyMs - upMs, fromStartMs: keyMs - startedMs };
}

/** Until a node waits for the last one and for nobody else. */
async function waitsForOnly(cluster: TestCluster, id: NodeId, last: NodeId): Promise<void> {
  await cluster.process(id).said.waitFor(
    `that it waits for ${last}`,
    ({ event, connection, configuration }) =>
      event === "keygen.waiting" && configuration === undefined &&
      Array.isArray(connection) && connection.length === 1 && connection[0] === last,
  );
}

async function says(cluster: TestCluster, id: NodeId, event: string): Promise<void> {
  await cluster.process(id).said.waitFor(event, (said) => said["event"] === event);
}
