/**
 * The state machine's half of a simulated disk: `kv.db`, to which batches of rows are written behind the
 * state machine, and the files of snapshots, its own and the one that it is being sent.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assert } from "../../../lib/assert.ts";
import { equalBytes } from "../../../lib/bytes.ts";
import { catching, InputError } from "../../../lib/errors.ts";
import { Store, type StoreLimits, type TableBatch, TableWriter } from "../../../lib/kv/mod.ts";
import type { Entry, Snapshot, SnapshotRequest } from "../../../lib/raft/mod.ts";
import type { LogIndex } from "../../../lib/types.ts";
import { MemoryTables, type StoredRow } from "../../support/memory_tables.ts";
import type { Random } from "../random.ts";
import { Violation } from "../violation.ts";
import { DamageFound } from "./damage_found.ts";

/** How `kv.db` is damaged behind the node's back. */
export const KEY_VALUE_DAMAGES = ["rowFlipped", "appliedIndexFlipped"] as const;
/** One of {@linkcode KEY_VALUE_DAMAGES}. */
export type KeyValueDamage = typeof KEY_VALUE_DAMAGES[number];

interface Incoming {
  readonly snapshot: Snapshot;
  readonly bytes: Uint8Array;
  stored: number;
}

/** What one node keeps of its state machine. */
export class KeyValueDisk {
  /** Of its state machine. */
  readonly limits: StoreLimits;
  #tables = new MemoryTables();
  /** What is on its way to the tables. */
  #writing: TableBatch | null = null;
  /** What was damaged; it may be written anew before anybody reads it. */
  #damaged: StoredRow | null = null;
  #own: Uint8Array | null = null;
  #incoming: Incoming | null = null;
  /** Those of which all is here and was checked. */
  #ready: Incoming[] = [];

  /** A disk on which nothing is. */
  constructor(limits: StoreLimits = {}) {
    this.limits = limits;
  }

  /** Whether something was damaged behind the node's back. */
  get isDamaged(): boolean {
    return this.#damaged !== null && this.#tables.holds(this.#damaged);
  }

  /** Up to which entry the tables have everything. */
  get appliedIndex(): LogIndex {
    return this.#tables.appliedIndex;
  }

  /**
   * A batch is on its way. What is returned makes it durable, unless a snapshot has taken the tables' place
   * meanwhile: then it returns false.
   */
  begin(batch: TableBatch): () => boolean {
    assert(this.#writing === null, "One batch at a time");
    // A copy: a batch is of views, and the process may end.
    const [puts, deletes, history] = [[...batch.puts], [...batch.deletes], [...batch.history]];
    const writing = structuredClone({ ...batch, puts, deletes, history });
    this.#writing = writing;
    return () => this.#writing === writing && this.#commit();
  }

  /** The process ends: what is on its way is there, or is not; null when there was nothing. */
  end(random: Random): "written" | "lost" | null {
    if (this.#writing === null) return null;
    const fate = random.chance(0.5) ? "written" : "lost";
    if (fate === "written") this.#commit();
    this.#writing = null;
    return fate;
  }

  /** The disk says what it said when the state machine was at `index`. */
  goBackTo(index: LogIndex, committed: readonly Entry[]): void {
    const store = new Store(this.limits);
    const writer = new TableWriter(store);
    store.apply(committed.slice(0, index));
    this.#tables = new MemoryTables();
    for (let batch = writer.next(); batch !== null; batch = writer.next()) {
      this.#tables.write(batch);
      writer.confirm();
    }
  }

  /** Damages something that was durable; says what, or null when there is nothing. */
  damage(random: Random): KeyValueDamage | null {
    if (this.appliedIndex === 0) return null;
    const damage = random.pick(KEY_VALUE_DAMAGES);
    // Entries without a command leave no row but the one that says how far the tables are.
    if (damage === "rowFlipped" && this.#tables.size === 1) return null;
    const at = damage === "rowFlipped" ? 1 + random.below(this.#tables.size - 1) : 0;
    this.#damaged = this.#tables.flip(at, random.below(2 ** 16));
    return damage;
  }

  /** The store that a start finds. @throws {DamageFound} when the rows cannot be trusted. */
  load(): Store {
    return this.#load();
  }

  /** Makes a snapshot of what the tables have. @throws {DamageFound} when they cannot be trusted. */
  makeSnapshot(): Omit<Snapshot, "term" | "members"> {
    this.#load();
    const bytes = this.#tables.encode();
    this.#own = bytes;
    return { index: this.appliedIndex, bytes: bytes.length, sha256: hashSnapshot(bytes) };
  }

  /** A part of the own snapshot. */
  readChunk(offset: number, lengthMax: number): Uint8Array {
    return this.#own?.slice(offset, offset + lengthMax) ?? new Uint8Array();
  }

  /** Keeps a chunk of a leader's snapshot; the offset that is wanted next. */
  storeChunk({ snapshot, offset, data }: SnapshotRequest): number {
    if (this.#ready.some((ready) => isSame(ready.snapshot, snapshot))) return snapshot.bytes;
    let incoming = this.#incoming;
    if (incoming === null || !isSame(incoming.snapshot, snapshot)) {
      incoming = { snapshot, bytes: new Uint8Array(snapshot.bytes), stored: 0 };
      this.#incoming = incoming;
    }
    if (offset === incoming.stored) {
      incoming.bytes.set(data, offset);
      incoming.stored += data.length;
    }
    return incoming.stored;
  }

  /** What came of a snapshot of which the last chunk is here; null when more is to come. */
  checkIncoming(snapshot: Snapshot): "ready" | "refused" | null {
    if (this.#ready.some((ready) => isSame(ready.snapshot, snapshot))) return "ready";
    const incoming = this.#incoming;
    if (incoming === null || !isSame(incoming.snapshot, snapshot)) return null;
    if (incoming.stored < snapshot.bytes) return null;
    this.#incoming = null;
    if (!equalBytes(hashSnapshot(incoming.bytes), snapshot.sha256)) return "refused";
    this.#ready.push(incoming);
    return "ready";
  }

  /** Removes a snapshot that nobody wants. */
  discard(snapshot: Snapshot): void {
    this.#ready = this.#ready.filter((ready) => !isSame(ready.snapshot, snapshot));
  }

  /** Replaces the tables by a snapshot that is ready. What is on its way to the old ones is lost. */
  install(snapshot: Snapshot): Store {
    const ready = this.#ready.find((ready) => isSame(ready.snapshot, snapshot));
    assert(ready !== undefined, "Only a checked snapshot is installed");
    this.#tables = MemoryTables.decode(ready.bytes);
    this.#writing = null;
    this.#damaged = null;
    assert(this.appliedIndex === snapshot.index, "A snapshot stands where it says");
    this.#ready = this.#ready.filter(({ snapshot: { index } }) => index > snapshot.index);
    return this.#tables.load(this.limits);
  }

  /** At a start: finishes what a crash came between, the log's part being durable already. */
  finishInstall(logStart: LogIndex): void {
    const ready = this.#ready.find(({ snapshot }) => snapshot.index === logStart);
    if (this.appliedIndex < logStart && ready !== undefined) this.install(ready.snapshot);
    this.#ready = [];
  }

  #commit(): true {
    if (this.#writing !== null) this.#tables.write(this.#writing);
    this.#writing = null;
    return true;
  }

  /** Every row is checked against its digest, as `lib/storage` does when it reads or copies them. */
  #load(): Store {
    const store = catching(InputError, () => this.#tables.load(this.limits), ({ message }) => {
      throw new DamageFound(message);
    });
    if (!this.isDamaged) return store;
    throw new Violation("Damage is never served", `a store is made of a damaged row`);
  }
}

/** SHA-256 of a snapshot. */
export function hashSnapshot(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

function isSame(left: Snapshot, right: Snapshot): boolean {
  return left.index === right.index && left.term === right.term &&
    equalBytes(left.sha256, right.sha256);
}
