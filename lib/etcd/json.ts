/**
 * Messages as JSON, in the form of etcd's gateway. Names are those of etcd's protocol, or in camel case.
 * Whole numbers of 64 bits are text, and bytes are base64. Empty fields are absent.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { JSON_PARTS_MAX, measureJson } from "../json.ts";
import { EtcdError } from "./errors.ts";
import { type Draft, type Field, isEmpty, type Message, type Read, UNRECOGNIZED } from "./shape.ts";

/** Most levels of nested messages. */
export const DEPTH_MAX = 64;

/** Reads a message. @throws {EtcdError} `invalidArgument`. */
export function readJson<Which extends Message>(which: Which, json: unknown): Read<Which> {
  return readMessage(which, json, 0) as Read<Which>;
}

/** Reads a message from a text. @throws {EtcdError} `invalidArgument`. */
export function parseJson<Which extends Message>(which: Which, text: Uint8Array): Read<Which> {
  return readJson(which, toJson(text));
}

/** Writes a message. */
export function writeJson<Which extends Message>(which: Which, draft: Draft<Which>): unknown {
  return writeMessage(which, draft);
}

function toJson(text: Uint8Array): unknown {
  // No body means the same as {}.
  if (text.length === 0) return {};
  // Each part has at least one byte.
  const parts = text.length > JSON_PARTS_MAX ? measureJson(text).parts : 0;
  if (parts > JSON_PARTS_MAX) {
    throw invalid(
      `its ${parts} JSON objects, lists and items are above ${JSON_PARTS_MAX}; divide it`,
    );
  }
  try {
    return JSON.parse(decodeUtf8(text));
  } catch (cause) {
    throw invalid("the body is not JSON", { cause });
  }
}

function readMessage(which: Message, json: unknown, depth: number): Record<string, unknown> {
  if (depth > DEPTH_MAX) throw invalid(`messages are nested deeper than ${DEPTH_MAX}`);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalid("a message is an object");
  }
  const read: Record<string, unknown> = { ...which.empty };
  for (const key of Object.keys(json)) {
    const value: unknown = json[key as keyof typeof json];
    const entry = which.byJsonName.get(key);
    // As in etcd's gateway: unknown fields are ignored, and null means absent.
    if (entry === undefined || value === null) continue;
    const [name, field] = entry;
    read[name] = field.isList ? readList(entry, value, depth) : readOne(entry, value, depth);
  }
  return read;
}

function readList(
  entry: readonly [string, Field],
  json: unknown,
  depth: number,
): readonly unknown[] {
  if (!Array.isArray(json)) throw invalid(`${entry[0]} is a list`);
  return json.map((item: unknown) => readOne(entry, item, depth));
}

function readOne(
  [name, { kind, names, message }]: readonly [string, Field],
  json: unknown,
  depth: number,
): unknown {
  switch (kind) {
    case "bytes":
      return readBytes(name, json);
    case "string":
      if (typeof json === "string") return json;
      throw invalid(`${name} is a text`);
    case "bool":
      if (typeof json === "boolean") return json;
      throw invalid(`${name} is true or false`);
    case "int64":
      return Number(readWhole(name, json, INT64));
    case "uint32":
      return Number(readWhole(name, json, UINT32));
    case "uint64":
      return readWhole(name, json, UINT64);
    case "enum":
      return readName(name, names, json);
    case "message":
      if (message === null) throw invalid(`${name} has no shape`);
      return readMessage(message(), json, depth + 1);
    default:
      return kind satisfies never;
  }
}

const INT64 = { least: -(2n ** 63n), most: 2n ** 63n - 1n };
const UINT64 = { least: 0n, most: 2n ** 64n - 1n };
const UINT32 = { least: 0n, most: 2n ** 32n - 1n };
const WHOLE_PATTERN = /^-?[0-9]{1,20}$/;

function readWhole(
  name: string,
  json: unknown,
  { least, most }: { readonly least: bigint; readonly most: bigint },
): bigint {
  const whole = toBigInt(json);
  if (whole === null || whole < least || whole > most) {
    throw invalid(`${name} is a whole number from ${least} to ${most}`);
  }
  return whole;
}

function toBigInt(json: unknown): bigint | null {
  if (typeof json === "number") return Number.isInteger(json) ? BigInt(json) : null;
  return typeof json === "string" && WHOLE_PATTERN.test(json) ? BigInt(json) : null;
}

function readName(name: string, names: readonly string[], json: unknown): string {
  if (typeof json === "string" && names.includes(json)) return json;
  const number = toBigInt(json);
  if (number === null) throw invalid(`${name} is one of ${names.join(", ")}`);
  return names[Number(number)] ?? UNRECOGNIZED;
}

/** Reads base64 in both alphabets, with or without padding. */
function readBytes(name: string, json: unknown): Uint8Array {
  if (typeof json !== "string") throw invalid(`${name} is base64`);
  try {
    return Uint8Array.fromBase64(OF_URLS.test(json) ? toPlainAlphabet(json) : json);
  } catch (cause) {
    throw invalid(`${name} is base64`, { cause });
  }
}

/** The letters of base64 that only its alphabet for URLs has. */
const OF_URLS = /[-_]/;

function toPlainAlphabet(base64: string): string {
  return base64.replaceAll("-", "+").replaceAll("_", "/");
}

function writeMessage(which: Message, draft: Readonly<Record<string, unknown>>): unknown {
  const json: Record<string, unknown> = {};
  for (const [name, field] of which.entries) {
    const value = draft[name];
    if (value === undefined) continue;
    if (field.isList) {
      if (Array.isArray(value) && value.length > 0) {
        json[name] = value.map((item) => writeOne(field, item));
      }
    } else if (!isEmpty(field, value)) json[name] = writeOne(field, value);
  }
  return json;
}

function writeOne({ kind, message }: Field, value: unknown): unknown {
  switch (kind) {
    case "bytes":
      return value instanceof Uint8Array ? value.toBase64() : "";
    case "int64":
    case "uint64":
      return String(value);
    case "message":
      return message === null ? {} : writeMessage(message(), value as Record<string, unknown>);
    default:
      return value;
  }
}

function invalid(what: string, options?: ErrorOptions): EtcdError {
  return new EtcdError("invalidArgument", `Cannot read the request: ${what}`, options);
}
