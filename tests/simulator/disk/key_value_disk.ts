/**
 * The state machine's half of a simulated disk: `kv.db`, which may lose its last transactions when the
 * power fails, and the files of snapshots, its own and the one that it is being sent.
 *
 * @module
 */

import { assert } from "../../../lib/assert.ts";
import { equalBytes } from "../../../lib/bytes.ts";
import { type KeyValueStore, StateMachine } from "../../../lib/kv/mod.ts";
import type { Entry, Snapshot, SnapshotRequest } from "../../../lib/raft/mod.ts";
import { digestAppliedIndex } from "../../../lib/storage/row_digest.ts";
import { type LogIndex, toLogIndex } from "../../../lib/types.ts";
import { MemoryKeyValueStore } from "../../support/memory_store.ts";
import type { Random } from "../random.ts";
import { Violation } from "../violation.ts";
import { DamageFound } from "./damage_found.ts";
import { DamagedStore } from "./damaged_store.ts";
import { decodeStore, encodeStore, hashSnapshot } from "./snapshot_bytes.ts";

/** How `kv.db` is damaged behind the node's back. */
export const KEY_VALUE_DAMAGES = ["rowFlipped", "appliedIndexFlipped"] as const;
/** One of {@linkcode KEY_VALUE_DAMAGES}. */
export type KeyValueDamage = typeof KEY_VALUE_DAMAGES[number];

interface Incoming {
  readonly snapshot: Snapshot;
  readonly bytes: Uint8Array;
  stored: number;
}

/** The state machine of a world in which writes are remembered for so many entries. */
export function createStateMachine(
  store: KeyValueStore,
  { rememberedEntries }: { readonly rememberedEntries: number | null },
): StateMachine {
  return new StateMachine(store, rememberedEntries === null ? {} : { rememberedEntries });
}

/** What one node keeps of its state machine. */
export class KeyValueDisk {
  /** The data. */
  store: KeyValueStore = new MemoryKeyValueStore();
  /** For how many entries it remembers a write; null for as many as a node does. */
  readonly rememberedEntries: number | null;
  #durableIndex = toLogIndex(0);
  #own: Uint8Array | null = null;
  #incoming: Incoming | null = null;
  /** Those of which all is here and was checked. */
  #ready: Incoming[] = [];
  /** Digest of the applied index that was written; null while that is what the row says. */
  #appliedDigest: Uint8Array | null = null;

  /** A disk on which nothing is. */
  constructor(rememberedEntries: number | null = null) {
    this.rememberedEntries = rememberedEntries;
  }

  /** Whether something was damaged behind the node's back. */
  get isDamaged(): boolean {
    return this.#appliedDigest !== null || this.store instanceof DamagedStore;
  }

  /** Makes everything applied so far durable, and says how far that is. */
  sync(): LogIndex {
    this.#durableIndex = this.store.appliedIndex;
    return this.#durableIndex;
  }

  /** The power fails: what was not synced may be lost, down to any index above the durable one. */
  loseTo(index: LogIndex, committed: readonly Entry[]): void {
    assert(index >= this.#durableIndex, "What is synced is never lost");
    this.goBackTo(index, committed);
  }

  /** The disk says what it said when the state machine was at `index`, durable or not. */
  goBackTo(index: LogIndex, committed: readonly Entry[]): void {
    this.store = new MemoryKeyValueStore();
    createStateMachine(this.store, this).apply(committed.slice(0, index));
    this.#durableIndex = index;
  }

  /** Damages something that was durable; says what, or null when there is nothing. */
  damage(random: Random): KeyValueDamage | null {
    const rows = [...this.store.rows()];
    if (rows.length > 0 && random.chance(0.7)) {
      this.store = new DamagedStore(this.store, random.pick(rows), random);
      return "rowFlipped";
    }
    if (this.store.appliedIndex === 0) return null;
    const bit = 1 << random.below(20);
    this.#appliedDigest = digestAppliedIndex(toLogIndex(this.store.appliedIndex ^ bit));
    return "appliedIndexFlipped";
  }

  /** What a start looks at of all this. @throws {DamageFound} when it cannot be trusted. */
  load(): void {
    if (this.#appliedDigest === null) return;
    const { appliedIndex } = this.store;
    if (!equalBytes(this.#appliedDigest, digestAppliedIndex(appliedIndex))) {
      throw new DamageFound("the applied index is not as it was written");
    }
    throw new Violation("Damage is never served", `the applied index ${appliedIndex} is read`);
  }

  /** The index below which nothing is lost. */
  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** Makes a snapshot of what is applied now. */
  makeSnapshot(): Omit<Snapshot, "term" | "members"> {
    const bytes = encodeStore(this.store);
    this.#own = bytes;
    return { index: this.store.appliedIndex, bytes: bytes.length, sha256: hashSnapshot(bytes) };
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

  /** Replaces the data by a snapshot that is ready. */
  install(snapshot: Snapshot): void {
    const ready = this.#ready.find((ready) => isSame(ready.snapshot, snapshot));
    assert(ready !== undefined, "Only a checked snapshot is installed");
    this.store = decodeStore(ready.bytes);
    assert(this.store.appliedIndex === snapshot.index, "A snapshot stands where it says");
    this.#durableIndex = snapshot.index;
    this.#appliedDigest = null;
    this.#ready = this.#ready.filter(({ snapshot: { index } }) => index > snapshot.index);
  }

  /** At a start: finishes what a crash came between, the log's part being durable already. */
  finishInstall(logStart: LogIndex): void {
    const ready = this.#ready.find(({ snapshot }) => snapshot.index === logStart);
    if (this.store.appliedIndex < logStart && ready !== undefined) this.install(ready.snapshot);
    this.#ready = [];
  }
}

function isSame(left: Snapshot, right: Snapshot): boolean {
  return left.index === right.index && left.term === right.term &&
    equalBytes(left.sha256, right.sha256);
}
