/**
 * `floe keys`: what an operator does with the secret files of a node's folder.
 *
 * @module
 */

import type { CommandContext, Program } from "./command.ts";
import { registerKeysBackup } from "./keys_backup.ts";
import { registerKeysPassphrase } from "./keys_passphrase.ts";
import { registerKeysRestore } from "./keys_restore.ts";

/** Adds `floe keys` and its commands. */
export function registerKeys(program: Program, context: CommandContext): void {
  const keys = program
    .command("keys")
    .summary("encrypt, back up and restore a node's keys")
    .description(
      "What is to be done with a node's secret files: identity.json, share.json and, while a key is " +
        "made, keygen.json. Passphrases come from the file that FLOE_PASSPHRASE_FILE names, or are " +
        "asked for in a terminal.",
    );
  for (const register of [registerKeysPassphrase, registerKeysBackup, registerKeysRestore]) {
    register(keys, context);
  }
}
