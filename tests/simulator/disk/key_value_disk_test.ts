import assert from "node:assert/strict";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import { encodeCommand, StateMachine } from "../../../lib/kv/mod.ts";
import type { Entry } from "../../../lib/raft/mod.ts";
import { toLogIndex, toTerm } from "../../../lib/types.ts";
import { Random } from "../random.ts";
import { DamageFound } from "./damage_found.ts";
import { KEY_VALUE_DAMAGES, KeyValueDisk } from "./key_value_disk.ts";

const ENTRIES: readonly Entry[] = ["a", "b", "c"].map((value, at) => ({
  index: toLogIndex(at + 1),
  term: toTerm(1),
  kind: "command",
  data: encodeCommand({ kind: "put", key: "k", value: encodeUtf8(value) }),
}));

function filledDisk(): KeyValueDisk {
  const disk = new KeyValueDisk();
  new StateMachine(disk.store).apply(ENTRIES);
  return disk;
}

Deno.test("KeyValueDisk never gives damage for data, whatever is damaged", () => {
  const seen = new Set<string | null>();
  for (let seed = 0; seed < 100; seed++) {
    const disk = filledDisk();
    const damage = disk.damage(new Random(`damage ${seed}`));
    seen.add(damage);
    assert.ok(disk.isDamaged);
    const read = damage === "rowFlipped" ? () => disk.store.get("k") : () => disk.load();
    assert.throws(read, DamageFound);
    if (damage === "rowFlipped") assert.throws(() => [...disk.store.rows()], DamageFound);
  }
  assert.deepEqual(seen, new Set(KEY_VALUE_DAMAGES));
});

Deno.test("KeyValueDisk.damage() leaves an empty store alone", () => {
  const disk = new KeyValueDisk();
  assert.equal(disk.damage(new Random("empty")), null);
  assert.ok(!disk.isDamaged);
  disk.load();
});

Deno.test("KeyValueDisk serves other rows than the damaged one, and makes no snapshot", () => {
  const disk = filledDisk();
  const other = { index: toLogIndex(4), term: toTerm(1), kind: "command" } as const;
  const command = { kind: "put", key: "other", value: encodeUtf8("d") } as const;
  while (!disk.isDamaged) disk.damage(new Random("row 1"));
  new StateMachine(disk.store).apply([{ ...other, data: encodeCommand(command) }]);
  assert.equal(disk.store.get("other")?.modRevision, 4);
  assert.throws(() => disk.makeSnapshot(), DamageFound);
});

Deno.test("KeyValueDisk.loseTo() goes back, but never behind what is durable", () => {
  const disk = filledDisk();
  disk.loseTo(toLogIndex(2), ENTRIES);
  assert.deepEqual(disk.store.get("k")?.value, encodeUtf8("b"));
  disk.sync();
  assert.throws(() => disk.loseTo(toLogIndex(1), ENTRIES), /What is synced is never lost/);
});

Deno.test("KeyValueDisk.goBackTo() shows an older state, durable or not", () => {
  const disk = filledDisk();
  disk.sync();
  disk.goBackTo(toLogIndex(1), ENTRIES);
  assert.equal(disk.store.appliedIndex, 1);
  assert.equal(disk.durableIndex, 1);
});
