/**
 * How commands print their data: aligned columns for people, JSON for programs.
 *
 * @module
 */

import type { Attempt, ClientAnswer } from "./client/client.ts";
import type { OutputStream } from "./command.ts";
import { CommandError } from "./failure.ts";
import type { Endpoint } from "./options.ts";

/** What a table shows where there is nothing to show. */
export const EMPTY_CELL = "-";

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

/** Prints one JSON document: indented where a person reads, on one line where a program does. */
export function printJson(stream: OutputStream, value: unknown): void {
  stream.write(JSON.stringify(value, null, stream.isTerminal ? 2 : 0) + "\n");
}

// C0 and C1 controls, and the marks that turn the direction of text.
// deno-lint-ignore no-control-regex -- to find control characters is the point
const UNSAFE_PATTERN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * `text` with what could drive a terminal made visible: keys and answers come from others. Newlines
 * stay where `keepNewlines` asks for it.
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

/** One node's answer, or why it says nothing of use. */
export type View<Body> =
  | { readonly endpoint: Endpoint; readonly body: Body; readonly error: null }
  | { readonly endpoint: Endpoint; readonly body: null; readonly error: string };

/** What came of asking one node; `read` throws a `CommandError` for what is not the API's answer. */
export function toView<Body>(attempt: Attempt, read: (answer: ClientAnswer) => Body): View<Body> {
  if (attempt.kind === "failure") {
    return { endpoint: attempt.endpoint, body: null, error: attempt.failure.reason };
  }
  const { endpoint } = attempt.answer;
  try {
    return { endpoint, body: read(attempt.answer), error: null };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { endpoint, body: null, error: "does not answer as Floe's API does" };
  }
}

/** The view as data: where it was asked for, whether it came, and what it says. */
export function toViewJson({ endpoint, body, error }: View<object>): Record<string, unknown> {
  const reachable = body !== null;
  return {
    endpoint: endpoint.label,
    reachable,
    ...(reachable ? body : { id: endpoint.id, error }),
  };
}
