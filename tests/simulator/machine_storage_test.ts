import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { encodeCommand, StateMachine } from "../../lib/kv/mod.ts";
import type { Entry } from "../../lib/raft/mod.ts";
import { CorruptionError } from "../../lib/storage/mod.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { batchOf, voteBatch } from "./checkers/support.ts";
import { Counters } from "./counters.ts";
import { CrashPlan, CrashSignal } from "./crash_plan.ts";
import { DiskFault, MachineStorage } from "./machine_storage.ts";
import { Random } from "./random.ts";

const ENTRIES: readonly Entry[] = [1, 2, 3, 4].map((index) => ({
  index: toLogIndex(index),
  term: toTerm(1),
  kind: "command",
  data: encodeCommand({ kind: "put", key: "k", value: encodeUtf8(`${index}`) }),
}));

/** A storage with four entries, all applied. */
function setUp(seed = "storage") {
  const crashes = new CrashPlan();
  const counters = new Counters();
  const random = new Random(seed);
  const storage = new MachineStorage({ persistUsMean: 100, random, counters, crashes });
  storage.write(voteBatch(1, "n1"));
  storage.write(batchOf(...ENTRIES));
  new StateMachine(storage.keyValues.store).apply(ENTRIES);
  return { storage, crashes, counters, random };
}

/** The log begins after its second entry. */
function compact({ storage }: ReturnType<typeof setUp>): void {
  const position = { index: toLogIndex(2), term: toTerm(1) };
  storage.write({ ...batchOf(), logStart: { position, keepsRest: true } });
}

Deno.test("MachineStorage.write() tells of a full disk, and the batch is not there", () => {
  const { storage } = setUp();
  storage.writeFault = "fullDisk";
  const { isWritten, failure } = storage.write(voteBatch(2, "n2"));
  assert.ok(!isWritten);
  assert.ok(failure instanceof DiskFault);
  assert.equal(storage.open().hardState.currentTerm, 1);
});

Deno.test("MachineStorage.write() is cut short where the plan says, whole or not at all", () => {
  const seen = new Set<boolean>();
  for (let seed = 0; seed < 40; seed++) {
    const { storage, crashes, random } = setUp(`torn ${seed}`);
    crashes.arm("duringPersist", random);
    // An armed boundary lets some writes pass.
    let outcome = storage.write(batchOf());
    for (let passes = 0; passes < 8 && outcome.failure === null; passes++) {
      outcome = storage.write(voteBatch(2, "n2"));
    }
    if (!(outcome.failure instanceof CrashSignal)) continue;
    seen.add(outcome.isWritten);
    assert.ok(storage.open().entries.length === ENTRIES.length);
  }
  assert.equal(seen.size, 2);
});

Deno.test("MachineStorage.goBack() shows a state that the log can make up for", () => {
  const machine = setUp();
  compact(machine);
  const { storage } = machine;
  assert.equal(storage.goBack(ENTRIES, { mayBeLost: false }), "caughtUp");
  const { appliedIndex } = storage.keyValues.store;
  assert.ok(appliedIndex >= 2 && appliedIndex < 4);
  storage.open();
});

Deno.test("MachineStorage.open() refuses a state that the log cannot make up for", () => {
  let refused = 0;
  for (let seed = 0; seed < 20; seed++) {
    const machine = setUp(`stale ${seed}`);
    compact(machine);
    const { storage } = machine;
    assert.equal(storage.goBack(ENTRIES, { mayBeLost: true }), "lost");
    // Nothing applied at all is a store made anew, which a leader's snapshot fills again.
    if (storage.keyValues.store.appliedIndex === 0) {
      storage.open();
      continue;
    }
    assert.throws(() => storage.open(), CorruptionError);
    refused++;
  }
  assert.ok(refused > 0);
});

Deno.test("MachineStorage.goBack() finds nothing older in an empty store", () => {
  const options = { persistUsMean: 100, counters: new Counters(), crashes: new CrashPlan() };
  const storage = new MachineStorage({ ...options, random: new Random("empty") });
  assert.equal(storage.goBack([], { mayBeLost: true }), null);
});

Deno.test("MachineStorage.loseUnsynced() never goes behind a checkpoint", () => {
  for (let seed = 0; seed < 20; seed++) {
    const { storage } = setUp(`power ${seed}`);
    storage.keyValues.sync();
    storage.loseUnsynced(ENTRIES);
    assert.equal(storage.keyValues.store.appliedIndex, 4);
  }
});
