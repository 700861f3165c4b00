/**
 * `/v1/tokens` and `/v1/tokens/{id}`: the tokens of the API. A token's secret never comes here: a request that
 * creates a token contains only the digest.
 *
 * @module
 */

import { InvariantError } from "../assert.ts";
import { decodeHex } from "../bytes.ts";
import { InputError } from "../errors.ts";
import {
  checkNewToken,
  checkTokenId,
  type Command,
  type CommandOptions,
  type CommandResult,
  isExpired,
  type NewToken,
  type Token,
  TOKEN_SCOPES,
  type TokenOutcome,
  TOKENS_MAX,
} from "../kv/mod.ts";
import type { NodeApi, WriteAnswer } from "../node/mod.ts";
import {
  type NewTokenBody,
  newTokenSchema,
  type RevokedTokenBody,
  type TokenBody,
  type TokensBody,
} from "../wire/mod.ts";
import type { Authorizer, Caller } from "./authorization.ts";
import { type RequestGate, throughGate, TOKEN_BODY_BYTES_MAX } from "./connections.ts";
import { readJson, readQuery, readTimeoutMs } from "./parameters.ts";
import { jsonResponse, Problem } from "./problem.ts";
import { addRoute, needs, needsWithBody, type RequestContext, type Router } from "./route.ts";
import { idempotencyKeyReused, readUnconditional, replayHeaders } from "./writes.ts";

/** Adds the routes of the tokens. All of them need the scope `admin`. */
export function addTokenRoutes(
  router: Router,
  { node, gate }: { readonly node: NodeApi; readonly gate: RequestGate },
): void {
  const { authorizer } = router;
  const gated = (
    answer: (context: RequestContext, caller: Caller) => Promise<Response>,
  ) => needs("admin", (context, caller) => throughGate(gate, 0, () => answer(context, caller)));
  addRoute(router, "/v1/tokens", { GET: gated((context) => listTokens(node, context)) });
  addRoute(router, "/v1/tokens/:id", {
    PUT: needsWithBody(
      "admin",
      (context, caller) =>
        throughGate(
          gate,
          TOKEN_BODY_BYTES_MAX,
          () => createToken({ node, authorizer }, context, caller),
        ),
    ),
    DELETE: gated((context, caller) => revokeToken(node, context, caller)),
  });
}

async function listTokens(node: NodeApi, context: RequestContext): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(context.req.url, ["timeoutMs"]));
  const tokens = await node.tokens({ timeoutMs });
  return jsonResponse({ tokens: tokens.map(tokenBody) } satisfies TokensBody);
}

async function createToken(
  { node, authorizer }: { readonly node: NodeApi; readonly authorizer: Authorizer },
  ...[context, caller]: Parameters<typeof readWrite>
): Promise<Response> {
  const { options, timeoutMs } = readWrite(context, caller);
  const token = toNewToken(readId(context), await readJson(context.req.raw, NEW_TOKEN));
  checkFuture(token, authorizer.now());
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
  return { options: readUnconditional(req.raw.headers, caller), timeoutMs };
}

const NEW_TOKEN = { what: "token", schema: newTokenSchema, bytesMax: TOKEN_BODY_BYTES_MAX };

function readId({ req }: RequestContext): string {
  const id = req.param("id") ?? "";
  checkTokenId(id);
  return id;
}

function toNewToken(id: string, body: NewTokenBody): NewToken {
  const { secretSha256, name, scopes, prefixes, expiresAt } = body;
  const token: NewToken = {
    id,
    secretDigest: decodeHex(secretSha256),
    name,
    scopes: TOKEN_SCOPES.filter((scope) => scopes.includes(scope)),
    prefixes,
    expiresAtMs: expiresAt === null ? null : Date.parse(expiresAt),
  };
  checkNewToken(token);
  return token;
}

/** Refuses a token that has already expired: the clock or the arithmetic of its creator is wrong. */
function checkFuture(token: NewToken, nowMs: number): void {
  if (!isExpired(token, nowMs)) return;
  throw new InputError(
    `Cannot create token ${token.id}: it expires at ${expiryOf(token)}, which is past at this node`,
  );
}

function expiryOf({ expiresAtMs }: Pick<Token, "expiresAtMs">): string | null {
  return expiresAtMs === null ? null : new Date(expiresAtMs).toISOString();
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
      `Cannot create token ${id}: there are already ${TOKENS_MAX}, the most; revoke one first`,
    );
}

function tokenBody(token: Token): TokenBody {
  const { id, name, scopes, prefixes, createRevision } = token;
  return { id, name, scopes, prefixes, expiresAt: expiryOf(token), createRevision };
}
