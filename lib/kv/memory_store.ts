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
import type { RememberedWrite } from "./remembered_write.ts";
import type { KeyValueStore, RememberedWrites, Tokens } from "./store.ts";
import type { Token } from "./token.ts";
import { UndoMap } from "./undo_map.ts";

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
