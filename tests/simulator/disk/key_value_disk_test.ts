import assert from "node:assert/strict";
import { Store, type TableBatch, TableWriter } from "../../../lib/kv/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { entryOf, putCommand } from "../../kv/support.ts";
import { Random } from "../random.ts";
import { DamageFound } from "./damage_found.ts";
import { KEY_VALUE_DAMAGES, KeyValueDisk } from "./key_value_disk.ts";

const ENTRIES = ["a", "b", "c"].map((value, at) => entryOf(at + 1, putCommand("k", value)));

function batchOf(entries = ENTRIES): TableBatch {
  const store = new Store();
  const writer = new TableWriter(store);
  store.apply(entries);
  const batch = writer.next();
  assert.ok(batch !== null);
  return batch;
}

function filledDisk(): KeyValueDisk {
  const disk = new KeyValueDisk();
  assert.ok(disk.begin(batchOf())());
  return disk;
}

Deno.test("KeyValueDisk never gives damage for data, whatever is damaged", () => {
  const seen = new Set<string | null>();
  for (let seed = 0; seed < 100; seed++) {
    const disk = filledDisk();
    seen.add(disk.damage(new Random(`damage ${seed}`)));
    assert.ok(disk.isDamaged);
    assert.throws(() => disk.load(), DamageFound);
    assert.throws(() => disk.makeSnapshot(), DamageFound);
  }
  assert.deepEqual(seen, new Set(KEY_VALUE_DAMAGES));
});

Deno.test("KeyValueDisk.damage() leaves an empty store alone", () => {
  const disk = new KeyValueDisk();
  assert.equal(disk.damage(new Random("empty")), null);
  assert.ok(!disk.isDamaged);
  disk.load();
});

Deno.test("KeyValueDisk has all of a batch or nothing when the process ends", () => {
  const seen = new Set<string | null>();
  for (let seed = 0; seed < 20; seed++) {
    const disk = new KeyValueDisk();
    const commit = disk.begin(batchOf());
    const fate = disk.end(new Random(`end ${seed}`));
    seen.add(fate);
    assert.equal(disk.load().appliedIndex, fate === "written" ? 3 : 0);
    assert.ok(!commit(), "what is over is not written later");
  }
  assert.deepEqual(seen, new Set(["written", "lost"]));
  assert.equal(filledDisk().end(new Random("nothing")), null);
});

Deno.test("KeyValueDisk writes nothing of the old tables once a snapshot took their place", () => {
  const source = filledDisk();
  const snapshot = { ...source.makeSnapshot(), term: toTerm(1), members: null };
  const disk = new KeyValueDisk();
  const commit = disk.begin(batchOf(ENTRIES.slice(0, 1)));
  const data = source.readChunk(0, snapshot.bytes);
  const route = { from: toNodeId("n1"), to: toNodeId("n2") };
  const rest = { term: toTerm(1), round: 1, certificate: null, offset: 0 };
  disk.storeChunk({ kind: "snapshotRequest", ...route, ...rest, snapshot, data });
  assert.equal(disk.checkIncoming(snapshot), "ready");
  assert.equal(disk.install(snapshot).appliedIndex, 3);
  assert.ok(!commit());
  assert.equal(disk.appliedIndex, 3);
});

Deno.test("KeyValueDisk.goBackTo() shows an older state", () => {
  const disk = filledDisk();
  disk.goBackTo(toLogIndex(1), ENTRIES);
  assert.deepEqual([disk.appliedIndex, disk.load().appliedIndex], [1, 1]);
});
