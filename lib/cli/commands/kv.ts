/**
 * `floe put`, `floe get` and `floe del`: one key and its value.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";
import { encodeUtf8 } from "../../bytes.ts";
import { bodyOf, type ClientRequest } from "../../client/mod.ts";
import { catching, InputError } from "../../errors.ts";
import { checkIdempotencyKey, VALUE_BYTES_MAX } from "../../limits.ts";
import { entityTag, RAW_MEDIA_TYPE } from "../../request.ts";
import { type LogIndex, toLogIndex } from "../../types.ts";
import type { CommandContext, OutputStream, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { readInput, STDIN_NAME } from "../input.ts";
import { wholeNumberUpTo } from "../options.ts";
import { printJson, printTable } from "../output.ts";
import { openClient, pathOfKey } from "../session.ts";
import { deleteRange, printRange } from "./range.ts";

const wholeNumber = wholeNumberUpTo(Number.MAX_SAFE_INTEGER);

/** Adds `floe put`. */
export function registerPut(program: Program, context: CommandContext): void {
  program
    .command("put")
    .summary("set a key")
    .description(
      "Sets a key and prints its revision. The command tries one node after the other until one " +
        "answers or --timeout has passed; the write is done once. Exit code 4: the condition of " +
        "--if-revision or --if-absent does not hold. Exit code 5: no node could do it in time; the " +
        "message says whether it may have been done.",
    )
    .argument("<key>", "the key; slashes are part of it")
    .argument("[value]", "the value as text, or - to read its bytes from standard input")
    .option("--file <path>", "read the value's bytes from a file")
    .option("--lease <id>", "the lease that the key belongs to", wholeNumber)
    .addOption(ifRevisionOption())
    .addOption(ifAbsentOption())
    .addOption(idempotencyKeyOption())
    .action(async (key: string, value: string | undefined, options: PutFlags, command: Program) => {
      const path = pathOfKey(key);
      const body = await readValue({ value, file: options.file }, context);
      const { client, flags } = await openClient(command, context);
      const query = options.lease === undefined ? {} : { lease: String(options.lease) };
      const answer = await client.send({
        method: "PUT",
        path,
        query,
        body,
        ...writeRequest(options),
      });
      const { putSchema } = await import("../../wire/store.ts");
      const put = bodyOf(answer, putSchema);
      if (flags.output === "json") return printJson(context.stdout, put);
      printTable(context.stdout, ["KEY", "REVISION", "VERSION"], [
        [put.key, put.modRevision, put.version],
      ]);
    });
}

interface PutFlags extends WriteFlags {
  readonly file?: string;
  readonly lease?: number;
}

async function readValue(
  source: { readonly value: string | undefined; readonly file: string | undefined },
  context: CommandContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const { value, file } = source;
  if ((value === undefined) === (file === undefined)) {
    throw new CommandError(
      ExitCode.usage,
      "Cannot put: give the value once, as VALUE, as - (standard input) or with --file PATH",
    );
  }
  if (value !== undefined && value !== STDIN_NAME) return checkLength(encodeUtf8(value));
  return await readInput(file ?? STDIN_NAME, context, { bytesMax: VALUE_BYTES_MAX });
}

function checkLength(value: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (value.length <= VALUE_BYTES_MAX) return value;
  throw new CommandError(
    ExitCode.usage,
    `Cannot put: the value's ${value.length} bytes are above ${VALUE_BYTES_MAX}`,
  );
}

const NEWLINE = 0x0a;

/** Adds `floe get`. */
export function registerGet(program: Program, context: CommandContext): void {
  program
    .command("get")
    .summary("print a key's value")
    .description(
      "Prints a key's value, byte for byte. On a terminal it adds a newline if the value does not " +
        "end in one. With -o json: the value with its revisions. With --prefix: each key and value " +
        "on a line. Exit code 3: no such key.",
    )
    .argument("<key>", "the key")
    .option("--prefix", "all keys that begin with it; empty: all keys")
    .option("--revision <n>", "as of this revision", wholeNumber)
    .option("--stale", "print the value of the first node that answers, even an old one")
    .action(async (key: string, options: GetFlags, command: Program) => {
      const { prefix, revision, stale } = options;
      if (prefix === true) {
        const keys = { prefix: key };
        const asOf = revision === undefined ? {} : { revision };
        return await printRange(context, command, { keys, isStale: stale === true, ...asOf });
      }
      const path = pathOfKey(key);
      const { client, flags } = await openClient(command, context);
      const wantsJson = flags.output === "json";
      const answer = await client.send({
        method: "GET",
        path,
        takesTimeout: true,
        query: {
          ...(stale === true ? { consistency: "stale" } : {}),
          ...(revision === undefined ? {} : { revision: String(revision) }),
        },
        accept: wantsJson ? "application/json" : RAW_MEDIA_TYPE,
      });
      if (!wantsJson) return printValue(context.stdout, answer.body);
      const { keyValueSchema } = await import("../../wire/store.ts");
      printJson(context.stdout, bodyOf(answer, keyValueSchema));
    });
}

interface GetFlags {
  readonly prefix?: boolean;
  readonly revision?: number;
  readonly stale?: boolean;
}

function printValue(stream: OutputStream, value: Uint8Array): void {
  stream.write(value);
  if (stream.isTerminal && value.at(-1) !== NEWLINE) stream.write("\n");
}

/** Adds `floe del`. */
export function registerDel(program: Program, context: CommandContext): void {
  program
    .command("del")
    .summary("delete a key")
    .description(
      "Deletes a key and prints the revision of the deletion. The command tries one node after the " +
        "other until one answers or --timeout has passed; the write is done once. Exit code 3: no " +
        "such key. Exit code 4: the condition of --if-revision does not hold. Exit code 5: no node " +
        "could do it in time; the message says whether it may have been done.",
    )
    .argument("<key>", "the key")
    .addOption(ifRevisionOption())
    .addOption(idempotencyKeyOption())
    .addOption(
      new Option("--prefix", "all keys that begin with it, at once").conflicts("ifRevision"),
    )
    .action(async (key: string, options: DelFlags, command: Program) => {
      if (options.prefix === true) {
        if (key === "") {
          throw new CommandError(ExitCode.usage, "Cannot delete all keys: name a prefix");
        }
        const { idempotencyKey } = options;
        return await deleteRange(context, command, { keys: { prefix: key }, idempotencyKey });
      }
      const path = pathOfKey(key);
      const { client, flags } = await openClient(command, context);
      const answer = await client.send({ method: "DELETE", path, ...writeRequest(options) });
      const { deleteSchema } = await import("../../wire/store.ts");
      const { deleted, revision, ...rest } = bodyOf(answer, deleteSchema);
      if (flags.output === "json") printJson(context.stdout, { ...rest, deleted, revision });
      if (!deleted) {
        throw new CommandError(ExitCode.notFound, `There is no key ${JSON.stringify(key)}`);
      }
      if (flags.output === "table") {
        printTable(context.stdout, ["KEY", "DELETED AT"], [[key, revision]]);
      }
    });
}

interface DelFlags extends WriteFlags {
  readonly prefix?: boolean;
}

/** The options of a write, as commander hands them over. */
interface WriteFlags {
  readonly ifRevision?: LogIndex;
  /** `--if-absent`, which only `put` has. */
  readonly ifAbsent?: boolean;
  readonly idempotencyKey?: string;
}

/**
 * Commander's own class; `deno doc --lint` would check its documentation as if it were Floe's.
 *
 * @internal
 */
type CommanderOption = Option;

function ifRevisionOption(): CommanderOption {
  return new Option("--if-revision <n>", "only if the key has this revision (exit code 4)")
    .argParser(parseRevision);
}

function ifAbsentOption(): CommanderOption {
  return new Option("--if-absent", "only if the key does not exist (exit code 4)")
    .conflicts("ifRevision");
}

function idempotencyKeyOption(): CommanderOption {
  return new Option(
    "--idempotency-key <key>",
    "a name for the write, which is then done once, even if sent twice (default: random)",
  ).argParser(parseIdempotencyKey);
}

/** The request of a write, from its options. */
export function writeRequest(
  flags: WriteFlags,
): Pick<ClientRequest, "takesTimeout" | "headers" | "idempotencyKey"> {
  return {
    takesTimeout: true,
    headers: conditionHeaders(flags),
    idempotencyKey: flags.idempotencyKey ?? crypto.randomUUID(),
  };
}

function conditionHeaders({ ifRevision, ifAbsent }: WriteFlags): Readonly<Record<string, string>> {
  if (ifAbsent === true) return { "if-none-match": "*" };
  return ifRevision === undefined ? {} : { "if-match": entityTag(ifRevision) };
}

function parseRevision(text: string): LogIndex {
  return toLogIndex(wholeNumberUpTo(Number.MAX_SAFE_INTEGER)(text));
}

function parseIdempotencyKey(text: string): string {
  return catching(InputError, () => {
    checkIdempotencyKey(text);
    return text;
  }, (cause) => {
    throw new InvalidArgumentError(`${cause.message}.`);
  });
}
