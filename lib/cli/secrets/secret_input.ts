/**
 * Reads a passphrase at a terminal, which does not show it.
 *
 * @module
 */

import { equalSecrets } from "../../bytes.ts";
import { catching, InputError } from "../../errors.ts";
import {
  hasEncryptedFile,
  Passphrase,
  PASSPHRASE_BYTES_MAX,
  readPassphraseFile,
} from "../../keys/mod.ts";
import type { CommandContext } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";

/** A terminal in raw mode. */
export interface RawTerminal {
  /** Waits for bytes, puts them into `buffer` and returns how many; null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Shows a text. */
  write(text: string): void;
}

const [END_OF_TEXT, END_OF_INPUT, BACKSPACE, LINE_FEED] = [0x03, 0x04, 0x08, 0x0a];
const [CARRIAGE_RETURN, ERASE_LINE, ESCAPE, SPACE, DELETE] = [0x0d, 0x15, 0x1b, 0x20, 0x7f];

/**
 * Asks `question` and reads a line, without its end. Backspace removes the last character, Ctrl-U all of
 * them. The caller erases the bytes.
 *
 * @throws {CommandError} at Ctrl-C, Ctrl-D and the end of the input, at a key that types no text, and when
 * the line is too long.
 */
export async function readSecretLine(
  question: string,
  terminal: RawTerminal,
): Promise<Uint8Array> {
  terminal.write(question);
  const line = new SecretLine();
  // One byte at a time, because bytes after the line's end answer the next question.
  const byte = new Uint8Array(1);
  try {
    while (!line.isComplete) {
      if (await terminal.read(byte) === null) throw cancelled();
      line.type(byte[0] ?? 0);
    }
    return line.take();
  } finally {
    byte.fill(0);
    line.erase();
    terminal.write("\n");
  }
}

/** A line that is being typed. */
class SecretLine {
  readonly #bytes = new Uint8Array(PASSPHRASE_BYTES_MAX);
  #length = 0;
  #isComplete = false;

  get isComplete(): boolean {
    return this.#isComplete;
  }

  type(byte: number): void {
    switch (byte) {
      case LINE_FEED:
      case CARRIAGE_RETURN:
        this.#isComplete = true;
        return;
      case END_OF_TEXT:
      case END_OF_INPUT:
        throw cancelled();
      case BACKSPACE:
      case DELETE:
        return this.#eraseCharacter();
      case ERASE_LINE:
        return this.erase();
      default:
        return this.#append(byte);
    }
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  erase(): void {
    this.#bytes.fill(0);
    this.#length = 0;
  }

  #append(byte: number): void {
    if (byte < SPACE) throw notText(byte);
    if (this.#length === this.#bytes.length) {
      throw new CommandError(
        ExitCode.usage,
        `Cannot use this passphrase: it is above ${PASSPHRASE_BYTES_MAX} bytes`,
      );
    }
    this.#bytes[this.#length++] = byte;
  }

  /** Removes one UTF-8 character: all its bytes but the first begin with the bits 10. */
  #eraseCharacter(): void {
    while (this.#length > 0) {
      const byte = this.#bytes[--this.#length] ?? 0;
      this.#bytes[this.#length] = 0;
      if ((byte & 0xc0) !== 0x80) return;
    }
  }
}

function cancelled(): CommandError {
  return new CommandError(ExitCode.failure, "Cancelled: no passphrase was given");
}

function notText(byte: number): CommandError {
  const key = byte === ESCAPE ? "an arrow or another key that moves" : "a control key";
  return new CommandError(
    ExitCode.usage,
    `Cannot read the passphrase: ${key} was pressed. Type it again, with Ctrl-U to start over.`,
  );
}

/** The variable with the path of the passphrase file. */
const PASSPHRASE_FILE_VARIABLE = "FLOE_PASSPHRASE_FILE";

/** The variable with the folder of a container's secrets, which no other container sees. */
const PRIVATE_MOUNT_VARIABLE = "FLOE_PRIVATE_MOUNT";

/** The passphrase in the file of {@linkcode PASSPHRASE_FILE_VARIABLE}, or null. */
export function passphraseFromFile(context: CommandContext): Passphrase | null {
  const path = context.env(PASSPHRASE_FILE_VARIABLE);
  if (path === undefined) return null;
  return readPassphraseFile(path, context.env(PRIVATE_MOUNT_VARIABLE) ?? null);
}

/**
 * The passphrase of nodes' folders: from the file, or from the terminal if a secret file is encrypted. Null
 * without both; then the error of reading the files says what is missing.
 *
 * @throws {InputError} when the passphrase file cannot be used.
 * @throws {CommandError} when no passphrase is typed.
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
 * Asks for the passphrase of existing files.
 *
 * @throws {CommandError} when there is no terminal, or no passphrase is typed.
 */
export async function askPassphrase(what: string, context: CommandContext): Promise<Passphrase> {
  return toPassphrase(await ask(`Passphrase of ${what}: `, context));
}

/**
 * Asks for a new passphrase, twice: a mistyped one would be lost.
 *
 * @throws {CommandError} when there is no terminal, no passphrase is typed, or the two differ.
 */
export async function askNewPassphrase(
  what: string,
  context: CommandContext,
): Promise<Passphrase> {
  const first = await ask(`New passphrase of ${what}: `, context);
  const second = await ask("The same passphrase again: ", context);
  const isSame = equalSecrets(first, second);
  second.fill(0);
  if (isSame) return toPassphrase(first);
  first.fill(0);
  throw new CommandError(ExitCode.usage, "Cannot use this passphrase: the two inputs differ");
}

async function ask(question: string, context: CommandContext): Promise<Uint8Array> {
  if (context.askSecret !== undefined) return await context.askSecret(question);
  throw new CommandError(
    ExitCode.usage,
    "Cannot ask for a passphrase: this is not a terminal. " +
      `Put it into a file, and the file's path into ${PASSPHRASE_FILE_VARIABLE}.`,
  );
}

function toPassphrase(bytes: Uint8Array): Passphrase {
  return catching(InputError, () => new Passphrase(bytes), (cause) => {
    throw new CommandError(ExitCode.usage, `Cannot use this passphrase: ${cause.message}`, {
      cause,
    });
  });
}
