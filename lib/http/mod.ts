/**
 * The HTTP API of a node, built on what `lib/node` offers as `NodeApi` and on nothing below it.
 *
 * **Where to begin.** `app.ts` puts the routes together: `kv.ts` (one key), `ranges.ts`, `transactions.ts`,
 * `watches.ts`, `events.ts` (the cluster as it goes on), `page.ts`, `leases.ts`, `tokens.ts`, and `cluster_routes.ts` (status, health, leader, elections, group,
 * key generation). Each adds its paths to a Hono application through `route.ts`. `parameters.ts` reads a
 * request's address and body, `writes.ts` has what all writes share, `problem.ts` writes refusals, and
 * `server.ts` puts the application on a port. `wire.ts` has every body as one schema, for both ends, and is
 * a layer of its own: client commands load it, not the server.
 *
 * **Any node takes any request.** Forwarding to the leader is the node's business; a client needs
 * no redirects and no knowledge of who leads. `docs/api.md` is the reference of routes, headers,
 * fields and problems; tests hold it to the code.
 *
 * **From the start on.** While a node generates the cluster's key, `/v1/dkg` says how far it is,
 * `/livez` answers, `/readyz` is a 503 `not_ready`, and everything else a 503 `no_key`.
 *
 * **Keys and values are bytes of the client's.** The key is everything after `/v1/kv/`, slashes
 * included, percent-decoded exactly once and strictly; the body's raw bytes are the value. What
 * comes back is the same bytes; JSON shows them as text, or as base64 where they are not UTF-8.
 *
 * **Conditions** name the revision that `ETag` gave. A write with any other form of condition is refused:
 * if it were ignored, the write could do what its client asked it not to do.
 *
 * **Exactly once.** A write with an `Idempotency-Key` is remembered in the replicated state, for
 * `REMEMBERED_ENTRIES` of `lib/kv`, so any node gives every attempt the first one's answer. A key names
 * a write of one token in the whole cluster, not at one node.
 *
 * **Answers without an end.** Ranges and watches are sent part by part, each read when the client has taken
 * the one before (`streams.ts`). So an answer of any length holds one part, and the loop for one slice. Of a
 * watch, only what is the last of its revision has an `id`: a client never resumes within a revision.
 *
 * **A token learns only of its own keys.** What is read or changed is computed from the request before it is
 * done (`accessOf` of `lib/kv`): conditions are reads, and so is the branch of a transaction that is not done.
 *
 * **Refusals are data.** Whatever goes wrong is one RFC 9457 problem document with a `code` that
 * never changes. `maybeApplied` on a write's problem is false only where nothing was applied and
 * nothing will be. Parameters of `/v1` that this version does not know are refused, never ignored.
 *
 * **Bounded.** Bodies are counted while they arrive and cut off at their limit; requests under way
 * and the bytes they hold are counted at a gate that refuses rather than queues; every wait has a
 * deadline. Only keys and tokens pass the gate: a node that is busy still tells its status.
 *
 * **Authorization** (`authorization.ts`) comes before every route: the request names the API by a name of
 * its own, is not from a page of another origin, and has a token that allows what the endpoint needs. Every
 * endpoint says what it needs, or does not compile (`route.ts`). Leader, elections, group, key generation
 * and health are public. `app.ts` answers browsers where an operator named an origin.
 *
 * **Connections** (`connections.ts`) are accepted here, one by one, because `Deno.serve` bounds neither
 * their number nor their time. `server.ts` says how, and what serves where Deno does not allow it. `tls.ts` makes HTTPS of
 * them, with handshakes that can be ended.
 *
 * @module
 */

export { type AppOptions, createApp, type ServedNode } from "./app.ts";
export {
  type Access,
  type AdminToken,
  Authorizer,
  type Caller,
  type Needs,
} from "./authorization.ts";
export type { API_COUNTERS, ApiCounters, ConnectionLimits, RequestGate } from "./connections.ts";
export type { EtcdPlace } from "./etcd_gateway.ts";
export { Problem, type ProblemCode } from "./problem.ts";
export type { Application } from "./route.ts";
export { type ApiServer, type ApiServerOptions, startApiServer } from "./server.ts";
export { type TlsKeys, tlsWarning } from "./tls.ts";
