/**
 * How this very program is started again, and how a person would call it.
 *
 * @module
 */

import { relative } from "node:path";
import type { CommandContext } from "../command.ts";
import { NODE_PERMISSIONS } from "../permissions.ts";

/** A program and its first arguments. */
export interface SelfCommand {
  /** The program's file. */
  readonly path: string;
  /** What comes before Floe's own arguments. */
  readonly args: readonly string[];
}

/**
 * How to start Floe again, in each of its three forms: compiled, self-extracting (which names itself
 * in `FLOE_EXECUTABLE`), and run from its sources by the Deno that runs them now.
 */
export function selfCommand(context: CommandContext): SelfCommand {
  const executable = ownExecutable(context);
  if (executable !== null) return { path: executable, args: [] };
  const args = ["run", "--quiet", "--no-prompt", "--cached-only", ...NODE_PERMISSIONS];
  return { path: Deno.execPath(), args: [...args, Deno.mainModule] };
}

/** How a person in this folder calls Floe, to be followed by a command. */
export function programName(context: CommandContext): string {
  const executable = ownExecutable(context);
  if (executable !== null) {
    const path = relative(Deno.cwd(), executable);
    return path.startsWith("..") ? executable : path.includes("/") ? path : `./${path}`;
  }
  return isOneTimeDeno() ? `npx -y deno@${Deno.version.deno} task floe` : "deno task floe";
}

/** Whether Deno is in npm's cache of one-time programs, and not on the PATH of the next command. */
export function isOneTimeDeno(): boolean {
  return /[\\/]_npx[\\/]/.test(Deno.execPath());
}

function ownExecutable(context: CommandContext): string | null {
  if (Deno.build.standalone) return Deno.execPath();
  return context.env("FLOE_EXECUTABLE") ?? null;
}
