/**
 * The rows that changed and are not written to the tables yet, in the order of the entries. Keys are not
 * here, because their history has the same order, and their values.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { LeaseRow } from "./lease_table.ts";
import type { Token } from "./token.ts";
import type { RememberedRow } from "./write_memory.ts";

/** The change of one row by one entry. */
export type RowChange =
  | { readonly table: "lease"; readonly id: number; readonly row: LeaseRow | null }
  | { readonly table: "token"; readonly id: string; readonly row: Token | null }
  | { readonly table: "remembered"; readonly row: RememberedRow }
  /** Every remembered write up to this index is forgotten. */
  | { readonly table: "forgotten"; readonly index: number };

/** A change and the index of its entry. */
export interface JournaledChange {
  /** The index of the log entry that made it. */
  readonly index: number;
  /** The change of the row. */
  readonly change: RowChange;
}

/** A queue of changed rows. Without a reader it keeps nothing. */
export class RowJournal {
  #changes: JournaledChange[] = [];
  #first = 0;
  #isRead = false;

  /** From now on, keeps changes until the reader removes them. */
  open(): void {
    assert(!this.#isRead, "the journal already has a reader");
    this.#isRead = true;
  }

  /** How many changes wait. */
  get count(): number {
    return this.#changes.length - this.#first;
  }

  /** Adds a change that the entry at `index` made. */
  add(index: number, change: RowChange): void {
    if (this.#isRead) this.#changes.push({ index, change });
  }

  /** The change at this distance from the oldest, or null. */
  peek(distance: number): JournaledChange | null {
    return this.#changes[this.#first + distance] ?? null;
  }

  /** Removes the oldest changes. */
  drop(count: number): void {
    assert(count <= this.count, "the journal has fewer changes");
    this.#first += count;
    if (this.#first < this.#changes.length / 2) return;
    this.#changes = this.#changes.slice(this.#first);
    this.#first = 0;
  }
}
