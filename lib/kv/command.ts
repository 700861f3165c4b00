/**
 * What clients ask of the key-value store, and what they get.
 *
 * @module
 */

import type { LogIndex } from "../types.ts";

/** Most UTF-8 bytes in a key. */
export const KEY_BYTES_MAX = 1024;
/** Most bytes in a value. */
export const VALUE_BYTES_MAX = 512 * 1024;

/** A change to the store, as it stands in the log. */
export type Command =
  /** Set `key` to `value`. */
  | { readonly kind: "put"; readonly key: string; readonly value: Uint8Array }
  /** Remove `key`. */
  | { readonly kind: "delete"; readonly key: string };

/** One key with its value and history. */
export interface KeyValue {
  /** The key: 1 to {@linkcode KEY_BYTES_MAX} bytes of UTF-8. */
  readonly key: string;
  /** The value, at most {@linkcode VALUE_BYTES_MAX} bytes. */
  readonly value: Uint8Array;
  /** Revision of the write that created the key. */
  readonly createRevision: LogIndex;
  /** Revision of the write that produced this value. */
  readonly modRevision: LogIndex;
  /** How many writes the key has seen since it was created, from 1. */
  readonly version: number;
}

/** What a command did. */
export type CommandResult =
  /** The key now has this modRevision and version. */
  | {
    readonly kind: "put";
    readonly revision: LogIndex;
    readonly createRevision: LogIndex;
    readonly version: number;
  }
  /** Whether there was a key to remove. */
  | { readonly kind: "delete"; readonly revision: LogIndex; readonly deleted: boolean };
