import assert from "node:assert/strict";
import { Loop } from "../../lib/node/loop.ts";
import type { Input, Output } from "../../lib/raft/mod.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { commandEntry, NO_OUTPUT } from "../raft/harness.ts";

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

Deno.test("Loop.turn() does nothing for no input", () => {
  const { loop, steps } = record([]);
  loop.turn([]);
  assert.deepEqual(steps, []);
});

Deno.test("Loop.turn() sends nothing more once a write failed", () => {
  const sent: string[] = [];
  const loop = new Loop({
    step: () => ({
      ...NO_OUTPUT,
      persist: { sequence: 1, hardState: null, logStart: null, entries: [], certificates: [] },
      sendAfterPersist: [ANSWER],
      apply: [commandEntry(1, 1)],
    }),
  }, {
    send: () => sent.push("sent"),
    persist: () => {
      throw new Error("disk full");
    },
    apply: () => {
      sent.push("applied");
      return [];
    },
    report: () => sent.push("reported"),
  });
  assert.throws(() => loop.turn([{ kind: "tick" }]), /disk full/);
  assert.deepEqual(sent, []);
});
