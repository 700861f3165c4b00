/**
 * A client of Floe, for the command line and for other programs.
 *
 * {@linkcode connect} makes a {@linkcode StoreClient}: keys, ranges, transactions, leases and watches,
 * typed. A write has an idempotency key, so it takes effect once, however often it is sent, and every
 * attempt gets the same answer. A range is read at one revision. A watch returns every change once and in
 * order, even if the answer breaks off and another node continues it. {@linkcode acquireLock} holds a lock,
 * {@linkcode MembersClient} reads and changes the members.
 *
 * Below it, {@linkcode ApiClient} sends a request to one node after the other, until one answers or the
 * time is up. It asks the next node after every failure that can pass. Every node answers every request,
 * and forwards writes to the leader, so a client need not know the leader. If nothing listens at any
 * address, the client does not wait for the timeout.
 *
 * Every failure is a {@linkcode ClientError}, with a kind for programs and a message for people. The
 * endpoint may be any server, so each answer has a limit, and the schemas of `lib/wire` check it.
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
  ApiClient,
  bodyOf,
  type ClientOptions,
  type Clock,
  type EndpointFailure,
  type EndpointResult,
  systemClock,
} from "./client.ts";
export { connect, type ConnectOptions } from "./connect.ts";
export {
  type Advice,
  ClientError,
  type Failure,
  type FailureKind,
  failureOfError,
} from "./failure.ts";
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
} from "../wire/mod.ts";
