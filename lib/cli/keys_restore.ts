/**
 * `floe keys restore`: puts a node's keys back from a backup.
 *
 * @module
 */

import { lockDataFolder } from "../node/folder_lock.ts";
import { restoreBackup } from "../node/key_backup.ts";
import type { CommandContext, Program } from "./command.ts";
import { KEYS_FOLDER_OPTION, keysFolder } from "./keys_folder.ts";
import { globalFlags } from "./options.ts";
import { printJson } from "./output.ts";
import { askPassphrase, passphraseFromFile } from "./passphrase.ts";

/** Adds `floe keys restore` to `floe keys`. */
export function registerKeysRestore(keys: Program, context: CommandContext): void {
  keys
    .command("restore")
    .summary("put a node's keys back from a backup")
    .description(
      "Puts the keys of a backup into a node's folder, encrypted with the backup's passphrase. It " +
        "overwrites nothing. A share is restored only beside the raft.db of its node: a node that " +
        "has lost what it voted must not sign again. Never run the same node in two places, nor " +
        "with an older raft.db than its last: nothing here can notice that.",
    )
    .argument("<file>", "the backup")
    .option(...KEYS_FOLDER_OPTION)
    .option("--identity-only", "restore the identity and leave the share")
    .action(async (file: string, options: RestoreFlags, command: Program) => {
      const dataDir = keysFolder(options, context);
      using _lock = lockDataFolder(dataDir);
      using passphrase = passphraseFromFile(context) ?? await askPassphrase(file, context);
      const identityOnly = options.identityOnly === true;
      const { node, cluster, files } = restoreBackup(file, { dataDir, passphrase, identityOnly });
      if (globalFlags(command).output === "json") {
        return printJson(context.stdout, { node, cluster, files, dataDir });
      }
      context.stdout.write(
        `${dataDir}: ${files.join(", ")} of ${node}, encrypted with the backup's passphrase\n`,
      );
    });
}

interface RestoreFlags {
  readonly dataDir?: string;
  readonly identityOnly?: true;
}
