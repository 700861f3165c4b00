// @ts-check
/** @import { GroupKey, Refusal, SignedNote, Verdict } from "./mod.d.ts" */

/**
 * Signed notes, group keys and signatures, with nothing but the Web's own cryptography. Where that has no
 * Ed25519, the package `@noble/curves` does the arithmetic, if it can be loaded.
 *
 * @module
 */

const KEY_ID_BYTES = 4;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** C2SP signed-note: the signature type of ordinary Ed25519. */
const ED25519_TYPE = 1;
const KEY_LENGTH_MAX = 1024;
/** SubjectPublicKeyInfo up to the raw key (RFC 8410 §4). */
const PUBLIC_KEY_INFO = "302a300506032b6570032100";
const PEM_PATTERN =
  /^-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)\r?\n-----END PUBLIC KEY-----$/;
const SIGNATURE_LINE = /^\u2014 ([^ +\n]+) ([A-Za-z0-9+/=]+)\n$/;
const NAME_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * The y coordinates of the points of small order, in hex: such a key signs everything.
 */
const SMALL_ORDER = new Set([
  `01${"00".repeat(31)}`,
  "00".repeat(32),
  `ec${"ff".repeat(30)}7f`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);

/** See `mod.d.ts`. */
export class VerificationError extends Error {
  /** @override */
  name = "VerificationError";

  /**
   * @param {Refusal} refusal
   * @param {string} message
   */
  constructor(refusal, message) {
    super(message);
    /** @readonly */
    this.refusal = refusal;
  }
}

/**
 * @param {string} why
 * @returns {VerificationError}
 */
export function malformed(why) {
  return new VerificationError("malformed", `Cannot read note: ${why}`);
}

/** @type {typeof import("./mod.d.ts").parseGroupKey} */
export function parseGroupKey(text) {
  const trimmed = text.trim();
  const key = text.length > KEY_LENGTH_MAX ? null : readHexKey(trimmed) ?? readPem(trimmed) ??
    readVerifierKey(trimmed);
  if (key !== null && isUsable(key.publicKey)) return key;
  throw new VerificationError(
    "malformed",
    "This is no group key: it takes 64 hex digits, PEM, or name+id+base64 as floe group prints it",
  );
}

/**
 * @param {string} text
 * @returns {GroupKey | null}
 */
function readHexKey(text) {
  if (!/^[0-9a-f]{64}$/i.test(text)) return null;
  return { publicKey: fromHex(text), cluster: null, id: null };
}

/**
 * @param {string} text
 * @returns {GroupKey | null}
 */
function readPem(text) {
  const [, base64 = ""] = PEM_PATTERN.exec(text) ?? [];
  const hex = toHex(fromBase64(base64.replaceAll(/[\r\n]/g, "")) ?? new Uint8Array());
  return hex.startsWith(PUBLIC_KEY_INFO) ? readHexKey(hex.slice(PUBLIC_KEY_INFO.length)) : null;
}

/**
 * @param {string} text
 * @returns {GroupKey | null}
 */
function readVerifierKey(text) {
  const [, cluster = "", id = "", base64 = ""] =
    /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const bytes = fromBase64(base64);
  const isKey = bytes?.length === 1 + KEY_BYTES && bytes[0] === ED25519_TYPE;
  return isKey && NAME_PATTERN.test(cluster) ? { publicKey: bytes.slice(1), cluster, id } : null;
}

/**
 * Not every encoding of a point can be a key: the y coordinate is below 2^255 - 19, and the order is large.
 *
 * @param {Uint8Array} key
 */
function isUsable(key) {
  const y = key.slice();
  y[31] = (y[31] ?? 0) & 0x7f;
  const isBelow = y[31] !== 0x7f || (y[0] ?? 0) < 0xed ||
    y.subarray(1, 31).some((one) => one < 255);
  return isBelow && !SMALL_ORDER.has(toHex(y));
}

/** @type {typeof import("./mod.d.ts").parseSignedNote} */
export function parseSignedNote(note) {
  const end = note.lastIndexOf("\n\n\u2014 ");
  if (end < 0) throw malformed("no empty line and signature after the text");
  const [, name = "", base64 = ""] = SIGNATURE_LINE.exec(note.slice(end + 2)) ?? [];
  const bytes = fromBase64(base64);
  if (bytes?.length !== KEY_ID_BYTES + SIGNATURE_BYTES || !NAME_PATTERN.test(name)) {
    throw malformed("the last line is not one signature: a dash, a name, and base64 of 68 bytes");
  }
  return {
    text: note.slice(0, end + 1),
    name,
    keyId: bytes.slice(0, KEY_ID_BYTES),
    signature: bytes.slice(KEY_ID_BYTES),
  };
}

/** @type {typeof import("./mod.d.ts").judgeSignature} */
export async function judgeSignature(note, key) {
  // Browsers have it on HTTPS and on this machine's own addresses only.
  const { subtle } = globalThis.crypto;
  if (subtle === undefined) return "uncheckable";
  const keyId = await keyIdOf(subtle, note.name, key.publicKey);
  const isOwnId = key.id === null || key.cluster === null ||
    key.id === toHex(await keyIdOf(subtle, key.cluster, key.publicKey));
  if (!isOwnId || !isEqual(note.keyId, keyId)) return "otherKey";
  // The identity as R: strict verifiers refuse it.
  if (toHex(note.signature.slice(0, KEY_BYTES)) === `01${"00".repeat(31)}`) return "invalid";
  return await verifyEd25519(subtle, note, key);
}

/**
 * @param {SubtleCrypto} subtle
 * @param {SignedNote} note
 * @param {GroupKey} key
 * @returns {Promise<Verdict>}
 */
async function verifyEd25519(subtle, { text, signature }, { publicKey }) {
  const signed = new TextEncoder().encode(text);
  let imported;
  try {
    imported = await subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "NotSupportedError") return "invalid";
    return await verifyWithNoble(signed, signature, publicKey);
  }
  return await subtle.verify("Ed25519", imported, signature, signed) ? "valid" : "invalid";
}

/**
 * @param {Uint8Array} signed
 * @param {Uint8Array} signature
 * @param {Uint8Array} publicKey
 * @returns {Promise<Verdict>}
 */
async function verifyWithNoble(signed, signature, publicKey) {
  let noble;
  try {
    noble = await import("@noble/curves/ed25519.js");
  } catch {
    return "uncheckable";
  }
  const isValid = noble.ed25519.verify(signature, signed, publicKey, { zip215: false });
  return isValid ? "valid" : "invalid";
}

/**
 * C2SP signed-note: the beginning of SHA-256(name, line break, type, key).
 *
 * @param {SubtleCrypto} subtle
 * @param {string} name
 * @param {Uint8Array} key
 */
async function keyIdOf(subtle, name, key) {
  const hashed = new Uint8Array([...new TextEncoder().encode(`${name}\n`), ED25519_TYPE, ...key]);
  return new Uint8Array(await subtle.digest("SHA-256", hashed)).slice(0, KEY_ID_BYTES);
}

/**
 * SHA-256 in hex.
 *
 * @param {string} text
 * @returns {Promise<string>}
 */
export async function hashOf(text) {
  const { subtle } = globalThis.crypto;
  return toHex(new Uint8Array(await subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
function isEqual(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** @type {typeof import("./mod.d.ts").toHex} */
export function toHex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} text */
function fromHex(text) {
  return new Uint8Array((text.match(/../g) ?? []).map((digits) => parseInt(digits, 16)));
}

/**
 * Canonical base64 only, so that a note has one form.
 *
 * @param {string} text
 */
function fromBase64(text) {
  try {
    const binary = atob(text);
    if (btoa(binary) !== text) return null;
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
