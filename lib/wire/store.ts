/**
 * The bodies of the key-value store, each as one schema, and the encoding of bytes in them.
 *
 * @module
 */

import * as z from "zod";
/**
 * Zod's own class; `deno doc --lint` would check its documentation as if it were Floe's.
 *
 * @internal
 */
type ZodSchema<Body> = z.ZodType<Body>;

/** Reads a body: `parse` throws for anything that is not one. Fields that it does not know it ignores. */
export type Schema<Body> = ZodSchema<Body>;

const count = z.number().int().nonnegative();
const text = z.string();
const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();

/** The encoding of bytes in JSON: text if they are well-formed UTF-8, otherwise base64. */
const encoding = z.enum(["utf8", "base64"]);

/** Only there when a key is not UTF-8. */
const keyEncoding = z.literal("base64").optional();
const keyShape = { key: text, keyEncoding };
const ageShape = { createRevision: count, modRevision: count, version: count };

const put = z.object({ ...keyShape, ...ageShape }).readonly();
const keyValue = z.object({ ...keyShape, value: text, encoding, ...ageShape, lease: count })
  .readonly();
const deleted = z.object({ ...keyShape, deleted: z.boolean(), revision: count }).readonly();

/** A row, without its value when only keys were requested. */
const row = z.object({
  ...keyShape,
  value: text.optional(),
  encoding: encoding.optional(),
  ...ageShape,
  lease: count,
}).readonly();
const folder = z.object({ folder: text, folderEncoding: keyEncoding }).readonly();
const rangeHead = z.object({ revision: count }).readonly();
const rangeItem = z.union([folder, row]);
const rangeEnd = z.object({
  count,
  nextAfter: text.nullable(),
  nextAfterEncoding: keyEncoding,
}).readonly();
const range = z.object({
  ...rangeHead.unwrap().shape,
  items: list(rangeItem),
  ...rangeEnd.unwrap().shape,
}).readonly();
const deletedRange = z.object({ deleted: count, revision: count }).readonly();

const previous = keyValue.nullable().optional();

const watchStart = z.object({ watch: text, revision: count }).readonly();
const watchProgress = z.object({ revision: count }).readonly();
const watchEvent = z.object({
  type: z.enum(["put", "delete", "expire"]),
  ...keyShape,
  value: text.optional(),
  encoding: encoding.optional(),
  createRevision: count.optional(),
  version: count.optional(),
  lease: count.optional(),
  previous,
}).readonly();
const watchChange = z.object({ revision: count, events: list(watchEvent), more: z.boolean() })
  .readonly();

const newLease = z.strictObject({ ttlSeconds: count, id: count.optional() }).readonly();
const lease = z.object({ id: count, ttlSeconds: count, secondsLeft: count }).readonly();
const leaseWithKeys = z.object({
  ...lease.unwrap().shape,
  keys: list(z.object(keyShape).readonly()),
  more: z.boolean(),
}).readonly();
const leases = z.object({
  leases: list(z.object({ id: count, ttlSeconds: count }).readonly()),
  nextAfter: count.nullable(),
}).readonly();
const revokedLease = z.object({
  id: count,
  revoked: z.boolean(),
  keysDeleted: count,
  keysLeft: count,
  revision: count,
}).readonly();

const compaction = z.strictObject({ revision: count }).readonly();
const compacted = z.object({ compactedRevision: count, revision: count }).readonly();

/**
 * `GET /v1/kv/{key}`.
 *
 * @internal
 */
export type KeyValueBody = z.infer<typeof keyValue>;
/**
 * A key of a range, without its value when only keys were requested.
 *
 * @internal
 */
export type RowBody = z.infer<typeof row>;
/**
 * `PUT /v1/kv/{key}`.
 *
 * @internal
 */
export type PutBody = z.infer<typeof put>;
/**
 * `DELETE /v1/kv/{key}`. To delete a key that does not exist succeeds.
 *
 * @internal
 */
export type DeleteBody = z.infer<typeof deleted>;
/**
 * The first line of a range that is read line by line.
 *
 * @internal
 */
export type RangeHeadBody = z.infer<typeof rangeHead>;
/**
 * A key, or a folder of keys.
 *
 * @internal
 */
export type RangeItemBody = z.infer<typeof rangeItem>;
/**
 * The last line of a range that is read line by line: without it, the answer broke off.
 *
 * @internal
 */
export type RangeEndBody = z.infer<typeof rangeEnd>;
/**
 * `GET /v1/kv`.
 *
 * @internal
 */
export type RangeBody = z.infer<typeof range>;
/**
 * `DELETE /v1/kv`.
 *
 * @internal
 */
export type DeletedRangeBody = z.infer<typeof deletedRange>;
/**
 * The first event of a watch.
 *
 * @internal
 */
export type WatchStartBody = z.infer<typeof watchStart>;
/**
 * An event with the progress of a watch.
 *
 * @internal
 */
export type WatchProgressBody = z.infer<typeof watchProgress>;
/**
 * One change.
 *
 * @internal
 */
export type WatchEventBody = z.infer<typeof watchEvent>;
/**
 * An event of a watch: the changes of one revision, or a part of them when `more` follow.
 *
 * @internal
 */
export type WatchChangeBody = z.infer<typeof watchChange>;
/**
 * The request's body of `POST /v1/leases`.
 *
 * @internal
 */
export type NewLeaseBody = z.infer<typeof newLease>;
/**
 * `POST /v1/leases`, and a lease that is kept alive.
 *
 * @internal
 */
export type LeaseBody = z.infer<typeof lease>;
/**
 * `GET /v1/leases/{id}`.
 *
 * @internal
 */
export type LeaseWithKeysBody = z.infer<typeof leaseWithKeys>;
/**
 * `GET /v1/leases`.
 *
 * @internal
 */
export type LeasesBody = z.infer<typeof leases>;
/**
 * `DELETE /v1/leases/{id}`. To revoke a lease that does not exist succeeds.
 *
 * @internal
 */
export type RevokedLeaseBody = z.infer<typeof revokedLease>;
/**
 * The request's body of `POST /v1/compact`.
 *
 * @internal
 */
export type CompactionBody = z.infer<typeof compaction>;
/**
 * `POST /v1/compact`.
 *
 * @internal
 */
export type CompactedBody = z.infer<typeof compacted>;

/** Reads the answer to a get. */
export const keyValueSchema: Schema<KeyValueBody> = keyValue;
/** Reads the answer to a put. */
export const putSchema: Schema<PutBody> = put;
/** Reads the answer to a delete. */
export const deleteSchema: Schema<DeleteBody> = deleted;
/** Reads the first line of a range. */
export const rangeHeadSchema: Schema<RangeHeadBody> = rangeHead;
/** Reads a line of a range that is neither its first nor its last. */
export const rangeItemSchema: Schema<RangeItemBody> = rangeItem;
/** Reads the last line of a range. */
export const rangeEndSchema: Schema<RangeEndBody> = rangeEnd;
/** Reads a range in one document. */
export const rangeSchema: Schema<RangeBody> = range;
/** Reads how many keys were deleted. */
export const deletedRangeSchema: Schema<DeletedRangeBody> = deletedRange;
/** Reads the progress of a watch. */
export const watchProgressSchema: Schema<WatchProgressBody> = watchProgress;
/** Reads changes. */
export const watchChangeSchema: Schema<WatchChangeBody> = watchChange;
/** Reads a lease to grant. */
export const newLeaseSchema: Schema<NewLeaseBody> = newLease;
/** Reads a lease. */
export const leaseSchema: Schema<LeaseBody> = lease;
/** Reads a lease with its keys. */
export const leaseWithKeysSchema: Schema<LeaseWithKeysBody> = leaseWithKeys;
/** Reads a page of leases. */
export const leasesSchema: Schema<LeasesBody> = leases;
/** Reads the result of revoking a lease. */
export const revokedLeaseSchema: Schema<RevokedLeaseBody> = revokedLease;
/** Reads a request to compact history. */
export const compactionSchema: Schema<CompactionBody> = compaction;
/** Reads the result of a compaction. */
export const compactedSchema: Schema<CompactedBody> = compacted;
/** Reads one key of a range. */
export const rowSchema: Schema<RowBody> = row;
