/**
 * Where the state machine keeps its data. `lib/storage` implements it on SQLite; tests and the
 * simulator in memory.
 *
 * @module
 */

import type { LogIndex } from "../types.ts";
import type { KeyValue } from "./command.ts";
import type { RememberedWrite } from "./remembered_write.ts";
import type { Token } from "./token.ts";

/** The data of the state machine, and how far the log has been applied to it. */
export interface KeyValueStore {
  /** Index of the last log entry whose effects are in the store; 0 in a new one. */
  readonly appliedIndex: LogIndex;
  /** The writes that are remembered for their retries. */
  readonly remembered: RememberedWrites;
  /** Who may use the API. */
  readonly tokens: Tokens;
  /** The key's current value, or null. Inside a transaction it sees that transaction's writes. */
  get(key: string): KeyValue | null;
  /** Sets a key. Only inside {@linkcode transaction}. */
  put(row: KeyValue): void;
  /** Removes a key. Only inside {@linkcode transaction}. */
  delete(key: string): void;
  /** Every key with its value, in the order of the keys' UTF-8 bytes. Never during a write. */
  rows(): Iterable<KeyValue>;
  /**
   * Runs `work` and moves the applied index to `appliedIndex`, both or neither.
   *
   * @throws whatever `work` throws, after undoing it.
   */
  transaction<Result>(appliedIndex: LogIndex, work: () => Result): Result;
}

/** The part of a {@linkcode KeyValueStore} that makes retries harmless; its transactions cover it. */
export interface RememberedWrites {
  /** The write that this idempotency key stands for, or null. */
  get(idempotencyKey: string): RememberedWrite | null;
  /** Adds a write under a key and a revision that are not there yet. Only inside a transaction. */
  add(write: RememberedWrite): void;
  /** Forgets the write of this revision, if it is there. Only inside a transaction. */
  delete(revision: LogIndex): void;
  /** Every remembered write, by rising revision. Never during a write. */
  rows(): Iterable<RememberedWrite>;
}

/** The part of a {@linkcode KeyValueStore} that holds the API's tokens; its transactions cover it. */
export interface Tokens {
  /** How many there are. */
  readonly count: number;
  /** The token of this id, or null. */
  get(id: string): Token | null;
  /** Adds a token under an id that is not there yet. Only inside a transaction. */
  add(token: Token): void;
  /** Removes a token, if it is there. Only inside a transaction. */
  delete(id: string): void;
  /** Every token, by rising id. Never during a write. */
  rows(): Iterable<Token>;
}
