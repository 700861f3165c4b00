/**
 * Runs targets: draws inputs from a seed, gives each, and keeps account of what became of them.
 *
 * @module
 */

import { Random } from "../simulator/random.ts";
import { measureHeap } from "./memory.ts";
import { ACCEPTED, type Attempt, type OpenTarget, type Outcome, type Target } from "./target.ts";

/** What became of the inputs of one target. */
export class Tally {
  /** How often each outcome came. */
  readonly outcomes = new Map<Outcome, number>();
  /** The input that took longest for its size, of those that took noticeably long. */
  slowest: { readonly number: number; readonly ms: number; readonly bytes: number } | null = null;
  /** Milliseconds that all of them took. */
  elapsedMs = 0;

  /** How many inputs there were. */
  get inputs(): number {
    return [...this.outcomes.values()].reduce((sum, count) => sum + count, 0);
  }

  /** How many of them nothing was wrong with. */
  get accepted(): number {
    return this.outcomes.get(ACCEPTED) ?? 0;
  }

  /** Adds an input. */
  add(
    outcome: Outcome,
    taken: { readonly number: number; readonly ms: number; readonly bytes: number },
  ): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    this.elapsedMs += taken.ms;
    if (taken.ms > (this.slowest?.ms ?? 0)) this.slowest = taken;
  }
}

/** An input broke what it was given to. */
export class FuzzFailure extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "FuzzFailure";
  /** The target. */
  readonly target: string;
  /** The seed. */
  readonly seed: string;
  /** The input's number, from 0. */
  readonly number: number;
  /** All of the input. */
  readonly input: string;

  /** `cause` is what came of the input. */
  constructor(
    failed: {
      readonly target: string;
      readonly seed: string;
      readonly number: number;
      readonly input: string;
    },
    cause: unknown,
  ) {
    const { target, seed, number, input } = failed;
    super(
      `Input ${number} of target ${target} with seed ${seed} broke it: ${describe(cause)}\n` +
        `input: ${shorten(input)}\n` +
        `Replay it with: ${replayCommand(failed)}`,
      { cause },
    );
    this.target = target;
    this.seed = seed;
    this.number = number;
    this.input = input;
  }
}

/** The command that gives one input again. */
function replayCommand(
  { target, seed, number }: Pick<FuzzFailure, "target" | "seed" | "number">,
): string {
  return `deno task fuzz --target ${target} --seed ${seed} --input ${number}`;
}

/** What is run. */
export interface FuzzOptions {
  /** Which targets. */
  readonly targets: readonly Target[];
  /** Everything is drawn from it. */
  readonly seed: string;
  /** Whether to do another round; asked after each, and before the first. */
  readonly more: (report: FuzzReport) => boolean;
  /** How many inputs a round gives to all targets together. */
  readonly inputsPerRound: number;
  /** Told after every few inputs. */
  readonly onProgress?: (report: FuzzReport) => void;
}

/** What came of a run. */
export interface FuzzReport {
  /** By target. */
  readonly tallies: ReadonlyMap<string, Tally>;
  /** Bytes reachable after each round. */
  readonly heap: readonly number[];
  /** How many inputs there were in all. */
  readonly inputs: number;
}

/**
 * Runs all targets in turns, until it is enough.
 *
 * @throws {FuzzFailure} at the first input that breaks something.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const run = new Run(options);
  await using opened = new AsyncDisposableStack();
  const targets: [Target, OpenTarget][] = [];
  for (const target of options.targets) targets.push([target, opened.use(await target.open())]);
  const shares = options.targets.reduce((sum, { share }) => sum + share, 0);
  using _watch = run.watchRejections();
  while (options.more(run.report)) {
    for (const [target, open] of targets) {
      const inputs = Math.ceil(options.inputsPerRound * target.share / shares);
      await run.give(target, open, inputs);
    }
    run.endRound();
  }
  return run.report;
}

/** Gives one input again. @throws {FuzzFailure} when it still breaks something. */
export async function replay(
  target: Target,
  { seed, number }: { readonly seed: string; readonly number: number },
): Promise<{ readonly input: string; readonly outcome: Outcome }> {
  const run = new Run({ targets: [target], seed, more: () => false, inputsPerRound: 1 });
  await using open = await target.open();
  using _watch = run.watchRejections();
  const { attempt, outcome } = await run.giveOne(target, open, number);
  return { input: attempt.show(), outcome };
}

/** How many inputs pass between two looks at the progress. */
const PROGRESS_INPUTS = 200;

class Run {
  readonly #options: FuzzOptions;
  readonly #tallies = new Map<string, Tally>();
  readonly #heap: number[] = [];
  readonly #rejections: unknown[] = [];

  constructor(options: FuzzOptions) {
    this.#options = options;
    for (const { name } of options.targets) this.#tallies.set(name, new Tally());
  }

  get report(): FuzzReport {
    const inputs = [...this.#tallies.values()].reduce((sum, tally) => sum + tally.inputs, 0);
    return { tallies: this.#tallies, heap: this.#heap, inputs };
  }

  /** A rejection that nobody handles is as bad as a throw that nobody foresaw. */
  watchRejections(): Disposable {
    const onRejection = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.#rejections.push(event.reason);
    };
    addEventListener("unhandledrejection", onRejection);
    return { [Symbol.dispose]: () => removeEventListener("unhandledrejection", onRejection) };
  }

  async give(target: Target, open: OpenTarget, inputs: number): Promise<void> {
    const tally = this.#tally(target);
    const first = tally.inputs;
    for (let number = first; number < first + inputs; number++) {
      await this.giveOne(target, open, number);
      if (number % PROGRESS_INPUTS === 0) this.#options.onProgress?.(this.report);
    }
  }

  async giveOne(
    target: Target,
    open: OpenTarget,
    number: number,
  ): Promise<{ readonly attempt: Attempt; readonly outcome: Outcome }> {
    const { seed } = this.#options;
    const attempt = open.draw(new Random(`${seed}/${target.name}/${number}`));
    const startMs = performance.now();
    try {
      // Awaited only where there is something to await: most targets have nothing.
      const running = attempt.run();
      const outcome = typeof running === "string" ? running : await running;
      const { bytes } = attempt;
      this.#tally(target).add(outcome, { number, ms: performance.now() - startMs, bytes });
      if (this.#rejections.length > 0) throw this.#rejections[0];
      return { attempt, outcome };
    } catch (cause) {
      throw new FuzzFailure({ target: target.name, seed, number, input: attempt.show() }, cause);
    }
  }

  endRound(): void {
    this.#heap.push(measureHeap());
    this.#options.onProgress?.(this.report);
  }

  #tally({ name }: Target): Tally {
    const tally = this.#tallies.get(name) ?? new Tally();
    this.#tallies.set(name, tally);
    return tally;
  }
}

const SHOWN_LENGTH_MAX = 2_000;

function shorten(text: string): string {
  return text.length <= SHOWN_LENGTH_MAX
    ? text
    : `${text.slice(0, SHOWN_LENGTH_MAX)}... (${text.length} characters in all)`;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? `${error.name}: ${error.message}` : String(error);
}
