/**
 * What the nodes' databases hold once the nodes have stopped.
 *
 * @module
 */

import { decodeUtf8, encodeHex } from "../../lib/bytes.ts";
import type { KeyValueRow } from "../../lib/kv/mod.ts";
import { openStores } from "../../lib/storage/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";

/** All rows by key, and where nodes disagree on them. */
export interface KeySpace {
  /** The rows of the first node. */
  readonly rows: ReadonlyMap<string, KeyValueRow>;
  /** What others have differently. */
  readonly differences: readonly string[];
}

/** Compares the nodes' key spaces byte for byte. The nodes have stopped. */
export async function readKeySpace(cluster: ChaosCluster): Promise<KeySpace> {
  const nodes: NodeRows[] = [];
  for (const { id } of cluster.nodes) nodes.push({ id, rows: await readRows(cluster, id) });
  const [first, ...others] = nodes;
  if (first === undefined) return { rows: new Map(), differences: [] };
  const differences = others.flatMap((other) => compare(first, other));
  return { rows: first.rows, differences };
}

interface NodeRows {
  readonly id: NodeId;
  readonly rows: ReadonlyMap<string, KeyValueRow>;
}

async function readRows(
  cluster: ChaosCluster,
  node: NodeId,
): Promise<ReadonlyMap<string, KeyValueRow>> {
  const { config: { cluster: name } } = cluster;
  const stores = await openStores({ folder: cluster.folderOf(node), cluster: name, node });
  try {
    const { records, index } = stores.takeStore().keys;
    const live = [...index.handles()].filter((handle) => records.isLive(handle));
    return new Map(live.map((handle) => [decodeUtf8(records.key(handle)), records.copy(handle)]));
  } finally {
    await stores.close();
  }
}

function compare(left: NodeRows, right: NodeRows): string[] {
  const keys = new Set([...left.rows.keys(), ...right.rows.keys()]);
  return [...keys].flatMap((key) => {
    const [ours, theirs] = [left, right].map(({ rows }) => describe(rows.get(key)));
    if (ours === theirs) return [];
    return [`${key}: ${left.id} has ${ours}, ${right.id} has ${theirs}`];
  });
}

function describe(row: KeyValueRow | undefined): string {
  if (row === undefined) return "nothing";
  const { createRevision, modRevision, version, value } = row;
  return JSON.stringify({ createRevision, modRevision, version, value: encodeHex(value) });
}
