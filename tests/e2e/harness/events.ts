/**
 * Waiting for what a process says.
 *
 * @module
 */

/** One JSON object that a process wrote on a line of its own. */
export type ProcessEvent = Readonly<Record<string, unknown>>;

/**
 * How long a test waits for something before it fails. Long, as nothing here judges a time: on a machine
 * where twenty programs shared two processors, a node had no second of its own within a minute.
 */
export const WAIT_TIMEOUT_MS = 180_000;

/** Everything that one process said, in order, and those who wait for more. */
export class EventLog {
  readonly #who: string;
  readonly #events: ProcessEvent[] = [];
  readonly #other: string[] = [];
  #changed = Promise.withResolvers<void>();
  #hasEnded = false;

  /** `who` is named when a wait fails. */
  constructor(who: string) {
    this.#who = who;
  }

  /** How many events there are so far: a place to wait from. */
  get length(): number {
    return this.#events.length;
  }

  /** Everything said so far. */
  get events(): readonly ProcessEvent[] {
    return this.#events;
  }

  /** What was not JSON, such as an error message. */
  get otherLines(): readonly string[] {
    return this.#other;
  }

  /** Takes every line of a stream, until it ends. */
  async readFrom(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let partial = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) this.#add(line);
    }
    if (partial !== "") this.#add(partial);
  }

  /** Nothing more will come: whoever waits need not wait for the deadline. */
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /**
   * The first event from place `from` on that `matches`, now or when it comes.
   *
   * @throws {Error} at the deadline or the process's end, with the last things it said.
   */
  async waitFor(
    what: string,
    matches: (event: ProcessEvent) => boolean,
    options: { readonly from?: number; readonly timeoutMs?: number } = {},
  ): Promise<ProcessEvent> {
    const { timeoutMs = WAIT_TIMEOUT_MS } = options;
    const startedMs = performance.now();
    for (let next = options.from ?? 0;; next++) {
      while (next >= this.#events.length) {
        const leftMs = startedMs + timeoutMs - performance.now();
        if (this.#hasEnded) throw this.#disappointment(what, "it ended");
        if (leftMs <= 0) throw this.#disappointment(what, `not within ${timeoutMs} ms`);
        await deadline(this.#changed.promise, leftMs).catch(() => {});
      }
      const event = this.#events[next];
      if (event !== undefined && matches(event)) return event;
    }
  }

  #add(line: string): void {
    try {
      this.#events.push(JSON.parse(line));
    } catch {
      this.#other.push(line);
    }
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #disappointment(what: string, why: string): Error {
    const said = this.#events.slice(-20).map((event) => JSON.stringify(event));
    return new Error(
      [`${this.#who} never said ${what}: ${why}. Its last words:`, ...said, ...this.#other].join(
        "\n",
      ),
    );
  }
}

/** Waits for a promise at most so long. @throws {Error} when that is over first. */
export async function deadline<Value>(promise: Promise<Value>, timeoutMs: number): Promise<Value> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Not within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
