import assert from "node:assert/strict";
import { toEpoch, toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { batchOf, commandEntry, voteBatch } from "../checkers/support.ts";
import { Random } from "../random.ts";
import { DamageFound } from "./damage_found.ts";
import { RAFT_DAMAGES, RaftDisk } from "./raft_disk.ts";

/** A disk in term 3 with entries 1 to 3 and a certificate. */
function filledDisk(): RaftDisk {
  const disk = new RaftDisk();
  disk.write(voteBatch(3, "n1"));
  disk.write(batchOf(commandEntry(1, 1), commandEntry(2, 1), commandEntry(3, 3)));
  const place = { lastLogIndex: toLogIndex(0), lastLogTerm: toTerm(0) };
  const election = { epoch: toEpoch(1), term: toTerm(3), leader: toNodeId("n1"), ...place };
  disk.write({ ...batchOf(), certificates: [{ ...election, note: "leader n1\n" }] });
  return disk;
}

Deno.test("RaftDisk gives back what was written, and replaces what is written over", () => {
  const disk = filledDisk();
  disk.write(batchOf(commandEntry(2, 2)));
  const { hardState, entries, currentTermNote } = disk.load();
  assert.deepEqual(hardState, { currentTerm: 3, votedFor: "n1" });
  assert.deepEqual(entries, [commandEntry(1, 1), commandEntry(2, 2)]);
  assert.equal(currentTermNote, "leader n1\n");
});

Deno.test("RaftDisk refuses a batch that the real store refuses", () => {
  const disk = filledDisk();
  assert.throws(() => disk.write(batchOf(commandEntry(5, 3))), /Entry 5 would leave a gap/);
  assert.throws(() => disk.write(voteBatch(3, "n2")), /The vote of term 3 would change/);
});

Deno.test("RaftDisk forgets what is compacted, and all that a snapshot replaces", () => {
  const disk = filledDisk();
  const position = { index: toLogIndex(2), term: toTerm(1) };
  disk.write({ ...batchOf(), logStart: { position, keepsRest: true } });
  assert.deepEqual(disk.load().entries, [commandEntry(3, 3)]);
  const snapshot = { index: toLogIndex(7), term: toTerm(2) };
  disk.write({ ...batchOf(), logStart: { position: snapshot, keepsRest: false } });
  assert.deepEqual(disk.load().entries, []);
  assert.equal(disk.lastIndex, 7);
});

Deno.test("RaftDisk.writeTorn() leaves all of a batch or nothing", () => {
  const outcomes = new Set<boolean>();
  for (let seed = 0; seed < 100; seed++) {
    const disk = filledDisk();
    const before = disk.load();
    const batch = { ...voteBatch(4, "n2"), entries: [commandEntry(3, 4)] };
    const isWritten = disk.writeTorn(batch, new Random(`torn ${seed}`));
    outcomes.add(isWritten);
    if (isWritten) assert.deepEqual(disk.load().entries.at(-1), commandEntry(3, 4));
    else assert.deepEqual(disk.load(), before);
  }
  assert.equal(outcomes.size, 2);
});

Deno.test("RaftDisk.checkpointTorn() loses nothing, as the log is still there", () => {
  for (let seed = 0; seed < 50; seed++) {
    const disk = filledDisk();
    const before = disk.load();
    disk.checkpointTorn(new Random(`checkpoint ${seed}`));
    assert.deepEqual(disk.load(), before);
    disk.checkpoint();
    assert.deepEqual(disk.load(), before);
  }
});

Deno.test("RaftDisk finds any damage when it is read back", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const disk = filledDisk();
    if (seed % 2 === 0) disk.checkpoint();
    seen.add(disk.damage(new Random(`damage ${seed}`)));
    assert.ok(disk.isDamaged);
    assert.throws(() => disk.load(), DamageFound);
  }
  assert.deepEqual(seen, new Set(RAFT_DAMAGES));
});

Deno.test("RaftDisk.damage() finds something even on a disk that holds nothing yet", () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = new RaftDisk();
    disk.damage(new Random(`empty ${seed}`));
    assert.throws(() => disk.load(), DamageFound);
  }
});
