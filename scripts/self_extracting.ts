/**
 * One file that is a program: a shell script, then a tar.gz of Deno and the bundled Floe. Slower to
 * start the first time than what `deno compile` makes, and it needs sh, tar and gzip; otherwise the
 * same.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { Readable, Writable } from "node:stream";
import { createGzip } from "node:zlib";
import { runDeno } from "./run_deno.ts";
import { tar, type TarEntry } from "./tar.ts";

const TEMPLATE = new URL("self_extracting.sh", import.meta.url);

/** What to pack, and where to. */
export interface SelfExtractingOptions {
  /** The program's main module. */
  readonly main: string;
  /** The module of its worker, which it looks for by this file's name beside itself. */
  readonly worker: string;
  /** The file to write. */
  readonly output: string;
  /** The options that Deno gets: permissions, and flags of its runtime. */
  readonly options: readonly string[];
}

/** Writes the executable; an earlier one is replaced at once, even while it runs. */
export async function writeSelfExtracting(options: SelfExtractingOptions): Promise<void> {
  const folder = `${options.output}-bundle`;
  const temporary = `${options.output}.tmp`;
  try {
    const packed = [
      { name: "deno", path: Deno.execPath(), mode: 0o700 },
      ...await bundleAll(options, folder),
    ];
    await Deno.writeTextFile(temporary, await makeHeader(packed, options.options), { mode: 0o755 });
    const file = await Deno.open(temporary, { append: true });
    // Level 1 costs a tenth more bytes than the default and a third of its time.
    const gzip = createGzip({ level: 1 });
    await Promise.all([
      ReadableStream.from(tar(packed)).pipeTo(Writable.toWeb(gzip)),
      (Readable.toWeb(gzip) as ReadableStream<Uint8Array>).pipeTo(file.writable),
    ]);
    await Deno.rename(temporary, options.output);
  } finally {
    await Promise.all([folder, temporary].map(removeIfThere));
  }
}

/** The program and its worker, bundled into `folder`. What the program loads later is in files of its own. */
async function bundleAll(
  { main, worker }: SelfExtractingOptions,
  folder: string,
): Promise<readonly TarEntry[]> {
  await bundle(["--code-splitting", "--outdir", folder, main]);
  await Deno.rename(`${folder}/${basename(main, ".ts")}.js`, `${folder}/floe.js`);
  await bundle(["--output", `${folder}/${basename(worker)}`, worker]);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  return names.map((name) => ({ name, path: `${folder}/${name}`, mode: 0o600 }));
}

async function bundle(args: readonly string[]): Promise<void> {
  const { success, messages } = await runDeno([
    "bundle",
    "--frozen",
    "--quiet",
    "--platform",
    "deno",
    ...args,
  ]);
  if (!success) throw new Error(`Cannot bundle ${args.at(-1)}:\n${messages}`);
}

async function makeHeader(
  packed: readonly TarEntry[],
  options: readonly string[],
): Promise<string> {
  const template = await Deno.readTextFile(TEMPLATE);
  const hash = createHash("sha256").update(template);
  let bytes = 0;
  for (const { path } of packed) {
    const content = await Deno.readFile(path);
    hash.update(content);
    bytes += content.length;
  }
  const values: Record<string, string> = {
    KEY: hash.digest("hex").slice(0, 32),
    FILES: packed.map(({ name }) => name).join(" "),
    BYTES: String(bytes),
    OPTIONS: options.map((flag) => `'${flag}'`).join(" "),
    // Where the archive begins, counted from 1, in as many digits as its placeholder has.
    OFFSET: "@OFFSET@",
  };
  const header = template.replace(/@([A-Z_]+)@/g, (all, name) => values[name] ?? all);
  const offset = new TextEncoder().encode(header).length + 1;
  return header.replace("@OFFSET@", String(offset).padEnd("@OFFSET@".length));
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
