import fc from "fast-check";
import assert from "node:assert/strict";
import { Durability } from "../../lib/raft/durability.ts";
import { Log } from "../../lib/raft/log.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { commandEntry, entriesOfTerms } from "./entries.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { proof } from "./messages.ts";

const HARD_STATE = { currentTerm: toTerm(1), votedFor: toNodeId("n1") };

function append(log: Log, durability: Durability, index: number, term: number): void {
  if (index <= log.last.index) log.truncateFrom(toLogIndex(index));
  log.append(commandEntry(index, term));
  durability.logChangedFrom(toLogIndex(index));
}

Deno.test("Durability.takeBatch() is null when nothing changed", () => {
  const durability = new Durability(toLogIndex(0));
  assert.equal(durability.takeBatch(new Log([]), HARD_STATE), null);
});

Deno.test("Durability.takeBatch() takes term and vote together, and each change once", () => {
  const durability = new Durability(toLogIndex(0));
  durability.voteChanged();
  assert.deepEqual(durability.takeBatch(new Log([]), HARD_STATE)?.hardState, HARD_STATE);
  assert.equal(durability.takeBatch(new Log([]), HARD_STATE), null);
});

Deno.test("Durability counts entries as durable when their batch is, and not before", () => {
  const log = new Log([]);
  const durability = new Durability(toLogIndex(0));
  append(log, durability, 1, 1);
  const batch = durability.takeBatch(log, HARD_STATE);
  assert.equal(durability.durableIndex, 0);
  durability.persisted(batch?.sequence ?? 0);
  assert.equal(durability.durableIndex, 1);
});

Deno.test("Durability does not count entries that came after the batch", () => {
  const log = new Log([]);
  const durability = new Durability(toLogIndex(0));
  append(log, durability, 1, 1);
  const batch = durability.takeBatch(log, HARD_STATE);
  append(log, durability, 2, 1);
  durability.persisted(batch?.sequence ?? 0);
  assert.equal(durability.durableIndex, 1);
});

Deno.test("Durability: an old acknowledgement never marks newer bytes durable", () => {
  const log = new Log(entriesOfTerms(1, 1));
  const durability = new Durability(toLogIndex(2));
  append(log, durability, 3, 1);
  const old = durability.takeBatch(log, HARD_STATE);
  // Entry 3 of term 1 is on its way to the disk while entries 2 and 3 are replaced.
  append(log, durability, 2, 2);
  append(log, durability, 3, 2);
  const next = durability.takeBatch(log, HARD_STATE);
  assert.deepEqual(next?.entries.map(({ index, term }) => [index, term]), [[2, 2], [3, 2]]);
  assert.equal(durability.durableIndex, 1);
  durability.persisted(old?.sequence ?? 0);
  assert.equal(durability.durableIndex, 1);
  durability.persisted(next?.sequence ?? 0);
  assert.equal(durability.durableIndex, 3);
});

Deno.test("Durability ignores an acknowledgement of a batch that was never made", () => {
  const log = new Log([]);
  const durability = new Durability(toLogIndex(0));
  durability.persisted(9);
  append(log, durability, 1, 1);
  durability.takeBatch(log, HARD_STATE);
  assert.equal(durability.durableIndex, 0);
  assert.equal(durability.isDurable(1), false);
});

Deno.test("Durability names the batch with which a vote becomes durable", () => {
  const durability = new Durability(toLogIndex(0));
  assert.ok(durability.isDurable(durability.hardStateSequence), "an unchanged vote is durable");
  durability.voteChanged();
  const sequence = durability.hardStateSequence;
  assert.equal(durability.isDurable(sequence), false);
  assert.equal(durability.takeBatch(new Log([]), HARD_STATE)?.sequence, sequence);
  assert.equal(durability.hardStateSequence, sequence);
  durability.persisted(sequence);
  assert.ok(durability.isDurable(sequence));
});

Deno.test("Durability: a log that was rewritten below where it now begins is written anew", () => {
  const log = new Log(entriesOfTerms(1, 1, 1, 1, 1, 1));
  const durability = new Durability(toLogIndex(6));
  // On the disk entries 2 to 6 still stand as they were.
  append(log, durability, 2, 2);
  append(log, durability, 3, 2);
  log.compactTo(toLogIndex(3));
  durability.logCompactedTo(log.base, null);
  append(log, durability, 4, 2);
  const batch = durability.takeBatch(log, HARD_STATE);
  assert.deepEqual(batch?.logStart, {
    position: { index: 3, term: 2 },
    keepsRest: false,
    members: null,
  });
  assert.deepEqual(batch.entries.map(({ index, term }) => [index, term]), [[4, 2]]);
});

Deno.test("Durability: a log that only grew keeps its rest when it is compacted", () => {
  const log = new Log(entriesOfTerms(1, 1, 1));
  const durability = new Durability(toLogIndex(3));
  append(log, durability, 4, 1);
  log.compactTo(toLogIndex(3));
  durability.logCompactedTo(log.base, null);
  const batch = durability.takeBatch(log, HARD_STATE);
  assert.deepEqual(batch?.logStart, {
    position: { index: 3, term: 1 },
    keepsRest: true,
    members: null,
  });
  assert.deepEqual(batch.entries.map(({ index }) => index), [4]);
});

/** What may happen to a log between two batches, at a place that is taken modulo what there is. */
type Change = {
  readonly kind: "append" | "replace" | "compact" | "reset" | "write" | "acknowledge";
  readonly place: number;
};

/** A log with its disk, which is written and heard of whenever the test wants it. */
class MirroredLog {
  readonly log = new Log([]);
  readonly durability = new Durability(toLogIndex(0));
  readonly #disk = new MemoryDisk();
  #term = 1;
  #unheard: number[] = [];

  change({ kind, place }: Change): void {
    const { base, last, length } = this.log;
    const index = base.index + place % (length + 1);
    if (kind === "append") append(this.log, this.durability, last.index + 1, this.#term);
    if (kind === "replace") append(this.log, this.durability, index + 1, ++this.#term);
    if (kind === "write") this.#write();
    if (kind === "acknowledge") this.durability.persisted(this.#unheard.shift() ?? 0);
    if (kind === "compact") {
      this.log.compactTo(toLogIndex(index));
      this.durability.logCompactedTo(this.log.base, null);
    }
    if (kind === "reset") {
      this.log.reset({ index: toLogIndex(index + place), term: toTerm(++this.#term) });
      this.durability.logResetTo(this.log.base, null);
    }
  }

  /** What was written is what there is, and durable is only what was. */
  check(): void {
    const { base, last } = this.log;
    const inMemory = this.log.slice(toLogIndex(base.index + 1), last.index);
    const isDurable = ({ index }: { readonly index: number }) =>
      index > base.index && index <= this.durability.durableIndex;
    assert.ok(this.durability.durableIndex <= last.index);
    assert.deepEqual(inMemory.filter(isDurable), this.#disk.load().entries.filter(isDurable));
    this.#write();
    const { logStart, entries } = this.#disk.load();
    assert.deepEqual({ logStart, entries }, { logStart: base, entries: inMemory });
  }

  #write(): void {
    const currentTerm = toTerm(this.#term);
    this.durability.termEntered(proof("n1", currentTerm));
    const batch = this.durability.takeBatch(this.log, { currentTerm, votedFor: null });
    if (batch === null) return;
    this.#disk.persist(batch);
    this.#unheard.push(batch.sequence);
  }
}

Deno.test("Durability: the disk follows the log, whatever happens to it between two batches", () => {
  const changes: fc.Arbitrary<readonly Change[]> = fc.array(
    fc.record({
      kind: fc.constantFrom(
        "append",
        "append",
        "replace",
        "compact",
        "reset",
        "write",
        "acknowledge",
      ),
      place: fc.nat(8),
    }),
    { maxLength: 40 },
  );
  fc.assert(fc.property(changes, (arrived) => {
    const mirrored = new MirroredLog();
    for (const change of arrived) mirrored.change(change);
    mirrored.check();
  }));
});
