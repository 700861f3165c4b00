/**
 * A client of Floe: what the command line asks with, and what other programs import.
 *
 * {@linkcode ApiClient} sends one request to one node after the other, and asks the next one after any
 * trouble that passes, until the time is up. Every node answers every request, so it needs no
 * knowledge of who leads. A write that may already have taken effect it sends again only under an
 * idempotency key: then it takes effect once, and every attempt gets the same answer. Where nothing
 * listens at any address, it does not wait for the end of the time.
 *
 * Whatever goes wrong is a {@linkcode ClientError} with a kind for programs and a message for people.
 * An endpoint may be anything: each answer is bounded, and read by the schemas of `lib/http/wire.ts`.
 *
 * @module
 */

export {
  type Advice,
  ApiClient,
  bodyOf,
  type ClientAnswer,
  type ClientOptions,
  type ClientRequest,
  type Clock,
  type Endpoint,
  type EndpointFailure,
  type EndpointResult,
  systemClock,
  type TokenFor,
} from "./client.ts";
export { ClientError, type Failure, type FailureKind } from "./failure.ts";
export type { Schema } from "../http/wire.ts";
