/**
 * The output of a node or a local cluster, which must never wait for a reader.
 *
 * @module
 */

import { concatBytes, encodeUtf8 } from "../bytes.ts";
import type { ByteSink, OutputStream } from "./command.ts";

/** Most bytes that wait to be written; further lines are dropped. */
export const PENDING_BYTES_MAX: number = 4 * 1024 * 1024;
/** How long the end of the program waits for a slow reader. */
const DRAIN_TIMEOUT_MS = 1_000;

const NEWLINE = 0x0a;

/**
 * A queue of lines with one writer. When a reader stops (a paused pager, a full pipe), a disk is full or a
 * pipe is closed, lines are dropped. They are counted, and the count is written when writing works again.
 * No method throws, and none blocks.
 */
export class OutputQueue implements OutputStream {
  readonly isTerminal: boolean;
  readonly #sink: ByteSink;
  readonly #describeDropped: (count: number) => string;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #dropped = 0;
  /** Whether a write failed in the middle of a line. */
  #isLineOpen = false;
  #writing: Promise<void> | null = null;

  /** `describeDropped` makes the line that reports how many lines were dropped since the last write. */
  constructor(
    sink: ByteSink & { readonly isTerminal?: boolean },
    describeDropped: (count: number) => string,
  ) {
    this.#sink = sink;
    this.#describeDropped = describeDropped;
    this.isTerminal = sink.isTerminal ?? false;
  }

  /** Queues a line, which includes its newline. */
  write(line: string | Uint8Array): void {
    const bytes = typeof line === "string" ? encodeUtf8(line) : line.slice();
    if (this.#pendingBytes + bytes.length > PENDING_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#writing ??= this.#writePending();
  }

  /** As {@linkcode write}: takes all bytes. */
  writeSome(bytes: Uint8Array): Promise<number> {
    this.write(bytes);
    return Promise.resolve(bytes.length);
  }

  /** Settles when all queued lines are written, or at the timeout. */
  async drain(timeoutMs = DRAIN_TIMEOUT_MS): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, timeoutMs);
    await Promise.race([this.#finished(), timeout.promise]);
    clearTimeout(timer);
  }

  async #finished(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async #writePending(): Promise<void> {
    // All lines of one turn of the event loop go into one write.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const lines = this.#pending;
      const dropped = this.#dropped;
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#dropped = 0;
      const isWritten = await this.#writeAll(concatBytes(...lines, ...this.#notice(dropped)));
      if (!isWritten) this.#dropped += dropped + lines.length;
    }
    this.#writing = null;
  }

  #notice(dropped: number): readonly Uint8Array[] {
    return dropped === 0 ? [] : [encodeUtf8(this.#describeDropped(dropped))];
  }

  /** Returns false for a failure, which cannot be reported before a write succeeds. */
  async #writeAll(bytes: Uint8Array): Promise<boolean> {
    let left = this.#isLineOpen ? concatBytes(encodeUtf8("\n"), bytes) : bytes;
    try {
      while (left.length > 0) {
        const count = await this.#sink.writeSome(left);
        if (count > 0) this.#isLineOpen = left[count - 1] !== NEWLINE;
        left = left.subarray(count);
      }
      return true;
    } catch {
      return false;
    }
  }
}
