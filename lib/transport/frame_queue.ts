/**
 * What waits to be written to one connection.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { concatBytes } from "../bytes.ts";

/** Frames that are queued are joined into one write of at most this many bytes. */
export const CHUNK_BYTES_MAX = 256 * 1024;

/** How much may wait. */
export interface QueueLimits {
  /** Most frames. */
  readonly queueMessagesMax: number;
  /** Most bytes of frames; a single larger frame is still taken. */
  readonly queueBytesMax: number;
}

/**
 * A bounded queue of frames. When it is full the oldest make room: Raft repeats what is lost, and of
 * two messages the newer knows more.
 */
export class FrameQueue {
  readonly #limits: QueueLimits;
  #frames: Uint8Array[] = [];
  #bytes = 0;

  /** Starts empty. */
  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** How many frames wait. */
  get length(): number {
    return this.#frames.length;
  }

  /** How many bytes wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends a frame and returns how many of the oldest were dropped to make room. */
  push(frame: Uint8Array): number {
    let dropped = 0;
    while (this.#frames.length > 0 && !this.#hasRoom(frame)) {
      this.#bytes -= assertDefined(this.#frames.shift(), "the queue is not empty").length;
      dropped += 1;
    }
    this.#frames.push(frame);
    this.#bytes += frame.length;
    return dropped;
  }

  /**
   * Takes the next bytes to write, or null when nothing waits: as many whole frames as make at most
   * {@linkcode CHUNK_BYTES_MAX}, joined, or one larger frame as it is.
   */
  take(): Uint8Array | null {
    const [first] = this.#frames;
    if (first === undefined) return null;
    const chunk = this.#frames.splice(0, this.#countForChunk());
    const joined = chunk.length === 1 ? first : concatBytes(...chunk);
    this.#bytes -= joined.length;
    return joined;
  }

  #hasRoom(frame: Uint8Array): boolean {
    return this.#frames.length < this.#limits.queueMessagesMax &&
      this.#bytes + frame.length <= this.#limits.queueBytesMax;
  }

  #countForChunk(): number {
    let bytes = 0;
    const end = this.#frames.findIndex((frame) => (bytes += frame.length) > CHUNK_BYTES_MAX);
    return end === -1 ? this.#frames.length : Math.max(end, 1);
  }
}
