import { equal } from "node:assert/strict";
import { aborted } from "../../lib/cli/process_context.ts";

Deno.test("aborted() resolves when the signal aborts, and not before", async () => {
  const controller = new AbortController();
  const order: string[] = [];
  const waited = aborted(controller.signal).then(() => order.push("aborted"));
  await Promise.resolve();
  order.push("abort");
  controller.abort();
  await waited;
  equal(order.join(), "abort,aborted");
});

Deno.test("aborted() resolves at once where the signal has aborted", async () => {
  await aborted(AbortSignal.abort());
});
