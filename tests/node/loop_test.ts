import assert from "node:assert/strict";
import { Loop } from "../../lib/node/loop.ts";
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

/** A loop whose core puts out these outputs, one a step; a record of all that happens. */
function record(outputs: readonly Output[]): { loop: Loop; steps: string[] } {
  const steps: string[] = [];
  const left = [...outputs];
  const core = {
    step(inputs: readonly Input[]): Output {
      steps.push(`step ${inputs.map(({ kind }) => kind).join(" ")}`);
      return left.shift() ?? NO_OUTPUT;
    },
  };
  const loop = new Loop(core, {
    send: ({ to, term }) => steps.push(`send ${to} ${term}`),
    persist: ({ sequence }) => steps.push(`persist ${sequence}`),
    apply: (entries) => {
      steps.push(`apply ${entries.map(({ index }) => index).join(" ")}`);
      return entries.map(({ index }) => ({ kind: "certificate", index }));
    },
    report: (_, applied) => steps.push(`report ${applied.length}`),
    installSnapshot: ({ index }) => steps.push(`install ${index}`),
    checkpoint: () => null,
    sendChunk: ({ to, offset }) => steps.push(`chunk to ${to} from ${offset}`),
    storeChunk: ({ offset, data }) => {
      steps.push(`store ${offset}`);
      return data.length === 0 ? null : offset + data.length;
    },
    discardSnapshot: ({ index }) => steps.push(`discard ${index}`),
    makeSnapshot: () => steps.push("make snapshot"),
  });
  return { loop, steps };
}

Deno.test("Loop.turn() sends, persists, sends what waited, applies and reports, in this order", () => {
  const { loop, steps } = record([{
    ...NO_OUTPUT,
    send: [ANSWER],
    persist: { sequence: 4, hardState: null, logStart: null, entries: [], certificates: [] },
    sendAfterPersist: [{ ...ANSWER, term: toTerm(2) }],
    apply: [commandEntry(7, 1), commandEntry(8, 1)],
  }]);
  loop.turn([{ kind: "tick" }, { kind: "tick" }]);
  assert.deepEqual(steps, [
    "step tick tick",
    "send n2 1",
    "persist 4",
    "send n2 2",
    "apply 7 8",
    "report 2",
    "step persisted",
    "report 0",
  ]);
});

Deno.test("Loop.turn() goes on until nothing is left to persist", () => {
  const batch = { hardState: null, logStart: null, entries: [], certificates: [] };
  const { loop, steps } = record([
    { ...NO_OUTPUT, persist: { sequence: 1, ...batch } },
    { ...NO_OUTPUT, persist: { sequence: 2, ...batch } },
  ]);
  loop.turn([{ kind: "tick" }]);
  assert.deepEqual(steps.filter((step) => !step.startsWith("report")), [
    "step tick",
    "persist 1",
    "step persisted",
    "persist 2",
    "step persisted",
  ]);
});

const SNAPSHOT: Snapshot = {
  index: toLogIndex(5),
  term: toTerm(1),
  bytes: 10,
  sha256: new Uint8Array(32),
};

Deno.test("Loop.turn() installs a snapshot after its place in the log is durable, before its answer", () => {
  const { loop, steps } = record([{
    ...NO_OUTPUT,
    persist: { sequence: 1, hardState: null, logStart: null, entries: [], certificates: [] },
    installSnapshot: SNAPSHOT,
    sendAfterPersist: [ANSWER],
    apply: [commandEntry(6, 1)],
  }]);
  loop.turn([{ kind: "snapshotReady", snapshot: SNAPSHOT }]);
  assert.deepEqual(steps.slice(0, 5), [
    "step snapshotReady",
    "persist 1",
    "install 5",
    "send n2 1",
    "apply 6",
  ]);
});

Deno.test("Loop.turn() discards a snapshot that is ready and of no use", () => {
  const other = { ...SNAPSHOT, index: toLogIndex(6) };
  for (const installSnapshot of [null, other]) {
    const { loop, steps } = record([{ ...NO_OUTPUT, installSnapshot }]);
    loop.turn([SNAPSHOT, other].map((snapshot) => ({ kind: "snapshotReady", snapshot })));
    assert.deepEqual(
      steps.filter((step) => step.startsWith("discard")),
      installSnapshot === null ? ["discard 5", "discard 6"] : ["discard 5"],
    );
  }
});

Deno.test("Loop.turn() moves chunks and tells the core which one is wanted next", () => {
  const { loop, steps } = record([{
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
  loop.turn([{ kind: "tick" }]);
  assert.deepEqual(steps, [
    "step tick",
    "chunk to n2 from 3",
    "make snapshot",
    "store 0",
    "report 0",
    "step snapshotStored",
    "report 0",
  ]);
});

Deno.test("Loop.turn() tells the core of a chunk that could not be kept", () => {
  const { loop, steps } = record([{
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
  loop.turn([{ kind: "tick" }]);
  assert.ok(steps.includes("step snapshotRefused"));
});

Deno.test("Loop.turn() does nothing for no input", () => {
  const { loop, steps } = record([]);
  loop.turn([]);
  assert.deepEqual(steps, []);
});

Deno.test("Loop.turn() tries no failed write again, and sends nothing more", () => {
  const outputs: Output[] = [{
    ...NO_OUTPUT,
    persist: { sequence: 1, hardState: null, logStart: null, entries: [], certificates: [] },
    sendAfterPersist: [ANSWER],
    apply: [commandEntry(1, 1)],
  }];
  let writes = 0;
  const sent: string[] = [];
  const loop = new Loop({ step: () => outputs.shift() ?? NO_OUTPUT }, {
    send: () => sent.push("sent"),
    persist: () => {
      writes++;
      throw new Error("disk full");
    },
    apply: () => {
      sent.push("applied");
      return [];
    },
    report: () => sent.push("reported"),
    installSnapshot: () => sent.push("installed"),
    checkpoint: () => null,
    sendChunk: () => sent.push("sent"),
    storeChunk: () => sent.push("stored"),
    discardSnapshot: () => sent.push("discarded"),
    makeSnapshot: () => sent.push("made"),
  });
  assert.throws(() => loop.turn([{ kind: "tick" }]), /disk full/);
  assert.equal(writes, 1);
  assert.deepEqual(sent, []);
});
