/**
 * The HTTP API of a node, built on what `lib/node` offers as `NodeApi` and on nothing below it.
 *
 * **One file a route.** `kv.ts`, `status.ts`, `leader.ts`, `elections.ts`, `group.ts` and
 * `health.ts` each add their paths to a Hono application; `app.ts` puts them together; `server.ts`
 * puts the application on a port. `wire.ts` is the shape of every answer, for both ends.
 *
 * **Any node takes any request.** Forwarding to the leader is the node's business; a client needs
 * no redirects and no knowledge of who leads.
 *
 * **Keys and values are bytes of the client's.** The key is everything after `/v1/kv/`, slashes
 * included, percent-decoded exactly once and strictly; the body's raw bytes are the value. What
 * comes back is the same bytes: raw for `Accept: application/octet-stream`, else inside JSON with
 * its encoding named.
 *
 * **Refusals are data.** Whatever goes wrong is one RFC 9457 problem document with a `code` that
 * never changes. A write's problem says with `maybeApplied` whether the write may have taken effect:
 * false is a promise that it did not and will not, so a client may send it again. Parameters that
 * this version does not know are refused, never ignored.
 *
 * **Bounded.** Bodies are counted while they arrive and cut off at their limit; requests under way
 * and the bytes they hold are counted at a gate that refuses rather than queues; every wait has a
 * deadline. Only the key-value routes pass the gate: a node that is busy still tells its status.
 *
 * **Not here yet**: authentication, TLS and metrics. Nothing is sent that would let a page from
 * another origin read an answer (no CORS).
 *
 * @module
 */

export { type AppOptions, createApp } from "./app.ts";
export { PROBLEM_MEDIA_TYPE, type ProblemBody, type ProblemCode } from "./problem.ts";
export type { Application } from "./route.ts";
export { type ApiServer, type ApiServerOptions, startApiServer } from "./server.ts";
export { margins } from "./status.ts";
export type * from "./wire.ts";
