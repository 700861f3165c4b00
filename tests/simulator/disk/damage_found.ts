/**
 * What a simulated disk throws where the real one throws a `CorruptionError`, which names a path.
 *
 * @module
 */

import {
  CorruptionError,
  KEY_VALUE_WAY_BACK,
  RAFT_WAY_BACK,
} from "../../../lib/storage/storage_error.ts";

/** Something does not say what was written: the node must not start on it, or serve it. */
export class DamageFound extends CorruptionError {
  /** `damage` says what is wrong. */
  constructor(file: "raft.db" | "kv.db", damage: string) {
    super({ file, damage, wayBack: file === "raft.db" ? RAFT_WAY_BACK : KEY_VALUE_WAY_BACK });
  }
}
