import fc from "fast-check";
import assert from "node:assert/strict";
import { checkLinearizable, type Model, type Operation } from "./linearizability.ts";

type Input = { readonly write: number } | "read";
/** What a read found; what a write answers does not matter. */
type Output = number;

/** One number, 0 at first. */
const REGISTER: Model<number, Input, Output> = {
  initial: 0,
  describe: String,
  step: (state, input, output) => {
    if (input !== "read") return input.write;
    return output === state ? state : undefined;
  },
};

function write(value: number, calledAt: number, returnedAt: number): Operation<Input, Output> {
  return { input: { write: value }, output: 0, calledAt, returnedAt };
}

function read(value: number, calledAt: number, returnedAt: number): Operation<Input, Output> {
  return { input: "read", output: value, calledAt, returnedAt };
}

/** A write of which nobody knows whether it happened. */
function attempt(value: number, calledAt: number): Operation<Input, Output> {
  return { input: { write: value }, output: null, calledAt, returnedAt: calledAt };
}

function verdict(...operations: readonly Operation<Input, Output>[]): string {
  return checkLinearizable(REGISTER, operations).kind;
}

Deno.test("checkLinearizable() accepts no operations", () => {
  assert.equal(verdict(), "linearizable");
});

Deno.test("checkLinearizable() accepts one operation after the other", () => {
  assert.equal(
    verdict(write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7)),
    "linearizable",
  );
});

Deno.test("checkLinearizable() lets a read see a write that overlaps it, or not", () => {
  assert.equal(verdict(write(1, 0, 10), read(0, 1, 2), read(1, 3, 4)), "linearizable");
});

Deno.test("checkLinearizable() rejects a read of what was never written", () => {
  assert.equal(verdict(write(1, 0, 1), read(7, 2, 3)), "violation");
});

Deno.test("checkLinearizable() rejects a stale read", () => {
  assert.equal(verdict(write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)), "violation");
});

Deno.test("checkLinearizable() rejects a lost write", () => {
  assert.equal(verdict(write(1, 0, 1), read(0, 2, 3)), "violation");
});

Deno.test("checkLinearizable() rejects two reads that see one write come and go", () => {
  const operations = [write(1, 0, 10), read(1, 1, 2), read(0, 3, 4)];
  assert.equal(verdict(...operations), "violation");
});

Deno.test("checkLinearizable() rejects reads that see two writes in opposite orders", () => {
  const writes = [write(1, 0, 10), write(2, 0, 10)];
  assert.equal(verdict(...writes, read(1, 1, 2), read(2, 3, 4)), "linearizable");
  assert.equal(verdict(...writes, read(1, 1, 2), read(2, 3, 4), read(1, 5, 6)), "violation");
});

Deno.test("checkLinearizable() lets a write of unknown outcome happen late, or never", () => {
  assert.equal(verdict(attempt(1, 0), read(0, 1, 2)), "linearizable");
  assert.equal(verdict(attempt(1, 0), read(0, 1, 2), read(1, 50, 51)), "linearizable");
  assert.equal(verdict(attempt(1, 0), read(1, 1, 2), read(0, 3, 4)), "violation");
});

Deno.test("checkLinearizable() rejects a write of unknown outcome before its call", () => {
  assert.equal(verdict(read(1, 0, 1), attempt(1, 5)), "violation");
});

Deno.test("checkLinearizable() counts an unknown write once", () => {
  const operations = [attempt(1, 0), write(2, 1, 2), read(1, 3, 4), write(3, 5, 6)];
  assert.equal(verdict(...operations), "linearizable");
  assert.equal(verdict(...operations, read(1, 7, 8)), "violation");
});

Deno.test("checkLinearizable() accepts every history that a register really made", () => {
  const steps = fc.array(
    fc.record({
      client: fc.integer({ min: 0, max: 3 }),
      value: fc.integer({ min: 1, max: 5 }),
      isRead: fc.boolean(),
      isKnown: fc.boolean(),
    }),
    { maxLength: 30 },
  );
  fc.assert(fc.property(steps, (drawn) => {
    let state = 0;
    const operations = drawn.map(({ client, value, isRead, isKnown }, at) => {
      // Takes effect at `at`, somewhere between a call before and a return after it.
      const [calledAt, returnedAt] = [at - client, at + client];
      if (isRead) return read(state, calledAt, returnedAt);
      state = value;
      return isKnown ? write(value, calledAt, returnedAt) : attempt(value, calledAt);
    });
    assert.equal(verdict(...operations), "linearizable");
  }));
});

Deno.test("checkLinearizable() rejects every history in which a later read goes back", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 0, max: 20 }), (n, at) => {
      const operations = Array.from({ length: n }, (_, k) => write(k + 1, 2 * k, 2 * k + 1));
      operations.push(read(1 + at % (n - 1), 2 * n, 2 * n + 1));
      assert.equal(verdict(...operations), "violation");
    }),
  );
});
