/**
 * Answers that are written little by little, as fast as their client reads them: ranges and watches.
 * Nothing of such an answer is held but the part that is being sent.
 *
 * @module
 */

import type { Problem } from "./problem.ts";

/** Where the parts of an answer come from. */
export interface PartSource {
  /** How long its client may take to read one part, in milliseconds. */
  readonly stalledMsMax: number;
  /** The next part, when there is one; null at the end. If it throws, the answer breaks off. */
  next(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The server stops: the next part is the last one. */
  stop(): void;
  /** Nothing more is asked for. Called once, however the answer ends. */
  end(): void;
}

/** An answer on its way. */
export class AnswerStream {
  /** What is sent. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Settles when the answer is sent, or its client is gone. Never rejects. */
  readonly finished: Promise<void>;
  readonly #source: PartSource;
  readonly #ended = Promise.withResolvers<void>();
  /** Since when a part is on its way, on the monotonic clock; null while the client waits for one. */
  #sentMs: number | null = null;
  #isOver = false;

  constructor(source: PartSource) {
    this.#source = source;
    this.finished = this.#ended.promise;
    this.body = new ReadableStream({
      pull: (controller) => this.#pull(controller),
      cancel: () => this.#end(),
    }, { highWaterMark: 0 });
  }

  /** Whether the client has not read what was sent to it for too long. */
  isStalled(nowMs: number): boolean {
    return this.#sentMs !== null && nowMs - this.#sentMs > this.#source.stalledMsMax;
  }

  /** For so long the client could read nothing, as this process stood still. */
  forgive(pausedMs: number, nowMs: number): void {
    if (this.#sentMs !== null) this.#sentMs = Math.min(nowMs, this.#sentMs + pausedMs);
  }

  /** Ends the answer in order, soon. */
  stop(): void {
    this.#source.stop();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    this.#sentMs = null;
    try {
      const part = await this.#source.next();
      if (this.#isOver) return;
      if (part !== null) {
        this.#sentMs = performance.now();
        return controller.enqueue(part);
      }
      controller.close();
    } catch (error) {
      if (!this.#isOver) controller.error(error);
    }
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sentMs = null;
    this.#source.end();
    this.#ended.resolve();
  }
}

/** By their requests: what answers a request may be wrapped on its way to the connection. */
const streams = new WeakMap<Request, AnswerStream>();

/** The response to `request` whose parts come from `source`. */
export function streamResponse(
  request: Request,
  source: PartSource,
  headers: Readonly<Record<string, string>>,
): Response {
  const stream = new AnswerStream(source);
  streams.set(request, stream);
  return new Response(stream.body, { headers });
}

/** The stream that answers a request, if it is answered by one. */
export function streamOf(request: Request): AnswerStream | undefined {
  return streams.get(request);
}

/** Counts answers of one kind that are on their way, and refuses what is too much. */
export class StreamGate {
  readonly #max: number;
  readonly #refuse: (max: number) => Problem;
  #open = 0;

  /** At most `max` at once; `refuse` makes the refusal. */
  constructor(max: number, refuse: (max: number) => Problem) {
    this.#max = max;
    this.#refuse = refuse;
  }

  /** How many there are. */
  get open(): number {
    return this.#open;
  }

  /** Lets one in, and gives what lets it out again. @throws {Problem} when there are too many. */
  enter(): () => void {
    if (this.#open >= this.#max) throw this.#refuse(this.#max);
    this.#open++;
    return () => void this.#open--;
  }
}

/** Lets everything else have its turn first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
