/**
 * The worker that makes and checks snapshots while the node goes on. `job_queue.ts` starts it.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { type JobRequest, type JobResponse, JobRunner } from "./jobs.ts";

const runner = new JobRunner();

self.addEventListener("message", ({ data }: MessageEvent<JobRequest>) => {
  const { id, job } = data;
  const response: JobResponse = { id, outcome: runner.run(job) };
  self.postMessage(response);
});
