import assert from "node:assert/strict";
import { Tasks } from "../../lib/transport/settings.ts";

Deno.test("Tasks has ended once all are, those added meanwhile included", async () => {
  const tasks = new Tasks();
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  tasks.watch(first.promise.then(() => tasks.watch(second.promise)));
  let ended = false;
  const all = tasks.ended().then(() => ended = true);
  first.resolve();
  await first.promise;
  assert.equal(ended, false);
  second.resolve();
  await all;
  assert.equal(tasks.size, 0);
});

Deno.test("Tasks reports what is thrown as uncaught", async () => {
  const tasks = new Tasks();
  const bug = new Error("a bug");
  const uncaught = Promise.withResolvers<unknown>();
  addEventListener("error", (event) => {
    event.preventDefault();
    uncaught.resolve(event.error);
  }, { once: true });
  tasks.watch(Promise.reject(bug));
  assert.equal(await uncaught.promise, bug);
  await tasks.ended();
});
