/**
 * JSON texts that people write, and what is cheap to know about a text before it is parsed. A fault is
 * reported with its line and column.
 *
 * @module
 */

import { InputError } from "./errors.ts";

/** A place in a text, both counted from 1. */
export interface TextPosition {
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

/**
 * Most parts in the body of a request: brackets that open, and commas. Parsing and checking cost much more
 * for each part than for each byte. A transaction that is as large as it can be has fewer.
 */
export const JSON_PARTS_MAX = 10_000;

const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE] = [0x22, 0x5c, 0x2c, 0x7b, 0x7d];
/** The bit in which a curly bracket and a square one differ. */
const CURLY_BIT = 0x20;

/** How deep the brackets of a text are nested, and how many parts it has. The text may be no JSON. */
export function measureJson(
  text: Uint8Array,
): { readonly depth: number; readonly parts: number } {
  let [open, depth, parts] = [0, 0, 0];
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] ?? 0;
    if (byte === QUOTE) isText = !isText;
    else if (isText && byte === BACKSLASH) at++;
    else if (isText) continue;
    else if (byte === COMMA) parts++;
    else if ((byte | CURLY_BIT) === OPEN) {
      parts++;
      depth = Math.max(depth, ++open);
    } else if ((byte | CURLY_BIT) === CLOSE) open--;
  }
  return { depth, parts };
}

function skipWhiteSpace(text: string, offset: number): number {
  WHITE_SPACE.lastIndex = offset;
  return offset + (WHITE_SPACE.exec(text)?.[0].length ?? 0);
}

function toPosition(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
