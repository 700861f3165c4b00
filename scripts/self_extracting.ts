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
import { tar } from "./tar.ts";

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
  const bundle = `${options.output}.js`;
  const workerBundle = `${options.output}-worker.js`;
  const temporary = `${options.output}.tmp`;
  try {
    await bundleProgram(options.main, bundle);
    await bundleProgram(options.worker, workerBundle);
    const header = await makeHeader([Deno.execPath(), bundle, workerBundle], options.options);
    await Deno.writeTextFile(temporary, header, { mode: 0o755 });
    const archive = tar([
      { name: "deno", path: Deno.execPath(), mode: 0o700 },
      { name: "floe.js", path: bundle, mode: 0o600 },
      { name: basename(options.worker), path: workerBundle, mode: 0o600 },
    ]);
    const file = await Deno.open(temporary, { append: true });
    // Level 1 costs a tenth more bytes than the default and a third of its time.
    const gzip = createGzip({ level: 1 });
    await Promise.all([
      ReadableStream.from(archive).pipeTo(Writable.toWeb(gzip)),
      (Readable.toWeb(gzip) as ReadableStream<Uint8Array>).pipeTo(file.writable),
    ]);
    await Deno.rename(temporary, options.output);
  } finally {
    await Promise.all([bundle, workerBundle, temporary].map(removeIfThere));
  }
}

async function bundleProgram(main: string, output: string): Promise<void> {
  const { success, messages } = await runDeno([
    "bundle",
    "--frozen",
    "--quiet",
    "--platform",
    "deno",
    "--output",
    output,
    main,
  ]);
  if (!success) throw new Error(`Cannot bundle ${main}:\n${messages}`);
}

async function makeHeader(
  packed: readonly string[],
  options: readonly string[],
): Promise<string> {
  const template = await Deno.readTextFile(TEMPLATE);
  const hash = createHash("sha256").update(template);
  const sizes: number[] = [];
  for (const path of packed) {
    const content = await Deno.readFile(path);
    hash.update(content);
    sizes.push(content.length);
  }
  const values: Record<string, string> = {
    KEY: hash.digest("hex").slice(0, 32),
    DENO_BYTES: String(sizes[0]),
    FLOE_BYTES: String(sizes[1]),
    WORKER_BYTES: String(sizes[2]),
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
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
