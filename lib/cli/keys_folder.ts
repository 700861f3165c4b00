/**
 * Which folder the commands of `floe keys` are about.
 *
 * @module
 */

import type { CommandContext } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";

/** The option that names it, and what help says of it. */
export const KEYS_FOLDER_OPTION = [
  "--data-dir <dir>",
  "the node's folder (FLOE_DATA_DIR)",
] as const;

/**
 * A node's folder: `--data-dir`, else `FLOE_DATA_DIR`.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when neither names one.
 */
export function keysFolder(
  { dataDir }: { readonly dataDir?: string },
  context: CommandContext,
): string {
  const folder = dataDir ?? context.env("FLOE_DATA_DIR");
  if (folder !== undefined) return folder;
  throw new CommandError(
    ExitCode.usage,
    "Which node's keys? Name its folder with --data-dir (or FLOE_DATA_DIR).",
  );
}
