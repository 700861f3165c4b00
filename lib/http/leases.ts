/**
 * `/v1/leases`: leases, whose keys are deleted when no client keeps the lease alive.
 *
 * A token with prefixes sees only those keys of a lease that it may use. In the list it sees only leases
 * all of whose keys it may use. It cannot end a lease that has other keys.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { InvariantError } from "../assert.ts";
import {
  checkLeaseId,
  checkLeaseTtl,
  type Command,
  type CommandOptions,
  type CommandResult,
  coversRange,
  type Idempotency,
  LEASES_MAX,
  singleKey,
  type StoreView,
} from "../kv/mod.ts";
import type { LeaseAnswer, NodeApi } from "../node/mod.ts";
import {
  keyFields,
  type LeaseBody,
  LEASES_LIMIT_MAX,
  type LeasesBody,
  type LeaseWithKeysBody,
  newLeaseSchema,
  type RevokedLeaseBody,
} from "../wire/mod.ts";
import type { Caller } from "./authorization.ts";
import { LEASES_LIMIT_DEFAULT, type RequestGate, throughGate } from "./connections.ts";
import { readConsistency, readCount, readJson, readQuery, readTimeoutMs } from "./parameters.ts";
import { jsonResponse, Problem } from "./problem.ts";
import { addRoute, needs, needsWithBody, type RequestContext, type Router } from "./route.ts";
import { turn } from "./streams.ts";
import { idempotencyKeyReused, readUnconditional, replayHeaders } from "./writes.ts";

/** Most bytes in the request of a lease. */
const NEW_LEASE_BYTES_MAX = 256;
/** Most keys of a lease that are read, and so shown. */
export const LEASE_KEYS_SHOWN_MAX = 1_000;
/** So many leases are looked at before other work has its turn. */
const LEASES_PER_TURN = 1_000;
const LEASE_KEYS_LOOKED_AT_MAX = 10_000;

/** The settings of the routes of leases. */
interface LeaseOptions {
  /** The node that reads and writes. */
  readonly node: NodeApi;
  /** Limits the running requests. */
  readonly gate: RequestGate;
}

/** Answers one request of a caller. */
type Answer = (node: NodeApi, caller: Caller, context: RequestContext) => Promise<Response>;

/** Adds `/v1/leases`, `/v1/leases/{id}` and `/v1/leases/{id}/keepalive`. */
export function addLeaseRoutes(router: Router, { node, gate }: LeaseOptions): void {
  const gated = (scope: "read" | "write", answer: Answer) =>
    needs(
      scope,
      (context, caller) => throughGate(gate, 0, () => answer(node, caller, context)),
    );
  addRoute(router, "/v1/leases", {
    GET: gated("read", listLeases),
    POST: needsWithBody(
      "write",
      (context, caller) =>
        throughGate(gate, NEW_LEASE_BYTES_MAX, () => grantLease(node, caller, context)),
    ),
  });
  addRoute(router, "/v1/leases/:id", {
    GET: gated("read", showLease),
    DELETE: gated("write", revokeLease),
  });
  addRoute(router, "/v1/leases/:id/keepalive", { POST: gated("write", keepLease) });
}

async function grantLease(
  node: NodeApi,
  caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(req.url, ["timeoutMs"]));
  const options = readUnconditional(req.raw.headers, caller);
  const limit = { what: "lease", schema: newLeaseSchema, bytesMax: NEW_LEASE_BYTES_MAX };
  const { ttlSeconds, id = chooseId(options) } = await readJson(req.raw, limit);
  checkLeaseId(id);
  checkLeaseTtl(ttlSeconds);
  const command: Command = { kind: "grantLease", id, ttlSeconds, ...options };
  const answer = await node.write(command, { timeoutMs });
  const result = resultOf(answer.result, "leaseGranted", "leaseRefused");
  if (result.kind === "leaseRefused") throw refused(id, result.reason);
  const body: LeaseBody = { id, ttlSeconds, secondsLeft: ttlSeconds };
  return jsonResponse(body, { headers: replayHeaders(answer) });
}

/** An id that cannot be guessed. All attempts of one write must get the same id. */
function chooseId({ idempotency }: CommandOptions): number {
  if (idempotency === undefined) return toId(crypto.getRandomValues(new Uint8Array(8)));
  return toId(createHash("sha256").update(textOf(idempotency)).digest());
}

function textOf({ token, key }: Idempotency): string {
  return `floe/lease/v1\n${token ?? ""}\n${key}\n`;
}

/** The id from 53 bits. 0 is no valid id. */
function toId(bytes: Uint8Array): number {
  const bits = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) >> 11n;
  return Math.max(1, Number(bits));
}

async function keepLease(
  node: NodeApi,
  _caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(req.url, ["timeoutMs"]));
  const id = readId(req);
  return jsonResponse(leaseBody(id, await node.keepAlive(id, { timeoutMs })));
}

async function showLease(
  node: NodeApi,
  caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(req.url, ["timeoutMs"]));
  const id = readId(req);
  const lease = leaseBody(id, await node.leaseTimes(id, { timeoutMs }));
  const view = await node.view({ consistency: "linearizable", timeoutMs });
  const keys = view.leaseKeys(id, LEASE_KEYS_LOOKED_AT_MAX).filter((key) => mayUse(caller, key));
  const body: LeaseWithKeysBody = {
    ...lease,
    keys: keys.slice(0, LEASE_KEYS_SHOWN_MAX).map(keyFields),
    more: keys.length > LEASE_KEYS_SHOWN_MAX,
  };
  return jsonResponse(body);
}

async function listLeases(
  node: NodeApi,
  caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const query = readQuery(req.url, ["limit", "after", "consistency", "timeoutMs"]);
  const limit = readCount(query, "limit", { least: 1, most: LEASES_LIMIT_MAX }) ??
    LEASES_LIMIT_DEFAULT;
  const after = readCount(query, "after", { least: 0, most: Number.MAX_SAFE_INTEGER }) ?? 0;
  const consistency = readConsistency(query);
  const view = await node.view({ consistency, timeoutMs: readTimeoutMs(query) });
  const found: LeasesBody["leases"][number][] = [];
  let lookedAt = 0;
  for (const { id, ttlSeconds } of view.leases()) {
    if (++lookedAt % LEASES_PER_TURN === 0) await turn();
    if (id <= after || !maySee(view, caller, id)) continue;
    found.push({ id, ttlSeconds });
    if (found.length > limit) break;
  }
  const leases = found.slice(0, limit);
  const nextAfter = found.length > limit ? leases.at(-1)?.id ?? null : null;
  return jsonResponse({ leases, nextAfter } satisfies LeasesBody);
}

async function revokeLease(
  node: NodeApi,
  caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(req.url, ["timeoutMs"]));
  const options = readUnconditional(req.raw.headers, caller);
  const id = readId(req);
  if (caller.prefixes.length > 0) {
    const view = await node.view({ consistency: "linearizable", timeoutMs });
    if (!view.mayUseLease(id, caller)) {
      throw new Problem("forbidden", `Cannot revoke lease ${id}: it is not this token's alone`);
    }
  }
  const answer = await node.write({ kind: "revokeLease", id, ...options }, { timeoutMs });
  const result = resultOf(answer.result, "leaseRevoked");
  const { wasThere: revoked, keysDeleted, keysLeft, revision } = result;
  const body: RevokedLeaseBody = { id, revoked, keysDeleted, keysLeft, revision };
  return jsonResponse(body, { headers: replayHeaders(answer) });
}

/** A client that sees a lease can attach keys to it. So only its creator may know a lease without keys. */
function maySee(view: StoreView, caller: Caller, id: number): boolean {
  if (caller.prefixes.length === 0) return true;
  return view.leaseKeyCount(id) > 0 && view.mayUseLease(id, caller);
}

function mayUse(caller: Caller, key: Uint8Array): boolean {
  return coversRange(caller, singleKey(key));
}

function leaseBody(id: number, answer: LeaseAnswer): LeaseBody {
  if (answer.kind === "leaseNotFound") {
    throw new Problem("lease_not_found", `There is no lease ${id}, or it is ending`);
  }
  const { lease, secondsLeft } = answer;
  return { id, ttlSeconds: lease.ttlSeconds, secondsLeft };
}

function refused(id: number, reason: "exists" | "tooMany"): Problem {
  return reason === "exists"
    ? new Problem("lease_exists", `Cannot grant lease ${id}: there is one of this id`)
    : new Problem("too_many_leases", `Cannot grant lease ${id}: there are ${LEASES_MAX}`);
}

function resultOf<Kind extends CommandResult["kind"]>(
  result: CommandResult,
  ...kinds: readonly Kind[]
): Extract<CommandResult, { readonly kind: Kind }> {
  if (result.kind === "idempotencyKeyReused") throw idempotencyKeyReused("lease", result);
  if (isOneOf(result, kinds)) return result;
  throw new InvariantError(`A change of a lease was answered as ${result.kind}`);
}

function isOneOf<Kind extends CommandResult["kind"]>(
  result: CommandResult,
  kinds: readonly Kind[],
): result is Extract<CommandResult, { readonly kind: Kind }> {
  return kinds.some((kind) => kind === result.kind);
}

function readId(req: RequestContext["req"]): number {
  const range = { least: 1, most: Number.MAX_SAFE_INTEGER };
  return readCount({ id: req.param("id") ?? "" }, "id", range) ?? 0;
}
