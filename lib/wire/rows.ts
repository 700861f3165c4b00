/**
 * Rows of the store as bodies.
 *
 * @module
 */

import { keyFields, toJsonText } from "../json_bytes.ts";
import type { KeyValueRow } from "../kv/mod.ts";
import type { KeyValueBody, RowBody } from "./store.ts";

/** A row as the API shows it. */
export function keyValueBody(row: KeyValueRow): KeyValueBody {
  const { createRevision, modRevision, version, lease } = row;
  const { text: value, encoding } = toJsonText(row.value);
  return { ...keyFields(row.key), value, encoding, createRevision, modRevision, version, lease };
}

/** A row without its value. */
export function keyBody(row: KeyValueRow): RowBody {
  const { createRevision, modRevision, version, lease } = row;
  return { ...keyFields(row.key), createRevision, modRevision, version, lease };
}
