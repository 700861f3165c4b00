/**
 * The durable half of a simulated node: what `lib/storage` keeps in `raft.db`, as a database file and
 * its write-ahead log. Every batch is one transaction; which batches may follow each other is for
 * the real rules to say.
 *
 * @module
 */

import type { DurableState, HardState, LogPosition, PersistBatch } from "../../../lib/raft/mod.ts";
import { type RaftState, stateAfter } from "../../../lib/storage/raft_tables.ts";
import type { LogIndex, Term } from "../../../lib/types.ts";
import type { Random } from "../random.ts";
import { DamageFound } from "./damage_found.ts";
import { type Change, RaftTables, ROW_DAMAGES } from "./raft_tables.ts";
import { WriteAheadLog } from "./write_ahead_log.ts";

/** From so many pages on the log is moved into the file. The real one is longer, as are real lives. */
const LOG_PAGES_MAX = 100;

/** How `raft.db` is damaged behind the node's back. */
export const RAFT_DAMAGES = [...ROW_DAMAGES, "logPageFlipped"] as const;
/** One of {@linkcode RAFT_DAMAGES}. */
export type RaftDamage = typeof RAFT_DAMAGES[number];

/** What one node has written and will find again. */
export class RaftDisk {
  readonly #log = new WriteAheadLog<Change>();
  #file = new RaftTables();
  /** The file with all that is in the log: what a reader sees. */
  #tables = new RaftTables();
  #isDamaged = false;

  /** The durable term and vote. */
  get hardState(): HardState {
    return this.#tables.state.hardState;
  }

  /** The place before the first durable entry. */
  get logStart(): LogPosition {
    return this.#tables.state.logStart;
  }

  /** Index of the last durable entry. */
  get lastIndex(): LogIndex {
    return this.#tables.state.lastIndex;
  }

  /** Whether something was damaged behind the node's back. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** Whether the write-ahead log is to be moved into the file. */
  get isLogFull(): boolean {
    return this.#log.length >= LOG_PAGES_MAX;
  }

  /** The term of the durable entry at `index`; null when there is none. */
  termAt(index: LogIndex): Term | null {
    if (index === this.logStart.index) return this.logStart.term;
    return this.#tables.entryAt(index)?.term ?? null;
  }

  /** Makes a batch durable. @throws {InvariantError} when it cannot follow what is here. */
  write(batch: PersistBatch): void {
    const changes = toChanges(this.#tables.state, batch);
    this.#log.append(changes);
    for (const change of changes) this.#tables.apply(change);
  }

  /**
   * The process or the machine dies in the middle of a write.
   *
   * @returns whether all of it had reached the disk.
   */
  writeTorn(batch: PersistBatch, random: Random): boolean {
    const before = this.#log.recover().changes.length;
    this.#log.appendTorn(toChanges(this.#tables.state, batch), random);
    const isWritten = this.#log.recover().changes.length > before;
    this.#recover();
    return isWritten;
  }

  /** Moves the write-ahead log into the file. */
  checkpoint(): void {
    for (const change of this.#log.recover().changes) this.#file.apply(change);
    this.#log.empty();
  }

  /** Dies in the middle of that: some pages are moved, some in part; the log is still there. */
  checkpointTorn(random: Random): void {
    for (const change of this.#log.recover().changes) {
      const fate = random.pick(["moved", "torn", "untouched"]);
      if (fate === "moved") this.#file.apply(change);
      if (fate === "torn") this.#file.applyTorn(change, random);
    }
    this.#recover();
  }

  /** What a node finds at its start. @throws {DamageFound} when it cannot be trusted. */
  load(): DurableState {
    if (this.#log.recover().isBroken) {
      const damage = "a page of the write-ahead log is damaged, and others follow it";
      throw new DamageFound("raft.db", damage);
    }
    return this.#tables.load();
  }

  /** Damages something that was durable; says what. */
  damage(random: Random): RaftDamage {
    this.#isDamaged = true;
    for (const kind of random.shuffled(RAFT_DAMAGES)) {
      const isDone = kind === "logPageFlipped"
        ? this.#log.damage(random)
        : this.#tables.damage(kind, random);
      if (isDone) return kind;
    }
    throw new Error("There is always a hard state to damage");
  }

  /** As the next start would, so that whoever looks meanwhile sees what it will find. */
  #recover(): void {
    this.checkpoint();
    this.#tables = this.#file.copy();
  }
}

/** The transaction of a batch: what `RaftStore.persist` does to its rows. */
function toChanges(before: RaftState, batch: PersistBatch): readonly Change[] {
  const state = stateAfter(before, batch);
  const changes: Change[] = [];
  const remove = (from: number, through: number) => {
    if (from <= through) changes.push({ kind: "removeEntries", from, through });
  };
  if (batch.logStart !== null) {
    const { position, keepsRest } = batch.logStart;
    remove(before.logStart.index + 1, keepsRest ? position.index : before.lastIndex);
  }
  const first = batch.entries[0];
  if (first !== undefined) remove(first.index, before.lastIndex);
  for (const entry of batch.entries) changes.push({ kind: "entry", entry });
  for (const { term, note } of batch.certificates) {
    changes.push({ kind: "certificate", term, note });
  }
  changes.push({ kind: "state", state });
  return changes;
}
