/**
 * The durable half of a simulated node: what `lib/storage` keeps in `raft.db`, with the digests of
 * the real rows. A batch is written whole or not at all; damage inside a record is found when it is
 * read back.
 *
 * @module
 */

import { assert, assertDefined } from "../../lib/assert.ts";
import { equalBytes } from "../../lib/bytes.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import {
  type DurableState,
  type Entry,
  type HardState,
  LOG_START,
  type LogPosition,
  type PersistBatch,
} from "../../lib/raft/mod.ts";
import { digestEntry, digestRaftState } from "../../lib/storage/row_digest.ts";
import { type LogIndex, type NodeId, type Term, toTerm } from "../../lib/types.ts";
import type { Random } from "./random.ts";

/** A record does not say what was written: the node must not start on it. */
export class DamageFound extends EnvironmentError {}

interface Stored {
  readonly entry: Entry;
  readonly digest: Uint8Array;
}

/** What one node has written and will find again. */
export class RaftDisk {
  #hardState: HardState = { currentTerm: toTerm(0), votedFor: null };
  #hardStateDigest: Uint8Array | null = null;
  #logStart: LogPosition = LOG_START;
  #stored: Stored[] = [];
  readonly #notes = new Map<Term, string>();
  #isDamaged = false;

  /** The durable term and vote. */
  get hardState(): HardState {
    return this.#hardState;
  }

  /** The place before the first durable entry. */
  get logStart(): LogPosition {
    return this.#logStart;
  }

  /** Index of the last durable entry. */
  get lastIndex(): LogIndex {
    return this.#stored.at(-1)?.entry.index ?? this.#logStart.index;
  }

  /** Whether something was damaged behind the node's back. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** The term of the durable entry at `index`; null when there is none. */
  termAt(index: LogIndex): Term | null {
    if (index === this.#logStart.index) return this.#logStart.term;
    return this.#stored[index - this.#logStart.index - 1]?.entry.term ?? null;
  }

  /** Makes a batch durable. */
  write(batch: PersistBatch): void {
    if (batch.hardState !== null) {
      this.#hardState = batch.hardState;
      this.#hardStateDigest = null;
    }
    if (batch.logStart !== null) this.#moveStart(batch.logStart);
    const first = batch.entries[0];
    if (first !== undefined) {
      const kept = first.index - this.#logStart.index - 1;
      assert(kept >= 0 && kept <= this.#stored.length, `A gap before entry ${first.index}`);
      this.#stored.length = kept;
      for (const entry of batch.entries) this.#stored.push({ entry, digest: digestOf(entry) });
    }
    for (const { term, note } of batch.certificates) this.#notes.set(term, note);
  }

  /** What a node finds at its start. @throws {DamageFound} when it cannot be trusted. */
  load(): DurableState {
    for (const { entry, digest } of this.#stored) {
      if (!equalBytes(digestOf(entry), digest)) {
        throw new DamageFound(`Entry ${entry.index} is not as it was written`);
      }
    }
    const digest = this.#hardStateDigest;
    if (digest !== null && !equalBytes(this.#digestState(), digest)) {
      throw new DamageFound("The hard state is not as it was written");
    }
    return {
      hardState: this.#hardState,
      logStart: this.#logStart,
      entries: this.#stored.map(({ entry }) => entry),
      currentTermNote: this.#notes.get(this.#hardState.currentTerm) ?? null,
    };
  }

  /** Flips a bit of an entry, or changes the vote. */
  damage(random: Random): void {
    this.#isDamaged = true;
    const at = random.below(this.#stored.length + 1);
    const stored = this.#stored[at];
    if (stored === undefined) return this.#damageHardState(random);
    const data = stored.entry.data.slice();
    if (data.length > 0) {
      const place = random.below(data.length);
      data[place] = assertDefined(data[place], "The place is within") ^ (1 << random.below(8));
    }
    const term = data.length > 0 ? stored.entry.term : toTerm(stored.entry.term + 1);
    this.#stored[at] = { entry: { ...stored.entry, term, data }, digest: stored.digest };
  }

  #damageHardState(random: Random): void {
    this.#hardStateDigest = this.#digestState();
    const { currentTerm, votedFor } = this.#hardState;
    this.#hardState = votedFor === null || random.chance(0.5)
      ? { currentTerm: toTerm(currentTerm + 1), votedFor }
      : { currentTerm, votedFor: `${votedFor}x` as NodeId };
  }

  #digestState(): Uint8Array {
    const { lastIndex } = this;
    return digestRaftState({ hardState: this.#hardState, logStart: this.#logStart, lastIndex });
  }

  #moveStart({ position, keepsRest }: NonNullable<PersistBatch["logStart"]>): void {
    this.#stored = keepsRest
      ? this.#stored.filter(({ entry }) => entry.index > position.index)
      : [];
    this.#logStart = position;
  }
}

/** Entries are immutable and shared by all simulated nodes, so each is hashed once. */
const digests = new WeakMap<Entry, Uint8Array>();

function digestOf(entry: Entry): Uint8Array {
  let digest = digests.get(entry);
  if (digest === undefined) {
    digest = digestEntry(entry);
    digests.set(entry, digest);
  }
  return digest;
}
