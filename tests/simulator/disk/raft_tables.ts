/**
 * The tables of a simulated `raft.db`: rows with the digests of the real ones, and the checks that
 * `RaftStore.load` makes of them. A row that nobody has damaged is not hashed: its digest is right.
 *
 * @module
 */

import { assertDefined } from "../../../lib/assert.ts";
import { equalBytes } from "../../../lib/bytes.ts";
import type { DurableState, Entry } from "../../../lib/raft/mod.ts";
import { RAFT_STATE_AT_FIRST, type RaftState } from "../../../lib/storage/raft_tables.ts";
import {
  digestCertificate,
  digestEntry,
  digestRaftState,
} from "../../../lib/storage/row_digest.ts";
import { type LogIndex, type NodeId, type Term, toTerm } from "../../../lib/types.ts";
import type { Random } from "../random.ts";
import { DamageFound } from "./damage_found.ts";

/** One change of a transaction; each is one page's. */
export type Change =
  | { readonly kind: "state"; readonly state: RaftState }
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "certificate"; readonly term: Term; readonly note: string }
  | { readonly kind: "removeEntries"; readonly from: number; readonly through: number };

/** How a row, or the lack of one, is damaged behind the node's back. */
export const ROW_DAMAGES = [
  "entryFlipped",
  "entryLost",
  "endLost",
  "stateFlipped",
  "certificateFlipped",
] as const;
/** One of {@linkcode ROW_DAMAGES}. */
export type RowDamage = typeof ROW_DAMAGES[number];

interface Row<Content> {
  readonly content: Content;
  /** Digest of what was written; null while that is what the row says. */
  readonly digest: Uint8Array | null;
}

/** See the module. */
export class RaftTables {
  #state: Row<RaftState> = { content: RAFT_STATE_AT_FIRST, digest: null };
  #entries = new Map<number, Row<Entry>>();
  #certificates = new Map<Term, Row<string>>();

  /** Term and vote, and between which places the log is. */
  get state(): RaftState {
    return this.#state.content;
  }

  /** The entry at `index`; null when there is none. */
  entryAt(index: LogIndex): Entry | null {
    return this.#entries.get(index)?.content ?? null;
  }

  /** The same again. */
  copy(): RaftTables {
    const copy = new RaftTables();
    copy.#state = this.#state;
    copy.#entries = new Map(this.#entries);
    copy.#certificates = new Map(this.#certificates);
    return copy;
  }

  /** Makes a change; made twice, it changes nothing more. */
  apply(change: Change): void {
    switch (change.kind) {
      case "state":
        this.#state = { content: change.state, digest: null };
        return;
      case "entry":
        this.#entries.set(change.entry.index, { content: change.entry, digest: null });
        return;
      case "certificate":
        this.#certificates.set(change.term, { content: change.note, digest: null });
        return;
      case "removeEntries":
        for (let index = change.from; index <= change.through; index++) {
          this.#entries.delete(index);
        }
        return;
      default:
        change satisfies never;
    }
  }

  /** A page is moved here while the power fails: what it should say is not what it says. */
  applyTorn(change: Change, random: Random): void {
    this.apply(change);
    if (change.kind === "state") this.#flipState(random);
    if (change.kind === "entry") this.#flipEntry(change.entry.index, random);
    if (change.kind === "certificate") this.#flipCertificate(change.term);
  }

  /** What a node starts on. @throws {DamageFound} when it cannot be trusted. */
  load(): DurableState {
    const { content: { hardState, logStart, lastIndex }, digest } = this.#state;
    check("the hard state", digest, () => digestRaftState(this.state));
    const entries: Entry[] = [];
    for (let index = logStart.index + 1; this.#entries.has(index); index++) {
      entries.push(this.#loadEntry(index));
    }
    const end = entries.at(-1)?.index ?? logStart.index;
    if (end !== lastIndex) {
      throw damaged(`the log ends at entry ${end}, but was written up to ${lastIndex}`);
    }
    const { currentTerm } = hardState;
    return { hardState, logStart, entries, currentTermNote: this.#loadCertificate(currentTerm) };
  }

  /** Damages something that a start looks at; false when there is nothing of the kind. */
  damage(kind: RowDamage, random: Random): boolean {
    const { logStart, lastIndex, hardState: { currentTerm } } = this.state;
    const count = lastIndex - logStart.index;
    switch (kind) {
      case "entryFlipped":
        if (count === 0) return false;
        this.#flipEntry(random.between(logStart.index + 1, lastIndex), random);
        return true;
      case "entryLost":
        // Without the last: an entry in the middle.
        if (count < 2) return false;
        return this.#entries.delete(random.between(logStart.index + 1, lastIndex - 1));
      case "endLost":
        return this.#entries.delete(lastIndex);
      case "stateFlipped":
        this.#flipState(random);
        return true;
      case "certificateFlipped":
        return this.#flipCertificate(currentTerm);
      default:
        return kind satisfies never;
    }
  }

  #loadEntry(index: number): Entry {
    const { content, digest } = assertDefined(this.#entries.get(index), `Entry ${index} is here`);
    check(`entry ${index}`, digest, () => digestEntry(content));
    return content;
  }

  #loadCertificate(term: Term): string | null {
    const row = this.#certificates.get(term);
    if (row === undefined) return null;
    check(`the certificate of term ${term}`, row.digest, () => {
      return digestCertificate(term, row.content);
    });
    return row.content;
  }

  #flipEntry(index: number, random: Random): void {
    const { content: entry } = assertDefined(this.#entries.get(index), `Entry ${index} is here`);
    const data = entry.data.slice();
    if (data.length > 0) {
      const at = random.below(data.length);
      data[at] = assertDefined(data[at], "The place is within") ^ (1 << random.below(8));
    }
    const term = data.length > 0 ? entry.term : toTerm(entry.term + 1);
    this.#entries.set(index, { content: { ...entry, term, data }, digest: digestEntry(entry) });
  }

  #flipState(random: Random): void {
    const { hardState: { currentTerm, votedFor } } = this.state;
    const hardState = votedFor === null || random.chance(0.5)
      ? { currentTerm: toTerm(currentTerm + 1), votedFor }
      : { currentTerm, votedFor: `${votedFor}x` as NodeId };
    this.#state = { content: { ...this.state, hardState }, digest: digestRaftState(this.state) };
  }

  #flipCertificate(term: Term): boolean {
    const row = this.#certificates.get(term);
    if (row === undefined) return false;
    const digest = digestCertificate(term, row.content);
    this.#certificates.set(term, { content: row.content.replace("leader ", "leader x"), digest });
    return true;
  }
}

function check(what: string, written: Uint8Array | null, digest: () => Uint8Array): void {
  if (written === null || equalBytes(written, digest())) return;
  throw damaged(`${what} is not as it was written`);
}

function damaged(damage: string): DamageFound {
  return new DamageFound("raft.db", damage);
}
