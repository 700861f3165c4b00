/**
 * The error for data on disk that cannot be trusted any more.
 *
 * @module
 */

import { EnvironmentError } from "../errors.ts";

/** What an operator is to do about a damaged or missing `raft.db`. */
export const RAFT_WAY_BACK: string =
  "This node may have voted and acknowledged entries that its disk no " +
  "longer shows, so it must not run on this data, on an older copy of it, or on an empty folder " +
  "with its old key share. Keep the folder for inspection, remove the node from the cluster, and " +
  "let it join anew in a new folder with a new share. The other nodes go on without it.";

/** What an operator is to do about a damaged, missing or outdated `kv.db`. */
export const KEY_VALUE_WAY_BACK: string =
  "kv.db holds nothing that the cluster does not also hold. Keep " +
  "a copy, then move every file of this folder whose name begins with kv.db out of it and start " +
  "the node again: it rebuilds kv.db from its own log or, where that no longer reaches back, from " +
  "a snapshot that the leader sends. Do so on one node at a time.";

/**
 * Data on disk is damaged or missing. Floe never repairs it by itself: a store that lost something
 * looks the same as one that never had it, and a node that forgets a vote can vote twice.
 */
export class CorruptionError extends EnvironmentError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "CorruptionError";
  /** Path of the damaged file. */
  readonly file: string;
  /** What is wrong with it, in words. */
  readonly damage: string;

  /** The message says which file, what is broken and the way back. */
  constructor(
    { file, damage, wayBack, cause }: {
      readonly file: string;
      readonly damage: string;
      readonly wayBack: string;
      readonly cause?: unknown;
    },
  ) {
    super(`Cannot trust ${file}: ${damage}. ${wayBack}`, { cause });
    this.file = file;
    this.damage = damage;
  }
}
