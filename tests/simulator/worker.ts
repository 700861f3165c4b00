/**
 * Runs seeds in a thread of its own: takes one seed a message, answers with its report.
 *
 * @module
 */

import { runSeed } from "./run.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<number>) => void) | null;
  postMessage(report: unknown): void;
};

scope.onmessage = async ({ data: seed }) => scope.postMessage(await runSeed(seed));
