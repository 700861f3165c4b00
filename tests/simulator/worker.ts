/**
 * Runs seeds in a thread of its own: takes one seed a message, answers with its report.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { runSeed } from "./run.ts";

self.addEventListener("message", async ({ data: seed }: MessageEvent<number>) => {
  self.postMessage(await runSeed(seed));
});
