/**
 * An encrypted channel around another one: what the keys of a finished handshake are for.
 *
 * Below, the stream is cut into frames, each of them one Noise message. What is written is encrypted in
 * messages as large as Noise allows, whatever frames it consists of; so small frames that wait
 * together cost one message. Every message must be the next one: what is altered, lost, repeated or
 * out of order ends the channel.
 *
 * An empty message is the sender's word that it rekeys behind it (§11.3). The sender alone decides
 * when, by count or by time, and as messages are numbered, both sides change at the same place. A
 * key that is learned later so reads nothing that was sent before its time.
 *
 * @module
 */

import { concatBytes } from "../bytes.ts";
import { type Channel, ChannelError } from "./channel.ts";
import { FairShare } from "./fair_share.ts";
import { encodeFrameHeader, FRAME_HEADER_BYTES, type FrameDecoder } from "./frame.ts";
import type { NoiseKeys } from "./noise.ts";
import {
  NOISE_MESSAGE_BYTES_MAX,
  NoiseError,
  PLAINTEXT_BYTES_MAX,
  TAG_BYTES,
} from "./noise_primitives.ts";

/** Bytes around the plaintext of each message. */
export const MESSAGE_OVERHEAD_BYTES: number = FRAME_HEADER_BYTES + TAG_BYTES;
/** So much is encrypted before it goes out in one write. */
const WRITE_BYTES_MAX = 4 * PLAINTEXT_BYTES_MAX;
/** To decrypt a message, or to take a new key, in the units of {@linkcode FairShare}. */
const MESSAGE_WORK = 1;
const REKEY_MARK = new Uint8Array(0);

/** How long one key serves. */
export interface RekeyLimits {
  /** Most messages under one key; the same on both sides. */
  readonly rekeyAfterMessages: number;
  /** After so many milliseconds the next message takes a new key. */
  readonly rekeyAfterMs: number;
}

/** What a channel is made of. */
interface NoiseChannelOptions extends RekeyLimits {
  /** The stream of ciphertext. */
  readonly channel: Channel;
  /** What cut that stream until now, standing between two frames; it may hold what follows. */
  readonly decoder: FrameDecoder;
  /** The channel's own from here on; erased when it closes. */
  readonly keys: NoiseKeys;
  /** A monotonic clock in milliseconds. */
  readonly nowMs: () => number;
}

/** The encrypted channel. It exists only once a handshake has shown who is at the other end. */
export class NoiseChannel implements Channel {
  readonly #options: NoiseChannelOptions;
  readonly #share = new FairShare();
  /** Messages under the current key, each way. */
  #sent = 0;
  #received = 0;
  #keyedMs: number;
  #closed = false;

  /** Takes over the channel, its decoder and the keys. */
  constructor(options: NoiseChannelOptions) {
    this.#options = options;
    this.#keyedMs = options.nowMs();
    options.decoder.frameBytesMax = NOISE_MESSAGE_BYTES_MAX;
  }

  /** See {@linkcode Channel.read}. @throws {NoiseError} when what came is not what was sent next. */
  async read(): Promise<Uint8Array | null> {
    const { channel, decoder } = this.#options;
    for (;;) {
      const message = decoder.next();
      if (message === null) {
        const chunk = await channel.read();
        if (chunk === null) return this.#endOfStream();
        decoder.push(chunk);
      } else {
        await this.#share.take(MESSAGE_WORK);
        const plaintext = this.#decrypt(message);
        if (plaintext.length > 0) return plaintext;
      }
    }
  }

  /** See {@linkcode Channel.write}. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; offset += WRITE_BYTES_MAX) {
      const part = this.#encrypt(bytes.subarray(offset, offset + WRITE_BYTES_MAX));
      await this.#options.channel.write(part);
    }
  }

  /** See {@linkcode Channel.close}. Erases the keys. */
  close(): void {
    this.#closed = true;
    this.#options.keys.send.erase();
    this.#options.keys.receive.erase();
    this.#options.channel.close();
  }

  /** Anyone can end a stream; a genuine other side does it between two messages. */
  #endOfStream(): null {
    if (!this.#options.decoder.insideFrame) return null;
    throw new ChannelError("Cannot read from the channel: the stream ends inside a message");
  }

  #decrypt(message: Uint8Array): Uint8Array {
    this.#checkOpen("read from");
    const { keys: { receive }, rekeyAfterMessages } = this.#options;
    const plaintext = receive.decrypt(message);
    if (plaintext.length === 0) {
      receive.rekey();
      this.#received = 0;
    } else if (++this.#received > rekeyAfterMessages) {
      throw new NoiseError(
        "exhausted",
        `Cannot read message: more than ${rekeyAfterMessages} came under one key`,
      );
    }
    return plaintext;
  }

  /** What to write for a part of the stream: its messages, with a mark before a new key. */
  #encrypt(plaintext: Uint8Array): Uint8Array {
    this.#checkOpen("write to");
    const parts: Uint8Array[] = [];
    for (let offset = 0; offset < plaintext.length; offset += PLAINTEXT_BYTES_MAX) {
      if (this.#isRekeyDue()) parts.push(...this.#rekey());
      parts.push(...this.#toFrame(plaintext.subarray(offset, offset + PLAINTEXT_BYTES_MAX)));
      this.#sent += 1;
    }
    return concatBytes(...parts);
  }

  #isRekeyDue(): boolean {
    const { rekeyAfterMessages, rekeyAfterMs, nowMs } = this.#options;
    return this.#sent >= rekeyAfterMessages || nowMs() - this.#keyedMs >= rekeyAfterMs;
  }

  #rekey(): readonly Uint8Array[] {
    const mark = this.#toFrame(REKEY_MARK);
    this.#options.keys.send.rekey();
    this.#sent = 0;
    this.#keyedMs = this.#options.nowMs();
    return mark;
  }

  /** The next message in a frame, in pieces: they are copied only once, into what is written. */
  #toFrame(plaintext: Uint8Array): readonly Uint8Array[] {
    const { ciphertext, tag } = this.#options.keys.send.encrypt(plaintext);
    return [encodeFrameHeader(ciphertext.length + tag.length), ciphertext, tag];
  }

  #checkOpen(what: string): void {
    if (this.#closed) throw new ChannelError(`Cannot ${what} the channel: it is closed`);
  }
}
