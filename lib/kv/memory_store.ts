/**
 * The state machine's data in memory, for tests and the simulator.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { encodeUtf8 } from "../bytes.ts";
import { toLogIndex } from "../types.ts";
import type { LogIndex } from "../types.ts";
import type { KeyValue } from "./command.ts";
import type { KeyValueStore } from "./store.ts";

/** A {@linkcode KeyValueStore} that forgets everything with its process. */
export class MemoryKeyValueStore implements KeyValueStore {
  readonly #rows = new Map<string, KeyValue>();
  /** Each key that the open transaction touched, with its row before it; null outside of one. */
  #undo: Map<string, KeyValue | null> | null = null;
  #appliedIndex: LogIndex = toLogIndex(0);

  /** Index of the last log entry whose effects are in the store; 0 in a new one. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** The key's current value, or null. */
  get(key: string): KeyValue | null {
    return this.#rows.get(key) ?? null;
  }

  /** Sets a key. @throws {InvariantError} outside a transaction. */
  put(row: KeyValue): void {
    this.#remember(row.key);
    // A copy: the row's value may be a view into a log entry, which it would keep alive.
    this.#rows.set(row.key, { ...row, value: row.value.slice() });
  }

  /** Removes a key. @throws {InvariantError} outside a transaction. */
  delete(key: string): void {
    this.#remember(key);
    this.#rows.delete(key);
  }

  /** Every key with its value, in the order of the keys' UTF-8 bytes. */
  rows(): Iterable<KeyValue> {
    return [...this.#rows.values()].toSorted((left, right) => compareKeys(left.key, right.key));
  }

  /**
   * Runs `work` and moves the applied index to `appliedIndex`, both or neither.
   *
   * @throws whatever `work` throws, after undoing it.
   */
  transaction<Result>(appliedIndex: LogIndex, work: () => Result): Result {
    assert(this.#undo === null, "A transaction inside a transaction");
    assert(appliedIndex >= this.#appliedIndex, "The applied index would go backward");
    this.#undo = new Map();
    try {
      const result = work();
      this.#appliedIndex = appliedIndex;
      return result;
    } catch (error) {
      this.#rollBack(this.#undo);
      throw error;
    } finally {
      this.#undo = null;
    }
  }

  #remember(key: string): void {
    assert(this.#undo !== null, "A write outside a transaction");
    if (!this.#undo.has(key)) this.#undo.set(key, this.get(key));
  }

  #rollBack(undo: ReadonlyMap<string, KeyValue | null>): void {
    for (const [key, row] of undo) {
      if (row === null) this.#rows.delete(key);
      else this.#rows.set(key, row);
    }
  }
}

/** Compares UTF-8 bytes: strings compare by UTF-16 units, which is another order. */
function compareKeys(left: string, right: string): number {
  const leftBytes = encodeUtf8(left);
  const rightBytes = encodeUtf8(right);
  const length = Math.min(leftBytes.length, rightBytes.length);
  for (let offset = 0; offset < length; offset++) {
    const difference = (leftBytes[offset] ?? 0) - (rightBytes[offset] ?? 0);
    if (difference !== 0) return difference;
  }
  return leftBytes.length - rightBytes.length;
}
