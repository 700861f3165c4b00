/**
 * What the nodes' databases hold once the nodes have stopped.
 *
 * @module
 */

import { encodeHex } from "../../lib/bytes.ts";
import type { KeyValue } from "../../lib/kv/mod.ts";
import { openKeyValueStore } from "../../lib/storage/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";

/** All rows by key, and where nodes disagree on them. */
export interface KeySpace {
  /** The rows of the first node. */
  readonly rows: ReadonlyMap<string, KeyValue>;
  /** What others have differently. */
  readonly differences: readonly string[];
}

/** Compares the nodes' key spaces byte for byte. The nodes have stopped. */
export function readKeySpace(cluster: ChaosCluster): KeySpace {
  const [first, ...others] = cluster.nodes.map(({ id }) => ({ id, rows: readRows(cluster, id) }));
  if (first === undefined) return { rows: new Map(), differences: [] };
  const differences = others.flatMap((other) => compare(first, other));
  return { rows: first.rows, differences };
}

interface NodeRows {
  readonly id: NodeId;
  readonly rows: ReadonlyMap<string, KeyValue>;
}

function readRows(cluster: ChaosCluster, node: NodeId): ReadonlyMap<string, KeyValue> {
  const { config: { cluster: name } } = cluster;
  const store = openKeyValueStore({ folder: cluster.folderOf(node), cluster: name, node });
  try {
    return new Map([...store.rows()].map((row) => [row.key, row]));
  } finally {
    store.close();
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

function describe(row: KeyValue | undefined): string {
  if (row === undefined) return "nothing";
  const { createRevision, modRevision, version, value } = row;
  return JSON.stringify({ createRevision, modRevision, version, value: encodeHex(value) });
}
