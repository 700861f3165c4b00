/**
 * `floe keys`: encrypts, backs up and restores the secret files of a node's folder.
 *
 * @module
 */

import {
  changePassphrase,
  hasEncryptedFile,
  lockDataFolder,
  type Passphrase,
  readPassphraseFile,
  restoreBackup,
  statFile,
  writeBackup,
} from "../../keys/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { globalFlags } from "../options.ts";
import { printJson } from "../output.ts";
import {
  askNewPassphrase,
  askPassphrase,
  passphraseFor,
  passphraseFromFile,
} from "../secrets/secret_input.ts";

/** Adds `floe keys` and its commands. */
export function registerKeys(program: Program, context: CommandContext): void {
  const keys = program
    .command("keys")
    .summary("encrypt, back up and restore a node's keys")
    .description(
      "Works on a node's secret files: identity.json, share.json and, while the nodes make a key, " +
        "keygen.json. A passphrase comes from the file in FLOE_PASSPHRASE_FILE, or from the " +
        "terminal.",
    );
  for (const register of [registerKeysPassphrase, registerKeysBackup, registerKeysRestore]) {
    register(keys, context);
  }
}

/** Adds `floe keys backup` to `floe keys`. */
function registerKeysBackup(keys: Program, context: CommandContext): void {
  keys
    .command("backup")
    .summary("write a node's keys into one encrypted file")
    .description(
      "Writes the identity and the share of a node into one file, encrypted with the passphrase of " +
        "its files, or with a new one if they are not encrypted. The node may run. The share can " +
        "be restored only beside the node's folder raft, which has its votes. Stop the node and " +
        "copy that folder too; without it, a restore brings back the identity alone.",
    )
    .option(...KEYS_FOLDER_OPTION)
    .requiredOption("--out <file>", "the file to write, which must not exist")
    .action(async (options: BackupFlags, command: Program) => {
      const dataDir = keysFolder(options, context);
      checkNotThere(options.out);
      using fromFile = passphraseFromFile(context);
      checkFolder(dataDir);
      using passphrase = fromFile ?? await backupPassphrase(dataDir, context);
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

/** Checked before Floe asks for a passphrase, so that no one types it for nothing. */
function checkFolder(dataDir: string): void {
  if (statFile(dataDir) !== null) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot use ${dataDir}: there is no such folder. ` +
      "Name a node's folder with --data-dir.",
  );
}

function checkThere(backup: string): void {
  if (statFile(backup) !== null) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot use ${backup}: there is no such file. Name one that floe keys backup wrote.`,
  );
}

function checkNotThere(out: string): void {
  if (statFile(out) === null) return;
  throw new CommandError(
    ExitCode.usage,
    `Cannot write ${out}: the file exists already. A backup is never overwritten; name another.`,
  );
}

/** The passphrase of the folder's files; a new one when they are not encrypted, as a backup always is. */
async function backupPassphrase(dataDir: string, context: CommandContext): Promise<Passphrase> {
  return hasEncryptedFile(dataDir)
    ? await askPassphrase(dataDir, context)
    : await askNewPassphrase("the backup", context);
}

/** Adds `floe keys restore` to `floe keys`. */
function registerKeysRestore(keys: Program, context: CommandContext): void {
  keys
    .command("restore")
    .summary("restore a node's keys from a backup")
    .description(
      "Writes the keys of a backup into a node's folder, encrypted with the backup's passphrase. It " +
        "overwrites nothing. A share is restored only beside the folder raft of its node: a node that " +
        "has lost its votes must not sign again. Never run the same node in two places, and never " +
        "with an old copy of raft: Floe cannot notice that.",
    )
    .argument("<file>", "the backup")
    .option(...KEYS_FOLDER_OPTION)
    .option("--identity-only", "restore the identity without the share")
    .action(async (file: string, options: RestoreFlags, command: Program) => {
      const dataDir = keysFolder(options, context);
      using fromFile = passphraseFromFile(context);
      checkThere(file);
      using _lock = lockDataFolder(dataDir);
      using passphrase = fromFile ?? await askPassphrase(file, context);
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

/** Adds `floe keys passphrase` to `floe keys`. */
function registerKeysPassphrase(keys: Program, context: CommandContext): void {
  keys
    .command("passphrase")
    .summary("add, change or remove the passphrase of a node's keys")
    .description(
      "Encrypts a node's secret files with a new passphrase; --remove decrypts them. The node must be " +
        "stopped. The present passphrase comes from the file in FLOE_PASSPHRASE_FILE, or from the " +
        "terminal. If the command was interrupted, run it again. It cannot erase the old content: " +
        "disks, and their backups, may keep it.",
    )
    .option(...KEYS_FOLDER_OPTION)
    .option(
      "--new-passphrase-file <file>",
      "read the new passphrase from a file, instead of asking",
    )
    .option("--remove", "stop encrypting the files")
    .action(async (options: PassphraseFlags, command: Program) => {
      const dataDir = keysFolder(options, context);
      using fromFile = newPassphraseFromFile(options);
      checkFolder(dataDir);
      using _lock = lockDataFolder(dataDir);
      using from = hasEncryptedFile(dataDir) ? await passphraseFor([dataDir], context) : null;
      using asked = fromFile === null && options.remove === undefined
        ? await askNewPassphrase(dataDir, context)
        : null;
      const to = fromFile ?? asked;
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

/** Read before Floe asks for a passphrase, so that no one types it for nothing. */
function newPassphraseFromFile({ newPassphraseFile, remove }: PassphraseFlags): Passphrase | null {
  if (newPassphraseFile === undefined) return null;
  if (remove === undefined) return readPassphraseFile(newPassphraseFile);
  throw new CommandError(ExitCode.usage, "--remove goes without --new-passphrase-file");
}

/** The option for the folder, and its help. */
const KEYS_FOLDER_OPTION = [
  "--data-dir <dir>",
  "the node's folder (FLOE_DATA_DIR)",
] as const;

/**
 * A node's folder: `--data-dir`, else `FLOE_DATA_DIR`.
 *
 * @throws {CommandError} with {@linkcode ExitCode.usage} when neither is set.
 */
function keysFolder(
  { dataDir }: { readonly dataDir?: string },
  context: CommandContext,
): string {
  const folder = dataDir ?? context.env("FLOE_DATA_DIR");
  if (folder !== undefined) return folder;
  throw new CommandError(
    ExitCode.usage,
    "Name the node's folder with --data-dir (or FLOE_DATA_DIR).",
  );
}
