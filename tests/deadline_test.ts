import assert from "node:assert/strict";
import { Deadline, pause } from "../lib/deadline.ts";

/** Far enough away that a test which waits for it fails by its own time limit. */
const NEVER_MS = 1_000_000;

Deno.test("Deadline aborts when its time is up, and says what took too long", async () => {
  const { signal } = new AbortController();
  using deadline = new Deadline({ timeoutMs: 1, signal, what: "waiting" });
  const reason = await new Promise((resolve) => deadline.onAbort(resolve));
  assert.match(String(reason), /TimeoutError: waiting took longer than 1 ms/);
  assert.equal(deadline.signal.aborted, true);
});

Deno.test("Deadline aborts with the signal it was handed", () => {
  const controller = new AbortController();
  using deadline = new Deadline({ timeoutMs: NEVER_MS, signal: controller.signal, what: "x" });
  let aborted = 0;
  deadline.onAbort(() => aborted += 1);
  controller.abort();
  assert.equal(aborted, 1);
});

Deno.test("Deadline is aborted from the beginning when the signal is", () => {
  using deadline = new Deadline({ timeoutMs: NEVER_MS, signal: AbortSignal.abort(), what: "x" });
  let aborted = 0;
  deadline.onAbort(() => aborted += 1);
  assert.equal(aborted, 1);
});

Deno.test("Deadline lets go of its clock and its signal", () => {
  const controller = new AbortController();
  const deadline = new Deadline({ timeoutMs: NEVER_MS, signal: controller.signal, what: "x" });
  deadline[Symbol.dispose]();
  controller.abort();
  assert.equal(deadline.signal.aborted, false);
});

Deno.test("pause() ends with its time or with its signal", async () => {
  const controller = new AbortController();
  await pause(1, controller.signal);
  const paused = pause(NEVER_MS, controller.signal);
  controller.abort();
  await paused;
});
