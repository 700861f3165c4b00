/**
 * What all writes have in common: their headers, and their refusals.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import {
  checkIdempotencyKey,
  type CommandOptions,
  type CommandResult,
  TRANSACTION_BYTES_MAX,
  TRANSACTION_KEYS_MAX,
  type TransactionRefusal,
  type Unreadable,
} from "../kv/mod.ts";
import type { WriteAnswer } from "../node/mod.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { IDEMPOTENCY_KEY_HEADER } from "../wire/mod.ts";
import type { Caller } from "./authorization.ts";
import { Problem } from "./problem.ts";

/** The response header that marks the answer of an earlier attempt. */
const IDEMPOTENCY_REPLAYED_HEADER = "idempotency-replayed";

/** The options of any write. */
export interface WriteOptions extends CommandOptions {
  /**
   * The write takes effect only if this is the key's modRevision; 0 means that the key does not exist. The
   * condition is checked when the command is applied, not when it is sent.
   */
  readonly ifModRevision?: LogIndex;
}

/**
 * Reads `If-Match: "<modRevision>"`, `If-None-Match: *` and `Idempotency-Key`. The key may be in double
 * quotes, as in the draft, or without; both mean the same. Only these two forms of conditions are known,
 * and every other form is refused: if a condition were ignored, the write could do what its client did not
 * want.
 *
 * @throws {Problem} `invalid_header`.
 */
export function readWriteOptions(headers: Headers, { id }: Pick<Caller, "id"> = {}): WriteOptions {
  const ifModRevision = readCondition(headers);
  const key = readIdempotencyKey(headers);
  return {
    ...(ifModRevision === null ? {} : { ifModRevision }),
    // The key belongs to the token: other tokens can neither use it up nor learn anything from it.
    ...(key === null ? {} : { idempotency: { token: id ?? null, key } }),
  };
}

/**
 * The options of a write that takes no condition in its headers.
 *
 * @throws {Problem} `invalid_header`.
 */
export function readUnconditional(headers: Headers, caller: Pick<Caller, "id">): CommandOptions {
  const { ifModRevision, ...options } = readWriteOptions(headers, caller);
  if (ifModRevision === undefined) return options;
  throw invalid("Only writes of one key take If-Match and If-None-Match");
}

function readCondition(headers: Headers): LogIndex | null {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  if (ifMatch !== null && ifNoneMatch !== null) {
    throw invalid("Cannot read conditions: If-Match and If-None-Match exclude each other");
  }
  if (ifMatch !== null) return readEntityTag(ifMatch);
  if (ifNoneMatch === null) return null;
  if (ifNoneMatch === "*") return toLogIndex(0);
  throw invalid(`Cannot read If-None-Match: ${JSON.stringify(ifNoneMatch)} is not *`);
}

const ENTITY_TAG_PATTERN = /^"([1-9][0-9]{0,15})"$/;

function readEntityTag(ifMatch: string): LogIndex {
  const revision = Number(ENTITY_TAG_PATTERN.exec(ifMatch)?.[1]);
  if (Number.isSafeInteger(revision)) return toLogIndex(revision);
  throw invalid(
    `Cannot read If-Match: ${JSON.stringify(ifMatch)} is not one modRevision in double quotes`,
  );
}

function readIdempotencyKey(headers: Headers): string | null {
  const value = headers.get(IDEMPOTENCY_KEY_HEADER);
  if (value === null) return null;
  const key = /^"(.*)"$/.exec(value)?.[1] ?? value;
  try {
    checkIdempotencyKey(key);
    return key;
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new Problem("invalid_header", cause.message, { cause });
  }
}

function invalid(message: string): Problem {
  return new Problem("invalid_header", message);
}

/** The refusal of the API for a transaction that was not done. */
export function transactionRefused(reason: TransactionRefusal): Problem {
  switch (reason) {
    case "leaseNotFound":
      return new Problem("lease_not_found", "Cannot put: there is no such lease, or it is ending");
    case "keyNotFound":
      return new Problem(
        "key_not_found",
        "Cannot keep the value or lease of a key: it is not there",
      );
    case "tooManyKeys":
      return new Problem(
        "too_many_keys",
        `Cannot do it at once: it touches more than ${TRANSACTION_KEYS_MAX} keys`,
      );
    case "tooManyBytes":
      return new Problem(
        "answer_too_large",
        `Cannot do it at once: the answer, or the values to sort or compare, are above ` +
          `${TRANSACTION_BYTES_MAX} bytes`,
      );
    default:
      return reason satisfies never;
  }
}

/** The headers that mark the answer of an earlier attempt. */
export function replayHeaders({ isReplay }: WriteAnswer): Readonly<Record<string, string>> {
  return isReplay ? { [IDEMPOTENCY_REPLAYED_HEADER]: "true" } : {};
}

/** The refusal of a write of `what` whose idempotency key belongs to another write. */
export function idempotencyKeyReused(
  what: string,
  { firstIndex }: Extract<CommandResult, { readonly kind: "idempotencyKeyReused" }>,
): Problem {
  return new Problem(
    "idempotency_key_reused",
    `Cannot write ${what}: its idempotency key already stands for another write, at revision ` +
      `${firstIndex}`,
  );
}

/** The refusal of a revision that cannot be read. */
export function unreadable(reason: Unreadable): Problem {
  if (reason.kind === "future") {
    const { appliedIndex } = reason;
    return new Problem(
      "future_revision",
      `Cannot read that revision: this node has applied the log up to ${appliedIndex}`,
    );
  }
  const { oldestRevision } = reason;
  return new Problem(
    "compacted",
    `Cannot read that revision: history begins at ${oldestRevision} here`,
    { oldestRevision },
  );
}
