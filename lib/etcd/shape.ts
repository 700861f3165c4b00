/**
 * The declaration of etcd's messages. Each message is declared once, as a table of fields. The types are
 * inferred from the table. `json.ts` reads and writes messages as JSON, `protobuf.ts` as Protocol Buffers.
 *
 * Fields keep etcd's names, because these are the names in JSON. A whole number is a `number`. A number
 * above 2^53 is read inexactly, and is still recognised as out of range. Ids of clusters and members have
 * 64 bits and are a `bigint`.
 *
 * @module
 */

/** The type of a field's value. */
type Kind =
  | "bytes"
  | "string"
  | "bool"
  | "int64"
  | "uint64"
  | "uint32"
  | "enum"
  | "message";

/** One field. `Value` is its type when read, `Draft` its type when written. */
export interface Field<Value = unknown, Draft = unknown> {
  /** Its number in Protocol Buffers. */
  readonly number: number;
  /** The type of its value. */
  readonly kind: Kind;
  /** Whether it is a list. */
  readonly isList: boolean;
  /** The names of an enum, by number. */
  readonly names: readonly string[];
  /** The message inside it. It is a function, because messages can contain each other. */
  readonly message: (() => Message) | null;
  /** Never set: it exists only for its type. */
  readonly value?: Value;
  /** Never set: it exists only for its type. */
  readonly draft?: Draft;
}

/** Fields by their names. */
type Fields = Readonly<Record<string, Field>>;

/** A message, as a table. */
export interface Message<Table extends Fields = Fields> {
  /** The fields by name. */
  readonly fields: Table;
  /** All fields absent. A list in it is {@linkcode NO_ITEMS}. */
  readonly empty: Readonly<Record<string, unknown>>;
  /** The fields as a list, for writing. */
  readonly entries: readonly (readonly [string, Field])[];
  /** The fields by number. */
  readonly byNumber: ReadonlyMap<number, readonly [string, Field]>;
  /** The fields by their names in JSON: the name itself, and the name in camel case. */
  readonly byJsonName: ReadonlyMap<string, readonly [string, Field]>;
}

type ValueOf<Which> = Which extends Field<infer Value, infer _Draft> ? Value : never;
type DraftOf<Which> = Which extends Field<infer _Value, infer Draft> ? Draft : never;

/** A message that was read. All fields are there, except inner messages, which can be absent. */
export type Read<Which> = Which extends Message<infer Table>
  ? { readonly [Name in keyof Table]: ValueOf<Table[Name]> }
  : never;

/** A message to write. An absent field means an empty one. */
export type Draft<Which> = Which extends Message<infer Table>
  ? { readonly [Name in keyof Table]?: DraftOf<Table[Name]> | undefined }
  : never;

/** The name for a number that an enum does not have. */
export const UNRECOGNIZED = "UNRECOGNIZED";

/** Declares a message. */
export function message<const Table extends Fields>(fields: Table): Message<Table> {
  const entries = Object.entries(fields).map((entry): readonly [string, Field] => entry);
  return {
    fields,
    empty: Object.fromEntries(entries.map(([name, field]) => [name, emptyValue(field)])),
    entries,
    byNumber: new Map(entries.map((entry) => [entry[1].number, entry])),
    byJsonName: new Map(
      entries.flatMap((entry) => [[entry[0], entry] as const, [camelCase(entry[0]), entry]]),
    ),
  };
}

/** A field of bytes. */
export function bytes(number: number): Field<Uint8Array, Uint8Array> {
  return plain(number, "bytes");
}

/** A list of fields of bytes. */
export function bytesList(number: number): Field<readonly Uint8Array[], readonly Uint8Array[]> {
  return { ...plain(number, "bytes"), isList: true };
}

/** A field of text. */
export function string(number: number): Field<string, string> {
  return plain(number, "string");
}

/** A list of texts. */
export function strings(number: number): Field<readonly string[], readonly string[]> {
  return { ...plain(number, "string"), isList: true };
}

/** A field of one bit. */
export function bool(number: number): Field<boolean, boolean> {
  return plain(number, "bool");
}

/** A whole number with a sign. */
export function int64(number: number): Field<number, number> {
  return plain(number, "int64");
}

/** An id of 64 bits. */
export function uint64(number: number): Field<bigint, bigint> {
  return plain(number, "uint64");
}

/** A whole number of 32 bits. */
export function uint32(number: number): Field<number, number> {
  return plain(number, "uint32");
}

/** One of several names. The first one is number 0. */
export function oneOf<const Names extends readonly string[]>(
  number: number,
  names: Names,
): Field<Names[number] | typeof UNRECOGNIZED, Names[number]> {
  return { ...plain(number, "enum"), names };
}

/** Any of several names. */
export function anyOf<const Names extends readonly string[]>(
  number: number,
  names: Names,
): Field<readonly (Names[number] | typeof UNRECOGNIZED)[], readonly Names[number][]> {
  return { ...plain(number, "enum"), isList: true, names };
}

/** A message in a message. */
export function one<Which extends Message>(
  number: number,
  inner: Which,
): Field<Read<Which> | undefined, Draft<Which>> {
  return { ...plain(number, "message"), message: () => inner };
}

/** A list of messages in a message. */
export function many<Which extends Message>(
  number: number,
  inner: Which,
): Field<readonly Read<Which>[], readonly Draft<Which>[]> {
  return { ...plain(number, "message"), isList: true, message: () => inner };
}

/** A message in a message that can contain itself, so its types are declared by hand. */
export function recursive<Value, DraftValue>(
  number: number,
  inner: () => Message,
): Field<Value | undefined, DraftValue> {
  return { ...plain(number, "message"), message: inner };
}

/** The value of an absent list. */
export const NO_ITEMS: readonly unknown[] = Object.freeze([]);

function emptyValue({ kind, isList, names }: Field): unknown {
  if (isList) return NO_ITEMS;
  switch (kind) {
    case "bytes":
      return NO_BYTES;
    case "string":
      return "";
    case "bool":
      return false;
    case "int64":
    case "uint32":
      return 0;
    case "uint64":
      return 0n;
    case "enum":
      return names[0];
    case "message":
      return undefined;
    default:
      return kind satisfies never;
  }
}

/** Whether a value is the same as that of an absent field. Not for lists. */
export function isEmpty({ kind, names }: Field, value: unknown): boolean {
  switch (kind) {
    case "bytes":
      return value instanceof Uint8Array && value.length === 0;
    case "enum":
      return value === names[0];
    case "message":
      return value === undefined;
    default:
      return value === undefined || value === "" || value === false || value === 0 || value === 0n;
  }
}

const NO_BYTES = new Uint8Array(0);

function plain(number: number, kind: Kind): Field<never, never> {
  return { number, kind, isList: false, names: [], message: null };
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
