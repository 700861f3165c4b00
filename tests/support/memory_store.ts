/**
 * The state machine's data in memory, for tests and the simulator.
 *
 * @module
 */

import { assert } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import type { RememberedWrite } from "../../lib/kv/apply_command.ts";
import type { KeyValue } from "../../lib/kv/command.ts";
import type { KeyValueStore, RememberedWrites, Tokens } from "../../lib/kv/state_machine.ts";
import type { Token } from "../../lib/kv/token.ts";
import { type LogIndex, toLogIndex } from "../../lib/types.ts";

/** A {@linkcode KeyValueStore} that forgets everything with its process. */
export class MemoryKeyValueStore implements KeyValueStore {
  /** The writes that are remembered for their retries. */
  readonly remembered: RememberedWrites;
  /** Who may use the API. */
  readonly tokens: Tokens;
  readonly #rows = new UndoMap<string, KeyValue>();
  readonly #rememberedByKey = new UndoMap<string, RememberedWrite>();
  readonly #rememberedByRevision = new UndoMap<LogIndex, RememberedWrite>();
  readonly #tokensById = new UndoMap<string, Token>();
  readonly #maps = [
    this.#rows,
    this.#rememberedByKey,
    this.#rememberedByRevision,
    this.#tokensById,
  ];
  #appliedIndex: LogIndex = toLogIndex(0);

  /** An empty store. */
  constructor() {
    this.remembered = new MemoryRememberedWrites({
      byKey: this.#rememberedByKey,
      byRevision: this.#rememberedByRevision,
    });
    this.tokens = new MemoryTokens(this.#tokensById);
  }

  /** Index of the last log entry whose effects are in the store; 0 in a new one. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** The key's current value, or null. */
  get(key: string): KeyValue | null {
    return this.#rows.get(key);
  }

  /** Sets a key. @throws {InvariantError} outside a transaction. */
  put(row: KeyValue): void {
    // A copy: the row's value may be a view into a log entry, which it would keep alive.
    this.#rows.set(row.key, { ...row, value: row.value.slice() });
  }

  /** Removes a key. @throws {InvariantError} outside a transaction. */
  delete(key: string): void {
    this.#rows.delete(key);
  }

  /** Every key with its value, in the order of the keys' UTF-8 bytes. */
  rows(): Iterable<KeyValue> {
    return this.#rows.values().toSorted((left, right) => compareKeys(left.key, right.key));
  }

  /**
   * Runs `work` and moves the applied index to `appliedIndex`, both or neither.
   *
   * @throws whatever `work` throws, after undoing it.
   */
  transaction<Result>(appliedIndex: LogIndex, work: () => Result): Result {
    assert(appliedIndex >= this.#appliedIndex, "The applied index would go backward");
    for (const map of this.#maps) map.begin();
    try {
      const result = work();
      for (const map of this.#maps) map.commit();
      this.#appliedIndex = appliedIndex;
      return result;
    } catch (error) {
      for (const map of this.#maps) map.rollBack();
      throw error;
    }
  }
}

/** The remembered writes of a {@linkcode MemoryKeyValueStore}, found by key and by revision. */
class MemoryRememberedWrites implements RememberedWrites {
  readonly #byKey: UndoMap<string, RememberedWrite>;
  readonly #byRevision: UndoMap<LogIndex, RememberedWrite>;

  constructor(
    { byKey, byRevision }: {
      readonly byKey: UndoMap<string, RememberedWrite>;
      readonly byRevision: UndoMap<LogIndex, RememberedWrite>;
    },
  ) {
    this.#byKey = byKey;
    this.#byRevision = byRevision;
  }

  get(idempotencyKey: string): RememberedWrite | null {
    return this.#byKey.get(idempotencyKey);
  }

  add(write: RememberedWrite): void {
    const { idempotencyKey, result: { revision } } = write;
    assert(this.#byKey.get(idempotencyKey) === null, "An idempotency key stands for one write");
    this.#byKey.set(idempotencyKey, write);
    this.#byRevision.set(revision, write);
  }

  delete(revision: LogIndex): void {
    const write = this.#byRevision.get(revision);
    if (write === null) return;
    this.#byRevision.delete(revision);
    this.#byKey.delete(write.idempotencyKey);
  }

  rows(): Iterable<RememberedWrite> {
    return this.#byRevision.values().toSorted((left, right) =>
      left.result.revision - right.result.revision
    );
  }
}

/** The tokens of a {@linkcode MemoryKeyValueStore}. */
class MemoryTokens implements Tokens {
  readonly #byId: UndoMap<string, Token>;

  constructor(byId: UndoMap<string, Token>) {
    this.#byId = byId;
  }

  get count(): number {
    return this.#byId.size;
  }

  get(id: string): Token | null {
    return this.#byId.get(id);
  }

  add(token: Token): void {
    assert(this.#byId.get(token.id) === null, "An id stands for one token");
    // A copy: the digest may be a view into a log entry, which it would keep alive.
    this.#byId.set(token.id, { ...token, secretDigest: token.secretDigest.slice() });
  }

  delete(id: string): void {
    this.#byId.delete(id);
  }

  rows(): Iterable<Token> {
    return this.#byId.values().toSorted((left, right) => left.id < right.id ? -1 : 1);
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
