import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { carryOut, newDurableKeyGeneration } from "../../lib/keygen/input_output.ts";
import type { Output } from "../../lib/keygen/mod.ts";
import { createFounders } from "../certificate/founders.ts";
import { TestKeygen } from "./harness.ts";

Deno.test("carryOut() persists, then sends, then finishes, then reports", () => {
  const done: string[] = [];
  carryOut(createOutput(), createPorts(done));
  assert.deepEqual(done, ["persist", "send", "finish", "report"]);
});

Deno.test("carryOut() does nothing more once persisting fails", () => {
  const done: string[] = [];
  const ports = {
    ...createPorts(done),
    persist: () => {
      throw new Error("disk full");
    },
  };
  assert.throws(() => carryOut(createOutput(), ports), /disk full/);
  assert.deepEqual(done, []);
});

function createPorts(done: string[]) {
  return {
    persist: () => done.push("persist"),
    send: () => done.push("send"),
    finish: () => done.push("finish"),
    report: () => done.push("report"),
  };
}

function createOutput(): Output {
  const cluster = new TestKeygen(2, 2);
  cluster.start();
  const [message] = cluster.network;
  cluster.deliver();
  const { key, events: [event] } = cluster.node(1);
  return {
    persist: newDurableKeyGeneration(createFounders(2, 2).roster),
    send: [assertDefined(message, "no message")],
    finished: assertDefined(key, "no key"),
    events: [assertDefined(event, "no event")],
  };
}
