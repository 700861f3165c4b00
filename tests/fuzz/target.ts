/**
 * What is fuzzed: a target draws inputs from a seed and gives each to a part of Floe.
 *
 * Every input stands for itself. A part that has a life (the core, a connection) lives one of its own
 * in each input, so that the seed and the input's number are all that is needed to do it again.
 *
 * @module
 */

import type { Random } from "../simulator/random.ts";

/** What became of an input: {@linkcode ACCEPTED}, or the class of the error that refused it. */
export type Outcome = string;

/** Nothing was wrong with the input. */
export const ACCEPTED: Outcome = "accepted";

/** One input, ready to be given. */
export interface Attempt {
  /** The input as text, to be read and kept when it breaks something. */
  readonly show: () => string;
  /** How large the input is, in bytes: what its time is measured against. */
  readonly bytes: number;
  /** Gives it. @throws whatever the contract of the part does not foresee. */
  readonly run: () => Outcome | Promise<Outcome>;
}

/** A target with whatever it needs: a server, a folder, keys. */
export interface OpenTarget extends AsyncDisposable {
  /** Draws the next input. */
  draw(random: Random): Attempt;
}

/** A part of Floe that takes input from outside. */
export interface Target {
  /** Its name on the command line. */
  readonly name: string;
  /** Its part of the inputs of a run over all targets, relative to the others'. */
  readonly share: number;
  /** Prepares it. */
  open(): OpenTarget | Promise<OpenTarget>;
}

/** What makes a target that needs nothing but its inputs. */
export interface PureTarget<Input> {
  /** See {@linkcode Target}. */
  readonly name: string;
  /** See {@linkcode Target}. */
  readonly share: number;
  /** Draws an input. */
  readonly draw: (random: Random) => Input;
  /** See {@linkcode Attempt}. */
  readonly show: (input: Input) => string;
  /** See {@linkcode Attempt}. */
  readonly bytesOf: (input: Input) => number;
  /** Gives it to the part; see {@linkcode Attempt.run}. */
  readonly give: (input: Input) => Outcome | Promise<Outcome>;
}

/** A target without a life. */
export function pureTarget<Input>(target: PureTarget<Input>): Target {
  return {
    name: target.name,
    share: target.share,
    open: () => ({
      draw: (random) => {
        const input = target.draw(random);
        return {
          show: () => target.show(input),
          bytes: target.bytesOf(input),
          run: () => target.give(input),
        };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  };
}

/** A pure target whose inputs are bytes. */
export function bytesTarget(
  target: Pick<PureTarget<Uint8Array>, "name" | "share" | "draw" | "give">,
): Target {
  return pureTarget({
    ...target,
    show: (bytes) => bytes.toHex(),
    bytesOf: (bytes) => bytes.length,
  });
}

/** A pure target whose inputs are texts. */
export function textTarget(
  target: Pick<PureTarget<string>, "name" | "share" | "draw" | "give">,
): Target {
  return pureTarget({
    ...target,
    show: (text) => JSON.stringify(text),
    bytesOf: (text) => text.length,
  });
}

/** The constructor of an error. */
// deno-lint-ignore no-explicit-any -- how it is constructed is of no interest
export type ErrorClass = abstract new (...parameters: any[]) => Error;

/**
 * Does what takes an input, of which only errors of these classes may come.
 *
 * @throws every other error; and a stack overflow, whatever was made of it.
 */
export function refusing(classes: readonly ErrorClass[], take: () => void): Outcome {
  try {
    take();
    return ACCEPTED;
  } catch (error) {
    return toOutcome(classes, error);
  }
}

/** The class of an error, if it is one of these. @throws the error when it is not. */
export function toOutcome(classes: readonly ErrorClass[], error: unknown): Outcome {
  const known = classes.find((known) => error instanceof known);
  if (known === undefined || !(error instanceof Error) || isStackOverflow(error)) throw error;
  const detail = error as Error & { readonly refusal?: string; readonly code?: string };
  return [error.name, detail.refusal ?? detail.code].filter((part) => part !== undefined).join(" ");
}

/** A refusal in whose chain of causes the stack ran out is no refusal but a crash that was caught. */
function isStackOverflow(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof RangeError && cause.message.includes("call stack")) return true;
  }
  return false;
}
