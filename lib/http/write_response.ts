/**
 * How the end of a write is told to its client.
 *
 * @module
 */

import { InvariantError, unreachable } from "../assert.ts";
import type { CommandResult } from "../kv/command.ts";
import type { WriteAnswer } from "../node/api.ts";
import type { LogIndex } from "../types.ts";
import { jsonResponse } from "./json.ts";
import { Problem } from "./problem.ts";
import type { DeleteBody, PutBody } from "./wire.ts";
import { entityTag, IDEMPOTENCY_REPLAYED_HEADER } from "./write_options.ts";

type Headers = Readonly<Record<string, string>>;

/**
 * The response to a write of `key`. A replay differs from the first answer in one header only.
 *
 * @throws {Problem} `precondition_failed` or `idempotency_key_reused`.
 */
export function writeResponse(key: string, answer: WriteAnswer): Response {
  const { result } = answer;
  const replayed = replayHeaders(answer);
  switch (result.kind) {
    case "put":
      return putResponse(key, result, replayed);
    case "delete": {
      const { deleted, revision } = result;
      return jsonResponse({ key, deleted, revision } satisfies DeleteBody, { headers: replayed });
    }
    case "preconditionFailed":
      throw preconditionFailed(key, result.modRevision, replayed);
    case "idempotencyKeyReused":
      throw idempotencyKeyReused(JSON.stringify(key), result);
    case "tokenCreated":
    case "tokenRefused":
    case "tokenRevoked":
      throw new InvariantError("A write of a key was answered as a change to the tokens");
    default:
      return unreachable(result);
  }
}

/** The headers that mark an answer as an earlier attempt's. */
export function replayHeaders({ isReplay }: WriteAnswer): Readonly<Record<string, string>> {
  return isReplay ? { [IDEMPOTENCY_REPLAYED_HEADER]: "true" } : {};
}

/** The refusal of a write of `what` whose idempotency key is another write's. */
export function idempotencyKeyReused(
  what: string,
  { firstRevision }: Extract<CommandResult, { readonly kind: "idempotencyKeyReused" }>,
): Problem {
  return new Problem(
    "idempotency_key_reused",
    `Cannot write ${what}: its idempotency key already stands for another write, at revision ` +
      `${firstRevision}`,
  );
}

function putResponse(
  key: string,
  result: Extract<CommandResult, { readonly kind: "put" }>,
  replayed: Headers,
): Response {
  const { revision: modRevision, createRevision, version } = result;
  const body: PutBody = { key, createRevision, modRevision, version };
  return jsonResponse(body, { headers: { "etag": entityTag(modRevision), ...replayed } });
}

/** The key's own tag stands on the refusal, so that the client can decide without another read. */
function preconditionFailed(key: string, modRevision: LogIndex, replayed: Headers): Problem {
  const name = JSON.stringify(key);
  return modRevision === 0
    ? new Problem("precondition_failed", `Cannot write ${name}: there is no such key`, {
      headers: replayed,
    })
    : new Problem("precondition_failed", `Cannot write ${name}: its revision is ${modRevision}`, {
      headers: { "etag": entityTag(modRevision), ...replayed },
    });
}
