/**
 * The `floe` program.
 *
 * @module
 */

import { run } from "./lib/cli/mod.ts";

// Only `floe cluster` starts processes; whatever else Floe does, it does without that permission.
if (!Deno.args.includes("cluster")) Deno.permissions.revokeSync({ name: "run" });

Deno.exit(await run(Deno.args));
