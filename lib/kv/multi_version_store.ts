/**
 * Keys in memory, with all versions that history keeps.
 *
 * The index maps a key to its newest version. Each version has the handle of the version before. A deleted
 * key stays in the index, with a tombstone as its newest version, until history forgets the deletion. So a
 * read at a revision begins at the newest version, and goes back to the first one that is not newer than
 * the revision.
 *
 * Changes are made between {@linkcode MultiVersionStore.begin} and `commit` or `rollBack`. They all have one
 * revision, and a key changes at most once in it.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { InputError } from "../errors.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { HISTORY_LIMITS, HistoryAge, type HistoryLimits, RevisionQueue } from "./history.ts";
import { LeaseTable } from "./lease_table.ts";
import { OrderedIndex } from "./ordered_index.ts";
import { type ChangeKind, type KeyValueRow, Records } from "./record.ts";

/** Most changes that history forgets at once, so that the loop is not blocked: below 5 ms. */
const FORGOTTEN_MAX = 4_000;
/** Bytes that history needs for a change besides its versions. */
const CHANGE_BYTES = 12;

/** Why a read or a watch at a revision is refused. */
export type Unreadable =
  /** History has forgotten the revision. `oldestRevision` is the oldest that can be read. */
  | { readonly kind: "compacted"; readonly oldestRevision: LogIndex }
  /** The store has not reached the revision yet. It has applied the log up to `appliedIndex`. */
  | { readonly kind: "future"; readonly appliedIndex: LogIndex };

/** A key to set. */
export interface PutChange {
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** At most 512 KiB. */
  readonly value: Uint8Array;
  /** The lease that the key is attached to; 0 for none. */
  readonly lease: number;
}

/** Keys with their versions, history and leases. */
export class MultiVersionStore {
  /** The versions. */
  readonly records: Records = new Records();
  /** The newest version of each key, including tombstones. */
  readonly index: OrderedIndex = new OrderedIndex(this.records);
  /**
   * The newest version of each key that exists. A transaction reads these: it would otherwise look at every
   * deleted key of its ranges, of which history can keep many and each node keeps others.
   */
  readonly live: OrderedIndex = new OrderedIndex(this.records);
  /** The changes. */
  readonly history: RevisionQueue = new RevisionQueue();
  /** The leases that keys are attached to. */
  readonly leases: LeaseTable = new LeaseTable(this.records);
  /** Changes from this sequence number on are not written to the tables yet, and must not be forgotten. */
  heldFrom: number = Infinity;
  readonly #limits: HistoryLimits;
  readonly #age: HistoryAge | null;
  #revision = 0;
  #compactedRevision = 0;
  #historyBytes = 0;
  #openRevision: number | null = null;
  #openFrom = 0;

  /** An empty store that keeps as much history as `limits` say. */
  constructor(limits: HistoryLimits = HISTORY_LIMITS) {
    this.#limits = limits;
    this.#age = limits.ageTicksMax === null ? null : new HistoryAge(limits.ageTicksMax);
  }

  /** Revision of the last change; 0 when there was none. */
  get revision(): LogIndex {
    return toLogIndex(this.#revision);
  }

  /**
   * The changes up to this revision are forgotten. Reads are possible at this revision and later ones,
   * watches only after it.
   */
  get compactedRevision(): LogIndex {
    return toLogIndex(this.#compactedRevision);
  }

  /** How many keys there are. */
  get liveKeys(): number {
    return this.live.count;
  }

  /** Bytes that only history keeps. */
  get historyBytes(): number {
    return this.#historyBytes;
  }

  /** The newest version of a key; 0 when there is no such key. */
  get(key: Uint8Array): number {
    const handle = this.index.get(key);
    return handle !== 0 && this.records.isLive(handle) ? handle : 0;
  }

  /** The version that a key had at a readable revision; 0 when it had none. */
  getAt(key: Uint8Array, revision: number): number {
    return this.versionAt(this.index.get(key), revision);
  }

  /** Goes back from a version to the version at a revision; 0 when the key did not exist then. */
  versionAt(newest: number, revision: number): number {
    let handle = newest;
    while (handle !== 0 && this.records.modRevision(handle) > revision) {
      handle = this.records.previous(handle);
    }
    return handle !== 0 && this.records.isLive(handle) ? handle : 0;
  }

  /** Begins the changes of a revision. */
  begin(revision: number): void {
    assert(this.#openRevision === null, "the previous revision is still open");
    assert(revision > this.#revision, "Revisions grow");
    this.#openRevision = revision;
    this.#openFrom = this.history.end;
  }

  /** How many changes the open revision has. */
  get openChanges(): number {
    return this.history.end - this.#openFrom;
  }

  /** Sets a key. Its lease must exist. @throws {InvariantError} when no revision is open. */
  put({ key, value, lease }: PutChange): number {
    const revision = this.#open();
    const handle = this.records.add({
      key,
      value,
      lease,
      modRevision: revision,
      createRevision: revision,
      version: 1,
    });
    const previous = this.#replace(key, handle);
    if (previous !== 0 && this.records.isLive(previous)) {
      const createRevision = this.records.createRevision(previous);
      this.records.setAge(handle, createRevision, this.records.version(previous) + 1);
      this.#moveLease({ from: previous, to: handle });
    } else {
      this.#moveLease({ from: 0, to: handle });
    }
    this.live.set(key, handle);
    this.#remember(revision, handle);
    return handle;
  }

  /** Removes a key, which must exist. @throws {InvariantError} when no revision is open. */
  remove(key: Uint8Array, kind: Exclude<ChangeKind, "put">): void {
    const revision = this.#open();
    const handle = this.records.addTombstone({ key, modRevision: revision, kind });
    const previous = this.#replace(key, handle);
    assert(previous !== 0 && this.records.isLive(previous), "the key to remove does not exist");
    this.live.delete(key);
    this.#moveLease({ from: previous, to: 0 });
    this.#remember(revision, handle);
  }

  /** Ends the open revision and keeps its changes. Without changes, the revision is not used. */
  commit(): void {
    const revision = this.#open();
    const changes = this.openChanges;
    this.#openRevision = null;
    if (changes === 0) return;
    this.#revision = revision;
    this.forget(changes * 2 + 1);
  }

  /** Ends the open revision and undoes its changes. */
  rollBack(): void {
    this.#open();
    while (this.openChanges > 0) this.#undo(this.history.pop());
    this.#openRevision = null;
  }

  /** Counts a tick for the age of history, and forgets changes that are too old. */
  tick(): void {
    const tooOld = this.#age?.tick(this.#revision) ?? null;
    if (tooOld !== null) this.compact(tooOld);
    this.forget(FORGOTTEN_MAX);
  }

  /** Forgets the changes up to a revision. Readers see that at once; the memory is freed in small steps. */
  compact(revision: number): void {
    const compacted = Math.min(revision, this.#revision);
    this.#compactedRevision = Math.max(this.#compactedRevision, compacted);
  }

  /** Frees at most `changesMax` changes that are compacted or beyond the limits. */
  forget(changesMax: number): void {
    const { history } = this;
    let left = Math.min(changesMax, FORGOTTEN_MAX);
    while (left > 0 && history.count > 0 && history.first < this.heldFrom) {
      const revision = history.revision(history.first);
      if (revision > this.#compactedRevision) {
        if (!this.#isBeyondLimits()) return;
        this.#compactedRevision = revision;
      }
      this.#drop(history.shift());
      left--;
    }
  }

  /**
   * Why this revision cannot be read; null when it can. The store has applied the log up to `appliedIndex`.
   */
  unreadable(revision: number, appliedIndex: LogIndex): Unreadable | null {
    if (revision > appliedIndex) return { kind: "future", appliedIndex };
    if (revision >= this.#compactedRevision) return null;
    return { kind: "compacted", oldestRevision: this.compactedRevision };
  }

  /** Adds a stored key while the store is loaded, without history and without a new revision. */
  load(row: KeyValueRow): void {
    assert(this.#openRevision === null && this.history.count === 0, "the store is already in use");
    const handle = this.records.add(row);
    if (this.index.set(row.key, handle) !== 0) {
      throw new InputError("Cannot read rows: a key appears twice");
    }
    if (row.lease !== 0) this.leases.attach(row.lease, row.key, handle);
    this.live.set(row.key, handle);
  }

  /** Ends the loading: sets the store's revision, and where its history begins. */
  loaded(
    { revision, compactedRevision }: {
      readonly revision: number;
      readonly compactedRevision: number;
    },
  ): void {
    this.#revision = revision;
    this.#compactedRevision = compactedRevision;
    for (let sequence = this.history.first; sequence < this.history.end; sequence++) {
      this.#historyBytes += this.#costOf(this.history.handle(sequence));
    }
  }

  #open(): number {
    assert(this.#openRevision !== null, "no revision is open");
    return this.#openRevision;
  }

  #replace(key: Uint8Array, handle: number): number {
    const previous = this.index.set(key, handle);
    this.records.setPrevious(handle, previous);
    const isFirst = previous === 0 || this.records.modRevision(previous) < this.#open();
    assert(isFirst, "the key was already changed in this revision");
    return previous;
  }

  #moveLease({ from, to }: { readonly from: number; readonly to: number }): void {
    const before = from === 0 ? 0 : this.records.lease(from);
    const after = to === 0 ? 0 : this.records.lease(to);
    if (before !== 0 && before !== after) this.leases.detach(before, this.records.key(from));
    if (after !== 0) this.leases.attach(after, this.records.key(to), to);
  }

  #remember(revision: number, handle: number): void {
    this.history.push(revision, handle);
    this.#historyBytes += this.#costOf(handle);
  }

  #undo(handle: number): void {
    const { records } = this;
    this.#historyBytes -= this.#costOf(handle);
    const previous = records.previous(handle);
    const before = previous !== 0 && records.isLive(previous) ? previous : 0;
    const after = records.isLive(handle) ? handle : 0;
    this.#moveLease({ from: after, to: before });
    const key = records.key(handle);
    if (before === 0) this.live.delete(key);
    else this.live.set(key, before);
    if (previous === 0) this.index.delete(key);
    else this.index.set(key, previous);
    records.free(handle);
  }

  /** Forgets a change: frees the version before it, and its own version once no read can see that. */
  #drop(handle: number): void {
    const { records, index } = this;
    this.#historyBytes -= this.#costOf(handle);
    const previous = records.previous(handle);
    if (previous !== 0) records.free(previous);
    records.setPrevious(handle, 0);
    if (records.isLive(handle)) return;
    const key = records.key(handle);
    if (index.get(key) !== handle) return;
    index.delete(key);
    records.free(handle);
  }

  #costOf(handle: number): number {
    const previous = this.records.previous(handle);
    return CHANGE_BYTES + (previous === 0 ? 0 : this.records.sizeOf(previous)) +
      (this.records.isLive(handle) ? 0 : this.records.sizeOf(handle));
  }

  #isBeyondLimits(): boolean {
    return this.history.count > this.#limits.changesMax ||
      this.#historyBytes > this.#limits.bytesMax;
  }
}
