/**
 * Answers that are sent in parts, as fast as the client reads them: ranges and watches. Only the part that
 * is sent now is in memory.
 *
 * @module
 */

import type { Problem } from "./problem.ts";

/** The source of an answer's parts. */
export interface PartSource {
  /** How long its client may take to read one part, in milliseconds. */
  readonly stalledMsMax: number;
  /** The next part, when there is one; null at the end. If it throws, the answer breaks off. */
  next(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The server stops: the next part must be the last one. */
  stop(): void;
  /** The answer has ended. Called once, however it ends. */
  end(): void;
}

/** An answer that is sent in parts. */
export class AnswerStream {
  /** The body of the response. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Settles when the answer is sent, or the client has left. Never rejects. */
  readonly finished: Promise<void>;
  readonly #source: PartSource;
  readonly #ended = Promise.withResolvers<void>();
  /** When the present part was sent, on the monotonic clock; null while the client waits for a part. */
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

  /** Does not count the time in which this process was paused and the client could read nothing. */
  forgive(pausedMs: number, nowMs: number): void {
    if (this.#sentMs !== null) this.#sentMs = Math.min(nowMs, this.#sentMs + pausedMs);
  }

  /** Ends the answer after its next part. */
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

/** The streams by their requests, because a response can be wrapped before it reaches the connection. */
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

/** The stream that answers a request; undefined if the answer is no stream. */
export function streamOf(request: Request): AnswerStream | undefined {
  return streams.get(request);
}

/** Counts the open streams of one kind, and refuses a new one above the limit. */
export class StreamGate {
  readonly #max: number;
  readonly #refuse: (max: number) => Problem;
  #open = 0;

  /** At most `max` at once; `refuse` makes the refusal. */
  constructor(max: number, refuse: (max: number) => Problem) {
    this.#max = max;
    this.#refuse = refuse;
  }

  /** The number of open streams. */
  get open(): number {
    return this.#open;
  }

  /** Admits one stream. Returns the function that ends it. @throws {Problem} when there are too many. */
  enter(): () => void {
    if (this.#open >= this.#max) throw this.#refuse(this.#max);
    this.#open++;
    return () => void this.#open--;
  }
}

/** Waits for the next turn of the event loop, so that other work runs first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
