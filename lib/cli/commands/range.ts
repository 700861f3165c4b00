/**
 * `floe ls`, and `floe get` and `floe del` with a prefix.
 *
 * @module
 */

import type { Item, Keys, Row } from "../../client/mod.ts";
import { keyFields, toJsonText } from "../../request.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { wholeNumberUpTo } from "../options.ts";
import { printable, printJson, printTable } from "../output.ts";
import { openClient } from "../session.ts";

const wholeNumber = wholeNumberUpTo(Number.MAX_SAFE_INTEGER);

/** Adds `floe ls`. */
export function registerLs(program: Program, context: CommandContext): void {
  program
    .command("ls")
    .summary("list keys")
    .description(
      "Lists the keys that begin with a prefix, one level as a folder has it: keys with a / behind " +
        "the prefix come as one line, up to the /. All of one revision, one a line, printed while " +
        "they are read. With -o json: one JSON object a line, with the revisions.",
    )
    .argument("[prefix]", "the beginning of the keys, as in app/", "")
    .option("-r, --recursive", "list all levels")
    .option("--limit <count>", "at most so many lines", wholeNumber)
    .option("--revision <n>", "as of this revision", wholeNumber)
    .option("--stale", "take what the first node that answers has, even if it is behind")
    .action(async (prefix: string, options: LsFlags, command: Program) => {
      const { store, flags } = await openClient(command, context);
      const { recursive, limit, revision, stale } = options;
      const items = store.range({ prefix }, {
        keysOnly: true,
        ...(recursive === true ? {} : { delimiter: "/" }),
        ...(limit === undefined ? {} : { limit }),
        ...(revision === undefined ? {} : { revision }),
        ...(stale === true ? { isStale: true } : {}),
      });
      for await (const item of items) {
        if (flags.output === "json") printJsonLine(context, itemBody(item));
        else context.stdout.write(`${showName(nameOf(item))}\n`);
      }
    });
}

interface LsFlags {
  readonly recursive?: boolean;
  readonly limit?: number;
  readonly revision?: number;
  readonly stale?: boolean;
}

/** Prints the keys and values of a range while they are read. @throws {CommandError} not found. */
export async function printRange(
  context: CommandContext,
  command: Program,
  { keys, revision, isStale }: {
    readonly keys: Keys;
    readonly revision?: number;
    readonly isStale: boolean;
  },
): Promise<void> {
  const { store, flags } = await openClient(command, context);
  let count = 0;
  const options = { isStale, ...(revision === undefined ? {} : { revision }) };
  for await (const item of store.range(keys, options)) {
    if (item.kind !== "row") continue;
    count++;
    if (flags.output === "json") printJsonLine(context, itemBody(item, { hasValue: true }));
    else context.stdout.write(`${showName(item.row.key)}\t${showName(item.row.value)}\n`);
  }
  if (count === 0) throw new CommandError(ExitCode.notFound, "There is no such key");
}

/** Deletes all keys of a range and prints how many. @throws {CommandError} not found. */
export async function deleteRange(
  context: CommandContext,
  command: Program,
  { keys, idempotencyKey }: {
    readonly keys: Keys;
    readonly idempotencyKey: string | undefined;
  },
): Promise<void> {
  const { store, flags } = await openClient(command, context);
  const answer = await store.deleteRange(
    keys,
    idempotencyKey === undefined ? {} : { idempotencyKey },
  );
  if (flags.output === "json") printJson(context.stdout, answer);
  if (answer.deleted === 0) throw new CommandError(ExitCode.notFound, "There is no such key");
  if (flags.output === "table") {
    printTable(context.stdout, ["DELETED", "DELETED AT"], [[answer.deleted, answer.revision]]);
  }
}

/** Text as it is; other bytes as base64, which a reader of tables recognizes by its beginning. */
export function showName(bytes: Uint8Array): string {
  const { text, encoding } = toJsonText(bytes);
  return encoding === "utf8" ? printable(text) : `base64:${text}`;
}

/** One JSON object on one line, on a terminal too. */
export function printJsonLine({ stdout }: CommandContext, value: object): void {
  stdout.write(`${JSON.stringify(value)}\n`);
}

/** A row as the API shows it. */
export function rowBody(row: Row, { hasValue }: { readonly hasValue: boolean }): object {
  const { createRevision, modRevision, version, lease } = row;
  const { text, encoding } = toJsonText(row.value);
  const value = hasValue ? { value: text, encoding } : {};
  return { ...keyFields(row.key), ...value, createRevision, modRevision, version, lease };
}

function itemBody(item: Item, { hasValue } = { hasValue: false }): object {
  if (item.kind === "row") return rowBody(item.row, { hasValue });
  const { key: folder, keyEncoding } = keyFields(item.name);
  return keyEncoding === undefined ? { folder } : { folder, folderEncoding: keyEncoding };
}

function nameOf(item: Item): Uint8Array {
  return item.kind === "row" ? item.row.key : item.name;
}
