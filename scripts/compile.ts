/**
 * `deno task compile`: writes `dist/floe`, one executable that does everything Floe does.
 *
 * `deno compile` needs a runtime base that Deno downloads from its own site the first time, unless
 * `DENORT_BIN` names one. Where that site is out of reach, the fallback is one self-extracting file
 * around the Deno that runs this script. `--form compiled` and `--form self-extracting` insist.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { FLOE_PERMISSIONS, RUNTIME_FLAGS } from "../lib/cli/process_context.ts";
import { runDeno } from "./run_deno.ts";
import { writeSelfExtracting } from "./self_extracting.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
/** Started by its URL, which no import names. */
const WORKER = new URL("../lib/storage/storage_worker.ts", import.meta.url).pathname;
const OUTPUT = new URL("../dist/floe", import.meta.url).pathname;
/** `deno compile` replaces no file that it did not make, and a floe that runs cannot be written to. */
const TEMPORARY = `${OUTPUT}-${Deno.pid}`;

/** How `deno compile` says that it is the runtime base that it cannot get. */
const NO_BASE_PATTERN = /Setting up base binary|denort/;

const { form } = parseArgs({ options: { form: { type: "string" } } }).values;
if (form !== undefined && form !== "compiled" && form !== "self-extracting") {
  console.error(`--form is ${form}; it can be compiled or self-extracting`);
  Deno.exit(2);
}
await Deno.mkdir(new URL("../dist", import.meta.url), { recursive: true });
if (form === "self-extracting" || !await compile()) {
  await writeSelfExtracting({
    main: MAIN,
    worker: WORKER,
    output: OUTPUT,
    options: [...RUNTIME_FLAGS, ...FLOE_PERMISSIONS],
  });
}
const { size } = await Deno.stat(OUTPUT);
console.error(`Wrote dist/floe, ${Math.round(size / 1_000_000)} MB. Try: dist/floe cluster`);

/** Compiles, or returns false when there is no runtime base and the form is free. */
async function compile(): Promise<boolean> {
  const { success, messages } = await runDeno([
    "compile",
    "--frozen",
    "--no-check",
    "--no-prompt",
    ...RUNTIME_FLAGS,
    ...FLOE_PERMISSIONS,
    "--include",
    WORKER,
    "--output",
    TEMPORARY,
    MAIN,
  ]);
  if (success) {
    await Deno.rename(TEMPORARY, OUTPUT);
    return true;
  }
  if (form === "compiled" || !NO_BASE_PATTERN.test(messages)) {
    console.error(messages);
    Deno.exit(1);
  }
  console.error(
    "Deno's runtime base cannot be downloaded from dl.deno.land, and DENORT_BIN names none.\n" +
      `Falling back to a self-extracting file around Deno ${Deno.version.deno}.`,
  );
  return false;
}
