/**
 * `floe keys backup`: a node's keys in one encrypted file.
 *
 * @module
 */

import { writeBackup } from "../node/key_backup.ts";
import type { Passphrase } from "../node/passphrase.ts";
import { hasEncryptedFile } from "../node/secret_files.ts";
import type { CommandContext, Program } from "./command.ts";
import { KEYS_FOLDER_OPTION, keysFolder } from "./keys_folder.ts";
import { globalFlags } from "./options.ts";
import { printJson } from "./output.ts";
import { askNewPassphrase, askPassphrase, passphraseFromFile } from "./passphrase.ts";

/** Adds `floe keys backup` to `floe keys`. */
export function registerKeysBackup(keys: Program, context: CommandContext): void {
  keys
    .command("backup")
    .summary("write a node's keys into one encrypted file")
    .description(
      "Writes the identity and the share of a node into one file, encrypted with the passphrase of " +
        "its files, or with a new one if they are not encrypted. The node may run. The share can " +
        "be restored only beside the node's raft.db, which knows what it voted: back that up too, " +
        "with the node stopped, if the backup is to bring back the node and not its identity alone.",
    )
    .option(...KEYS_FOLDER_OPTION)
    .requiredOption("--out <file>", "the file to write; there must be none yet")
    .action(async (options: BackupFlags, command: Program) => {
      const dataDir = keysFolder(options, context);
      using passphrase = await backupPassphrase(dataDir, context);
      const { node, cluster, files } = writeBackup(options.out, { dataDir, passphrase });
      if (globalFlags(command).output === "json") {
        return printJson(context.stdout, { node, cluster, files, out: options.out });
      }
      context.stdout.write(`${options.out}: ${files.join(", ")} of ${node}, encrypted\n`);
    });
}

interface BackupFlags {
  readonly dataDir?: string;
  readonly out: string;
}

/** What opens the folder; where nothing does as nothing is encrypted, a new one, as a backup always is. */
async function backupPassphrase(dataDir: string, context: CommandContext): Promise<Passphrase> {
  const fromFile = passphraseFromFile(context);
  if (fromFile !== null) return fromFile;
  return hasEncryptedFile(dataDir)
    ? await askPassphrase(dataDir, context)
    : await askNewPassphrase("the backup", context);
}
