import assert from "node:assert/strict";
import { join } from "node:path";
import { JobQueue } from "../../../lib/storage/snapshot/job_queue.ts";
import { withFolder } from "../support.ts";

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

function copy(from: string, to: string) {
  return { kind: "copy", from, to, pages: null } as const;
}

Deno.test("JobQueue has jobs done in the order in which they are given", () =>
  withQueue(async (jobs, folder) => {
    const at = (name: number) => join(folder, String(name));
    Deno.writeTextFileSync(at(0), "text");
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    await Promise.all(numbers.map((number) => jobs.run(copy(at(number), at(number + 1)))));
    assert.equal(Deno.readTextFileSync(at(20)), "text");
  }));

Deno.test("JobQueue says what went wrong with a job, and goes on", () =>
  withQueue(async (jobs, folder) => {
    const [missing, present] = [join(folder, "missing"), join(folder, "present")];
    Deno.writeTextFileSync(present, "");
    await assert.rejects(jobs.run(copy(missing, present)), {
      name: "EnvironmentError",
      message: /No such file.*missing/,
    });
    assert.equal(await jobs.run(copy(present, join(folder, "copy"))), null);
  }));

Deno.test("JobQueue rejects what is not done when it is closed, and whatever comes after", () =>
  withQueue(async (jobs, folder) => {
    const stopped = { name: "EnvironmentError", message: /the node stops/ };
    const running = assert.rejects(jobs.run(copy(folder, folder)), stopped);
    jobs.close();
    await running;
    await assert.rejects(jobs.run(copy(folder, folder)), stopped);
    jobs.close();
  }));
