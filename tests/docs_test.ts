/**
 * What a machine can check of the documents and of `deno.json`: that the files that they name exist, and
 * that the numbers in their tables are the code's. `api_reference_test.ts` and `cli_reference_test.ts` do it for
 * `docs/api.md` and `docs/cli.md`.
 *
 * @module
 */

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { marginsOf } from "../lib/margins.ts";
import { FORMAT_VERSION } from "../lib/storage/open_database.ts";
import { PROTOCOL_VERSION } from "../lib/transport/hello.ts";
import { read, ROOT, rowsOf } from "./support/document.ts";

const README_WORDS_MAX = 1250;

const DOCUMENTS: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CHANGELOG.md",
  "deploy/README.md",
  "tests/fuzz/README.md",
  "tests/simulator/README.md",
  ...[...Deno.readDirSync(new URL("docs", ROOT))].filter(({ isFile }) => isFile)
    .map(({ name }) => `docs/${name}`),
];

const TOP_FOLDERS: readonly string[] = ["lib", "tests", "docs", "bench", "lint", "scripts"];

for (const document of DOCUMENTS) {
  Deno.test(`${document} points to files that are there`, () => {
    const text = read(document);
    for (const [, folder = "", rest = ""] of text.matchAll(/`([a-z]+)(\/[^\s`<]+)`/g)) {
      const isFromTop = TOP_FOLDERS.includes(folder);
      // A source file may be named from lib on.
      if (!isFromTop && !rest.endsWith(".ts")) continue;
      const path = `${isFromTop ? "" : "lib/"}${folder}${rest}`;
      ok(Deno.statSync(new URL(path, ROOT)), path);
    }
  });
}

/** A heading as GitHub's anchor of it. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

for (const document of DOCUMENTS) {
  Deno.test(`${document} has links that lead somewhere`, () => {
    const here = new URL(document, ROOT);
    for (const [, link = ""] of read(document).matchAll(/\]\(([^()\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? here : new URL(path, here);
      ok(Deno.statSync(target), link);
      if (anchor === undefined || !target.pathname.endsWith(".md")) continue;
      const headings = [...Deno.readTextFileSync(target).matchAll(/^#+ (.*)$/gm)];
      ok(headings.some(([, heading = ""]) => anchorOf(heading) === anchor), `${document}: ${link}`);
    }
  });
}

Deno.test("CHANGELOG.md has the protocol and the format of this version", () => {
  const told = /^Protocol (\d+), format (\d+)\./m.exec(read("CHANGELOG.md"))?.slice(1);
  deepEqual(told, [String(PROTOCOL_VERSION), FORMAT_VERSION]);
});

Deno.test("each file that README.md names is a link", () => {
  const named = read("README.md").matchAll(
    /(?<!\[)`([a-z_]+\/[a-z_./]+|[a-z_]+\.(?:ts|json|lock|md))`/g,
  );
  // What a build writes, and what each folder has.
  const elsewhere = ["dist/floe", "mod.ts", "deno.json"];
  deepEqual(
    [...named].map(([, name = ""]) => name).filter((name) => !elsewhere.includes(name)),
    [],
  );
});

Deno.test("each folder of lib opens with its design, as README.md says", () => {
  const folders = [...Deno.readDirSync(new URL("lib", ROOT))].filter((entry) => entry.isDirectory);
  ok(folders.length > 5);
  for (const { name } of folders) {
    match(read(`lib/${name}/mod.ts`), /^\/\*\*\n( \*.*\n){10,} \* @module\n/, name);
  }
});

Deno.test("the gate's two runs of tests leave out none: each ignores what the other has", () => {
  const { tasks } = JSON.parse(read("deno.json"));
  const [, ignored = ""] = /--ignore=(\S+)$/.exec(tasks["test:most"]) ?? [];
  deepEqual(tasks["test:hard"].split(" ").slice(-ignored.split(",").length), ignored.split(","));
});

Deno.test("README.md stays short enough to be read", () => {
  const words = read("README.md").split(/\s+/).filter((word) => /[a-z0-9]/i.test(word)).length;
  ok(words <= README_WORDS_MAX, `${words} words`);
});

Deno.test("docs/security.md has the margins that are calculated", () => {
  const rows = rowsOf("docs/security.md", /^[0-9]+$/);
  equal(rows.length, 16);
  for (const row of rows) {
    const [n = 0, threshold = 0, ...told] = row.map(Number);
    const { crashed, lying, lyingFollowers, sharesLost, sharesToForge } = marginsOf({
      n,
      threshold,
    });
    deepEqual(told, [crashed, lying, lyingFollowers, sharesLost, sharesToForge], row.join());
  }
});

Deno.test("docs/limits.md has the limits that are in force", async () => {
  const rows = rowsOf("docs/limits.md", /^`[A-Z_]{4,}/);
  ok(rows.length > 10);
  for (const [name = "", file = "", value = ""] of rows) {
    const module = await import(new URL(file.replaceAll("`", ""), ROOT).href);
    const found = name.replaceAll("`", "").split(".").reduce((part, key) => part[key], module);
    equal(value.replaceAll(",", ""), String(found), name);
  }
});
