/**
 * A worker that does what takes long while the node goes on. `job_queue.ts` starts it.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import {
  type JobOutcome,
  type JobRequest,
  type JobResponse,
  runJob,
  StorageJobs,
} from "./storage_jobs.ts";

const jobs = new StorageJobs();

self.addEventListener("message", ({ data }: MessageEvent<JobRequest>) => {
  const outcome = runJob(jobs, data);
  const response: JobResponse = { id: data.id, outcome };
  self.postMessage(response, listTransfers(outcome));
});

/** Rows are handed over, not copied. */
function listTransfers(outcome: JobOutcome): Transferable[] {
  if (outcome.kind !== "done" || !(outcome.result instanceof Uint8Array)) return [];
  const { buffer } = outcome.result;
  return buffer instanceof ArrayBuffer ? [buffer] : [];
}
