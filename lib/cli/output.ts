/**
 * How commands print their data: aligned columns for people, JSON for programs.
 *
 * @module
 */

import { marginsOf, marginWarnings, type Quorum } from "../margins.ts";
import type { OutputStream } from "./command.ts";

/** An empty cell in a table. */
const EMPTY_CELL = "-";

/** A value in a table; null is shown as {@linkcode EMPTY_CELL}. */
export type Cell = string | number | boolean | null;

const COLUMN_GAP = "  ";

/** Prints `rows` under `header`, each column as wide as its widest cell. */
export function printTable(
  stream: OutputStream,
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
): void {
  const lines = [header, ...rows.map((row) => row.map(cellText))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => width(line[column]))));
  for (const line of lines) {
    const cells = line.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    stream.write(cells.join(COLUMN_GAP).trimEnd() + "\n");
  }
}

/** Most characters in a line of text for people. */
export const TEXT_WIDTH = 80;

/** A text as lines of whole words. */
export function wrap(text: string, width: number = TEXT_WIDTH): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/**
 * Prints a table whose last column is text, at a terminal as lines of whole words below each other. Elsewhere a row
 * is one line, for programs that read lines.
 */
export function printTextTable(
  stream: OutputStream,
  header: readonly string[],
  rows: readonly (readonly [...names: string[], text: string])[],
): void {
  if (!stream.isTerminal) return printTable(stream, header, rows);
  const names = [header, ...rows].map((row) => row.slice(0, -1));
  const before = header.slice(0, -1)
    .map((_, column) => Math.max(...names.map((row) => width(row[column]))) + COLUMN_GAP.length)
    .reduce((sum, one) => sum + one, 0);
  const room = Math.max(TEXT_WIDTH / 2, TEXT_WIDTH - before);
  printTable(
    stream,
    header,
    rows.flatMap((row) =>
      wrap(row.at(-1) ?? "", room).map((line, at) =>
        at === 0 ? [...row.slice(0, -1), line] : [...row.slice(0, -1).map(() => ""), line]
      )
    ),
  );
}

/** Prints names and values, one pair a line, the values aligned. */
export function printFields(
  stream: OutputStream,
  fields: readonly (readonly [name: string, value: Cell])[],
): void {
  const nameWidth = Math.max(...fields.map(([name]) => name.length));
  for (const [name, value] of fields) {
    stream.write(`${name.padEnd(nameWidth)}${COLUMN_GAP}${cellText(value)}\n`);
  }
}

/** Fields that hold the lists of answers which have nothing else of interest. */
const LIST_FIELDS = ["elections", "tokens", "leases", "items", "findings"];

/**
 * Prints one JSON document: indented on a terminal, otherwise on one line. With `-o jsonl`, each item of a list
 * has its own line, and any other answer has one line.
 */
export function printJson(stream: OutputStream, value: unknown): void {
  if (stream.hasJsonLines === true) {
    for (const item of itemsOf(value)) stream.write(JSON.stringify(item) + "\n");
    return;
  }
  stream.write(JSON.stringify(value, null, stream.isTerminal ? 2 : 0) + "\n");
}

function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  const fields = Object.entries(value ?? {});
  const [, list] = fields.find(([name]) => LIST_FIELDS.includes(name)) ?? [];
  return Array.isArray(list) ? list : [value];
}

/** An output that gets JSON line by line. */
export class JsonLines implements OutputStream {
  readonly hasJsonLines = true;
  readonly #inner: OutputStream;

  /** Writes to `inner`. */
  constructor(inner: OutputStream) {
    this.#inner = inner;
  }

  get isTerminal(): boolean {
    return this.#inner.isTerminal;
  }

  write(data: string | Uint8Array): void {
    this.#inner.write(data);
  }

  writeSome(bytes: Uint8Array): Promise<number> {
    return this.#inner.writeSome(bytes);
  }
}

// C0 and C1 controls, and the marks that turn the direction of text.
// deno-lint-ignore no-control-regex -- to find control characters is the point
const UNSAFE_PATTERN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * `text` with its control characters escaped: keys and answers are not trusted. With `keepNewlines`,
 * newlines stay.
 */
export function printable(
  text: string,
  options: { readonly keepNewlines?: boolean } = {},
): string {
  return text.replace(UNSAFE_PATTERN, (character) => {
    if (character === "\n" && options.keepNewlines === true) return character;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function cellText(cell: Cell): string {
  return cell === null ? EMPTY_CELL : printable(String(cell));
}

function width(cell: string | undefined): number {
  return cell?.length ?? 0;
}

/** The margins as fields, for `printFields`. */
export function marginFields(quorum: Quorum): readonly (readonly [name: string, value: string])[] {
  const { n } = quorum;
  const { crashed, lying, sharesLost, sharesToForge } = marginsOf(quorum);
  return [
    ["may be down", `${crashed} of ${n} nodes; the others still elect and write`],
    ["may lie", `${lying} of ${n} voters; no term gets two leaders`],
    ["may be lost", `${sharesLost} of ${n} shares; with one more, no leader can be elected`],
    [
      "may be stolen",
      `${sharesToForge - 1} of ${n} shares; with one more, a thief can sign elections`,
    ],
  ];
}

/** The two most important margins, in a few words. */
export function describeMargins(quorum: Quorum): string {
  const { crashed, lying } = marginsOf(quorum);
  return `${crashed} of ${quorum.n} nodes down, ${lying} lying`;
}

/** Prints warnings about a cluster's margins on `stderr`; none for most clusters. */
export function printMarginWarnings(stderr: OutputStream, quorum: Quorum): void {
  for (const warning of marginWarnings(quorum)) stderr.write(`warning: ${warning}\n`);
}
