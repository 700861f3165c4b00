/**
 * A channel without a network, whose other end is the test.
 *
 * @module
 */

import { type Channel, ChannelError } from "../../lib/transport/channel.ts";
import { Inbox } from "./harness.ts";

/** What is written to it lands in {@linkcode written}; what is read from it comes from the test. */
export class MemoryChannel implements Channel {
  /** Every write, in order. */
  readonly written = new Inbox<Uint8Array>();
  readonly #toRead = new Inbox<Uint8Array | null | ChannelError>();
  readonly #blocked: ((error: ChannelError) => void)[] = [];
  readonly #takesWrites: boolean;
  #closed = false;

  /** With `takesWrites: false`, writes begin and never end, as with a peer that does not read. */
  constructor(options: { readonly takesWrites: boolean }) {
    this.#takesWrites = options.takesWrites;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Lets the next read return these bytes, or the end of the stream. */
  deliver(bytes: Uint8Array | null): void {
    this.#toRead.put(bytes);
  }

  async read(): Promise<Uint8Array | null> {
    const next = await this.#toRead.take();
    if (next instanceof ChannelError) throw next;
    return next;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.written.put(bytes);
    if (!this.#takesWrites) await new Promise((_, reject) => this.#blocked.push(reject));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const error = new ChannelError("Cannot use the channel: it is closed");
    this.#toRead.put(error);
    for (const reject of this.#blocked) reject(error);
  }
}
