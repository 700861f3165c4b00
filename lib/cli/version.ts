/**
 * `floe version`: what runs here.
 *
 * @module
 */

import type { CommandContext, Program } from "./command.ts";
import { globalFlags } from "./options.ts";
import { printFields, printJson } from "./output.ts";

/** The version of this source tree. */
export const FLOE_VERSION = "0.1.0";

/** Adds `floe version`. */
export function registerVersion(program: Program, context: CommandContext): void {
  program
    .command("version")
    .summary("print the versions of Floe and of what it runs on")
    .action((_options: unknown, command: Program) => {
      const versions = {
        floe: FLOE_VERSION,
        deno: Deno.version.deno,
        v8: Deno.version.v8,
        target: Deno.build.target,
      };
      if (globalFlags(command).output === "json") return printJson(context.stdout, versions);
      printFields(context.stdout, Object.entries(versions));
    });
}
