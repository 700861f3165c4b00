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
  "with its old key share. Keep the folder for inspection. The other nodes go on without it, as " +
  "long as enough of them can sign. A share cannot be made again: this node takes part again once " +
  "the whole cluster has a new key, which all nodes make that are started with folders that hold " +
  "nothing but their identity.json. What the cluster stores is then gone.";

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
