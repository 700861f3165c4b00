/**
 * A node on a slow disk: `floe node`, but every sync of a file takes {@linkcode SYNC_MS} longer. Where a
 * sync holds the loop, it holds it so much longer too. Once a second it says what the longest pause of the
 * loop was. SQLite's own syncs are as fast as they are.
 *
 * @module
 */

import { run } from "../../lib/cli/mod.ts";
import { watchPauses } from "./loop_pauses.ts";

/** So much longer takes every sync. */
const SYNC_MS = 20;

const { prototype } = Deno.FsFile;
const { sync, syncData, syncSync, syncDataSync } = prototype;
const later = () => new Promise((resolve) => setTimeout(resolve, SYNC_MS));
const hold = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SYNC_MS);

prototype.sync = async function () {
  await later();
  await sync.call(this);
};
prototype.syncData = async function () {
  await later();
  await syncData.call(this);
};
prototype.syncSync = function () {
  hold();
  syncSync.call(this);
};
prototype.syncDataSync = function () {
  hold();
  syncDataSync.call(this);
};

watchPauses((longestMs) => console.error(JSON.stringify({ event: "loop.pause", longestMs })));

Deno.exit(await run(Deno.args));
