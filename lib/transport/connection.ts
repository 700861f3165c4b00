/**
 * One connection: frames over a channel, a bounded queue, one writer, and a watch that ends the
 * connection when the other side sends nothing or reads nothing any more. It begins with a few small
 * frames in plaintext. After the handshake has authenticated the peer, everything is encrypted.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { type Channel, ChannelError } from "./channel.ts";
import { FairShare } from "./fair_share.ts";
import { encodeFrame, FrameDecoder, FrameQueue, type QueueLimits } from "./frame.ts";
import { INTRODUCTION_FRAME_BYTES_MAX } from "./hello.ts";
import type { NoiseKeys } from "./noise.ts";
import { NoiseChannel, type RekeyLimits } from "./noise_channel.ts";

/** Most bytes in a plaintext frame. It limits the memory that an unauthenticated peer can take. */
export const HELLO_FRAME_BYTES_MAX = 512;

/**
 * After this many intervals in which nothing was read, or the same write did not end, the connection ends.
 * Intervals are counted rather than time, so that a pause of our own process does not end a connection.
 */
const SILENT_INTERVALS_MAX = 5;

/** A frame of this many bytes counts as one more unit of work ({@linkcode FairShare}). */
const BYTES_PER_WORK = 64 * 1024;
const KEEPALIVE = encodeFrame(new Uint8Array(0));

/** Why a connection ended. */
type EndReason =
  /** The other side ended it. */
  | "closedByPeer"
  /** This side ended it: the transport is closing. */
  | "closed"
  /** The peer showed this node that it is no member any more. */
  | "farewell"
  /** A newer connection of the same peer took its place. */
  | "replaced"
  /** It was not authenticated, and made room for newer connections. */
  | "crowdedOut"
  /** The handshake took too long. */
  | "timedOut"
  /** Nothing was read for {@linkcode SILENT_INTERVALS_MAX} intervals. */
  | "silent"
  /** A write did not end for as long. */
  | "stalled"
  /** The other side sent something that was refused. */
  | "refused"
  /** The network failed. */
  | "failed";

/** How a connection ended. */
export interface ConnectionEnd {
  readonly reason: EndReason;
  /** The cause; null when the reason says all. */
  readonly error: Error | null;
}

/** The settings of a connection. */
interface ConnectionOptions extends QueueLimits, RekeyLimits {
  /** The interval of the watch, in milliseconds. */
  readonly keepaliveIntervalMs: number;
}

/** The settings of a connection after the handshake. */
interface RunOptions {
  /** Most bytes in a frame from here on. */
  readonly frameBytesMax: number;
  /**
   * Takes each payload and returns how much work it made, in the units of {@linkcode FairShare}. An
   * {@linkcode InputError} that it throws ends the connection.
   */
  readonly onFrame: (payload: Uint8Array) => number;
}

/** A connection to one other node, or to a peer that is not authenticated yet. */
export class Connection {
  #channel: Channel;
  readonly #options: ConnectionOptions;
  #decoder = new FrameDecoder({ frameBytesMax: HELLO_FRAME_BYTES_MAX });
  readonly #queue: FrameQueue;
  readonly #share = new FairShare();
  #writing = false;
  #end: ConnectionEnd | null = null;
  /** Counts completed reads and writes. The watch compares the counts. */
  #reads = 0;
  #writes = 0;

  /** Takes over a channel. Nothing is read or written yet. */
  constructor(channel: Channel, options: ConnectionOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#queue = new FrameQueue(options);
  }

  /** How it ended; null while it lives. */
  get end(): ConnectionEnd | null {
    return this.#end;
  }

  /** How many frames wait to be written. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * From here on everything is encrypted, both ways, with the keys of a handshake. The connection takes
   * the keys over. No read or write may be under way, and bytes that have arrived count as encrypted.
   */
  secure(keys: NoiseKeys): void {
    this.#channel = new NoiseChannel({
      channel: this.#channel,
      decoder: this.#decoder,
      keys,
      nowMs: () => performance.now(),
      rekeyAfterMessages: this.#options.rekeyAfterMessages,
      rekeyAfterMs: this.#options.rekeyAfterMs,
    });
    this.#decoder = new FrameDecoder({ frameBytesMax: INTRODUCTION_FRAME_BYTES_MAX });
    if (this.#end !== null) this.#channel.close();
  }

  /**
   * Sends a frame. When no write is under way, the write starts before this returns. Otherwise the frame
   * waits in the queue. Returns how many older frames the queue dropped for it.
   */
  send(frame: Uint8Array): number {
    if (this.#end !== null) return 0;
    const dropped = this.#queue.push(frame);
    // #writeQueued() handles its own failures, so nothing is left to watch.
    if (!this.#writing) void this.#writeQueued();
    return dropped;
  }

  /**
   * Writes a frame at once and waits until it is written. Only the handshake does this, before any frame
   * is queued.
   *
   * @throws {ChannelError} when the network fails.
   */
  async writeFrame(frame: Uint8Array): Promise<void> {
    await this.#channel.write(frame);
  }

  /**
   * Waits for the next frame's payload; null when the connection has ended. Keepalives are skipped.
   *
   * @throws {InputError} when a frame is refused.
   * @throws {ChannelError} when the network fails.
   */
  async readFrame(): Promise<Uint8Array | null> {
    while (this.#end === null) {
      const payload = this.#decoder.next();
      if (payload === null) {
        const chunk = await this.#channel.read();
        if (chunk === null) return null;
        this.#reads += 1;
        this.#decoder.push(chunk);
      } else {
        await this.#share.take(1 + payload.length / BYTES_PER_WORK);
        if (payload.length > 0 && this.#end === null) return payload;
      }
    }
    return null;
  }

  /**
   * Hands every payload to `onFrame` until the connection ends, and returns how it ended. The caller has
   * completed the handshake. The watch begins here.
   *
   * @throws what `onFrame` throws, other than an {@linkcode InputError}, which ends the connection.
   */
  async run(options: RunOptions): Promise<ConnectionEnd> {
    this.#decoder.frameBytesMax = options.frameBytesMax;
    const watch = this.#watch();
    try {
      let payload = await this.readFrame();
      while (payload !== null) {
        await this.#share.take(options.onFrame(payload));
        payload = await this.readFrame();
      }
      return this.close("closedByPeer");
    } catch (error) {
      return this.fail(error);
    } finally {
      clearInterval(watch);
    }
  }

  /** Ends the connection, unless it has ended already, and returns how it ended. */
  close(reason: EndReason, error: Error | null = null): ConnectionEnd {
    this.#end ??= { reason, error };
    this.#channel.close();
    return this.#end;
  }

  /**
   * Ends the connection because of an error.
   *
   * @throws `error` when neither the peer nor the network caused it.
   */
  fail(error: unknown): ConnectionEnd {
    if (error instanceof ChannelError) return this.close("failed", error);
    if (error instanceof InputError) return this.close("refused", error);
    this.close("closed");
    throw error;
  }

  async #writeQueued(): Promise<void> {
    this.#writing = true;
    try {
      for (let chunk = this.#queue.take(); chunk !== null; chunk = this.#queue.take()) {
        await this.#channel.write(chunk);
        this.#writes += 1;
      }
    } catch (error) {
      this.close("failed", error instanceof Error ? error : null);
    } finally {
      this.#writing = false;
    }
  }

  /** Checks at every interval whether the connection is silent, stalled, or needs a keepalive. */
  #watch(): ReturnType<typeof setInterval> {
    let [reads, silentIntervals] = [this.#reads, 0];
    let [writes, stalledIntervals] = [this.#writes, 0];
    return setInterval(() => {
      silentIntervals = this.#reads === reads ? silentIntervals + 1 : 0;
      stalledIntervals = this.#writing && this.#writes === writes ? stalledIntervals + 1 : 0;
      if (silentIntervals >= SILENT_INTERVALS_MAX) this.close("silent");
      if (stalledIntervals >= SILENT_INTERVALS_MAX) this.close("stalled");
      if (!this.#writing && this.#writes === writes) this.send(KEEPALIVE);
      [reads, writes] = [this.#reads, this.#writes];
    }, this.#options.keepaliveIntervalMs);
  }
}
