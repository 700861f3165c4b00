/**
 * Every election that any node ever told of, proved.
 *
 * @module
 */

import { type GroupKey, verifyCertificate } from "../../lib/certificate/mod.ts";
import type { NodeId, Term } from "../../lib/types.ts";

/** Collects certificates; each is verified with the group key alone. */
export class Elections {
  readonly #key: GroupKey;
  readonly #leaders = new Map<Term, NodeId>();
  readonly #onViolation: (violation: string) => void;
  /** What was seen before: every node tells of every election, most of them several times. */
  readonly #verified = new Set<string>();
  #latest: { readonly term: Term; readonly leader: NodeId } | null = null;

  /** `onViolation` is told of a certificate that proves nothing, or too much. */
  constructor(key: GroupKey, onViolation: (violation: string) => void) {
    this.#key = key;
    this.#onViolation = onViolation;
  }

  /** How many terms had a leader. */
  get count(): number {
    return this.#leaders.size;
  }

  /** The last term that had a leader, or 0. */
  get lastTerm(): number {
    return this.#latest?.term ?? 0;
  }

  /** Who was elected last. */
  get leader(): NodeId | null {
    return this.#latest?.leader ?? null;
  }

  /** `teller` says that `note` made a leader. */
  add(teller: NodeId, note: string): void {
    if (this.#verified.has(note)) return;
    try {
      const { term, leader } = verifyCertificate(note, this.#key);
      this.#verified.add(note);
      this.#addLeader(teller, term, leader);
    } catch (error) {
      this.#onViolation(`${teller} tells of a certificate that does not verify: ${error}\n${note}`);
    }
  }

  #addLeader(teller: NodeId, term: Term, leader: NodeId): void {
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== leader) {
      this.#onViolation(
        `Term ${term} has two certified leaders: ${other}, and by ${teller} ${leader}`,
      );
    }
    this.#leaders.set(term, leader);
    if (this.#latest === null || term > this.#latest.term) this.#latest = { term, leader };
  }
}
