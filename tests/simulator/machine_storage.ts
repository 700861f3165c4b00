/**
 * A simulated machine's disk: what is on it, how long it takes, and how it fails.
 *
 * @module
 */

import { EnvironmentError } from "../../lib/errors.ts";
import type { Store, StoreLimits } from "../../lib/kv/mod.ts";
import type { DurableState, Entry } from "../../lib/raft/mod.ts";
import type { DurableShares } from "../../lib/reshare/mod.ts";
import type { RaftStore } from "../../lib/storage/raft_store.ts";
import { checkStoresAgree } from "../../lib/storage/stores.ts";
import { highest, plus, toLogIndex } from "../../lib/types.ts";
import type { Counters } from "./counters.ts";
import type { DiskFilesHost, SyncOutcome } from "./disk/disk_files.ts";
import { KeyValueDisk } from "./disk/key_value_disk.ts";
import { RaftDisk } from "./disk/raft_disk.ts";
import type { Random } from "./random.ts";
import { Violation } from "./violation.ts";

/** How many entries back an old copy of `kv.db` is, on average. */
const STALE_ENTRIES_MEAN = 20;

/** The disk refuses, or nobody knows what it did: the node stops. */
export class DiskFault extends EnvironmentError {}

/** How the disk misbehaves at the next write. */
export type WriteFault = "ioError" | "fullDisk";

/** What a storage needs of its machine. */
export interface MachineStorageOptions {
  /** How much a store keeps besides its keys. */
  readonly limits: StoreLimits;
  /** The shares that a new node has. */
  readonly shares: DurableShares;
  /** How long a write takes on average. */
  readonly persistUsMean: number;
  /** Chance. */
  readonly random: Random;
  /** Counts what goes wrong. */
  readonly counters: Counters;
}

/** What who holds no share has on the disk. */
export const NO_SHARES: DurableShares = { current: null, next: null };

/** See the module. */
export class MachineStorage {
  /** The node's shares; nothing where the members of a run never change. */
  shares: DurableShares;
  /** The log. */
  raft = new RaftDisk();
  /** `kv.db` and the snapshots. */
  keyValues: KeyValueDisk;
  /** Every write takes so much longer. */
  slowness = 1;
  /** No write ends before. */
  hungUntilUs = 0;
  /** Whether `kv.db` is an older copy, which the log cannot make up for. */
  isTakenBack = false;
  /** What goes wrong at the next write. */
  writeFault: WriteFault | null = null;
  readonly #options: MachineStorageOptions;
  readonly #random: Random;

  /** An empty disk. */
  constructor(options: MachineStorageOptions) {
    this.#options = options;
    this.#random = options.random;
    this.shares = options.shares;
    this.keyValues = new KeyValueDisk(options.limits);
  }

  /**
   * What `openStores` does. `sync` calls what it is given when a sync of the log has ended.
   *
   * @throws {EnvironmentError} when a node must not start on what is here.
   */
  open(
    sync: DiskFilesHost["sync"],
  ): { readonly log: RaftStore; readonly durable: DurableState; readonly store: Store } {
    const { raft, keyValues } = this;
    const log = raft.open({ writing: () => this.#checkRoom(), sync });
    const durable = log.load();
    if (raft.isDamaged) throw new Violation("Damage is never served", "a node starts on it");
    keyValues.finishInstall(durable.logStart.index);
    checkStoresAgree({ raft: log, tables: keyValues }, "a simulated disk");
    return { log, durable, store: keyValues.load() };
  }

  /** How long a sync takes that begins now. */
  syncUs(nowUs: number): number {
    const durationUs = this.#random.exponential(this.#options.persistUsMean) * this.slowness;
    return Math.max(durationUs, this.hungUntilUs - nowUs);
  }

  /** What comes of a sync. */
  sync(): SyncOutcome {
    if (this.writeFault !== "ioError") return { failure: null, isWritten: true };
    this.writeFault = null;
    const isWritten = this.#random.chance(0.5);
    this.#options.counters.count(`disk.ioError.${isWritten ? "written" : "lost"}`);
    return { failure: new DiskFault("ioError while syncing the log"), isWritten };
  }

  #checkRoom(): void {
    if (this.writeFault !== "fullDisk") return;
    this.writeFault = null;
    this.#options.counters.count("disk.fullDisk.lost");
    throw new DiskFault("fullDisk while writing the log");
  }

  /**
   * An older `kv.db` comes to light in place of the newest.
   *
   * @returns `caughtUp` when the log can make up for it; `lost` when it cannot, which only happens if
   * `mayBeLost`; null when there is no older one.
   */
  goBack(
    committed: readonly Entry[],
    { mayBeLost }: { readonly mayBeLost: boolean },
  ): "caughtUp" | "lost" | null {
    const { appliedIndex } = this.keyValues;
    if (this.keyValues.isDamaged || appliedIndex === 0 || committed.length < appliedIndex) {
      return null;
    }
    const { index: start } = this.raft.durable.logStart;
    const back = 1 + this.#random.exponential(STALE_ENTRIES_MEAN);
    const index = mayBeLost && start > 0
      ? toLogIndex(this.#random.below(start))
      : highest(plus(appliedIndex, -back), start);
    if (index === appliedIndex) return null;
    this.keyValues.goBackTo(index, committed);
    this.isTakenBack = index < start;
    return this.isTakenBack ? "lost" : "caughtUp";
  }

  /** Loses the key-value data, snapshots included; the log and the vote are whole. */
  loseStore(): void {
    this.keyValues = new KeyValueDisk(this.#options.limits);
    this.isTakenBack = false;
  }

  /** Loses everything. */
  wipe(): void {
    this.shares = NO_SHARES;
    this.raft = new RaftDisk();
    this.keyValues = new KeyValueDisk(this.#options.limits);
  }

  /** Makes the disk sound again, as far as that can be. */
  repair(): void {
    this.slowness = 1;
    this.hungUntilUs = 0;
    this.writeFault = null;
  }
}
