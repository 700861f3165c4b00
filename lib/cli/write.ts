/**
 * What `put` and `del` have in common: conditions, and a name for the write that makes it safe to
 * send again.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";
import { InputError } from "../errors.ts";
import { entityTag } from "../http/write_options.ts";
import { checkIdempotencyKey } from "../kv/command_codec.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import type { ClientRequest } from "./client.ts";
import { wholeNumberUpTo } from "./whole_number.ts";

/** The options of a write, as commander hands them over. */
export interface WriteFlags {
  /** `--if-revision N`. */
  readonly ifRevision?: LogIndex;
  /** `--if-absent`, which only `put` knows. */
  readonly ifAbsent?: boolean;
  /** `--idempotency-key KEY`. */
  readonly idempotencyKey?: string;
}

/**
 * Commander's own class; `deno doc --lint` would check its documentation as if it were Floe's.
 *
 * @internal
 */
type CommanderOption = Option;

/** The option `--if-revision`. */
export function ifRevisionOption(): CommanderOption {
  return new Option("--if-revision <n>", "only while the key has this revision (exit code 4)")
    .argParser(parseRevision);
}

/** The option `--if-absent`. */
export function ifAbsentOption(): CommanderOption {
  return new Option("--if-absent", "only while there is no such key (exit code 4)")
    .conflicts("ifRevision");
}

/** The option `--idempotency-key`. */
export function idempotencyKeyOption(): CommanderOption {
  return new Option(
    "--idempotency-key <key>",
    "the write's name, to be done once however often it is sent (default: random)",
  ).argParser(parseIdempotencyKey);
}

/** What the options of a write mean for its request. */
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
  try {
    checkIdempotencyKey(text);
    return text;
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new InvalidArgumentError(`${cause.message}.`);
  }
}
