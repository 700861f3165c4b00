/**
 * The store's tables without a database, for tests and the simulator: the rows are those of the real
 * tables, byte for byte, and are checked as those are.
 *
 * @module
 */

import { decode, encode } from "@msgpack/msgpack";
import { assert, assertDefined } from "../../lib/assert.ts";
import { equalBytes } from "../../lib/bytes.ts";
import type { Store, StoreLimits, TableBatch } from "../../lib/kv/mod.ts";
import {
  decodePart,
  encodeBatch,
  encodeFirstState,
  RowWriter,
} from "../../lib/storage/tables/batch_codec.ts";
import { atOnce, RowLoader, type TableName, TABLES } from "../../lib/storage/tables/rows.ts";
import { type LogIndex, toLogIndex } from "../../lib/types.ts";

/** A row as it lies on disk. */
export interface StoredRow {
  readonly table: TableName;
  readonly key: Uint8Array;
  readonly row: Uint8Array;
}

/** See the module. */
export class MemoryTables {
  /** By table and key. */
  readonly #rows = new Map<string, StoredRow>();
  #appliedIndex = toLogIndex(0);
  #forgottenIndex = 0;

  /** Tables that were just made. */
  constructor() {
    this.#put({ table: "state", ...encodeFirstState() });
  }

  /** Reads what {@linkcode MemoryTables.encode} wrote. */
  static decode(bytes: Uint8Array): MemoryTables {
    const state = decode(bytes) as {
      readonly rows: readonly StoredRow[];
      readonly appliedIndex: LogIndex;
      readonly forgottenIndex: number;
    };
    const tables = new MemoryTables();
    for (const row of state.rows) tables.#rows.set(nameOf(row), row);
    tables.#appliedIndex = state.appliedIndex;
    tables.#forgottenIndex = state.forgottenIndex;
    return tables;
  }

  /** Up to which entry they have everything. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** How many rows there are. */
  get size(): number {
    return this.#rows.size;
  }

  /** Writes one batch, all of it. Its bytes are copied. */
  write(batch: TableBatch): void {
    assert(batch.appliedIndex > this.#appliedIndex, "A batch leads the tables on");
    this.#appliedIndex = batch.appliedIndex;
    for (const part of encodeBatch(batch, this.#forgottenIndex)) {
      for (const change of decodePart(part)) {
        if (change.kind === "put") {
          const { table, key, row } = change;
          this.#put({ table, key: key.slice(), row: row.slice() });
        } else if (change.kind === "remove") this.#rows.delete(nameOf(change));
        else this.#removeBelow(change);
      }
    }
    this.#forgottenIndex = Math.max(this.#forgottenIndex, batch.forgottenIndex);
  }

  /** A store with everything that is here. @throws {InputError} when a row is not as it was written. */
  load(limits: StoreLimits = {}): Store {
    const writer = new RowWriter();
    for (const { table, key, row } of this.#sorted()) writer.add(table, key, row);
    const loader = new RowLoader(limits);
    atOnce(loader.add(writer.finish()));
    return atOnce(loader.finish());
  }

  /** Changes one bit of one row, `at` of all that there are: 0 says how far the tables are. */
  flip(at: number, bit: number): StoredRow {
    const flipped = assertDefined(this.#sorted()[at], "A row to flip");
    const row = flipped.row.slice();
    const byte = (bit >>> 3) % row.length;
    row[byte] = (row[byte] ?? 0) ^ (1 << (bit & 7));
    const damaged = { ...flipped, row };
    this.#put(damaged);
    return damaged;
  }

  /** Whether this very row is still there. */
  holds(row: StoredRow): boolean {
    return this.#rows.get(nameOf(row)) === row;
  }

  /** Everything in one file. */
  encode(): Uint8Array {
    const { appliedIndex } = this;
    return encode({ rows: this.#sorted(), appliedIndex, forgottenIndex: this.#forgottenIndex });
  }

  #put(row: StoredRow): void {
    this.#rows.set(nameOf(row), row);
  }

  #removeBelow({ table, key }: Pick<StoredRow, "table" | "key">): void {
    for (const [name, row] of this.#rows) {
      if (row.table === table && compare(row.key, key) < 0) this.#rows.delete(name);
    }
  }

  #sorted(): readonly StoredRow[] {
    return [...this.#rows.values()].sort((left, right) =>
      TABLES.indexOf(left.table) - TABLES.indexOf(right.table) || compare(left.key, right.key)
    );
  }
}

function nameOf({ table, key }: Pick<StoredRow, "table" | "key">): string {
  return `${table} ${key.toHex()}`;
}

function compare(left: Uint8Array, right: Uint8Array): number {
  if (equalBytes(left, right)) return 0;
  return left.toHex() < right.toHex() ? -1 : 1;
}
