/**
 * Every election that any node ever told of, proved.
 *
 * @module
 */

import { type GroupKey, verifyCertificate } from "../../lib/certificate/mod.ts";
import type { Epoch, NodeId, Term } from "../../lib/types.ts";

/** Who was elected, by the shares of which epoch. */
interface Election {
  readonly term: Term;
  readonly leader: NodeId;
  readonly epoch: Epoch;
}

/** Collects certificates; each is verified with the group key alone. */
export class Elections {
  readonly #key: GroupKey;
  readonly #leaders = new Map<Term, Election>();
  readonly #onViolation: (violation: string) => void;
  /** What was seen before: every node tells of every election, most of them several times. */
  readonly #verified = new Set<string>();
  #latest: Election | null = null;

  /** `onViolation` is told of a certificate that proves nothing, or too much. */
  constructor(key: GroupKey, onViolation: (violation: string) => void) {
    this.#key = key;
    this.#onViolation = onViolation;
  }

  /** Every election, in the order in which they were told. */
  get all(): readonly Election[] {
    return [...this.#leaders.values()];
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
      const { term, leader, epoch } = verifyCertificate(note, this.#key);
      this.#verified.add(note);
      this.#addElection(teller, { term, leader, epoch });
    } catch (error) {
      this.#onViolation(`${teller} tells of a certificate that does not verify: ${error}\n${note}`);
    }
  }

  #addElection(teller: NodeId, election: Election): void {
    const { term, leader } = election;
    const other = this.#leaders.get(term)?.leader;
    if (other !== undefined && other !== leader) {
      this.#onViolation(
        `Term ${term} has two certified leaders: ${other}, and by ${teller} ${leader}`,
      );
    }
    this.#leaders.set(term, election);
    if (this.#latest === null || term > this.#latest.term) this.#latest = election;
  }
}
