/**
 * A node whose threads can be profiled: `floe node`, which begins a profile of each at the signal SIGUSR1
 * and writes them at SIGUSR2, into the folder that `FLOE_PROFILE_FOLDER` names.
 *
 * @module
 */

import { run } from "../../lib/cli/mod.ts";
import { PROFILE_CHANNEL, type ProfileOrder, recordThread } from "./profiler.ts";

const folder = Deno.env.get("FLOE_PROFILE_FOLDER") ?? ".";
const id = Deno.args[Deno.args.indexOf("--id") + 1] ?? "node";
let count = 0;

recordThread("main");
const channels = [new BroadcastChannel(PROFILE_CHANNEL), new BroadcastChannel(PROFILE_CHANNEL)];
// A channel does not hear itself; the thread's own recorder is another one.
const order = (what: ProfileOrder) => channels[0]?.postMessage(what);
Deno.addSignalListener("SIGUSR1", () => order({ kind: "begin" }));
Deno.addSignalListener("SIGUSR2", () => order({ kind: "end", path: `${folder}/${id}-${++count}` }));

const worker = new URL("./profiled_worker.ts", import.meta.url);
globalThis.Worker = class extends Worker {
  constructor(_url: string | URL, options?: WorkerOptions) {
    super(worker, options);
  }
};

Deno.exit(await run(Deno.args));
