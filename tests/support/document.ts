/**
 * Reading the project's documents: their text, and the tables in them.
 *
 * @module
 */

import { equal } from "node:assert/strict";

/** The folder of the project. */
export const ROOT = new URL("../../", import.meta.url);

/** The text of a file of the project. */
export function read(document: string): string {
  return Deno.readTextFileSync(new URL(document, ROOT));
}

/** The cells of every row of the tables in a document that begins with this cell, header excluded. */
export function rowsOf(document: string, first: RegExp): string[][] {
  return tableLinesOf(read(document)).map(cellsOf).filter(([cell = ""]) => first.test(cell));
}

/** The cells of every row below the header of the table in the one section whose heading has this text. */
export function rowsUnder(document: string, heading: string): string[][] {
  const sections = read(document).split(/^(?=#+ )/m);
  const [section = "", ...others] = sections.filter((text) =>
    text.split("\n", 1)[0]?.includes(heading)
  );
  equal(section !== "" && others.length === 0, true, `${document} has one section ${heading}`);
  // Below the header and its rule.
  return tableLinesOf(section).slice(2).map(cellsOf);
}

function tableLinesOf(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("|"));
}

function cellsOf(line: string): string[] {
  return line.split("|").slice(1, -1).map((cell) => cell.trim());
}

/** A cell without the marks of code in it. */
export function unquote(cell: string): string {
  return cell.replaceAll("`", "");
}
