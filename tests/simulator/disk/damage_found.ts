/**
 * What a simulated disk throws where the real one throws a `CorruptionError`, which names a path.
 *
 * @module
 */

import { KEY_VALUE_FILE } from "../../../lib/storage/mod.ts";
import { CorruptionError, KEY_VALUE_WAY_BACK } from "../../../lib/storage/storage_error.ts";

/** Something in `kv.db` does not say what was written: a node must not start on it, or serve it. */
export class DamageFound extends CorruptionError {
  /** `damage` says what is wrong. */
  constructor(damage: string) {
    super({ file: KEY_VALUE_FILE, damage, wayBack: KEY_VALUE_WAY_BACK });
  }
}
