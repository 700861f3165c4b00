/**
 * `floe export` and `floe import`: keys and values as a file of JSON lines.
 *
 * The first line says what the file is; the last one how many keys it has and the SHA-256 of all lines
 * before it. A file without its last line, or with another, is refused before anything is written.
 *
 * @module
 */

import { Option } from "commander";
import { createHash } from "node:crypto";
import * as z from "zod";
import type { OperationBody } from "../../client/mod.ts";
import { InputError } from "../../errors.ts";
import { keyFields, toJsonText } from "../../wire/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { openClient } from "../session.ts";

/** The version of the format. */
const EXPORT_VERSION = 1;
/** Most keys, and most characters of their lines, that are written at once. */
const BATCH_KEYS_MAX = 128;
const BATCH_LENGTH_MAX = 512 * 1024;
/** Most characters of one line: a key and a value, each byte of which takes six. */
const LINE_LENGTH_MAX = 4 * 1024 * 1024;
/** How often a long command reports its progress. */
const PROGRESS_KEYS = 10_000;

const head = z.object({
  floeExport: z.literal(EXPORT_VERSION),
  revision: z.number().int(),
  prefix: z.string(),
});
const line = z.strictObject({
  key: z.string(),
  keyEncoding: z.literal("base64").optional(),
  value: z.string(),
  encoding: z.enum(["utf8", "base64"]),
});
const end = z.strictObject({ keys: z.number().int(), sha256: z.string() });

interface ExportFlags {
  readonly prefix: string;
  readonly stale?: true;
}

/** Adds `floe export`. */
export function registerExport(program: Program, context: CommandContext): void {
  program
    .command("export")
    .summary("write keys and values as JSON lines")
    .description(
      "Writes all keys and values, or those that begin with a prefix, to standard output, all of one " +
        "revision, one JSON object a line. Leases are left out: what goes with a lease is exported as " +
        "any other key. With --stale, also where no leader can be elected any more: ask each node that " +
        "is left (--endpoints), and keep the export with the highest revision.",
    )
    .option("--prefix <prefix>", "only keys that begin with it", "")
    .option("--stale", "take what the first node that answers has, even if it is behind")
    .action(async (options: ExportFlags, command: Program) => {
      const { store } = await openClient(command, context);
      const hash = createHash("sha256");
      const write = (value: object) => {
        const text = `${JSON.stringify(value)}\n`;
        hash.update(text);
        context.stdout.write(text);
      };
      let keys = 0;
      let isBegun = false;
      const begin = (revision: number) => {
        isBegun = true;
        write({ floeExport: EXPORT_VERSION, revision, prefix: options.prefix });
      };
      const items = store.range({ prefix: options.prefix }, {
        onRevision: begin,
        ...(options.stale === true ? { isStale: true } : {}),
      });
      for await (const item of items) {
        if (item.kind !== "row") continue;
        const { text: value, encoding } = toJsonText(item.row.value);
        write({ ...keyFields(item.row.key), value, encoding });
        if (++keys % PROGRESS_KEYS === 0) context.stderr.write(`${keys} keys\n`);
      }
      if (!isBegun) begin(0);
      context.stdout.write(`${JSON.stringify({ keys, sha256: hash.digest("hex") })}\n`);
    });
}

/** Adds `floe import`. */
export function registerImport(program: Program, context: CommandContext): void {
  program
    .command("import")
    .summary("put the keys and values of an export")
    .description(
      "Checks a file of floe export to its end, and then puts its keys, up to " +
        `${BATCH_KEYS_MAX} in a transaction. After a failure, run it again: it begins anew, and puts each ` +
        "key once more. Keys that are not in the file stay. With --format etcd, the file is what etcdctl get --prefix -w json printed; leases are left out.",
    )
    .argument("<file>", "the file")
    .addOption(
      new Option("--format <format>", "whose file it is").choices(["floe", "etcd"]).default("floe"),
    )
    .action(async (file: string, { format }: ImportFlags, command: Program) => {
      const { keys, rows } = format === "etcd" ? await readEtcdRange(file) : await openExport(file);
      const { store } = await openClient(command, context);
      let done = 0;
      for await (const operations of batchesOf(rows)) {
        // Another run of the same import must take effect: the keys may have changed since.
        await store.transact({ then: operations }, { idempotencyKey: crypto.randomUUID() });
        const before = done;
        done += operations.length;
        if (Math.floor(before / PROGRESS_KEYS) !== Math.floor(done / PROGRESS_KEYS)) {
          context.stderr.write(`${done} of ${keys} keys\n`);
        }
      }
      context.stdout.write(`${done} keys\n`);
    });
}

interface ImportFlags {
  readonly format: "floe" | "etcd";
}

/** The keys to put. The file was read to its end once, and can be read again. */
interface Source {
  readonly keys: number;
  readonly rows: AsyncIterable<Row> | Iterable<Row>;
}

/** One key with its value, and its approximate length. */
interface Row {
  readonly put: z.infer<typeof line>;
  readonly length: number;
}

async function openExport(file: string): Promise<Source> {
  return { keys: await checkExport(file), rows: rowsOf(file) };
}

async function* rowsOf(file: string): AsyncGenerator<Row, void> {
  for await (const text of linesOf(file)) {
    const row = line.safeParse(parse(text, file));
    if (row.success) yield { put: row.data, length: text.length };
  }
}

/** The output of etcdctl for a range: one JSON object. */
const etcdRange = z.object({
  header: z.object({}),
  more: z.literal(false).optional(),
  count: z.union([z.int(), z.string().regex(/^[0-9]+$/).transform(Number)]).default(0),
  kvs: z.array(z.object({ key: z.base64(), value: z.base64().default("") })).default([]),
});

async function readEtcdRange(file: string): Promise<Source> {
  const text = await new Response((await openFile(file)).readable).text();
  const read = etcdRange.safeParse(parse(text, file));
  if (!read.success) throw damaged(file, "it is no whole answer of etcdctl get -w json");
  const { count, kvs } = read.data;
  if (count !== kvs.length) {
    throw damaged(file, `it says that it has ${count} keys, and has ${kvs.length}`);
  }
  if (kvs.length > 0 && kvs.every(({ value }) => value === "")) {
    throw damaged(file, "no key has a value: print it without --keys-only");
  }
  const rows = kvs.map(({ key, value }): Row => ({
    put: { key, keyEncoding: "base64", value, encoding: "base64" },
    length: key.length + value.length,
  }));
  return { keys: rows.length, rows };
}

/**
 * Reads a whole export, and counts its keys.
 *
 * @throws {CommandError} when it is not whole, or not what was written.
 */
async function checkExport(file: string): Promise<number> {
  const hash = createHash("sha256");
  let keys = -1;
  let found: z.infer<typeof end> | null = null;
  for await (const text of linesOf(file)) {
    if (found !== null) throw damaged(file, "something follows its last line");
    const value = parse(text, file);
    const last = end.safeParse(value);
    if (last.success && keys >= 0) {
      found = last.data;
      continue;
    }
    hash.update(`${text}\n`);
    const isRead = keys < 0 ? head.safeParse(value).success : line.safeParse(value).success;
    if (!isRead) throw damaged(file, `its line ${keys + 2} is none of floe export`);
    keys++;
  }
  if (found === null) throw damaged(file, "its last line is missing: the export was interrupted");
  const sha256 = hash.digest("hex");
  if (found.keys !== keys || found.sha256 !== sha256) {
    throw damaged(file, "it is not as floe export wrote it");
  }
  return keys;
}

async function* batchesOf(
  rows: Source["rows"],
): AsyncGenerator<readonly OperationBody[], void> {
  let operations: OperationBody[] = [];
  let length = 0;
  for await (const row of rows) {
    const isFull = operations.length >= BATCH_KEYS_MAX || length + row.length > BATCH_LENGTH_MAX;
    if (isFull && operations.length > 0) {
      yield operations;
      operations = [];
      length = 0;
    }
    operations.push({ put: row.put });
    length += row.length;
  }
  if (operations.length > 0) yield operations;
}

async function* linesOf(file: string): AsyncGenerator<string, void> {
  let rest = "";
  const opened = await openFile(file);
  for await (const chunk of opened.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_LENGTH_MAX) throw damaged(file, "a line is too long");
    yield* lines;
  }
  if (rest !== "") yield rest;
}

async function openFile(file: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(file);
  } catch (cause) {
    throw new CommandError(ExitCode.usage, `Cannot read ${file}: there is no such file`, { cause });
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InputError(`Cannot import ${file}: a line is not JSON`, { cause });
  }
}

function damaged(file: string, reason: string): CommandError {
  return new CommandError(ExitCode.usage, `Cannot import ${file}: ${reason}. Nothing was written.`);
}
