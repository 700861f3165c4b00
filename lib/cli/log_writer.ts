/**
 * Writes log lines without ever making a node wait for whoever reads them.
 *
 * @module
 */

/** Where log lines end up, such as `Deno.stderr`. */
export interface ByteSink {
  /** Writes some of `bytes` and says how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Most characters of lines that wait to be written; what comes on top of that is dropped. */
export const PENDING_LENGTH_MAX = 4 * 1024 * 1024;

/**
 * A queue of lines with one writer. A reader that stops (a paused pager, a full disk) costs log
 * lines, which are counted, and never holds up the node.
 */
export class LogWriter {
  readonly #sink: ByteSink;
  readonly #describeDropped: (count: number) => string;
  #pending: string[] = [];
  #pendingLength = 0;
  #dropped = 0;
  #writing: Promise<void> | null = null;

  /** `describeDropped` makes the line that tells of lines dropped since the last write. */
  constructor(sink: ByteSink, describeDropped: (count: number) => string) {
    this.#sink = sink;
    this.#describeDropped = describeDropped;
  }

  /** Takes a line, its newline included; it is written soon, after those before it. */
  push(line: string): void {
    if (this.#pendingLength + line.length > PENDING_LENGTH_MAX) {
      this.#dropped++;
      return;
    }
    this.#pending.push(line);
    this.#pendingLength += line.length;
    this.#writing ??= this.#writePending();
  }

  /** Settles when all lines taken so far are written, or cannot be. */
  async drain(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async #writePending(): Promise<void> {
    // All lines of one turn of the event loop go into one write.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const lines = this.#pending;
      this.#pending = [];
      this.#pendingLength = 0;
      if (this.#dropped > 0) lines.push(this.#describeDropped(this.#dropped));
      this.#dropped = 0;
      await writeAll(this.#sink, lines.join(""));
    }
    this.#writing = null;
  }
}

/** Ignores failure: there is nowhere left to tell of it. */
async function writeAll(sink: ByteSink, text: string): Promise<void> {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(await sink.write(bytes));
  } catch {
    return;
  }
}
