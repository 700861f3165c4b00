/**
 * Reads Server-Sent Events as a test asks for them.
 *
 * @module
 */

/** One event as it came. */
export interface StreamEvent {
  /** `message` if it has no name. */
  readonly event: string;
  readonly id: string | null;
  // deno-lint-ignore no-explicit-any -- a test says what it expects
  readonly data: any;
}

/** The events of one answer. */
export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(response: Response) {
    if (response.body === null) throw new Error("No body");
    this.#reader = response.body.getReader();
  }

  /** The next event, or null at the end. */
  async next(): Promise<StreamEvent | null> {
    while (!this.#text.includes("\n\n")) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
    const [block = "", ...rest] = this.#text.split("\n\n");
    this.#text = rest.join("\n\n");
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? null;
    return {
      event: field("event") ?? "message",
      id: field("id"),
      data: JSON.parse(field("data") ?? "null"),
    };
  }

  /** The next event that is no progress. */
  async change(): Promise<StreamEvent | null> {
    while (true) {
      const event = await this.next();
      if (event?.event !== "progress" && event?.event !== "start") return event;
    }
  }

  /** Leaves. */
  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}
