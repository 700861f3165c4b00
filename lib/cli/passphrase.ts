/**
 * Where commands get passphrases from: a file that `FLOE_PASSPHRASE_FILE` names, or the person at the
 * terminal. Never an argument or a variable of its own: those show in the process list.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { Passphrase } from "../node/passphrase.ts";
import { readPassphraseFile } from "../node/passphrase_file.ts";
import { hasEncryptedFile } from "../node/secret_files.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";

/** The variable that names a file with the passphrase of a node's secret files. */
export const PASSPHRASE_FILE_VARIABLE = "FLOE_PASSPHRASE_FILE";

/** The passphrase in the file that {@linkcode PASSPHRASE_FILE_VARIABLE} names, or null. */
export function passphraseFromFile(context: CommandContext): Passphrase | null {
  const path = context.env(PASSPHRASE_FILE_VARIABLE);
  return path === undefined ? null : readPassphraseFile(path);
}

/**
 * What opens nodes' folders: the passphrase from the file, or from the person at the terminal if there is
 * anything to open. Null where there is neither; reading the files then says what is missing.
 *
 * @throws {InputError} when the file that is named cannot be used.
 * @throws {CommandError} when the person gives none.
 */
export async function passphraseFor(
  dataDirs: readonly string[],
  context: CommandContext,
): Promise<Passphrase | null> {
  const fromFile = passphraseFromFile(context);
  if (fromFile !== null || context.askSecret === undefined) return fromFile;
  const encrypted = dataDirs.find(hasEncryptedFile);
  return encrypted === undefined ? null : await askPassphrase(encrypted, context);
}

/**
 * Asks for the passphrase of what is there.
 *
 * @throws {CommandError} when there is nobody to ask, or no passphrase is given.
 */
export async function askPassphrase(what: string, context: CommandContext): Promise<Passphrase> {
  return toPassphrase(await ask(`Passphrase of ${what}: `, context));
}

/**
 * Asks for a passphrase that nobody could give again if it were mistyped: twice.
 *
 * @throws {CommandError} when there is nobody to ask, no passphrase is given, or two different ones are.
 */
export async function askNewPassphrase(
  what: string,
  context: CommandContext,
): Promise<Passphrase> {
  const first = await ask(`New passphrase of ${what}: `, context);
  const second = await ask("The same again: ", context);
  const isSame = first.length === second.length &&
    first.every((byte, offset) => byte === second[offset]);
  second.fill(0);
  if (isSame) return toPassphrase(first);
  first.fill(0);
  throw new CommandError(ExitCode.usage, "Cannot use this passphrase: the two are not the same");
}

async function ask(question: string, context: CommandContext): Promise<Uint8Array> {
  if (context.askSecret !== undefined) return await context.askSecret(question);
  throw new CommandError(
    ExitCode.usage,
    "Cannot ask for a passphrase: this is no terminal. " +
      `Name a file that holds it in ${PASSPHRASE_FILE_VARIABLE}.`,
  );
}

function toPassphrase(bytes: Uint8Array): Passphrase {
  try {
    return new Passphrase(bytes);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new CommandError(ExitCode.usage, `Cannot use this passphrase: ${cause.message}`, {
      cause,
    });
  }
}
