/**
 * Keys, values and changes in the form for programs: as bytes.
 *
 * @module
 */

import { concatBytes, encodeUtf8 } from "../bytes.ts";
import { encodePercent, fromJsonText } from "../request.ts";
import type { KeyValueBody, RowBody, WatchEventBody } from "../wire/mod.ts";

/** A key or a value: bytes, or text in UTF-8. */
export type Bytes = Uint8Array | string;

/** A set of keys: one key, all keys with a prefix, or all keys from a start up to an end. */
export type Keys =
  | { readonly key: Bytes }
  | { readonly prefix: Bytes }
  | { readonly start?: Bytes; readonly end?: Bytes };

/** A key with its value. */
export interface Row {
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** Its value; empty when only keys were requested. */
  readonly value: Uint8Array;
  /** The revision of the write that created the key. */
  readonly createRevision: number;
  /** The revision of the write that produced this value. */
  readonly modRevision: number;
  /** The number of writes of the key since it was created, from 1. */
  readonly version: number;
  /** The lease that the key is attached to; 0 for none. */
  readonly lease: number;
}

/** An item of a range: a key, or, with a delimiter, a folder of keys. */
export type Item =
  | { readonly kind: "row"; readonly row: Row }
  | { readonly kind: "folder"; readonly name: Uint8Array };

/** Which part of a range to read, and how. */
export interface RangeOptions {
  /** Most items; all by default. */
  readonly limit?: number;
  /** Descending order. */
  readonly isDescending?: boolean;
  /** Returns rows without values. */
  readonly keysOnly?: boolean;
  /** Groups keys into folders at this delimiter. */
  readonly delimiter?: Bytes;
  /** The revision to read at; the present one by default. */
  readonly revision?: number;
  /** Reads what the node has, even if it is behind. */
  readonly isStale?: boolean;
  /** Called with the revision that is read. */
  readonly onRevision?: (revision: number) => void;
}

/** The options of a write of one key. */
export interface WriteOptions {
  /** Write only if the key has this modRevision; 0 means only if the key does not exist. */
  readonly ifRevision?: number;
  /** Names the write in all its attempts; random by default. */
  readonly idempotencyKey?: string;
}

/** The change of one key by one write. */
export interface Change {
  /** What was done; `expire` means that the key's lease expired. */
  readonly type: "put" | "delete" | "expire";
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** The key after a put; null for other types. */
  readonly row: Row | null;
  /** The key before the change, if requested; null when it did not exist. */
  readonly previous?: Row | null;
}

/** All changes of one revision, or, without changes, the progress of the watch. */
export interface Changes {
  /** The watch has returned everything up to this revision. */
  readonly revision: number;
  /** The changes, in order. */
  readonly events: readonly Change[];
}

/** Which changes to watch, and from where on. */
export interface WatchOptions {
  /** The first revision; from now on by default. */
  readonly fromRevision?: number;
  /** Whether changes contain the key before the change. */
  readonly previous?: boolean;
  /** The types of changes that are wanted; all by default. */
  readonly only?: readonly Change["type"][];
  /** Whether the watch returns its progress while nothing changes. */
  readonly isProgressWanted?: boolean;
  /** Ends the watch. */
  readonly signal?: AbortSignal;
}

/** A set of keys, as parts of a query. */
export function keysQuery(keys: Keys): readonly string[] {
  return Object.entries(keys).flatMap(([name, bytes]: [string, Bytes | undefined]) =>
    bytes === undefined ? [] : [`${name}=${encodePercent(toBytes(bytes))}`]
  );
}

/** Encodes text in UTF-8, and copies bytes. */
export function toBytes(bytes: Bytes): Uint8Array<ArrayBuffer> {
  return typeof bytes === "string" ? encodeUtf8(bytes) : concatBytes(bytes);
}

/** Converts a row of the API. */
export function toRow(body: KeyValueBody | RowBody): Row {
  const { createRevision, modRevision, version, lease } = body;
  return {
    key: fromJsonText(body.key, body.keyEncoding),
    value: fromJsonText(body.value ?? "", body.encoding),
    createRevision,
    modRevision,
    version,
    lease,
  };
}

/** Converts an item of a range of the API. */
export function toItem(
  body: RowBody | { readonly folder: string; readonly folderEncoding?: unknown },
): Item {
  if (!("folder" in body)) return { kind: "row", row: toRow(body) };
  const encoding = body.folderEncoding === undefined ? "utf8" : "base64";
  return { kind: "folder", name: fromJsonText(body.folder, encoding) };
}

/** Converts a change of the API. */
export function toChange(body: WatchEventBody, revision: number): Change {
  const { type, createRevision = 0, version = 0, lease = 0, previous } = body;
  const key = fromJsonText(body.key, body.keyEncoding);
  const before = previous === undefined
    ? {}
    : { previous: previous === null ? null : toRow(previous) };
  if (type !== "put") return { type, key, row: null, ...before };
  const value = fromJsonText(body.value ?? "", body.encoding);
  const row = { key, value, createRevision, modRevision: revision, version, lease };
  return { type, key, row, ...before };
}
