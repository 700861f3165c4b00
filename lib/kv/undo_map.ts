/**
 * A map whose latest changes can be undone.
 *
 * @module
 */

import { assert } from "../assert.ts";

/** A map that is changed inside transactions only. */
export class UndoMap<Key, Value extends object> {
  readonly #values = new Map<Key, Value>();
  /** Each key that the open transaction touched, with its value before it; null outside of one. */
  #undo: Map<Key, Value | null> | null = null;

  /** The value of a key, or null. */
  get(key: Key): Value | null {
    return this.#values.get(key) ?? null;
  }

  /** How many keys there are. */
  get size(): number {
    return this.#values.size;
  }

  /** All values, in no order that means anything. */
  values(): readonly Value[] {
    return [...this.#values.values()];
  }

  /** Sets a key. @throws {InvariantError} outside a transaction. */
  set(key: Key, value: Value): void {
    this.#rememberFor(key);
    this.#values.set(key, value);
  }

  /** Removes a key. @throws {InvariantError} outside a transaction. */
  delete(key: Key): void {
    this.#rememberFor(key);
    this.#values.delete(key);
  }

  /** Begins a transaction. */
  begin(): void {
    assert(this.#undo === null, "A transaction inside a transaction");
    this.#undo = new Map();
  }

  /** Ends the transaction and keeps its changes. */
  commit(): void {
    this.#undo = null;
  }

  /** Ends the transaction and undoes its changes. */
  rollBack(): void {
    for (const [key, value] of this.#undo ?? []) {
      if (value === null) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    this.#undo = null;
  }

  #rememberFor(key: Key): void {
    assert(this.#undo !== null, "A write outside a transaction");
    if (!this.#undo.has(key)) this.#undo.set(key, this.get(key));
  }
}
