/**
 * The certificates of all terms, in memory: about 400 bytes an election.
 *
 * @module
 */

import type { Term } from "../../types.ts";
import type { TermNote } from "./batch_codec.ts";

/** Signed notes by term. */
export class ElectionNotes {
  readonly #notes = new Map<Term, string>();
  /** Rising. */
  readonly #terms: Term[] = [];

  /** Keeps a note. A term has one leader, so a second note differs in the signature only. */
  add({ term, note }: TermNote): void {
    if (this.#notes.has(term)) return;
    this.#notes.set(term, note);
    this.#terms.splice(this.#placeOf(term), 0, term);
  }

  /** The note of a term, or null. */
  get(term: Term): string | null {
    return this.#notes.get(term) ?? null;
  }

  /** Notes by falling term: at most `limit` of them, of terms below `before` if given. */
  list(
    { limit, before }: { readonly limit: number; readonly before?: Term | undefined },
  ): readonly string[] {
    const end = before === undefined ? this.#terms.length : this.#placeOf(before);
    const terms = this.#terms.slice(Math.max(0, end - limit), end).reverse();
    return terms.flatMap((term) => this.#notes.get(term) ?? []);
  }

  /** How many terms are below `term`. */
  #placeOf(term: Term): number {
    let low = 0;
    let high = this.#terms.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#terms[middle] ?? 0) < term) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
