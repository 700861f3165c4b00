import assert from "node:assert/strict";
import type { PersistBatch } from "../../../lib/raft/mod.ts";
import { CorruptionError, type RaftStore } from "../../../lib/storage/mod.ts";
import { toEpoch, toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { batchOf, commandEntry, voteBatch } from "../checkers/support.ts";
import { Random } from "../random.ts";
import type { SyncOutcome } from "./disk_files.ts";
import { RAFT_DAMAGES, RaftDisk } from "./raft_disk.ts";
import { settle } from "../../support/settle.ts";

const PLACE = { lastLogIndex: toLogIndex(0), lastLogTerm: toTerm(0) };

/** A batch of a term of its own, with an entry and a certificate. */
function batchAt(sequence: number): PersistBatch {
  const term = toTerm(sequence);
  const election = { epoch: toEpoch(1), term, leader: toNodeId("n1"), ...PLACE };
  return {
    ...voteBatch(sequence, "n1"),
    sequence,
    entries: [commandEntry(sequence, sequence)],
    certificates: [{ ...election, note: `leader n1 of term ${sequence}\n`.repeat(10) }],
  };
}

/** A process on a disk whose syncs end when they are told to. */
class Process {
  readonly log: RaftStore;
  readonly #disk: RaftDisk;
  #syncs: ((outcome: SyncOutcome) => void)[] = [];

  constructor(disk: RaftDisk) {
    this.#disk = disk;
    this.log = disk.open({ writing: () => {}, sync: (done) => this.#syncs.push(done) });
    this.log.use({
      persisted: (sequence) => disk.becomeDurable(sequence, () => {}),
      failed: ({ cause }) => assert.fail(`${cause}`),
    });
  }

  handOver(batch: PersistBatch): void {
    this.#disk.handOver(batch);
    this.log.persist(batch);
  }

  async write(batch: PersistBatch): Promise<void> {
    this.handOver(batch);
    for (await settle(); this.#syncs.length > 0; await settle()) {
      this.#syncs.shift()?.({ failure: null, isWritten: true });
    }
  }
}

/** A disk with so many batches, over several segments. */
async function fill(count: number): Promise<RaftDisk> {
  const disk = new RaftDisk();
  const process = new Process(disk);
  for (let sequence = 1; sequence <= count; sequence++) await process.write(batchAt(sequence));
  return disk;
}

Deno.test("RaftDisk gives back what was durable, and shows it", async () => {
  const disk = await fill(20);
  assert.deepEqual(disk.durable.hardState, { currentTerm: 20, votedFor: "n1" });
  assert.equal(disk.durable.termAt(toLogIndex(7)), 7);
  disk.end(new Random("end"), () => {});
  const { entries, hardState } = new Process(disk).log.load();
  assert.equal(entries.length, 20);
  assert.deepEqual(hardState, disk.durable.hardState);
});

Deno.test("RaftDisk.end() leaves all of what was on its way or nothing, and none of what waited", async () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const disk = await fill(2);
    const process = new Process(disk);
    process.handOver(batchAt(3));
    process.handOver(batchAt(4));
    await settle();
    const survived = disk.end(new Random(`torn ${seed}`), () => {});
    outcomes.add(survived.map(({ sequence }) => sequence).join(" "));
    const { entries } = new Process(disk).log.load();
    assert.equal(entries.length, 2 + survived.length);
    assert.equal(disk.durable.lastIndex, entries.length);
  }
  assert.deepEqual(outcomes, new Set(["", "3"]));
});

Deno.test("RaftDisk finds any damage when it is read back", async () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 120; seed++) {
    const disk = await fill(seed % 2 === 0 ? 20 : 3);
    if (seed % 3 === 0) await compact(disk);
    disk.end(new Random(`end ${seed}`), () => {});
    const kind = disk.damage(new Random(`damage ${seed}`));
    seen.add(kind);
    assert.ok(disk.isDamaged);
    assert.throws(() => new Process(disk), CorruptionError, `seed ${seed}: ${kind}`);
  }
  assert.deepEqual(seen, new Set(RAFT_DAMAGES));
});

/** The log begins at its end, twice: then the certificates are elsewhere. */
async function compact(disk: RaftDisk): Promise<void> {
  const process = new Process(disk);
  const { lastIndex: index, hardState } = disk.durable;
  const position = { index, term: hardState.currentTerm };
  await process.write({
    ...batchOf(),
    sequence: 1,
    logStart: { position, keepsRest: true, members: null },
  });
  await process.write({ ...batchOf(), sequence: 2 });
}

Deno.test("RaftDisk.damage() finds something even on a disk that holds nothing yet", () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = new RaftDisk();
    disk.damage(new Random(`empty ${seed}`));
    assert.throws(() => new Process(disk), CorruptionError);
  }
});
