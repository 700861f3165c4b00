/**
 * Where the state machine keeps its data. `lib/storage` implements it on SQLite; tests and the
 * simulator in memory.
 *
 * @module
 */

import type { LogIndex } from "../types.ts";
import type { KeyValue } from "./command.ts";

/** The data of the state machine, and how far the log has been applied to it. */
export interface KeyValueStore {
  /** Index of the last log entry whose effects are in the store; 0 in a new one. */
  readonly appliedIndex: LogIndex;
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
