/**
 * Where processes are killed: at a boundary between two effects, or in the middle of a write.
 *
 * @module
 */

import type { PersistBatch } from "../../lib/raft/mod.ts";
import type { Random } from "./random.ts";

/** Boundaries that every process passes many times a second. */
export const COMMON_BOUNDARIES = [
  "send",
  "beforePersist",
  "duringPersist",
  "afterPersist",
  "beforeApply",
  "afterApply",
  "beforeReport",
  "afterReport",
] as const;

/** Boundaries on the way of a snapshot that a process is sent. */
export const INSTALL_BOUNDARIES = [
  "beforeChunk",
  "afterChunk",
  "beforeReset",
  "duringReset",
  "afterReset",
  "beforeInstall",
  "afterInstall",
] as const;

/** Boundaries that a process passes now and then, and some not in their whole life. */
export const RARE_BOUNDARIES = [
  "beforeCompaction",
  "duringCompaction",
  "afterCompaction",
  "beforeTables",
  "duringTables",
  "afterTables",
  "beforeSnapshot",
  "afterSnapshot",
  "beforeShares",
  "afterShares",
  ...INSTALL_BOUNDARIES,
] as const;

/** Where in a turn a process can be killed. */
export const BOUNDARIES = [...COMMON_BOUNDARIES, ...RARE_BOUNDARIES];
/** One of {@linkcode BOUNDARIES}. */
export type Boundary = typeof BOUNDARIES[number];

/** How often a common boundary is passed, at most, before the process is killed there. */
const PASSES_MAX = 8;

/** Thrown through the loop where a process is killed. */
export class CrashSignal extends Error {
  /** Where. */
  readonly boundary: Boundary;

  /** A process is killed at this boundary. */
  constructor(boundary: Boundary) {
    super(`killed at ${boundary}`);
    this.boundary = boundary;
  }
}

/** Where the processes of one machine are killed, each place once. */
export class CrashPlan {
  readonly #passes = new Map<Boundary, number>();
  #isCleared = false;

  /** Whether the faults are over. */
  get isCleared(): boolean {
    return this.#isCleared;
  }

  /** The process is killed here before long, or whichever process comes here first. */
  arm(boundary: Boundary, random: Random): void {
    const isRare = RARE_BOUNDARIES.some((rare) => rare === boundary);
    this.#passes.set(boundary, isRare ? 0 : random.below(PASSES_MAX));
  }

  /** A boundary is reached: whether the process ends here. */
  strikes(boundary: Boundary): boolean {
    const passes = this.#passes.get(boundary);
    if (passes === undefined) return false;
    if (passes > 0) this.#passes.set(boundary, passes - 1);
    else this.#passes.delete(boundary);
    return passes === 0;
  }

  /** Nobody is killed any more. */
  clear(): void {
    this.#isCleared = true;
    this.#passes.clear();
  }
}

/** What a write is, as the names of boundaries have it. */
export type WriteKind = "Persist" | "Compaction" | "Reset";

/** Every kind that a batch is of: each is a write, some also cut the log or replace it. */
export function kindsOf({ logStart }: PersistBatch): readonly WriteKind[] {
  if (logStart === null) return ["Persist"];
  return ["Persist", logStart.keepsRest ? "Compaction" : "Reset"];
}
