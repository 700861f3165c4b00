/**
 * Notes that a liar makes out of genuine ones.
 *
 * @module
 */

import type { NodeId, Term } from "../../lib/types.ts";

/** The note with another term and leader under the same signature. */
export function forgeNote(
  note: string,
  claim: { readonly term: Term; readonly leader: NodeId },
): string {
  return note
    .replace(/^term \d+$/m, `term ${claim.term}`)
    .replace(/^leader \S+$/m, `leader ${claim.leader}`);
}
