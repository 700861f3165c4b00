/**
 * Converts the options of the store to parts of a request.
 *
 * @module
 */

import { encodePercent, entityTag } from "../request.ts";
import { toLogIndex } from "../types.ts";
import type { TransactionBody } from "../wire/mod.ts";
import { type RangeOptions, toBytes, type WatchOptions } from "./values.ts";

/** The place where a range continues. */
export interface RangePlace {
  readonly limit: number;
  readonly revision: number | undefined;
  readonly after: Uint8Array | null;
}

/** The headers of a write that has a condition. */
export function conditionOf(ifRevision: number | undefined): Readonly<Record<string, string>> {
  if (ifRevision === undefined) return {};
  return ifRevision === 0
    ? { "if-none-match": "*" }
    : { "if-match": entityTag(toLogIndex(ifRevision)) };
}

/** Whether a transaction changes nothing. */
export function isReading({ then = [], else: other = [] }: TransactionBody): boolean {
  return [...then, ...other].every(({ get, range, txn }) =>
    get !== undefined || range !== undefined || (txn !== undefined && isReading(txn))
  );
}

/** The options of a range, as parts of a query. */
export function rangeQuery(
  { isDescending, keysOnly, delimiter, isStale }: RangeOptions,
  { limit, revision, after }: RangePlace,
): readonly string[] {
  return [
    ...(limit === Infinity ? [] : [`limit=${limit}`]),
    ...(isDescending === true ? ["order=desc"] : []),
    ...(keysOnly === true ? ["keysOnly=true"] : []),
    ...(delimiter === undefined ? [] : [`delimiter=${encodePercent(toBytes(delimiter))}`]),
    ...(revision === undefined ? [] : [`revision=${revision}`]),
    ...(after === null ? [] : [`after=${encodePercent(after)}`]),
    ...(isStale === true ? ["consistency=stale"] : []),
  ];
}

/** The options of a watch, as parts of a query. */
export function watchQuery({ fromRevision, previous, only }: WatchOptions): readonly string[] {
  return [
    ...(fromRevision === undefined ? [] : [`fromRevision=${fromRevision}`]),
    ...(previous === true ? ["prev=true"] : []),
    ...(only === undefined ? [] : [`only=${only.join(",")}`]),
  ];
}
