/**
 * JSON texts that people write. A fault is reported with its line and column.
 *
 * @module
 */

import { z } from "zod";
import { decodeHex } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { checkEd25519Key } from "../frost/mod.ts";
import { checkX25519Key } from "../transport/mod.ts";

/** A place in a text, both counted from 1. */
interface TextPosition {
  /** Line, from 1. */
  readonly line: number;
  /** Column in UTF-16 units, from 1. */
  readonly column: number;
}

/** A literal, number or string, or one of the six structural characters (RFC 8259 §2). */
const TOKEN =
  /(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|[{}[\],:])/y;
const WHITE_SPACE = /[ \t\n\r]*/y;

type Expected = "value" | "valueOrEnd" | "key" | "keyOrEnd" | "colon" | "commaOrEnd" | "nothing";

/** Why a text cannot be used as JSON. The message has the place and quotes nothing: the text may hold a secret. */
export class JsonError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "JsonError";
  /** What is wrong with it. */
  readonly fault: "notJson" | "byteOrderMark" | "doubledKey";

  /** `message` says what is wrong, and where. */
  constructor(fault: JsonError["fault"], message: string) {
    super(message);
    this.fault = fault;
  }
}

const BYTE_ORDER_MARK = "\ufeff";

/**
 * Reads JSON that a person may have written. Unlike `JSON.parse` it refuses an object with the same key
 * twice, where `JSON.parse` takes the last value in silence, and it names a byte order mark, which some
 * editors put before the text.
 *
 * @throws {JsonError} when the text is not JSON, or has one of these faults.
 */
export function parseStrictJson(text: string): unknown {
  if (text.startsWith(BYTE_ORDER_MARK)) {
    throw new JsonError(
      "byteOrderMark",
      "begins with a byte order mark (BOM); save it as UTF-8 without one",
    );
  }
  const value = parse(text);
  const doubled = findDoubledKey(text);
  if (doubled === null) return value;
  throw new JsonError(
    "doubledKey",
    `has a key twice in one object, the second time${formatPosition(doubled)}`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The cause is dropped: it quotes the text.
    throw new JsonError("notJson", `not JSON${formatPosition(findJsonFault(text))}`);
  }
}

function formatPosition(position: TextPosition | null): string {
  return position === null ? "" : ` at line ${position.line}, column ${position.column}`;
}

/** Where an object in valid JSON has the same key a second time; null when there is none. */
function findDoubledKey(text: string): TextPosition | null {
  const open: Set<string>[] = [];
  let before = { token: "", offset: 0 };
  for (let offset = skipWhiteSpace(text, 0); offset < text.length;) {
    TOKEN.lastIndex = offset;
    const token = TOKEN.exec(text)?.[0] ?? "";
    if (token === "{" || token === "[") open.push(new Set());
    if (token === "}" || token === "]") open.pop();
    if (token === ":") {
      // One key can be written in several ways, with and without escapes.
      const key: string = JSON.parse(before.token);
      const keys = open.at(-1);
      if (keys?.has(key) === true) return toPosition(text, before.offset);
      keys?.add(key);
    }
    before = { token, offset };
    offset = skipWhiteSpace(text, offset + Math.max(1, token.length));
  }
  return null;
}

/**
 * Where `text` stops being JSON, or null when it is JSON. `JSON.parse` decides whether a text is JSON.
 * This function only finds the place, because the messages of `JSON.parse` do not always have one.
 */
export function findJsonFault(text: string): TextPosition | null {
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let offset = skipWhiteSpace(text, 0);
  while (offset < text.length) {
    TOKEN.lastIndex = offset;
    const token = TOKEN.exec(text)?.[0];
    const next: Expected | null = token === undefined ? null : expectAfter(token, expected, open);
    if (token === undefined || next === null) return toPosition(text, offset);
    expected = next;
    offset = skipWhiteSpace(text, offset + token.length);
  }
  return expected === "nothing" ? null : toPosition(text, offset);
}

/** What may follow `token`, or null when `token` may not stand where `expected` is due. */
function expectAfter(token: string, expected: Expected, open: ("{" | "[")[]): Expected | null {
  const afterValue = (): Expected => (open.length === 0 ? "nothing" : "commaOrEnd");
  switch (token) {
    case "{":
    case "[":
      if (expected !== "value" && expected !== "valueOrEnd") return null;
      open.push(token);
      return token === "{" ? "keyOrEnd" : "valueOrEnd";
    case "}":
    case "]": {
      const opener = token === "}" ? "{" : "[";
      const endsEmpty = expected === (token === "}" ? "keyOrEnd" : "valueOrEnd");
      if (!(endsEmpty || expected === "commaOrEnd") || open.at(-1) !== opener) return null;
      open.pop();
      return afterValue();
    }
    case ",":
      if (expected !== "commaOrEnd") return null;
      return open.at(-1) === "{" ? "key" : "value";
    case ":":
      return expected === "colon" ? "value" : null;
    default:
      if (expected === "value" || expected === "valueOrEnd") return afterValue();
      return (expected === "key" || expected === "keyOrEnd") && token.startsWith('"')
        ? "colon"
        : null;
  }
}

function skipWhiteSpace(text: string, offset: number): number {
  WHITE_SPACE.lastIndex = offset;
  return offset + (WHITE_SPACE.exec(text)?.[0].length ?? 0);
}

function toPosition(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/**
 * Zod's own type; `deno doc --lint` would check its documentation as if it were Floe's.
 *
 * @internal
 */
type ZodSchema<Value, Source> = z.ZodType<Value, Source>;

/** Reads a `Value` from a `Source`, or reports the faults. */
export type Schema<Value, Source = string> = ZodSchema<Value, Source>;

/** Turns a checked constructor into a schema. The constructor's error becomes the fault's message. */
export function checked<Value>(
  read: (text: string) => Value,
): Schema<Value> {
  return z.string().transform((text, context): Value => {
    return catching(InputError, () => read(text), (error) => {
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    });
  });
}

/** A 32-byte key in lower-case hex. @throws {InputError} when it is anything else. */
export function readKey(text: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InputError("not 64 hex digits in lower case");
  return decodeHex(text);
}

/**
 * A node's Ed25519 public key. A point of small order is refused: anybody could sign for it.
 *
 * @throws {InputError} unless it is 64 hex digits that encode a point of prime order.
 */
export function readSigningKey(text: string): Uint8Array {
  const key = readKey(text);
  checkEd25519Key(key);
  return key;
}

/** A node's X25519 public key. @throws {InputError} for any other text, and a point of low order. */
export function readChannelKey(text: string): Uint8Array {
  const key = readKey(text);
  checkX25519Key(key);
  return key;
}

/** A place in a JSON document: `peers[2].api`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.map((step) => typeof step === "number" ? `[${step}]` : `.${String(step)}`)
    .join("").replace(/^\./, "");
}
