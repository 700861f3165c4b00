import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { JobQueue } from "../../lib/storage/job_queue.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { nodeIn, withFolder } from "./support.ts";

/** Runs `work` with a queue. */
function withQueue(work: (jobs: JobQueue, folder: string) => Promise<void>): Promise<void> {
  return withFolder(async ({ folder }) => {
    const jobs = new JobQueue();
    try {
      await work(jobs, folder);
    } finally {
      jobs.close();
    }
  });
}

/** The path of a file with a number. */
function at(folder: string, number: number): string {
  return join(folder, String(number));
}

Deno.test("JobQueue has jobs done in the order in which they are given", () =>
  withQueue(async (jobs, folder) => {
    const order: number[] = [];
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    for (const number of numbers) Deno.writeTextFileSync(at(folder, number), "");
    await Promise.all(numbers.map(async (number) => {
      await jobs.run("drop", { path: at(folder, number) });
      assert.equal(existsSync(at(folder, number)), false);
      order.push(number);
    }));
    assert.deepEqual(order, numbers);
  }));

Deno.test("JobQueue says what went wrong with a job, and goes on", () =>
  withQueue(async (jobs, folder) => {
    Deno.mkdirSync(at(folder, 1));
    Deno.mkdirSync(join(at(folder, 1), "inside"));
    await assert.rejects(jobs.run("drop", { path: at(folder, 1) }), {
      name: "EnvironmentError",
      message: /not empty/,
    });
    const options = { ...nodeIn(folder) };
    assert.equal(await jobs.run("open", options), 0);
    const other = new JobQueue();
    const refused = { name: "EnvironmentError", message: /another process is using it/ };
    await assert.rejects(other.run("open", options), refused);
    other.close();
    await jobs.run("close", null);
  }));

Deno.test("JobQueue tells of damage as of damage", () =>
  withQueue(async (jobs, folder) => {
    Deno.writeTextFileSync(join(folder, "kv.db"), "no database");
    await assert.rejects(jobs.run("open", nodeIn(folder)), (error) => {
      assert.ok(error instanceof CorruptionError);
      assert.equal(error.file, join(folder, "kv.db"));
      assert.match(error.message, /does not begin as a SQLite database does.*rebuilds kv\.db/);
      return true;
    });
  }));

Deno.test("JobQueue rejects what is not done when it is closed, and whatever comes after", () =>
  withQueue(async (jobs, folder) => {
    const stopped = { name: "EnvironmentError", message: /the node stops/ };
    const running = assert.rejects(jobs.run("drop", { path: at(folder, 1) }), stopped);
    jobs.close();
    await running;
    await assert.rejects(jobs.run("drop", { path: at(folder, 1) }), stopped);
    jobs.close();
  }));
