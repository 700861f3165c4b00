/**
 * How etcd's messages are declared: once, as tables of fields. Types follow from a table by inference,
 * `json.ts` reads and writes it as JSON, `protobuf.ts` as Protocol Buffers.
 *
 * Fields keep the names that etcd gives them, because these are the names in JSON. A whole number is a
 * `number`; one beyond 2^53 is read inexactly, and so stays recognisable as out of range. What names a
 * cluster or a member has 64 bits, and is a `bigint`.
 *
 * @module
 */

/** What a field holds. */
type Kind =
  | "bytes"
  | "string"
  | "bool"
  | "int64"
  | "uint64"
  | "uint32"
  | "enum"
  | "message";

/** One field: `Value` is how it is read, `Draft` how it may be written. */
export interface Field<Value = unknown, Draft = unknown> {
  /** Its number in Protocol Buffers. */
  readonly number: number;
  /** What it holds. */
  readonly kind: Kind;
  /** Whether it is a list. */
  readonly isList: boolean;
  /** The names of an enum, by number. */
  readonly names: readonly string[];
  /** The message that it holds; a function, as messages may hold each other. */
  readonly message: (() => Message) | null;
  /** Never there: it carries a type. */
  readonly value?: Value;
  /** Never there: it carries a type. */
  readonly draft?: Draft;
}

/** Fields by their names. */
type Fields = Readonly<Record<string, Field>>;

/** A message, as a table. */
export interface Message<Table extends Fields = Fields> {
  /** What it holds, by name. */
  readonly fields: Table;
  /** The same, for those that write. */
  readonly entries: readonly (readonly [string, Field])[];
  /** The same by number. */
  readonly byNumber: ReadonlyMap<number, readonly [string, Field]>;
  /** The same by what they may be called in JSON: the name, and the name in camel case. */
  readonly byJsonName: ReadonlyMap<string, readonly [string, Field]>;
}

type ValueOf<Which> = Which extends Field<infer Value, infer _Draft> ? Value : never;
type DraftOf<Which> = Which extends Field<infer _Value, infer Draft> ? Draft : never;

/** A message that was read: everything is there, messages in it excepted. */
export type Read<Which> = Which extends Message<infer Table>
  ? { readonly [Name in keyof Table]: ValueOf<Table[Name]> }
  : never;

/** A message that is to be written: what is absent is empty. */
export type Draft<Which> = Which extends Message<infer Table>
  ? { readonly [Name in keyof Table]?: DraftOf<Table[Name]> | undefined }
  : never;

/** What stands for a number that an enum has no name for. */
export const UNRECOGNIZED = "UNRECOGNIZED";

/** Declares a message. */
export function message<const Table extends Fields>(fields: Table): Message<Table> {
  const entries = Object.entries(fields).map((entry): readonly [string, Field] => entry);
  return {
    fields,
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

/** A name of 64 bits. */
export function uint64(number: number): Field<bigint, bigint> {
  return plain(number, "uint64");
}

/** A whole number of 32 bits. */
export function uint32(number: number): Field<number, number> {
  return plain(number, "uint32");
}

/** One of several names; the first stands for 0. */
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

/** A message in a message that may hold itself, so that its types are declared by hand. */
export function recursive<Value, DraftValue>(
  number: number,
  inner: () => Message,
): Field<Value | undefined, DraftValue> {
  return { ...plain(number, "message"), message: inner };
}

/** What a field is that is absent. */
export function emptyValue({ kind, isList, names }: Field): unknown {
  if (isList) return [];
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

/** Whether a field that is not a list holds what it would be read as if it were absent. */
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
