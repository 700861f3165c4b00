// @ts-check

/**
 * Signed notes, read and verified in this browser. The key is the one in the page's own address, which the
 * browser never sends: so a node that lies about the leader cannot also choose the key.
 *
 * @module
 */

/**
 * A public key.
 *
 * @typedef {object} PublicKey
 * @property {Uint8Array<ArrayBuffer>} bytes 32 bytes.
 * @property {string | null} name The cluster's name, where the text had one.
 */

/**
 * A signed note, taken apart.
 *
 * @typedef {object} Note
 * @property {string} statement What was signed, with its last line break.
 * @property {string} name Who signed.
 * @property {Uint8Array<ArrayBuffer>} hint The first four bytes of the key's hash.
 * @property {Uint8Array<ArrayBuffer>} signature 64 bytes.
 */

/** @typedef {"valid" | "invalid" | "otherKey" | "uncheckable"} Verdict */

const HINT_BYTES = 4;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Ed25519, in C2SP's signed notes. */
const ALGORITHM = 1;

/**
 * Reads a key as 64 hex digits, or as a verifier key: `name+hash+base64`.
 *
 * @param {string} text
 * @returns {PublicKey}
 */
export function readKey(text) {
  const trimmed = text.trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return { bytes: fromHex(trimmed), name: null };
  const [, name = "", encoded = ""] = /^([^\s+]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/=]+)$/.exec(trimmed) ??
    [];
  const bytes = fromBase64(encoded);
  if (bytes?.length === 1 + KEY_BYTES && bytes[0] === ALGORITHM) {
    return { bytes: bytes.slice(1), name };
  }
  throw new Error(
    "This is no public key: it takes 64 hex digits, or name+hash+base64 as floe group prints it",
  );
}

/**
 * Reads a note: the statement, an empty line, and one signature line.
 *
 * @param {string} text
 * @returns {Note}
 */
export function readNote(text) {
  const [, statement = "", name = "", encoded = ""] =
    /^([^]*?\n)\n\u2014 (\S+) ([A-Za-z0-9+/=]+)\n$/.exec(text) ?? [];
  const bytes = fromBase64(encoded);
  if (bytes?.length !== HINT_BYTES + SIGNATURE_BYTES) {
    throw new Error(
      "This is no signed note: a statement, an empty line and one signature are expected",
    );
  }
  return { statement, name, hint: bytes.slice(0, HINT_BYTES), signature: bytes.slice(HINT_BYTES) };
}

/**
 * Whether a key's owner signed exactly this statement.
 *
 * @param {Note} note
 * @param {PublicKey} key
 * @returns {Promise<Verdict>}
 */
export async function verifyNote(note, key) {
  // Browsers have it on HTTPS and on this machine's own addresses only.
  const { subtle } = globalThis.crypto;
  if (subtle === undefined) return "uncheckable";
  if (!isEqual(note.hint, await hintOf(subtle, note.name, key.bytes))) return "otherKey";
  let publicKey;
  try {
    publicKey = await subtle.importKey("raw", key.bytes, "Ed25519", false, ["verify"]);
  } catch {
    return "uncheckable";
  }
  const signed = new TextEncoder().encode(note.statement);
  return await subtle.verify("Ed25519", publicKey, note.signature, signed) ? "valid" : "invalid";
}

/**
 * The statement's lines as names and values: `term 7` is `["term", "7"]`.
 *
 * @param {string} statement
 * @returns {Map<string, string>}
 */
export function fieldsOf(statement) {
  return new Map(
    statement.trimEnd().split("\n").map((line) => {
      const at = line.indexOf(" ");
      return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function toHex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * C2SP signed-note: the key's id is the beginning of SHA-256(name, line break, algorithm, key).
 *
 * @param {SubtleCrypto} subtle
 * @param {string} name
 * @param {Uint8Array} key
 */
async function hintOf(subtle, name, key) {
  const text = new TextEncoder().encode(`${name}\n`);
  const hashed = new Uint8Array([...text, ALGORITHM, ...key]);
  return new Uint8Array(await subtle.digest("SHA-256", hashed)).slice(0, HINT_BYTES);
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
function isEqual(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** @param {string} text */
function fromHex(text) {
  return new Uint8Array((text.match(/../g) ?? []).map((digits) => parseInt(digits, 16)));
}

/** @param {string} text */
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
