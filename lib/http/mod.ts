/**
 * The HTTP API of a node, built on what `lib/node` offers as `NodeApi` and on nothing below it.
 *
 * **One file a route.** `kv.ts`, `status.ts`, `leader.ts`, `elections.ts`, `group.ts`, `dkg.ts` and
 * `health.ts` each add their paths to a Hono application; `app.ts` puts them together; `server.ts`
 * puts the application on a port. `write_options.ts` and `write_response.ts` are what a write's headers
 * ask for and how it is answered; `wire.ts` is the shape of every answer, for both ends.
 *
 * **Any node takes any request.** Forwarding to the leader is the node's business; a client needs
 * no redirects and no knowledge of who leads.
 *
 * **From the start on.** While a node generates the cluster's key, `/v1/dkg` says how far it is,
 * `/livez` and `/readyz` answer, and everything else is a 503 `no_key`.
 *
 * **Keys and values are bytes of the client's.** The key is everything after `/v1/kv/`, slashes
 * included, percent-decoded exactly once and strictly; the body's raw bytes are the value. What
 * comes back is the same bytes: raw for `Accept: application/octet-stream`, else inside JSON with
 * its encoding named.
 *
 * **Conditions.** `ETag` is the modRevision in quotes. A write with `If-Match: "<modRevision>"` or
 * `If-None-Match: *` takes effect only where that holds, else it is a 412 `precondition_failed`. Any
 * other condition on a write is refused. Reads take none.
 *
 * **Exactly once.** A write with an `Idempotency-Key` (1 to 128 visible ASCII characters without `"`
 * and `\`, in double quotes or not) may be sent again, to any node, until its outcome is known. It
 * takes effect once, and every attempt has the first one's answer, marked with
 * `Idempotency-Replayed: true`: while fewer than `REMEMBERED_ENTRIES` of `lib/kv` follow the first in
 * the log. With another command the same key is a 422 `idempotency_key_reused`. A key names a write in
 * the whole cluster, so clients draw it at random.
 *
 * **Refusals are data.** Whatever goes wrong is one RFC 9457 problem document with a `code` that
 * never changes. A write's problem says with `maybeApplied` whether the write may have taken effect:
 * false is a promise that it did not and will not, so a client may send it again. It speaks of this
 * attempt alone, not of earlier ones under the same idempotency key. Parameters that this version
 * does not know are refused, never ignored.
 *
 * **Bounded.** Bodies are counted while they arrive and cut off at their limit; requests under way
 * and the bytes they hold are counted at a gate that refuses rather than queues; every wait has a
 * deadline. Only keys and tokens pass the gate: a node that is busy still tells its status.
 *
 * **The door** (`door.ts`) lets a request in before its route sees it: under a name of the API's own, not
 * from a page of another origin, and with a token that allows what the endpoint says it needs. Every
 * endpoint says so, or does not compile (`route.ts`). What is public is: leader, elections, group,
 * key generation and health. `tokens.ts` makes tokens, `token_text.ts` is what they look like; `cors.ts`
 * speaks to browsers where an operator named an origin.
 *
 * **Connections** (`connections.ts`) are accepted here, one by one, because `Deno.serve` bounds neither
 * their number nor their time; `deno_http.ts` says how, and why not otherwise. `tls.ts` makes HTTPS of
 * them, with handshakes that can be ended.
 *
 * @module
 */

export { type AppOptions, createApp } from "./app.ts";
export { PROBLEM_MEDIA_TYPE, type ProblemBody, type ProblemCode } from "./problem.ts";
export type { Application } from "./route.ts";
export { type ApiServer, type ApiServerOptions, startApiServer } from "./server.ts";
export type * from "./wire.ts";
