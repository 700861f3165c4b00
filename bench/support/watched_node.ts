/**
 * `floe node`, which says once a second what the longest pause of its loop was.
 *
 * @module
 */

import { run } from "../../lib/cli/mod.ts";
import { watchPauses } from "./loop_pauses.ts";

watchPauses((longestMs) => console.error(JSON.stringify({ event: "loop.pause", longestMs })));

Deno.exit(await run(Deno.args));
