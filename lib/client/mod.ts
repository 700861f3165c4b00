/**
 * A client of Floe: what the command line asks with, and what other programs import.
 *
 * {@linkcode connect} makes a {@linkcode StoreClient}: keys, ranges, transactions, leases and watches, typed.
 * A write carries an idempotency key, so it takes effect once, however often it is sent, and every attempt
 * gets the same answer. A range is read at one revision, and a watch has every change once and in order,
 * even if the answer breaks off and another node goes on with it. {@linkcode acquireLock} holds a lock,
 * {@linkcode MembersClient} reads and changes the members.
 *
 * {@linkcode ApiClient} is what is below: it sends one request to one node after the other, and asks the
 * next one after any trouble that passes, until the time is up. Every node answers every request and hands
 * writes to the leader, so a client needs no knowledge of who leads. Where nothing listens at any address,
 * it does not wait for the end of the time.
 *
 * Whatever goes wrong is a {@linkcode ClientError} with a kind for programs and a message for people.
 * An endpoint may be anything: each answer is bounded, and read by the schemas of `lib/http/wire.ts`.
 *
 * @example Write, read and watch
 * ```ts
 * // A program connects to its cluster: connect(["127.0.0.1:7201", "127.0.0.1:7202"]).
 * // This example has a node of its own, which knows one key.
 * const row = { key: "greeting", value: "hello", encoding: "utf8", lease: 0 };
 * const body = { ...row, createRevision: 2, modRevision: 2, version: 1 };
 * const answer = () => Promise.resolve(Response.json(body));
 * const store = connect(["127.0.0.1:7201"], { fetch: answer });
 * const found = await store.get("greeting");
 * if (new TextDecoder().decode(found?.value) !== "hello") throw new Error("not what was written");
 * ```
 *
 * Read `request.ts` and `client.ts` for one request, `store.ts` for the store, `lock.ts` for locks,
 * `members.ts` for members.
 *
 * @module
 */

export {
  type Advice,
  ApiClient,
  bodyOf,
  type ClientOptions,
  type Clock,
  type EndpointFailure,
  type EndpointResult,
  systemClock,
} from "./client.ts";
export { connect, type ConnectOptions } from "./connect.ts";
export { ClientError, type Failure, type FailureKind } from "./failure.ts";
export { acquireLock, findHolder, type HeldLock, type LockOptions } from "./lock.ts";
export { type FollowedEnd, MembersClient } from "./members.ts";
export type { ClientAnswer, ClientRequest, Endpoint, OpenAnswer, TokenFor } from "./request.ts";
export { StoreClient } from "./store.ts";
export {
  type Bytes,
  type Change,
  type Changes,
  type Item,
  type Keys,
  type RangeOptions,
  type Row,
  toBytes,
  type WatchOptions,
  type WriteOptions,
} from "./values.ts";
export type {
  CompactedBody,
  ConditionBody,
  DeleteBody,
  DeletedRangeBody,
  DeleteOperationBody,
  Encoding,
  EndedMembersChangeBody,
  GetOperationBody,
  KeysBody,
  KeyValueBody,
  LeaseBody,
  LeasesBody,
  LeaseWithKeysBody,
  MembersBody,
  MembersChainBody,
  MembersChangeBody,
  MembersPlanBody,
  MembersRequestBody,
  OperationBody,
  OperationResultBody,
  PutBody,
  PutOperationBody,
  RangeOperationBody,
  RevokedLeaseBody,
  RowBody,
  Schema,
  TransactionAnswerBody,
  TransactionBody,
  TransactionResultBody,
} from "../http/wire.ts";
