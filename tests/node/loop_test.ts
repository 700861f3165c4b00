import assert from "node:assert/strict";
import { Loop, type LoopPorts } from "../../lib/node/loop.ts";
import type { Input, Output, Snapshot } from "../../lib/raft/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { commandEntry } from "../raft/entries.ts";
import { NO_OUTPUT } from "../raft/harness.ts";

const ANSWER = {
  kind: "readIndexResponse",
  from: toNodeId("n1"),
  to: toNodeId("n2"),
  term: toTerm(1),
  incarnation: 1,
  batchId: 1,
  readIndex: null,
} as const;

const NOTHING = { hardState: null, logStart: null, entries: [], certificates: [], grants: null };

/** Ports that record all that happens. */
function recordingPorts(steps: string[]): LoopPorts {
  return {
    persistShares: () => steps.push("persist shares"),
    send: ({ to, term }) => steps.push(`send ${to} ${term}`),
    persist: ({ sequence }) => steps.push(`persist ${sequence}`),
    apply: (entries) => steps.push(`apply ${entries.map(({ index }) => index).join(" ")}`),
    report: () => steps.push("report"),
    installSnapshot: ({ index }) => steps.push(`install ${index}`),
    snapshots: {
      sendChunk: ({ to, offset }) => steps.push(`chunk to ${to} from ${offset}`),
      storeChunk: ({ offset, data }) => {
        steps.push(`store ${offset}`);
        return data.length === 0 ? null : offset + data.length;
      },
      discard: ({ index }) => steps.push(`discard ${index}`),
      make: () => steps.push("make snapshot"),
    },
  };
}

/** A loop whose core puts out these outputs, one a step; a record of all that happens. */
function record(outputs: readonly Output[], { durableIndex = 100 } = {}) {
  const steps: string[] = [];
  const left = [...outputs];
  const core = {
    state: { durability: { durableIndex: toLogIndex(durableIndex) } },
    step(inputs: readonly Input[]): Output {
      steps.push(`step ${inputs.map(({ kind }) => kind).join(" ")}`);
      return left.shift() ?? NO_OUTPUT;
    },
  };
  const loop = new Loop(core, recordingPorts(steps));
  const happensIn = (...inputs: readonly Input[]) => {
    steps.length = 0;
    loop.turn(inputs);
    return [...steps];
  };
  return { happensIn, core };
}

const TICK: Input = { kind: "tick" };
const persisted = (sequence: number): Input => ({ kind: "persisted", sequence });

Deno.test("Loop.turn() sends, hands over and reports at once, and the rest once that is durable", () => {
  const { happensIn } = record([{
    ...NO_OUTPUT,
    send: [ANSWER],
    persist: { sequence: 4, ...NOTHING },
    sendAfterPersist: [{ ...ANSWER, term: toTerm(2) }],
  }]);
  assert.deepEqual(happensIn(TICK, TICK), ["step tick tick", "send n2 1", "persist 4", "report"]);
  assert.deepEqual(happensIn(TICK), ["step tick", "report"]);
  assert.deepEqual(happensIn(persisted(3)), ["step persisted", "report"]);
  assert.deepEqual(happensIn(persisted(4)), ["step persisted", "report", "send n2 2"]);
});

Deno.test("Loop.turn() sends at once what waits for a write that is durable already", () => {
  const after = { ...NO_OUTPUT, sendAfterPersist: [ANSWER] };
  const { happensIn } = record([
    { ...NO_OUTPUT, persist: { sequence: 1, ...NOTHING } },
    NO_OUTPUT,
    after,
  ]);
  happensIn(TICK);
  happensIn(persisted(1));
  assert.deepEqual(happensIn(TICK), ["step tick", "report", "send n2 1"]);
});

Deno.test("Loop.turn() holds back what says nothing new while an earlier write is on its way", () => {
  const { happensIn } = record([
    { ...NO_OUTPUT, persist: { sequence: 1, ...NOTHING } },
    { ...NO_OUTPUT, sendAfterPersist: [ANSWER] },
  ]);
  happensIn(TICK);
  assert.deepEqual(happensIn(TICK), ["step tick", "report"]);
  assert.deepEqual(happensIn(persisted(1)), ["step persisted", "report", "send n2 1"]);
});

Deno.test("Loop.turn() sends in order what waits for several writes", () => {
  const { happensIn } = record([1, 2].map((sequence) => ({
    ...NO_OUTPUT,
    persist: { sequence, ...NOTHING },
    sendAfterPersist: [{ ...ANSWER, term: toTerm(sequence) }],
  })));
  happensIn(TICK);
  happensIn(TICK);
  assert.deepEqual(happensIn(persisted(2)), [
    "step persisted",
    "report",
    "send n2 1",
    "send n2 2",
  ]);
});

Deno.test("Loop.turn() applies what is durable here, whatever else is on its way", () => {
  const { happensIn } = record([{
    ...NO_OUTPUT,
    persist: { sequence: 1, ...NOTHING },
    apply: [commandEntry(7, 1), commandEntry(8, 1)],
  }], { durableIndex: 8 });
  assert.deepEqual(happensIn(TICK), ["step tick", "persist 1", "report", "apply 7 8"]);
});

Deno.test("Loop.turn() applies nothing that is not durable here, and then in order", () => {
  const { happensIn, core } = record([
    { ...NO_OUTPUT, apply: [commandEntry(7, 1), commandEntry(8, 1)] },
    { ...NO_OUTPUT, apply: [commandEntry(9, 1)] },
  ], { durableIndex: 7 });
  assert.deepEqual(happensIn(TICK), ["step tick", "report"]);
  assert.deepEqual(happensIn(TICK), ["step tick", "report"]);
  core.state.durability.durableIndex = toLogIndex(9);
  assert.deepEqual(happensIn(persisted(1)), ["step persisted", "report", "apply 7 8", "apply 9"]);
});

const SNAPSHOT: Snapshot = {
  index: toLogIndex(5),
  term: toTerm(1),
  bytes: 10,
  sha256: new Uint8Array(32),
  members: null,
};

Deno.test("Loop.turn() installs a snapshot once its place in the log is durable, before its answer", () => {
  const { happensIn } = record([
    {
      ...NO_OUTPUT,
      persist: { sequence: 1, ...NOTHING },
      installSnapshot: SNAPSHOT,
      sendAfterPersist: [ANSWER],
    },
    { ...NO_OUTPUT, apply: [commandEntry(6, 1)] },
  ]);
  const ready: Input = { kind: "snapshotReady", snapshot: SNAPSHOT };
  assert.deepEqual(happensIn(ready), ["step snapshotReady", "persist 1", "report"]);
  assert.deepEqual(happensIn(TICK), ["step tick", "report"], "what follows it waits for it");
  assert.deepEqual(happensIn(persisted(1)), [
    "step persisted",
    "report",
    "install 5",
    "apply 6",
    "send n2 1",
  ]);
});

Deno.test("Loop.turn() applies no entry that is not durable because a snapshot covers it", () => {
  const { happensIn, core } = record([
    { ...NO_OUTPUT, persist: { sequence: 1, ...NOTHING }, apply: [commandEntry(4, 1)] },
    { ...NO_OUTPUT, persist: { sequence: 2, ...NOTHING }, installSnapshot: SNAPSHOT },
  ], { durableIndex: 3 });
  happensIn(TICK);
  core.state.durability.durableIndex = toLogIndex(5);
  assert.deepEqual(happensIn(TICK), ["step tick", "persist 2", "report"]);
  assert.deepEqual(happensIn(persisted(1)), ["step persisted", "report", "apply 4"]);
  assert.deepEqual(happensIn(persisted(2)), ["step persisted", "report", "install 5"]);
});

Deno.test("Loop.turn() keeps a snapshot that waits to be installed, however often it is ready", () => {
  const persist = { sequence: 1, ...NOTHING };
  const { happensIn } = record([{ ...NO_OUTPUT, persist, installSnapshot: SNAPSHOT }]);
  const ready: Input = { kind: "snapshotReady", snapshot: SNAPSHOT };
  happensIn(ready);
  assert.deepEqual(happensIn(ready), ["step snapshotReady", "report"]);
  assert.deepEqual(happensIn(persisted(1)), ["step persisted", "report", "install 5"]);
  assert.deepEqual(happensIn(ready), ["step snapshotReady", "discard 5", "report"]);
});

Deno.test("Loop.turn() discards a snapshot that is ready and of no use", () => {
  const other = { ...SNAPSHOT, index: toLogIndex(6) };
  for (const installSnapshot of [null, other]) {
    const { happensIn } = record([{ ...NO_OUTPUT, installSnapshot }]);
    const steps = happensIn(
      ...[SNAPSHOT, other].map((snapshot): Input => ({ kind: "snapshotReady", snapshot })),
    );
    assert.deepEqual(
      steps.filter((step) => step.startsWith("discard")),
      installSnapshot === null ? ["discard 5", "discard 6"] : ["discard 5"],
    );
  }
});

Deno.test("Loop.turn() moves chunks and tells the core which one is wanted next", () => {
  const { happensIn } = record([{
    ...NO_OUTPUT,
    makeSnapshot: true,
    sendChunks: [{
      kind: "snapshotRequest",
      from: toNodeId("n1"),
      to: toNodeId("n2"),
      term: toTerm(1),
      snapshot: SNAPSHOT,
      offset: 3,
      round: 1,
      certificate: null,
    }],
    storeChunks: [{
      kind: "snapshotRequest",
      from: toNodeId("n3"),
      to: toNodeId("n1"),
      term: toTerm(1),
      snapshot: SNAPSHOT,
      offset: 0,
      data: new Uint8Array(4),
      round: 1,
      certificate: null,
    }],
  }]);
  assert.deepEqual(happensIn(TICK), [
    "step tick",
    "report",
    "chunk to n2 from 3",
    "make snapshot",
    "store 0",
    "step snapshotStored",
    "report",
  ]);
});

Deno.test("Loop.turn() tells the core of a chunk that could not be kept", () => {
  const { happensIn } = record([{
    ...NO_OUTPUT,
    storeChunks: [{
      kind: "snapshotRequest",
      from: toNodeId("n3"),
      to: toNodeId("n1"),
      term: toTerm(1),
      snapshot: SNAPSHOT,
      offset: 0,
      data: new Uint8Array(0),
      round: 1,
      certificate: null,
    }],
  }]);
  assert.ok(happensIn(TICK).includes("step snapshotRefused"));
});

Deno.test("Loop.turn() does nothing for no input", () => {
  const { happensIn } = record([]);
  assert.deepEqual(happensIn(), []);
});

Deno.test("Loop.turn() does nothing more once a batch is refused", () => {
  const outputs: Output[] = [{
    ...NO_OUTPUT,
    persist: { sequence: 1, ...NOTHING },
    sendAfterPersist: [ANSWER],
    apply: [commandEntry(1, 1)],
  }];
  const steps: string[] = [];
  const core = {
    state: { durability: { durableIndex: toLogIndex(1) } },
    step: () => outputs.shift() ?? NO_OUTPUT,
  };
  const loop = new Loop(core, {
    ...recordingPorts(steps),
    persist: () => {
      throw new Error("disk full");
    },
  });
  assert.throws(() => loop.turn([TICK]), /disk full/);
  assert.deepEqual(steps, []);
});
