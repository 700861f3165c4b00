/**
 * The encoding of bytes in paths, in queries and in JSON.
 *
 * @module
 */

import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8 } from "./bytes.ts";
import { InputError } from "./errors.ts";
import { checkKeyBytes } from "./limits.ts";

/** The beginning of every key's path, before the key. */
export const KEY_PATH_PREFIX = "/v1/kv/";

/** The encoding of bytes in JSON: text if they are well-formed UTF-8, otherwise base64. */
export type Encoding = "utf8" | "base64";

/** Bytes in a form for JSON that loses nothing. */
export function toJsonText(bytes: Uint8Array): {
  readonly text: string;
  readonly encoding: Encoding;
} {
  try {
    return { text: decodeUtf8(bytes), encoding: "utf8" };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { text: encodeBase64(bytes), encoding: "base64" };
  }
}

/**
 * The bytes of a text in JSON.
 *
 * @throws {InputError} when it should be base64 but is not, or when it has half of a surrogate pair: no UTF-8
 * stands for that, and another key or value would be stored.
 */
export function fromJsonText(
  text: string,
  encoding: Encoding | undefined,
): Uint8Array<ArrayBuffer> {
  if (encoding === "base64") return decodeBase64(text);
  if (!text.isWellFormed()) {
    throw new InputError(
      "Cannot read text: it has a lone surrogate (\\ud800 to \\udfff), which UTF-8 cannot hold; " +
        "send the bytes as base64",
    );
  }
  return encodeUtf8(text);
}

/** A key as the fields that show it. */
export function keyFields(key: Uint8Array): {
  readonly key: string;
  readonly keyEncoding?: "base64";
} {
  const { text, encoding } = toJsonText(key);
  return encoding === "utf8" ? { key: text } : { key: text, keyEncoding: "base64" };
}

/** A key, or other bytes, for messages to people. */
export function showBytes(bytes: Uint8Array): string {
  const { text, encoding } = toJsonText(bytes);
  return encoding === "utf8" ? JSON.stringify(text) : `base64 ${text}`;
}

/** Whether a path can name this key: HTTP clients remove `.` and `..` from a path before they send it. */
export function canStandInPath(key: Uint8Array): boolean {
  return key.length > 2 || key.some((byte) => byte !== DOT);
}

const DOT = 0x2e;

/**
 * The path that names `key`, percent-encoded.
 *
 * @throws {InputError} when no path can name it.
 */
export function keyPath(key: Uint8Array | string): string {
  const bytes = typeof key === "string" ? encodeUtf8(key.toWellFormed()) : key;
  checkKeyBytes(bytes);
  if (canStandInPath(bytes)) return KEY_PATH_PREFIX + encodePercent(bytes);
  throw new InputError(`Cannot read key: ${showBytes(bytes)} is not allowed as a key in a path`);
}

/** Encodes bytes for a path or a query. ASCII letters, digits and `-._~` are unchanged (RFC 3986 §2.3). */
export function encodePercent(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += UNRESERVED_PATTERN.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

const UNRESERVED_PATTERN = /^[A-Za-z0-9._~-]$/;
const ASCII_PATTERN = /^[!-~]*$/;

/** Decodes bytes from a path or a query once. @throws {InputError} when the encoding is invalid. */
export function decodePercent(text: string): Uint8Array<ArrayBuffer> {
  if (!ASCII_PATTERN.test(text)) {
    throw new InputError("it holds characters that must be percent-encoded");
  }
  const bytes = encodeUtf8(text);
  if (!text.includes("%")) return bytes;
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte !== PERCENT) bytes[length++] = byte;
    else {
      bytes[length++] = readHexByte(text.slice(at + 1, at + 3));
      at += 2;
    }
  }
  return bytes.slice(0, length);
}

const PERCENT = 0x25;

function readHexByte(digits: string): number {
  if (/^[0-9A-Fa-f]{2}$/.test(digits)) return Number.parseInt(digits, 16);
  throw new InputError("a % in it is not followed by two hex digits");
}
