/**
 * `floe keys passphrase`: encrypts a node's secret files, encrypts them otherwise, or no longer.
 *
 * @module
 */

import { lockDataFolder } from "../node/folder_lock.ts";
import type { Passphrase } from "../node/passphrase.ts";
import { changePassphrase } from "../node/passphrase_change.ts";
import { readPassphraseFile } from "../node/passphrase_file.ts";
import { hasEncryptedFile } from "../node/secret_files.ts";
import type { CommandContext, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { KEYS_FOLDER_OPTION, keysFolder } from "./keys_folder.ts";
import { globalFlags } from "./options.ts";
import { printJson } from "./output.ts";
import { askNewPassphrase, passphraseFor } from "./passphrase.ts";

/** Adds `floe keys passphrase` to `floe keys`. */
export function registerKeysPassphrase(keys: Program, context: CommandContext): void {
  keys
    .command("passphrase")
    .summary("add, change or remove the passphrase of a node's keys")
    .description(
      "Encrypts the secret files of a node that does not run with a new passphrase, or with --remove " +
        "with none. What opens them now is in the file that FLOE_PASSPHRASE_FILE names, or is asked " +
        "for. If it was cut short, do it again. It cannot take back what was on the disk before: " +
        "disks, and backups of them, may keep the old files.",
    )
    .option(...KEYS_FOLDER_OPTION)
    .option(
      "--new-passphrase-file <file>",
      "take the new passphrase from a file; else it is asked for",
    )
    .option("--remove", "leave the files unencrypted")
    .action(async (options: PassphraseFlags, command: Program) => {
      const dataDir = keysFolder(options, context);
      using _lock = lockDataFolder(dataDir);
      using from = hasEncryptedFile(dataDir) ? await passphraseFor([dataDir], context) : null;
      using to = await newPassphrase(options, dataDir, context);
      const changed = changePassphrase(dataDir, { from, to });
      if (globalFlags(command).output === "json") {
        return printJson(context.stdout, { dataDir, changed, encrypted: to !== null });
      }
      const how = to === null ? "no longer encrypted" : "encrypted with the new passphrase";
      context.stdout.write(
        changed.length === 0
          ? `Nothing to change in ${dataDir}\n`
          : changed.map((path) => `${path}: ${how}\n`).join(""),
      );
    });
}

interface PassphraseFlags {
  readonly dataDir?: string;
  readonly newPassphraseFile?: string;
  readonly remove?: true;
}

async function newPassphrase(
  { newPassphraseFile, remove }: PassphraseFlags,
  dataDir: string,
  context: CommandContext,
): Promise<Passphrase | null> {
  if (remove === undefined) {
    return newPassphraseFile === undefined
      ? await askNewPassphrase(dataDir, context)
      : readPassphraseFile(newPassphraseFile);
  }
  if (newPassphraseFile === undefined) return null;
  throw new CommandError(ExitCode.usage, "--remove goes without --new-passphrase-file");
}
