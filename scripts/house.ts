/**
 * Measures how `lib` is built, from its own imports and exports: how many files and lines, how large
 * they are, and what should not be there (an import past a `mod.ts`, a circle of value imports, an
 * export that nobody uses, a comment that only repeats a name). `tests/scripts/house_test.ts` holds
 * the last four at zero.
 *
 * @module
 */

import { dirname, join, relative } from "node:path/posix";
import { fileURLToPath } from "node:url";
import { CLIENT_FILES } from "../lint/paths.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** Where an export of `lib` may be used. */
const TOP_FOLDERS = ["lib", "tests", "scripts", "bench", "lint"];
/** Names the limits that are in force; a test reads each from its file. */
const LIMITS_TABLE = "docs/limits.md";
/** A file below this many lines needs a reason. */
const SMALL_FILE_LINES = 60;
/** A file above this many lines holds more than one chapter. */
const LARGE_FILE_LINES = 400;

/** A source file, as far as the house is concerned. */
export interface SourceFile {
  /** From the project's root. */
  readonly path: string;
  /** All of it. */
  readonly text: string;
  /** What it takes from other files of the project. */
  readonly imports: readonly Import[];
  /** The names that it declares and exports. */
  readonly exports: readonly string[];
}

/** One import or re-export. */
interface Import {
  /** The file that it leads to, from the project's root. */
  readonly target: string;
  /** The names that are taken; null for all of them. */
  readonly names: readonly string[] | null;
  /** Whether it is gone once the types are erased. */
  readonly isTypeOnly: boolean;
  /** Whether the names are handed on, and not used. */
  readonly isReexport: boolean;
}

/** Reads every source file of the project. */
export function readHouse(): readonly SourceFile[] {
  const paths = TOP_FOLDERS.flatMap((folder) => [...listFiles(folder)]);
  const read = (path: string) => Deno.readTextFileSync(join(ROOT, path));
  const files = [...paths, "main.ts"].map((path) => parse(path, read(path)));
  return [...files, parseLimits(LIMITS_TABLE, read(LIMITS_TABLE))];
}

/** Imports between folders of `lib` that go past a facade, as `importer -> target`. */
export function findDetours(house: readonly SourceFile[]): string[] {
  return inLib(house).flatMap(({ path, imports }) =>
    imports
      .filter(({ target }) => folderOf(target) !== null && folderOf(target) !== folderOf(path))
      .filter(({ target }) => target !== `lib/${folderOf(target)}/mod.ts`)
      .filter(({ target }) => !CLIENT_FILES.includes(target))
      .map(({ target }) => `${path} -> ${target}`)
  );
}

/** Files that need each other's values before they can be read, each circle as one text. */
export function findCircles(house: readonly SourceFile[]): string[] {
  const files = inLib(house);
  const needs = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.filter(({ isTypeOnly }) => !isTypeOnly).map(({ target }) => target),
    ]),
  );
  const reaches = new Map(files.map(({ path }) => [path, reachableFrom(path, needs)]));
  const circles = files.filter(({ path }) => reaches.get(path)?.has(path)).map(({ path }) =>
    files.filter((other) =>
      reaches.get(path)?.has(other.path) && reaches.get(other.path)?.has(path)
    ).map((other) => other.path).join(", ")
  );
  return [...new Set(circles)];
}

/** Exports of `lib` that no other file takes, as `file: name`. A facade's types are left alone. */
export function findUnusedExports(house: readonly SourceFile[]): string[] {
  const files = new Map(house.map((file) => [file.path, file]));
  const used = new Set<string>();
  for (const { imports } of house) {
    for (const { target, names, isReexport } of imports) {
      if (isReexport) continue;
      for (const name of names ?? exportedNames(target, files)) markUsed(target, name, files, used);
    }
  }
  // The signatures of what a facade hands on need their types beside them: `deno doc --lint` says so.
  for (const { imports } of house) {
    for (const { target, names, isReexport, isTypeOnly } of imports) {
      if (!isReexport) continue;
      for (const name of names ?? []) {
        if (isTypeOnly || isTypeName(target, name, files)) markUsed(target, name, files, used);
      }
      if (names === null) {
        for (const name of exportedNames(target, files)) {
          if (isTypeName(target, name, files)) markUsed(target, name, files, used);
        }
      }
    }
  }
  // The files of `lib` itself are facades of their own.
  const isFacadesType = (path: string, name: string) =>
    folderOf(path) === null && isTypeName(path, name, files);
  return inLib(house).flatMap(({ path, exports }) =>
    exports.filter((name) => !isFacadesType(path, name)).filter((name) =>
      !used.has(`${path}: ${name}`)
    ).map((name) => `${path}: ${name}`)
  );
}

/** Doc comments that say no more than the name below them, as `file:line: comment`. */
export function findRepeatingComments(house: readonly SourceFile[]): string[] {
  return inLib(house).flatMap(({ path, text }) => {
    const lines = text.split("\n");
    return lines.flatMap((line, at) => {
      const comment = /^\s*\/\*\* (.*) \*\/$/.exec(line)?.[1];
      const name =
        /^\s*(?:export )?(?:readonly |get |static |async |const |function |class |type |interface )*#?([A-Za-z]\w*)/
          .exec(lines[at + 1] ?? "")?.[1];
      if (comment === undefined || name === undefined || !repeats(comment, name)) return [];
      return [`${path}:${at + 1}: ${comment}`];
    });
  });
}

const FILLERS = new Set(
  "a an the its this that of is in for to and or it as by one whose all each new every own".split(
    " ",
  ),
);

function repeats(comment: string, name: string): boolean {
  const words = (text: string) =>
    text.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().match(/[a-z]+/g) ?? [];
  const known = new Set(words(name).map(stem));
  const told = words(comment.replaceAll(/\{@linkcode (\w+)\}/g, "$1")).filter((word) =>
    word.length > 1 && !FILLERS.has(word)
  );
  return told.length > 0 && told.every((word) => known.has(stem(word)));
}

function stem(word: string): string {
  return word.replace(/(ies|es|s|ed|ing)$/, "");
}

function parse(path: string, text: string): SourceFile {
  const imports: Import[] = [];
  const pattern =
    /^(import|export)\s+(type\s+)?(?:\*\s+as\s+\w+|(\*)|\{([^}]*)\})\s*from\s+"(\.[^"]+)";/gm;
  for (const [, verb, type, star, list = "", specifier = ""] of text.matchAll(pattern)) {
    const items = list.split(",").map((item) => item.trim()).filter((item) => item !== "");
    imports.push({
      target: join(dirname(path), specifier),
      names: star !== undefined || list === ""
        ? null
        : items.map((item) => item.replace(/^type /, "").replace(/ as .*/, "")),
      isTypeOnly: type !== undefined ||
        (items.length > 0 && items.every((item) => item.startsWith("type "))),
      isReexport: verb === "export",
    });
  }
  for (const [, specifier = ""] of text.matchAll(/\bimport\("(\.[^"]+)"\)/g)) {
    const target = join(dirname(path), specifier);
    imports.push({ target, names: null, isTypeOnly: true, isReexport: false });
  }
  return { path, text, imports, exports: [...declaredExports(text)] };
}

/** A document whose table rows name a constant and its file, as a user of them. */
function parseLimits(path: string, text: string): SourceFile {
  const rows = text.matchAll(/^\| `([A-Z_]+)[^`]*`\s*\| `(lib[^`]+)`/gm);
  const imports = [...rows].map(([, name = "", target = ""]) => ({
    target,
    names: [name],
    isTypeOnly: true,
    isReexport: false,
  }));
  return { path, text: "", imports, exports: [] };
}

function* declaredExports(text: string): Generator<string> {
  const named =
    /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|type|interface|enum) (\w+)/gm;
  for (const [, name = ""] of text.matchAll(named)) yield name;
  for (const [, list = ""] of text.matchAll(/^export const [{[]([^}\]]*)[}\]]/gm)) {
    for (const item of list.split(",")) {
      const name = item.trim().replace(/^.*:\s*/, "");
      if (name !== "") yield name;
    }
  }
}

function isTypeName(path: string, name: string, files: ReadonlyMap<string, SourceFile>): boolean {
  const home = files.get(path);
  if (home === undefined) return false;
  if (
    new RegExp(`^export (type|interface|class|abstract class|declare const) ${name}\\b`, "m").test(
      home.text,
    )
  ) {
    return true;
  }
  return home.imports.some(({ target, names, isReexport }) =>
    isReexport && (names?.includes(name) ?? true) && isTypeName(target, name, files)
  );
}

/** Marks a name at its home, through however many files it is handed on. */
function markUsed(
  path: string,
  name: string,
  files: ReadonlyMap<string, SourceFile>,
  used: Set<string>,
): void {
  const file = files.get(path);
  if (file === undefined || used.has(`${path}: ${name}`)) return;
  used.add(`${path}: ${name}`);
  for (const { target, names, isReexport } of file.imports) {
    if (isReexport && (names?.includes(name) ?? true)) markUsed(target, name, files, used);
  }
}

function exportedNames(path: string, files: ReadonlyMap<string, SourceFile>): string[] {
  const file = files.get(path);
  if (file === undefined) return [];
  const handedOn = file.imports.filter(({ isReexport }) => isReexport).flatMap((entry) =>
    entry.names ?? exportedNames(entry.target, files)
  );
  return [...file.exports, ...handedOn];
}

function reachableFrom(start: string, needs: ReadonlyMap<string, readonly string[]>): Set<string> {
  const reached = new Set<string>();
  const waiting = [...needs.get(start) ?? []];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    waiting.push(...needs.get(next) ?? []);
  }
  return reached;
}

function inLib(house: readonly SourceFile[]): readonly SourceFile[] {
  return house.filter(({ path }) => path.startsWith("lib/"));
}

function folderOf(path: string): string | null {
  const [top, folder, ...rest] = path.split("/");
  return top === "lib" && folder !== undefined && rest.length > 0 ? folder : null;
}

function* listFiles(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(join(ROOT, folder))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* listFiles(path);
    // What declares the types of plain JavaScript is for other programs.
    else if (path.endsWith(".ts") && !path.endsWith(".d.ts")) yield relative(".", path);
  }
}

function isCode(line: string): boolean {
  const text = line.trim();
  return text !== "" && !/^(\/\/|\/\*|\*)/.test(text);
}

function print(house: readonly SourceFile[]): void {
  const files = inLib(house);
  const sizes = files.map(({ text }) => text.split("\n").length - 1).sort((a, b) => a - b);
  const importers = new Map<string, Set<string>>();
  for (const { path, imports } of files) {
    for (const { target } of imports) {
      importers.set(target, (importers.get(target) ?? new Set()).add(path));
    }
  }
  const rows = {
    "files": files.length,
    "lines": sizes.reduce((sum, size) => sum + size, 0),
    "lines of code": files.flatMap(({ text }) => text.split("\n")).filter(isCode).length,
    "median file": sizes[sizes.length >> 1],
    "largest file": sizes.at(-1),
    [`files under ${SMALL_FILE_LINES} lines`]: sizes.filter((size) => size < SMALL_FILE_LINES)
      .length,
    [`files above ${LARGE_FILE_LINES} lines`]: sizes.filter((size) => size > LARGE_FILE_LINES)
      .length,
    "files that at most one other imports":
      files.filter(({ path }) => (importers.get(path)?.size ?? 0) <= 1).length,
    "imports past a mod.ts": findDetours(house).length,
    "circles of value imports": findCircles(house).length,
    "exports that nobody uses": findUnusedExports(house).length,
    "comments that repeat a name": findRepeatingComments(house).length,
  };
  for (const [name, value] of Object.entries(rows)) console.log(`${name.padEnd(38)} ${value}`);
}

if (import.meta.main) {
  const house = readHouse();
  print(house);
  for (
    const finding of [
      ...findDetours(house),
      ...findCircles(house),
      ...findUnusedExports(house),
      ...findRepeatingComments(house),
    ]
  ) {
    console.log(finding);
  }
}
