/**
 * Notices when a node's role, term or leader changes.
 *
 * @module
 */

import type { RoleReport } from "./input_output.ts";

/** Tells a change of role, term or leader, once. */
export class RoleReporter {
  #reported: RoleReport | null = null;

  /** The report if it differs from the one before; else null. */
  changed(now: RoleReport): RoleReport | null {
    const before = this.#reported;
    const isSame = before?.role === now.role && before.term === now.term &&
      before.leader === now.leader;
    if (isSame) return null;
    this.#reported = now;
    return now;
  }
}
