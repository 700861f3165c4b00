/**
 * Frames divide a stream of bytes into messages. A frame is its payload's length as four bytes,
 * big-endian, then the payload. An empty payload is a keepalive.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { concatBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";

/** Most bytes of payload in a frame. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;
/** Bytes of length before each payload. */
export const FRAME_HEADER_BYTES = 4;

/** A frame is longer than its receiver accepts, or its sender may send. */
export class FrameError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "FrameError";
}

/**
 * A frame with a copy of `payload`. It is never changed afterwards, so one frame may be in several queues.
 *
 * @throws {FrameError} when the payload is longer than {@linkcode FRAME_BYTES_MAX}.
 */
export function encodeFrame(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes(encodeFrameHeader(payload.length), payload);
}

/**
 * The header of a payload of `length` bytes.
 *
 * @throws {FrameError} when that is more than {@linkcode FRAME_BYTES_MAX}.
 */
export function encodeFrameHeader(length: number): Uint8Array<ArrayBuffer> {
  checkLength(length, { what: "write", bytesMax: FRAME_BYTES_MAX });
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, length);
  return header;
}

/**
 * Reads frames from a stream that arrives in chunks of any size: {@linkcode push} a chunk, then call
 * {@linkcode next} until it returns null.
 *
 * Each payload gets a buffer of exactly its length, and every byte is copied once. So a view into a
 * payload (the data of log entries) keeps only that message in memory, never a receive buffer. And a
 * sender can make us allocate at most one frame.
 */
export class FrameDecoder {
  /**
   * Most bytes of a payload, at most {@linkcode FRAME_BYTES_MAX}. It applies from the next frame on, so a
   * connection can have a lower limit until the peer is authenticated.
   */
  frameBytesMax: number;

  #chunk: Uint8Array = new Uint8Array(0);
  /** How much of the chunk is consumed. */
  #offset = 0;
  #length = 0;
  #headerBytes = 0;
  /** The payload being filled; null while its length is not complete. */
  #payload: Uint8Array<ArrayBuffer> | null = null;
  #payloadBytes = 0;

  /** Starts between two frames. */
  constructor(options: { readonly frameBytesMax: number }) {
    assert(options.frameBytesMax <= FRAME_BYTES_MAX, "frame limit is above the largest frame");
    this.frameBytesMax = options.frameBytesMax;
  }

  /** Whether a frame is incomplete: then the end of the stream is a truncation. */
  get insideFrame(): boolean {
    return this.#headerBytes > 0;
  }

  /** Takes the next chunk, which must not change until {@linkcode next} has returned null. */
  push(chunk: Uint8Array): void {
    assert(this.#offset === this.#chunk.length, "the chunk before is not consumed");
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /**
   * The next payload that is complete, or null when another chunk is needed.
   *
   * @throws {FrameError} when a frame is longer than the limit. The stream cannot be read any further, so
   * the caller drops the connection.
   */
  next(): Uint8Array<ArrayBuffer> | null {
    const payload = this.#payload ?? this.#startPayload();
    if (payload === null) return null;
    const missing = payload.length - this.#payloadBytes;
    const part = this.#chunk.subarray(this.#offset, this.#offset + missing);
    payload.set(part, this.#payloadBytes);
    this.#payloadBytes += part.length;
    this.#offset += part.length;
    if (part.length < missing) return null;
    this.#payload = null;
    this.#length = this.#headerBytes = this.#payloadBytes = 0;
    return payload;
  }

  #startPayload(): Uint8Array<ArrayBuffer> | null {
    while (this.#headerBytes < FRAME_HEADER_BYTES) {
      const byte = this.#chunk[this.#offset];
      if (byte === undefined) return null;
      this.#length = this.#length * 256 + byte;
      this.#headerBytes += 1;
      this.#offset += 1;
    }
    checkLength(this.#length, { what: "read", bytesMax: this.frameBytesMax });
    return this.#payload = new Uint8Array(this.#length);
  }
}

function checkLength(
  length: number,
  limit: { readonly what: "read" | "write"; readonly bytesMax: number },
): void {
  if (length > limit.bytesMax) {
    throw new FrameError(`Cannot ${limit.what} frame: length ${length} is above ${limit.bytesMax}`);
  }
}

/** Frames that are queued are joined into one write of at most this many bytes. */
export const CHUNK_BYTES_MAX = 256 * 1024;

/** Above these a queue drops frames. */
export interface QueueLimits {
  /** Most frames. */
  readonly queueMessagesMax: number;
  /** Most bytes of frames; a single larger frame is still taken. */
  readonly queueBytesMax: number;
}

/**
 * A bounded queue of frames. When it is full, it drops the oldest: Raft repeats lost messages, and the
 * newer message has newer state.
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
   * Takes the next bytes to write; null when the queue is empty. They are as many whole frames as fit into
   * {@linkcode CHUNK_BYTES_MAX}, or one larger frame.
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
