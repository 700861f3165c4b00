/**
 * Ranges as in etcd: the rows are counted, filtered, sorted and limited, in this order.
 *
 * @module
 */

import {
  checkRange,
  compareValues,
  type KeyOrder,
  type KeyRange,
  type KeyValueRow,
  type RangeRead,
  singleKey,
  type StoreView,
} from "../kv/mod.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { type Call, turn } from "./call.ts";
import { EtcdError, refuse } from "./errors.ts";
import type { KeyValue, RangeRequest, RangeResponse } from "./messages.ts";
import { UNRECOGNIZED } from "./shape.ts";

/** Most bytes of keys and values in the answer to a range, because the whole answer is in memory. */
const RANGE_BYTES_MAX: number = 32 * 1024 * 1024;
/** Most keys in it, because it is written without a pause. */
const RANGE_ROWS_MAX: number = 100_000;

/** The range for etcd's key and end. No end means one key. A zero byte means all keys from the key on. */
export function toKeyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  if (rangeEnd.length === 0) return singleKey(key);
  return { start: key, end: rangeEnd.length === 1 && rangeEnd[0] === 0 ? null : rangeEnd };
}

/** Checks a range. @throws {EtcdError} for an empty key, or an unknown sort order. */
export function checkRangeRequest({ key, range_end, sort_order, sort_target }: RangeRequest): void {
  if (key.length === 0) throw refuse("emptyKey");
  if (sort_order === UNRECOGNIZED || sort_target === UNRECOGNIZED) throw refuse("invalidSort");
  checkRange(toKeyRange(key, range_end));
}

/** A row as etcd shows it. */
export function toKeyValue(row: KeyValueRow): KeyValue {
  return {
    key: row.key,
    value: row.value,
    create_revision: row.createRevision,
    mod_revision: row.modRevision,
    version: row.version,
    lease: row.lease,
  };
}

/** The rows that must be read for the answer to a range. */
interface RowsNeeded {
  readonly keys: KeyRange;
  readonly order: KeyOrder;
  readonly limit?: number;
  readonly show: "rows" | "keys" | "count";
}

/** The rows that must be read. To filter or sort a range, the whole range must be read. */
export function rowsNeeded(request: RangeRequest): RowsNeeded {
  const keys = toKeyRange(request.key, request.range_end);
  const isByKey = request.sort_target === "KEY";
  const isDescending = isByKey && request.sort_order === "DESCEND";
  const isCut = request.limit > 0 && !hasFilters(request) &&
    (isByKey || request.sort_order === "NONE");
  const isKeysOnly = request.keys_only && request.sort_target !== "VALUE";
  return {
    keys,
    order: isDescending ? "descending" : "ascending",
    // One more row than wanted shows that there are more.
    ...(isCut && request.limit < Number.MAX_SAFE_INTEGER ? { limit: request.limit + 1 } : {}),
    show: request.count_only ? "count" : isKeysOnly ? "keys" : "rows",
  };
}

/** The answer without its header, from the rows of {@linkcode rowsNeeded} and how many keys there are. */
export function toRangeResponse(
  request: RangeRequest,
  rows: readonly KeyValueRow[],
  count: number,
): RangeResponse {
  const sorted = sort(rows.filter((row) => passes(request, row)), request);
  const more = request.limit > 0 && sorted.length > request.limit;
  const shown = more ? sorted.slice(0, request.limit) : sorted;
  const kvs = shown.map((row) =>
    request.keys_only ? { ...toKeyValue(row), value: NO_BYTES } : toKeyValue(row)
  );
  return { kvs, more, count };
}

/**
 * Reads a range at a revision, or at the present one. Between slices, other work has its turn.
 *
 * @returns the answer without its header.
 * @throws {EtcdError} when the revision cannot be read, or the answer is too large.
 */
export async function readRange(
  view: StoreView,
  request: RangeRequest,
  call: Pick<Call, "signal" | "hold">,
): Promise<RangeResponse> {
  const revision = readableRevision(view, request.revision);
  const isOneKey = request.range_end.length === 0;
  if (isOneKey && !request.keys_only && !request.count_only) {
    return readOne(view, request, { revision, call });
  }
  const { keys, order, limit, show } = rowsNeeded(request);
  const read = view.range({
    keys,
    order,
    countAll: true,
    keysOnly: show === "keys",
    countOnly: show === "count",
    ...(limit === undefined ? {} : { limit }),
    ...(revision === null ? {} : { revision }),
  });
  const { rows, count } = await readAll(read, call);
  return toRangeResponse(request, rows, count);
}

/** The revision to read at; null for now. @throws {EtcdError} `compacted` or `futureRevision`. */
function readableRevision(view: StoreView, revision: number): LogIndex | null {
  if (revision <= 0) return null;
  if (revision > Math.max(view.revision, 1)) throw refuse("futureRevision");
  if (revision < view.compactedRevision) throw refuse("compacted");
  return toLogIndex(Math.min(revision, view.revision));
}

/** Most reads are of one key, with its value. */
function readOne(
  view: StoreView,
  request: RangeRequest,
  { revision, call }: {
    readonly revision: LogIndex | null;
    readonly call: Pick<Call, "hold">;
  },
): RangeResponse {
  const row = revision === null ? view.get(request.key) : view.getAt(request.key, revision);
  if (row === null) return toRangeResponse(request, [], 0);
  if ("kind" in row) throw unreadable(row);
  call.hold?.(row.key.length + row.value.length);
  return toRangeResponse(request, [row], 1);
}

function unreadable({ kind }: { readonly kind: "compacted" | "future" }): EtcdError {
  return refuse(kind === "compacted" ? "compacted" : "futureRevision");
}

async function readAll(
  read: RangeRead,
  call: Pick<Call, "signal" | "hold">,
): Promise<{ readonly rows: readonly KeyValueRow[]; readonly count: number }> {
  const rows: KeyValueRow[] = [];
  let bytes = 0;
  while (true) {
    const slice = read.next();
    if (slice.kind !== "slice") throw unreadable(slice);
    const bytesBefore = bytes;
    for (const item of slice.items) {
      if (item.kind !== "row") continue;
      bytes += item.row.key.length + item.row.value.length;
      rows.push(item.row);
    }
    if (bytes > RANGE_BYTES_MAX || rows.length > RANGE_ROWS_MAX) throw tooLarge();
    call.hold?.(bytes - bytesBefore);
    if (slice.isDone) return { rows, count: slice.count };
    await turn();
    if (call.signal.aborted) throw new EtcdError("canceled", "etcdserver: request canceled");
  }
}

function tooLarge(): EtcdError {
  return new EtcdError(
    "resourceExhausted",
    `etcdserver: the answer is above ${RANGE_BYTES_MAX} bytes or ${RANGE_ROWS_MAX} keys; read it in ` +
      "parts, with a limit",
  );
}

function hasFilters(request: RangeRequest): boolean {
  return request.min_mod_revision !== 0 || request.max_mod_revision !== 0 ||
    request.min_create_revision !== 0 || request.max_create_revision !== 0;
}

function passes(request: RangeRequest, { modRevision, createRevision }: KeyValueRow): boolean {
  const { min_mod_revision, max_mod_revision, min_create_revision, max_create_revision } = request;
  return modRevision >= min_mod_revision && createRevision >= min_create_revision &&
    (max_mod_revision === 0 || modRevision <= max_mod_revision) &&
    (max_create_revision === 0 || createRevision <= max_create_revision);
}

/** Sorts rows. Equal rows stay in the order of their keys. */
function sort(
  rows: readonly KeyValueRow[],
  { sort_order, sort_target }: RangeRequest,
): readonly KeyValueRow[] {
  // They were read in the order of the keys.
  if (sort_target === "KEY" || sort_target === UNRECOGNIZED) return rows;
  const direction = sort_order === "DESCEND" ? -1 : 1;
  const compare = COMPARE[sort_target];
  return rows.toSorted((left, right) => direction * compare(left, right));
}

const COMPARE: Readonly<
  Record<
    "VERSION" | "CREATE" | "MOD" | "VALUE",
    (left: KeyValueRow, right: KeyValueRow) => number
  >
> = {
  VERSION: (left, right) => left.version - right.version,
  CREATE: (left, right) => left.createRevision - right.createRevision,
  MOD: (left, right) => left.modRevision - right.modRevision,
  VALUE: (left, right) => compareValues(left.value, right.value),
};

const NO_BYTES = new Uint8Array(0);
