/**
 * A channel that encrypts what goes over another channel, with the keys of a finished handshake.
 *
 * On the other channel, the stream is divided into frames, and each frame is one Noise message. What is
 * written is encrypted in messages as large as Noise allows, whatever frames it has inside. So small
 * frames that are written together need only one message. Every message must be the next one: a message
 * that is altered, lost, repeated or out of order ends the channel.
 *
 * An empty message says that the sender rekeys after it (§11.3). The sender alone decides when, by count
 * or by time. Messages are numbered, so both sides change keys at the same place. So an attacker who
 * learns a key cannot read what was sent under earlier keys.
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
/** Most bytes of plaintext that are encrypted for one write. */
const WRITE_BYTES_MAX = 4 * PLAINTEXT_BYTES_MAX;
/** The work of decrypting a message, or of a new key, in the units of {@linkcode FairShare}. */
const MESSAGE_WORK = 1;
const REKEY_MARK = new Uint8Array(0);

/** How long one key is used. */
export interface RekeyLimits {
  /** Most messages under one key; the same on both sides. */
  readonly rekeyAfterMessages: number;
  /** After this many milliseconds the next message gets a new key. */
  readonly rekeyAfterMs: number;
}

/** The parts of an encrypted channel. */
interface NoiseChannelOptions extends RekeyLimits {
  /** The stream of ciphertext. */
  readonly channel: Channel;
  /** The decoder of that stream, between two frames. It can already hold bytes of the next frame. */
  readonly decoder: FrameDecoder;
  /** The channel owns them from here on, and erases them when it closes. */
  readonly keys: NoiseKeys;
  /** A monotonic clock in milliseconds. */
  readonly nowMs: () => number;
}

/** The encrypted channel. It exists only after a handshake has authenticated the other side. */
export class NoiseChannel implements Channel {
  readonly #options: NoiseChannelOptions;
  readonly #share = new FairShare();
  /** How many messages the current keys have encrypted and decrypted. */
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

  /** See {@linkcode Channel.read}. @throws {NoiseError} when a message is not the next genuine one. */
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

  /** An attacker can end the stream anywhere. The genuine other side ends it between two messages. */
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
        `Cannot read message: more than ${rekeyAfterMessages} were encrypted under one key`,
      );
    }
    return plaintext;
  }

  /** The messages for a part of the stream, with a rekey mark before each new key. */
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

  /** The frame of the next message, in pieces, so that the bytes are copied only once, into the write. */
  #toFrame(plaintext: Uint8Array): readonly Uint8Array[] {
    const { ciphertext, tag } = this.#options.keys.send.encrypt(plaintext);
    return [encodeFrameHeader(ciphertext.length + tag.length), ciphertext, tag];
  }

  #checkOpen(what: string): void {
    if (this.#closed) throw new ChannelError(`Cannot ${what} the channel: it is closed`);
  }
}
