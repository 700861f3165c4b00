/**
 * A `kv.db` of which one row does not say what was written. Rows are checked against their digests
 * whenever they are read, as `SqliteKeyValueStore` does; the damaged one must never get through.
 *
 * @module
 */

import { encodeUtf8, equalBytes } from "../../../lib/bytes.ts";
import type { KeyValue, KeyValueStore, RememberedWrites, Tokens } from "../../../lib/kv/mod.ts";
import { digestKeyValue } from "../../../lib/storage/row_digest.ts";
import { type LogIndex, plus } from "../../../lib/types.ts";
import type { Random } from "../random.ts";
import { Violation } from "../violation.ts";
import { DamageFound } from "./damage_found.ts";

/** See the module. */
export class DamagedStore implements KeyValueStore {
  readonly #sound: KeyValueStore;
  readonly #damaged: KeyValue;
  readonly #digest: Uint8Array;

  /** Changes one bit of `row`, which is one of `sound`'s. */
  constructor(sound: KeyValueStore, row: KeyValue, random: Random) {
    this.#sound = sound;
    this.#digest = digestKeyValue(row, encodeUtf8(row.key));
    this.#damaged = flip(row, random);
  }

  /** See {@linkcode KeyValueStore.appliedIndex}. */
  get appliedIndex(): LogIndex {
    return this.#sound.appliedIndex;
  }

  /** See {@linkcode KeyValueStore.remembered}. */
  get remembered(): RememberedWrites {
    return this.#sound.remembered;
  }

  /** See {@linkcode KeyValueStore.tokens}. */
  get tokens(): Tokens {
    return this.#sound.tokens;
  }

  /** The key's value. @throws {DamageFound} when its row is the damaged one. */
  get(key: string): KeyValue | null {
    if (key === this.#damaged.key) this.#check();
    return this.#sound.get(key);
  }

  /** See {@linkcode KeyValueStore.put}. */
  put(row: KeyValue): void {
    this.#sound.put(row);
  }

  /** See {@linkcode KeyValueStore.delete}. */
  delete(key: string): void {
    this.#sound.delete(key);
  }

  /** Every row, which no store with a damaged one gets through. @throws {DamageFound} always. */
  rows(): Iterable<KeyValue> {
    this.#check();
    return this.#sound.rows();
  }

  /** See {@linkcode KeyValueStore.transaction}. */
  transaction<Result>(appliedIndex: LogIndex, work: () => Result): Result {
    return this.#sound.transaction(appliedIndex, work);
  }

  #check(): void {
    const { key } = this.#damaged;
    if (!equalBytes(digestKeyValue(this.#damaged, encodeUtf8(key)), this.#digest)) {
      throw new DamageFound(`the row of ${key} is not as it was written`);
    }
    throw new Violation("Damage is never served", `the row of ${key} is read`);
  }
}

function flip(row: KeyValue, random: Random): KeyValue {
  if (row.value.length === 0 || random.chance(0.2)) {
    return { ...row, modRevision: plus(row.modRevision, 1) };
  }
  const value = row.value.slice();
  const at = random.below(value.length);
  value[at] = (value[at] ?? 0) ^ (1 << random.below(8));
  return { ...row, value };
}
