/**
 * Byte strings: text, hex, base64, comparison. The one place where Floe converts between them.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import { InputError } from "./errors.ts";

const encoder = new TextEncoder();
/** A decoder that refuses what is not UTF-8 takes three times as long as this one and a check before it. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The UTF-8 bytes of `text`. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** Up to so many bytes a loop is faster than the decoder, which takes microseconds to begin. */
const SHORT_BYTES_MAX = 24;

/** Reads UTF-8 strictly. @throws {InputError} when `bytes` are not well-formed UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  const short = bytes.length <= SHORT_BYTES_MAX ? decodeAscii(bytes) : null;
  if (short !== null) return short;
  if (!isUtf8(bytes)) {
    throw new InputError(`Cannot read text: ${bytes.length} bytes are not UTF-8`);
  }
  return decoder.decode(bytes);
}

/** Null where a byte is not ASCII. */
function decodeAscii(bytes: Uint8Array): string | null {
  let text = "";
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte > 0x7f) return null;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Lower-case hex, two digits a byte. */
export function encodeHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** Reads hex of either case. @throws {InputError} when `text` is not an even number of hex digits. */
export function decodeHex(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.fromHex(text);
  } catch (cause) {
    throw new InputError(`Cannot read hex: not an even number of hex digits`, { cause });
  }
}

/** Standard base64 with padding (RFC 4648 §4). */
export function encodeBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/**
 * Reads canonical base64 (RFC 4648 §4): with padding, no white space, unused bits zero.
 *
 * @throws {InputError} for anything else, so that one byte string has one text.
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch (cause) {
    throw new InputError(`Cannot read base64: not canonical`, { cause });
  }
  if (bytes.toBase64() !== text) throw new InputError(`Cannot read base64: not canonical`);
  return bytes;
}

/** One byte string after the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Whether two secrets are equal, in a time that tells nothing of where they differ. */
export function equalSecrets(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

/**
 * Runs `work` on secrets that another owner holds afterwards. If it fails, there is no owner, so they are erased
 * here.
 */
export function erasingOnFailure<Result>(
  secrets: readonly Uint8Array[],
  work: () => Result,
): Result {
  try {
    return work();
  } catch (error) {
    eraseAll(secrets);
    throw error;
  }
}

/** Fills every one of the secrets with zeros. */
export function eraseAll(secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** Whether two public byte strings are equal. Not constant-time: never for secrets. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let offset = 0; offset < left.length; offset++) {
    if (left[offset] !== right[offset]) return false;
  }
  return true;
}
