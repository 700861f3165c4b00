/**
 * The HTTP API of a node. It depends only on the `NodeApi` of `lib/node`, not on anything below.
 *
 * **Where to begin.** `app.ts` puts the routes together: `kv.ts` (one key), `ranges.ts`, `transactions.ts`,
 * `watches.ts`, `events.ts` (the cluster as it changes), `page.ts`, `leases.ts`, `tokens.ts`, `members.ts`, and
 * `cluster_routes.ts` (status, health, leader, elections, group, key generation). Each adds its paths to a Hono
 * application through `route.ts`. `parameters.ts` reads a request's address and body, `writes.ts` has what all
 * writes share, `problem.ts` writes refusals, and `server.ts` puts the application on a port. The bodies are the
 * schemas of `lib/wire`, which clients read with, too.
 *
 * **Any node takes any request.** The node forwards writes to the leader, so a client needs no redirects and need
 * not know the leader. `docs/api.md` is the reference of routes, headers, fields and problems. Tests compare it
 * with the code.
 *
 * **Key generation.** While a node generates the cluster's key, `/v1/dkg` reports the progress, `/livez` answers,
 * `/readyz` is a 503 `not_ready`, and everything else is a 503 `no_key`.
 *
 * **Keys and values are the client's bytes.** The key is everything after `/v1/kv/`, including slashes,
 * percent-decoded once and strictly. The raw bytes of the body are the value. Reads return the same bytes. JSON
 * shows them as text, or as base64 when they are not UTF-8.
 *
 * **Conditions** contain the revision of an `ETag`. A write with any other form of condition is refused: if it
 * were ignored, the write could do what its client did not want.
 *
 * **Exactly once.** A write with an `Idempotency-Key` is remembered in the replicated state, for
 * `REMEMBERED_ENTRIES` of `lib/kv`. So any node gives every attempt the answer of the first one. A key names a
 * write of one token in the whole cluster, not on one node.
 *
 * **Answers in parts.** Ranges and watches are sent in parts, and a part is read when the client has taken the one
 * before (`streams.ts`). So an answer of any length has only one part in memory, and blocks the loop only for one
 * slice. In a watch, only the last event of a revision has an `id`: a client never resumes within a revision.
 *
 * **A token sees only its own keys.** The keys that a request can read or change are computed before it is done
 * (`accessOf` of `lib/kv`). Conditions are reads, and both branches of a transaction count.
 *
 * **Errors are data.** Every error is one RFC 9457 problem document with a `code` that never changes.
 * `maybeApplied` in the problem of a write is false only when nothing was applied and nothing will be. Unknown
 * parameters of `/v1` are refused, never ignored.
 *
 * **Limits.** Bodies are counted while they arrive, and cut off at their limit. A gate counts the running requests
 * and their bytes, and refuses requests above the limit; it has no queue. Every wait has a deadline. Only requests
 * for keys and tokens pass the gate, so a busy node still answers with its status.
 *
 * **Authorization** (`authorization.ts`) comes before every route. The request must use a name of this API, must
 * not come from a page of another origin, and must have a token that allows what the endpoint needs. An endpoint
 * that does not say what it needs does not compile (`route.ts`). Leader, elections, group, key generation and
 * health are public. `app.ts` answers browsers from the origins that an operator allows.
 *
 * **Records.** `route.ts` counts each answer by route and status, and gives `audit.ts` each request that could
 * change something. A record has no value and no secret. By default the records are dropped.
 *
 * **Connections** (`connections.ts`) are accepted here, one by one, because `Deno.serve` limits neither their
 * number nor their time. `server.ts` does it, or uses `Deno.serve` on a Deno that does not allow it. `tls.ts` adds
 * HTTPS, with handshakes that can be ended, and `client_certificates.ts` HTTPS for clients that have certificates.
 *
 * @module
 */

export { type AuditRecord, type AuditSink, recordOfEtcd } from "./audit.ts";
export { type AppOptions, createApp, type ServedNode } from "./app.ts";
export {
  type Access,
  type AdminToken,
  Authorizer,
  type Caller,
  type Needs,
} from "./authorization.ts";
export type { API_COUNTERS, ApiCounters, ConnectionLimits, RequestGate } from "./connections.ts";
export type { RouteCount, RouteCounts } from "./route_counts.ts";
export type { EtcdPlace } from "./etcd_gateway.ts";
export { Problem, type ProblemCode } from "./problem.ts";
export type { Application } from "./route.ts";
export { type ApiServer, type ApiServerOptions, startApiServer } from "./server.ts";
export { type TlsKeys, tlsWarning } from "./tls.ts";
