import assert from "node:assert/strict";
import type { DurableState, Entry, PersistBatch } from "../../lib/raft/mod.ts";
import { CorruptionError } from "../../lib/storage/mod.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { entryOf, putCommand } from "../kv/support.ts";
import { batchOf, voteBatch } from "./checkers/support.ts";
import { Counters } from "./counters.ts";
import { DiskFault, MachineStorage, NO_SHARES } from "./machine_storage.ts";
import { Random } from "./random.ts";
import { settle } from "../support/settle.ts";

const ENTRIES: readonly Entry[] = [1, 2, 3, 4]
  .map((index) => entryOf(index, putCommand("k", `${index}`)));

/** A storage with four entries, all applied. */
function setUp(seed = "storage") {
  const counters = new Counters();
  const random = new Random(seed);
  const storage = new MachineStorage({
    persistUsMean: 100,
    limits: {},
    shares: NO_SHARES,
    random,
    counters,
  });
  const { log } = storage.open((done) => done(storage.sync()));
  const write = async (batch: PersistBatch) => {
    storage.raft.handOver(batch);
    log.persist(batch);
    await settle();
  };
  log.use({
    persisted: (sequence) => storage.raft.becomeDurable(sequence, () => {}),
    failed: ({ cause }) => failures.push(cause),
  });
  const failures: unknown[] = [];
  return { storage, counters, random, write, failures };
}

/** A machine whose log holds the entries, and whose state machine has them. */
async function setUpFilled(seed?: string) {
  const machine = setUp(seed);
  await machine.write({ ...voteBatch(1, "n1"), sequence: 1 });
  await machine.write({ ...batchOf(...ENTRIES), sequence: 2 });
  machine.storage.keyValues.goBackTo(toLogIndex(ENTRIES.length), ENTRIES);
  return machine;
}

/** The log begins after its second entry. */
async function compact({ write }: ReturnType<typeof setUp>): Promise<void> {
  const position = { index: toLogIndex(2), term: toTerm(1) };
  await write({
    ...batchOf(),
    sequence: 3,
    logStart: { position, keepsRest: true, members: null },
  });
}

/** What a start of another process finds. */
function reopen(storage: MachineStorage): DurableState {
  storage.raft.end(new Random("end"), () => {});
  return storage.open(() => {}).durable;
}

for (const fault of ["fullDisk", "ioError"] as const) {
  Deno.test(`MachineStorage tells of ${fault}, and nobody of the batch`, async () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 20; seed++) {
      const { storage, write, failures } = await setUpFilled(`${fault} ${seed}`);
      storage.writeFault = fault;
      await write({ ...voteBatch(2, "n2"), sequence: 3 });
      assert.ok(failures[0] instanceof DiskFault);
      assert.equal(storage.raft.durable.hardState.currentTerm, 1);
      seen.add(reopen(storage).hardState.currentTerm);
    }
    assert.deepEqual(seen, new Set(fault === "fullDisk" ? [1] : [1, 2]));
  });
}

Deno.test("MachineStorage.goBack() shows a state that the log can make up for", async () => {
  const machine = await setUpFilled();
  await compact(machine);
  const { storage } = machine;
  assert.equal(storage.goBack(ENTRIES, { mayBeLost: false }), "caughtUp");
  const { appliedIndex } = storage.keyValues;
  assert.ok(appliedIndex >= 2 && appliedIndex < 4);
  reopen(storage);
});

Deno.test("MachineStorage.open() refuses a state that the log cannot make up for", async () => {
  let refused = 0;
  for (let seed = 0; seed < 20; seed++) {
    const machine = await setUpFilled(`stale ${seed}`);
    await compact(machine);
    const { storage } = machine;
    assert.equal(storage.goBack(ENTRIES, { mayBeLost: true }), "lost");
    // Nothing applied at all is a store made anew, which a leader's snapshot fills again.
    if (storage.keyValues.appliedIndex === 0) {
      reopen(storage);
      continue;
    }
    assert.throws(() => reopen(storage), CorruptionError);
    refused++;
  }
  assert.ok(refused > 0);
});

Deno.test("MachineStorage.goBack() finds nothing older in an empty store", () => {
  const options = { persistUsMean: 100, limits: {}, shares: NO_SHARES, counters: new Counters() };
  const storage = new MachineStorage({ ...options, random: new Random("empty") });
  assert.equal(storage.goBack([], { mayBeLost: true }), null);
});
