/**
 * Keys, values and changes as a program has them: as bytes.
 *
 * @module
 */

import { concatBytes, encodeUtf8 } from "../bytes.ts";
import {
  encodePercent,
  fromJsonText,
  type KeyValueBody,
  type RowBody,
  type WatchEventBody,
} from "../http/wire.ts";

/** A key or a value: bytes, or text in UTF-8. */
export type Bytes = Uint8Array | string;

/** Which keys: one, those that begin with a prefix, or those from one on up to another. */
export type Keys =
  | { readonly key: Bytes }
  | { readonly prefix: Bytes }
  | { readonly start?: Bytes; readonly end?: Bytes };

/** A key with its value. */
export interface Row {
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** Its value; empty where only keys were asked for. */
  readonly value: Uint8Array;
  /** The write that created the key. */
  readonly createRevision: number;
  /** The write that produced this value. */
  readonly modRevision: number;
  /** How many writes the key has seen, from 1. */
  readonly version: number;
  /** The lease with which it goes, or 0. */
  readonly lease: number;
}

/** What a range has: keys, and folders of keys where a delimiter was given. */
export type Item =
  | { readonly kind: "row"; readonly row: Row }
  | { readonly kind: "folder"; readonly name: Uint8Array };

/** How a range is read. */
export interface RangeOptions {
  /** Most items; all by default. */
  readonly limit?: number;
  /** Descending order. */
  readonly isDescending?: boolean;
  /** Rows come without values. */
  readonly keysOnly?: boolean;
  /** One level only. */
  readonly delimiter?: Bytes;
  /** As of this revision; now by default. */
  readonly revision?: number;
  /** What this node has, even if it is behind. */
  readonly isStale?: boolean;
  /** Told the revision that is read. */
  readonly onRevision?: (revision: number) => void;
}

/** When a write of one key takes effect. */
export interface WriteOptions {
  /** Only while the key has this modRevision; 0: while there is no such key. */
  readonly ifRevision?: number;
  /** Names the write for all its attempts; drawn at random by default. */
  readonly idempotencyKey?: string;
}

/** What one write did to one key. */
export interface Change {
  /** What was done: `expire` is the end of the key's lease. */
  readonly type: "put" | "delete" | "expire";
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** The key as it is after a put, else null. */
  readonly row: Row | null;
  /** The key before, if that was asked for: null where there was none. */
  readonly previous?: Row | null;
}

/** All changes of one revision, or how far the watch is: then there are none. */
export interface Changes {
  /** Everything up to it has come. */
  readonly revision: number;
  /** In order. */
  readonly events: readonly Change[];
}

/** How a watch is begun. */
export interface WatchOptions {
  /** The first revision; from now on by default. */
  readonly fromRevision?: number;
  /** Whether changes have the value before. */
  readonly previous?: boolean;
  /** The kinds of changes that are wanted; all by default. */
  readonly only?: readonly Change["type"][];
  /** Whether to be told how far the watch is when nothing changes. */
  readonly isProgressWanted?: boolean;
  /** Ends the watch. */
  readonly signal?: AbortSignal;
}

/** Which keys, as parts of a query. */
export function keysQuery(keys: Keys): readonly string[] {
  return Object.entries(keys).flatMap(([name, bytes]: [string, Bytes | undefined]) =>
    bytes === undefined ? [] : [`${name}=${encodePercent(toBytes(bytes))}`]
  );
}

/** Text in UTF-8, bytes as they are. */
export function toBytes(bytes: Bytes): Uint8Array<ArrayBuffer> {
  return typeof bytes === "string" ? encodeUtf8(bytes) : concatBytes(bytes);
}

/** A row as the API shows it, as bytes. */
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

/** An item of a range as the API shows it, as bytes. */
export function toItem(
  body: RowBody | { readonly folder: string; readonly folderEncoding?: unknown },
): Item {
  if (!("folder" in body)) return { kind: "row", row: toRow(body) };
  const encoding = body.folderEncoding === undefined ? "utf8" : "base64";
  return { kind: "folder", name: fromJsonText(body.folder, encoding) };
}

/** A change as the API shows it, as bytes. */
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
