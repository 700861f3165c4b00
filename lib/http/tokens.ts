/**
 * `/v1/tokens` and `/v1/tokens/{id}`: the tokens of the API. A token's secret never comes here: a request
 * that creates a token brings its digest.
 *
 * @module
 */

import { InvariantError } from "../assert.ts";
import { decodeHex, decodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import {
  checkNewToken,
  checkTokenId,
  type Command,
  type CommandOptions,
  type CommandResult,
  type NewToken,
  type Token,
  TOKEN_SCOPES,
  type TokenOutcome,
  TOKENS_MAX,
} from "../kv/mod.ts";
import type { NodeApi, WriteAnswer } from "../node/mod.ts";
import type { Caller } from "./authorization.ts";
import { type RequestGate, throughGate, TOKEN_BODY_BYTES_MAX } from "./connections.ts";
import { idempotencyKeyReused, readWriteOptions, replayHeaders } from "./kv.ts";
import { readBody, readQuery, readTimeoutMs } from "./parameters.ts";
import { jsonResponse, Problem } from "./problem.ts";
import { addRoute, needs, type RequestContext, type Router } from "./route.ts";
import { newTokenSchema, type RevokedTokenBody, type TokenBody, type TokensBody } from "./wire.ts";

/** Adds the routes of the tokens. All of them need the scope `admin`. */
export function addTokenRoutes(
  router: Router,
  { node, gate }: { readonly node: NodeApi; readonly gate: RequestGate },
): void {
  const gated = (
    answer: (context: RequestContext, caller: Caller) => Promise<Response>,
    bodyBytes = 0,
  ) =>
    needs(
      "admin",
      (context, caller) => throughGate(gate, bodyBytes, () => answer(context, caller)),
    );
  addRoute(router, "/v1/tokens", { GET: gated((context) => listTokens(node, context)) });
  addRoute(router, "/v1/tokens/:id", {
    PUT: gated((context, caller) => createToken(node, context, caller), TOKEN_BODY_BYTES_MAX),
    DELETE: gated((context, caller) => revokeToken(node, context, caller)),
  });
}

async function listTokens(node: NodeApi, context: RequestContext): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(context.req.url, ["timeoutMs"]));
  const tokens = await node.tokens({ timeoutMs });
  return jsonResponse({ tokens: tokens.map(tokenBody) } satisfies TokensBody);
}

async function createToken(
  node: NodeApi,
  ...[context, caller]: Parameters<typeof readWrite>
): Promise<Response> {
  const { options, timeoutMs } = readWrite(context, caller);
  const token = toNewToken(readId(context), await readJson(context.req.raw));
  const command: Command = { kind: "createToken", ...token, ...options };
  const answer = await node.write(command, { timeoutMs });
  const result = tokenResult(token.id, answer);
  if (result.kind === "tokenRefused") throw refused(token.id, result.reason);
  if (result.kind !== "tokenCreated") {
    throw new InvariantError("A token that was created was answered as revoked");
  }
  const body: TokenBody = tokenBody({ ...token, createRevision: result.createRevision });
  return jsonResponse(body, { headers: replayHeaders(answer) });
}

async function revokeToken(
  node: NodeApi,
  ...[context, caller]: Parameters<typeof readWrite>
): Promise<Response> {
  const { options, timeoutMs } = readWrite(context, caller);
  const id = readId(context);
  const answer = await node.write({ kind: "revokeToken", id, ...options }, { timeoutMs });
  const result = tokenResult(id, answer);
  const revoked = result.kind === "tokenRevoked" && result.revoked;
  const body: RevokedTokenBody = { id, revoked, revision: result.revision };
  return jsonResponse(body, { headers: replayHeaders(answer) });
}

function readWrite({ req }: RequestContext, caller: Caller): {
  readonly options: CommandOptions;
  readonly timeoutMs: number;
} {
  const timeoutMs = readTimeoutMs(readQuery(req.url, ["timeoutMs"]));
  const { ifModRevision, ...options } = readWriteOptions(req.raw.headers, caller);
  if (ifModRevision === undefined) return { options, timeoutMs };
  throw new Problem("invalid_header", "Tokens take neither If-Match nor If-None-Match");
}

function readId({ req }: RequestContext): string {
  const id = req.param("id") ?? "";
  checkTokenId(id);
  return id;
}

function toNewToken(id: string, body: unknown): NewToken {
  const parsed = newTokenSchema.safeParse(body);
  if (!parsed.success) {
    const places = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new InputError(`Cannot read token: ${places.join("; ")}`);
  }
  const { secretSha256, name, scopes, prefixes } = parsed.data;
  const token: NewToken = {
    id,
    secretDigest: decodeHex(secretSha256),
    name,
    scopes: TOKEN_SCOPES.filter((scope) => scopes.includes(scope)),
    prefixes,
  };
  checkNewToken(token);
  return token;
}

async function readJson(request: Request): Promise<unknown> {
  const bytes = await readBody(request, {
    bytesMax: TOKEN_BODY_BYTES_MAX,
    tooLarge: () =>
      new Problem(
        "request_too_large",
        `Cannot take the token: it is above ${TOKEN_BODY_BYTES_MAX} bytes`,
      ),
  });
  try {
    return JSON.parse(decodeUtf8(bytes));
  } catch (cause) {
    throw new InputError("Cannot read token: the body is not JSON", { cause });
  }
}

type TokenResult = Extract<CommandResult, TokenOutcome>;

function tokenResult(id: string, { result }: WriteAnswer): TokenResult {
  switch (result.kind) {
    case "tokenCreated":
    case "tokenRefused":
    case "tokenRevoked":
      return result;
    case "idempotencyKeyReused":
      throw idempotencyKeyReused(`token ${id}`, result);
    default:
      throw new InvariantError(`A change to the tokens was answered as ${result.kind}`);
  }
}

function refused(id: string, reason: "exists" | "tooMany"): Problem {
  return reason === "exists"
    ? new Problem("token_exists", `Cannot create token ${id}: there is one of this id`)
    : new Problem(
      "too_many_tokens",
      `Cannot create token ${id}: there are ${TOKENS_MAX}, as many as may be; revoke one first`,
    );
}

function tokenBody({ id, name, scopes, prefixes, createRevision }: Token): TokenBody {
  return { id, name, scopes, prefixes, createRevision };
}
