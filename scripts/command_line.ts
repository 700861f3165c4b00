/**
 * What the scripts' command lines have in common: how numbers are read, and what is said of a line that
 * cannot be read.
 *
 * @module
 */

import { InputError, messageOf } from "../lib/errors.ts";

/** An option and its text. */
export interface NumberOption {
  /** As in `--seeds`. */
  readonly name: string;
  /** What stands after it. */
  readonly text: string;
  /** The smallest value. */
  readonly from: number;
  /** The largest value, if there is a limit. */
  readonly to?: number;
}

/** Reads a whole number. @throws {InputError} when it is none, or out of its range. */
export function readWhole(option: NumberOption): number {
  const number = readNumber(option);
  if (Number.isInteger(number)) return number;
  throw new InputError(`${option.name}: ${option.text} is not a whole number`);
}

/** Reads a number. @throws {InputError} when it is none, or out of its range. */
export function readNumber({ name, text, from, to }: NumberOption): number {
  const number = text.trim() === "" ? NaN : Number(text);
  if (number >= from && number <= (to ?? Number.MAX_SAFE_INTEGER)) return number;
  const range = `from ${from} ${to === undefined ? "upward" : `to ${to}`}`;
  throw new InputError(`${name}: ${text} is not a number ${range}`);
}

/** A script: what it takes, and what it does with that. */
export interface Script<Options> {
  /** What is said when it is asked for help, or with a command line that cannot be read. */
  readonly usage: string;
  /** Reads `Deno.args`. @throws {InputError} or what `parseArgs` throws when it cannot. */
  readonly read: () => Options;
  /** Does the work. Returns the exit code. */
  readonly run: (options: Options) => Promise<number>;
}

/** Runs a script and exits with its code: 2 with the usage when its command line cannot be read. */
export async function runScript<Options>({ usage, read, run }: Script<Options>): Promise<never> {
  if (Deno.args.includes("--help")) {
    console.log(usage);
    Deno.exit(0);
  }
  Deno.exit(await run(readOr(usage, read)));
}

function readOr<Options>(usage: string, read: () => Options): Options {
  try {
    return read();
  } catch (error) {
    // `parseArgs` throws errors of type TypeError.
    if (!(error instanceof InputError || error instanceof TypeError)) throw error;
    console.error(`${messageOf(error)}\n${usage}`);
    Deno.exit(2);
  }
}
