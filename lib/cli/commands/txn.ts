/**
 * `floe txn`: a transaction, as JSON or as lines.
 *
 * @module
 */

import { decodeUtf8 } from "../../bytes.ts";
import type { ConditionBody, OperationBody } from "../../client/mod.ts";
import { InputError } from "../../errors.ts";
import type { TransactionBody } from "../../wire/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { addToWholeHelp } from "../help.ts";
import { readInput, STDIN_NAME } from "../input.ts";
import { printJson } from "../output.ts";
import { openClient } from "../session.ts";

/** Most bytes of a transaction's text. */
const TRANSACTION_TEXT_BYTES_MAX = 2 * 1024 * 1024;

const LINES_HELP = `
As lines, in words or in texts in double quotes, as JSON writes them:
  if value KEY = TEXT             or !=, <, >
  if modRevision KEY = NUMBER     or createRevision, version, lease
  if exists KEY                   if absent KEY
  if fence LOCK REVISION
  then put KEY VALUE [LEASE]      then get KEY
  then delete KEY                 then deletePrefix PREFIX
  then list PREFIX
  else ...                        as then, for when a condition does not hold`;

/** Adds `floe txn`. */
export function registerTxn(program: Program, context: CommandContext): void {
  const txn = program
    .command("txn")
    .summary("do a transaction")
    .description(
      "Reads a transaction from standard input, as JSON (docs/api.md) or as lines, does it at one " +
        "revision and prints the results as JSON. Exit code 4: its conditions did not hold, and the " +
        "operations under else were done.",
    )
    .option("--file <path>", "read it from a file")
    .option("--idempotency-key <key>", "the write's name, to be done once (default: random)")
    .action(async (options: TxnFlags, command: Program) => {
      const limit = { bytesMax: TRANSACTION_TEXT_BYTES_MAX };
      const text = decodeUtf8(await readInput(options.file ?? STDIN_NAME, context, limit));
      const transaction = text.trimStart().startsWith("{")
        ? await parseJson(text)
        : parseLines(text);
      const { store } = await openClient(command, context);
      const { idempotencyKey } = options;
      const answer = await store.transact(
        transaction,
        idempotencyKey === undefined ? {} : { idempotencyKey },
      );
      printJson(context.stdout, answer);
      if (!answer.succeeded) {
        throw new CommandError(ExitCode.preconditionFailed, "A condition did not hold");
      }
    });
  addToWholeHelp(txn, LINES_HELP);
}

interface TxnFlags {
  readonly file?: string;
  readonly idempotencyKey?: string;
}

async function parseJson(text: string): Promise<TransactionBody> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InputError("Cannot read transaction: it is not JSON", { cause });
  }
  const { transactionSchema } = await import("../../wire/mod.ts");
  const parsed = transactionSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError(
    `Cannot read transaction: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "unknown"}`,
  );
}

/** Reads a transaction of lines. @throws {InputError} naming the line. */
export function parseLines(text: string): TransactionBody {
  const body = {
    if: [] as ConditionBody[],
    then: [] as OperationBody[],
    else: [] as OperationBody[],
  };
  for (const [at, line] of text.split("\n").entries()) {
    const words = splitWords(line, at + 1);
    const [part, ...rest] = words;
    if (part === undefined) continue;
    if (part === "if") body.if.push(toCondition(rest, at + 1));
    else if (part === "then" || part === "else") body[part].push(toOperation(rest, at + 1));
    else throw misread(at + 1, `it begins with ${JSON.stringify(part)}, not if, then or else`);
  }
  if (body.if.length + body.then.length + body.else.length > 0) return body;
  throw new InputError("Cannot read transaction: it is empty");
}

const WORD_PATTERN = /\s*("(?:[^"\\]|\\.)*"|[^\s"]+)(?=\s|$)/y;

function splitWords(line: string, number: number): readonly string[] {
  const words: string[] = [];
  const trimmed = line.trim();
  if (trimmed === "" || trimmed.startsWith("#")) return words;
  WORD_PATTERN.lastIndex = 0;
  while (WORD_PATTERN.lastIndex < trimmed.length) {
    const [, word] = WORD_PATTERN.exec(trimmed) ?? [];
    if (word === undefined) throw misread(number, "a text in double quotes has no end");
    words.push(word.startsWith('"') ? unquote(word, number) : word);
  }
  return words;
}

function unquote(word: string, number: number): string {
  try {
    return String(JSON.parse(word));
  } catch (cause) {
    throw misread(number, `${word} is no text as JSON writes it`, cause);
  }
}

const NUMBER_TARGETS = ["modRevision", "createRevision", "version", "lease"] as const;

function toCondition(words: readonly string[], number: number): ConditionBody {
  const [kind, key, relation, than] = words;
  const target = NUMBER_TARGETS.find((name) => name === kind);
  if (key !== undefined && words.length === 2 && kind === "exists") return { key, exists: true };
  if (key !== undefined && words.length === 2 && kind === "absent") return { key, exists: false };
  if (key !== undefined && words.length === 3 && kind === "fence") {
    return { fence: { lock: key, revision: toNumber(relation, number) } };
  }
  if (words.length !== 4 || key === undefined || !isRelation(relation)) {
    throw misread(
      number,
      "a condition is as in: value KEY = TEXT, exists KEY, fence LOCK REVISION",
    );
  }
  if (kind === "value") return { key, value: { [relation]: than ?? "" } };
  if (target !== undefined) return { key, [target]: { [relation]: toNumber(than, number) } };
  throw misread(number, `${JSON.stringify(kind)} is none of value, ${NUMBER_TARGETS.join(", ")}`);
}

function isRelation(text: string | undefined): text is "=" | "!=" | "<" | ">" {
  return text === "=" || text === "!=" || text === "<" || text === ">";
}

function toOperation(words: readonly string[], number: number): OperationBody {
  const [kind, key, value, lease] = words;
  if (key !== undefined && kind === "put" && value !== undefined && words.length <= 4) {
    const under = lease === undefined ? {} : { lease: toNumber(lease, number) };
    return { put: { key, value, ...under } };
  }
  if (key !== undefined && words.length === 2) {
    if (kind === "get") return { get: { key } };
    if (kind === "delete") return { delete: { key } };
    if (kind === "deletePrefix") return { delete: { prefix: key } };
    if (kind === "list") return { range: { prefix: key } };
  }
  throw misread(number, "an operation is put KEY VALUE, get, delete, deletePrefix or list");
}

function toNumber(text: string | undefined, number: number): number {
  if (text !== undefined && /^(0|[1-9][0-9]{0,15})$/.test(text)) return Number(text);
  throw misread(number, `${JSON.stringify(text)} is not a whole number`);
}

function misread(number: number, reason: string, cause?: unknown): InputError {
  return new InputError(`Cannot read transaction: line ${number}: ${reason}`, { cause });
}
