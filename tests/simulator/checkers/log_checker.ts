/**
 * The logs of all nodes together: log matching, leader completeness, state machine safety, and that
 * what is committed is on a durable quorum and stays there (Raft Figure 3).
 *
 * All checks are incremental. Log matching follows by induction from one look at each entry that
 * is written: equal index and term imply equal data and an equal predecessor.
 *
 * @module
 */

import { equalBytes } from "../../../lib/bytes.ts";
import type {
  Entry,
  LogPosition,
  PersistBatch,
  RaftView,
  Snapshot,
} from "../../../lib/raft/mod.ts";
import { type LogIndex, type NodeId, plus, type Term, toLogIndex } from "../../../lib/types.ts";
import { require } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

interface Written {
  readonly entry: Entry;
  readonly previousTerm: Term | null;
}

/** A committed entry. */
export interface Committed {
  /** The entry. */
  readonly entry: Entry;
  /** The term of the first node that was seen to know it committed; it was so by then at the latest. */
  readonly byTerm: Term;
}

/** Whether nodes are enough to commit, where this node's log is committed up to an index. */
export type HaveMajority = (
  state: RaftView,
  quorum: { readonly holders: ReadonlySet<NodeId>; readonly committedIndex: LogIndex },
) => boolean;

/** Watches every log. */
export class LogChecker {
  readonly #written = new Map<string, Written>();
  readonly #committed: Committed[] = [];
  /** The highest matchIndex that each leader has had for each follower. */
  readonly #matched = new WeakMap<WeakKey, LogIndex>();
  /** Where the log ended when a batch was handed over. */
  readonly #logEnds = new WeakMap<PersistBatch, LogPosition>();
  readonly #nodes: () => Iterable<NodeView>;
  readonly #haveMajority: HaveMajority;

  /** `nodes` are all members. */
  constructor(
    options: { readonly nodes: () => Iterable<NodeView>; readonly haveMajority: HaveMajority },
  ) {
    this.#nodes = options.nodes;
    this.#haveMajority = options.haveMajority;
  }

  /** Every entry known to be committed, in order from index 1. */
  get committed(): readonly Committed[] {
    return this.#committed;
  }

  /** Before a batch is written: the state is the new one, the disk an old one. */
  persisting(node: NodeView, state: RaftView, batch: PersistBatch): void {
    this.#logEnds.set(batch, state.log.last);
    const first = batch.entries[0];
    if (first === undefined) return;
    let previousTerm = state.log.termAt(plus(first.index, -1));
    for (const entry of batch.entries) {
      this.#checkMatching(node, { entry, previousTerm });
      this.#checkKept(node, entry.index, entry.term);
      previousTerm = entry.term;
    }
    this.#checkKept(node, plus(first.index, batch.entries.length), null);
  }

  /** A snapshot takes the place of the log: everything in it is committed. */
  installing(node: NodeView, snapshot: Snapshot): void {
    const { index, term } = snapshot;
    if (this.#committed.length < index) this.#learn(snapshot);
    require(this.#committed[index - 1]?.entry.term === term, "A snapshot is committed", () => {
      return `${node.id} installs a snapshot up to ${index}@${term}`;
    });
  }

  /**
   * A leader whose own commits are not watched, as it may lie, sends what honest nodes hold and have not
   * heard to be committed: what a majority holds of its term is.
   */
  #learn({ index, term }: Pick<Snapshot, "index" | "term">): void {
    const holder = [...this.#nodes()].find(({ isHonest, state }) =>
      isHonest && state?.log.entryAt(index)?.term === term
    );
    if (holder === undefined || holder.state === null) return;
    for (let next = this.#committed.length + 1; next <= index; next++) {
      const entry = holder.state.log.entryAt(toLogIndex(next));
      if (entry === null) return;
      this.#commit(holder, holder.state, entry);
    }
  }

  /** A node knows entries to be committed. `then` hears of each: after a configuration others count. */
  committing(
    node: NodeView,
    state: RaftView,
    { entries, then }: {
      readonly entries: readonly Entry[];
      readonly then: (entry: Entry) => void;
    },
  ): void {
    checkOwnTerm(node, state, entries);
    for (const entry of entries) {
      const known = this.#committed[entry.index - 1];
      if (known === undefined) this.#commit(node, state, entry);
      else this.#checkSame(node, known.entry, entry);
      then(entry);
    }
  }

  /** What a leader believes of its followers' logs is so. */
  checkProgress(node: NodeView, state: RaftView): void {
    if (state.role.name !== "leader") return;
    for (const [id, follower] of state.role.followers) this.#checkRise(node, id, follower);
    for (const { id, disk, isHonest, isGone } of this.#nodes()) {
      const matchIndex = state.role.followers.get(id)?.matchIndex ?? toLogIndex(0);
      if (!isHonest || isGone || matchIndex <= disk.logStart.index) continue;
      // A later leader may have replaced what it acknowledged to this one.
      if (disk.hardState.currentTerm > state.currentTerm) continue;
      const term = state.log.termAt(matchIndex);
      require(term === null || disk.termAt(matchIndex) === term, "matchIndex is on disk", () => {
        return `${node.id} believes that ${id} has entry ${matchIndex}@${term}`;
      });
    }
  }

  /** Raft Figure 2: within a leadership, matchIndex "increases monotonically". */
  #checkRise(node: NodeView, id: NodeId, follower: { readonly matchIndex: LogIndex }): void {
    const before = this.#matched.get(follower) ?? 0;
    this.#matched.set(follower, follower.matchIndex);
    require(follower.matchIndex >= before, "matchIndex only rises", () => {
      return `${node.id} goes from ${before} to ${follower.matchIndex} for ${id}`;
    });
  }

  /** After a batch was written: the disk holds the log as it was then, neither less nor more. */
  persisted(node: NodeView, batch: PersistBatch): void {
    const end = this.#logEnds.get(batch);
    if (end === undefined) return;
    const { index, term } = end;
    const isSame = node.disk.lastIndex === index && node.disk.termAt(index) === term;
    require(isSame, "The disk mirrors the log", () => {
      return `${node.id} has ${index}@${term} in memory and ${node.disk.lastIndex} on disk`;
    });
  }

  /** Raft §5.4.3, leader completeness: a new leader has all that was committed in earlier terms. */
  leading(node: NodeView, state: RaftView): void {
    const earlier = this.#committed.findLast(({ byTerm }) => byTerm < state.currentTerm);
    if (earlier === undefined) return;
    const { index, term } = earlier.entry;
    const has = index <= state.log.base.index || state.log.termAt(index) === term;
    require(has, "Leader completeness", () => {
      return `${node.id} leads term ${state.currentTerm} without committed entry ${index}@${term}`;
    });
  }

  #checkMatching(node: NodeView, written: Written): void {
    const { entry, previousTerm } = written;
    const place = `${entry.index}@${entry.term}`;
    const known = this.#written.get(place);
    if (known === undefined) {
      this.#written.set(place, written);
      return;
    }
    const isSame = isSameEntry(known.entry, entry) &&
      (known.previousTerm === previousTerm || known.previousTerm === null ||
        previousTerm === null);
    require(isSame, "Log matching", () => `${node.id} writes another entry at ${place}`);
  }

  /** Whether the write puts `term`, or with null nothing, where the disk has a committed entry. */
  #checkKept(node: NodeView, index: LogIndex, term: Term | null): void {
    const committed = this.#committed[index - 1]?.entry;
    if (committed === undefined || index <= node.disk.logStart.index) return;
    if (node.disk.termAt(index) !== committed.term) return;
    require(term === committed.term, "A committed entry is never removed", () => {
      return `${node.id} replaces entry ${index}@${committed.term}`;
    });
  }

  #commit(node: NodeView, state: RaftView, entry: Entry): void {
    require(entry.index === this.#committed.length + 1, "Entries are committed in order", () => {
      return `${node.id} commits ${entry.index} after ${this.#committed.length}`;
    });
    this.#committed.push({ entry, byTerm: state.currentTerm });
    const holders = new Set<NodeId>();
    for (const { id, disk, isHonest, isGone } of this.#nodes()) {
      // What a lost disk held, or a liar holds, nobody can tell.
      if (!isHonest || isGone || entry.index <= disk.logStart.index) holders.add(id);
      else if (disk.termAt(entry.index) === entry.term) holders.add(id);
    }
    const committedIndex = plus(entry.index, -1);
    const isDurable = this.#haveMajority(state, { holders, committedIndex });
    require(isDurable, "A committed entry is durable on a majority", () => {
      return `${node.id} commits ${entry.index}@${entry.term}, which ${[...holders]} hold`;
    });
  }

  #checkSame(node: NodeView, known: Entry, entry: Entry): void {
    require(isSameEntry(known, entry), "State machine safety", () => {
      return `${node.id} applies ${entry.index}@${entry.term}, others ${known.index}@${known.term}`;
    });
  }
}

/** Raft §5.4.2: a leader commits by counting copies of its own term's entries only. */
function checkOwnTerm(
  node: NodeView,
  state: RaftView,
  entries: readonly Entry[],
): void {
  if (state.role.name !== "leader") return;
  const last = entries.at(-1);
  require(last?.term === state.currentTerm, "A leader commits by its own term's entries", () => {
    return `${node.id} leads term ${state.currentTerm} and commits ${last?.index}@${last?.term}`;
  });
}

function isSameEntry(left: Entry, right: Entry): boolean {
  return left === right ||
    (left.term === right.term && left.kind === right.kind && equalBytes(left.data, right.data));
}
