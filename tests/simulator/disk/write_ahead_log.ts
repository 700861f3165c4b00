/**
 * A write-ahead log as SQLite keeps one: pages in the order in which they are written, the last of each
 * transaction marked. SQLite reads up to the first page that is not whole and takes that for the
 * end; Floe looks at what stands behind it first, as `lib/storage/wal_file.ts` does.
 *
 * @module
 */

import type { Random } from "../random.ts";

/** `torn`: the page's checksum is wrong. `absent`: what stands there is older than the log. */
type FrameState = "whole" | "torn" | "absent";

/** A page with what it changes. */
interface Frame<Change> {
  readonly change: Change;
  /** Whether it ends a transaction. */
  readonly isCommit: boolean;
  readonly state: FrameState;
}

/** What a log is found to hold. */
export interface Recovery<Change> {
  /** The changes of every transaction before the log's end. */
  readonly changes: readonly Change[];
  /** Whether transactions that were durable stand behind a page that is not whole. */
  readonly isBroken: boolean;
}

/** See the module. */
export class WriteAheadLog<Change> {
  #frames: Frame<Change>[] = [];

  /** How many pages it has. */
  get length(): number {
    return this.#frames.length;
  }

  /** Adds a transaction, durably. */
  append(changes: readonly Change[]): void {
    this.#add(changes, () => "whole");
  }

  /** A transaction is cut short: any of its pages may have reached the disk, whole or in part. */
  appendTorn(changes: readonly Change[], random: Random): void {
    this.#add(changes, () => random.pick(["whole", "whole", "torn", "absent"]));
  }

  /**
   * Bits of a page change, some time after it was durable. Not in the last transaction: there this
   * looks like one that was cut short, see `lib/storage/mod.ts`.
   *
   * @returns false when there is no other.
   */
  damage(random: Random): boolean {
    const last = this.#frames.findLastIndex(({ isCommit }, at) => {
      return isCommit && at < this.#frames.length - 1;
    });
    if (last === -1) return false;
    const at = random.below(last + 1);
    this.#frames = this.#frames.map((frame, place) => {
      return place === at ? { ...frame, state: "torn" } : frame;
    });
    return true;
  }

  /** What a start finds. */
  recover(): Recovery<Change> {
    const wrong = this.#frames.findIndex(({ state }) => state !== "whole");
    const read = wrong === -1 ? this.#frames : this.#frames.slice(0, wrong);
    const end = read.findLastIndex(({ isCommit }) => isCommit) + 1;
    const changes = read.slice(0, end).map(({ change }) => change);
    return { changes, isBroken: wrong !== -1 && this.#isBrokenAt(wrong) };
  }

  /** Its changes stand in the database file. */
  empty(): void {
    this.#frames = [];
  }

  /** The rest of the transaction may be damaged too; anything behind that was begun later. */
  #isBrokenAt(wrong: number): boolean {
    const present = this.#frames.slice(wrong).filter(({ state }) => state !== "absent");
    const end = present.findIndex(({ isCommit }) => isCommit);
    return end !== -1 && end < present.length - 1;
  }

  #add(changes: readonly Change[], drawState: () => FrameState): void {
    changes.forEach((change, at) => {
      const isCommit = at === changes.length - 1;
      this.#frames.push({ change, isCommit, state: drawState() });
    });
  }
}
