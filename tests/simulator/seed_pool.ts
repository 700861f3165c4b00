/**
 * Runs many seeds, in this thread or in several.
 *
 * @module
 */

import { type RunReport, runSeed } from "./run.ts";

/** Hands out seeds until null. */
export type NextSeed = () => number | null;

/** Runs every seed that `next` hands out, on so many threads, and tells what came of each. */
export async function runSeeds(
  next: NextSeed,
  options: { readonly jobs: number; readonly onReport: (report: RunReport) => void },
): Promise<void> {
  if (options.jobs <= 1) return await runHere(next, options.onReport);
  const threads = Array.from({ length: options.jobs }, () => runInWorker(next, options.onReport));
  await Promise.all(threads);
}

async function runHere(next: NextSeed, onReport: (report: RunReport) => void): Promise<void> {
  for (let seed = next(); seed !== null; seed = next()) onReport(await runSeed(seed));
}

function runInWorker(next: NextSeed, onReport: (report: RunReport) => void): Promise<void> {
  const worker = new Worker(import.meta.resolve("./worker.ts"), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const go = () => {
    const seed = next();
    if (seed !== null) return worker.postMessage(seed);
    worker.terminate();
    resolve();
  };
  worker.onmessage = ({ data }: MessageEvent<RunReport>) => {
    onReport(data);
    go();
  };
  worker.onerror = (event) => reject(new Error(event.message));
  go();
  return promise;
}
