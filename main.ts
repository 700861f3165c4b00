/**
 * The `floe` program.
 *
 * @module
 */

import { run } from "./lib/cli/mod.ts";

/** The commands that start processes; all others do without that permission. */
const STARTING = ["cluster", "doctor", "lock", "elect", "watch"];

if (!Deno.args.some((arg) => STARTING.includes(arg))) Deno.permissions.revokeSync({ name: "run" });

Deno.exit(await run(Deno.args));
