/**
 * What the `floe` program may do to the machine. The same list stands in `deno.json`, is compiled
 * into the executable, and is handed on to the nodes that `floe cluster` starts.
 *
 * @module
 */

/** What a node needs: its ports, its files, and the variables that concern it. */
export const NODE_PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env=FLOE_*,NO_COLOR,FORCE_COLOR,CLICOLOR_FORCE",
];

/** What all of Floe needs: `floe cluster` starts the nodes. */
export const FLOE_PERMISSIONS: readonly string[] = ["--allow-run", ...NODE_PERMISSIONS];
