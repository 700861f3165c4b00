/**
 * Entries for tests, and the bytes of a snapshot that holds them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { decodeUtf8, encodeUtf8 } from "../../lib/bytes.ts";
import type { Entry } from "../../lib/raft/mod.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";

/** An entry with a command given as text. */
export function commandEntry(index: number, term: number, command = `${index}@${term}`): Entry {
  return {
    index: toLogIndex(index),
    term: toTerm(term),
    kind: "command",
    data: new TextEncoder().encode(command),
  };
}

/** A log of commands with these terms, from index 1. */
export function entriesOfTerms(...terms: readonly number[]): readonly Entry[] {
  return terms.map((term, position) => commandEntry(toLogIndex(position + 1), term));
}

/** The snapshot of a state machine that has applied these entries. */
export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  return encodeUtf8(JSON.stringify(entries.map((entry) => ({ ...entry, data: [...entry.data] }))));
}

/** Reads what {@linkcode encodeEntries} wrote. */
export function decodeEntries(bytes: Uint8Array): readonly Entry[] {
  const raw: (Entry & { readonly data: number[] })[] = JSON.parse(decodeUtf8(bytes));
  return raw.map((entry) => ({ ...entry, data: Uint8Array.from(entry.data) }));
}

/** SHA-256, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
