/**
 * etcd's API, version 3, on Floe's store. Programs that were written for etcd work unchanged.
 *
 * One table, `rpcs.ts`, has every call of etcd's protocol: its messages, its path in the gateway, and the
 * service that answers it. `lib/http` serves the table as JSON on the API's port, and `grpc_server.ts`
 * serves it over gRPC. Neither depends on what a call does, and the services do not depend on how a request
 * arrived. The only state here is that of open streams.
 *
 * **Where to begin.** `messages.ts` has the messages, each declared once, with the kit of `shape.ts`: types,
 * JSON (`json.ts`) and Protocol Buffers (`protobuf.ts`) all follow from a declaration. Then the services:
 * `kv.ts` with `ranges.ts` and `transactions.ts`, `watch.ts`, `lease.ts`, `claims.ts` for locks and elections,
 * `cluster.ts` for the rest. `errors.ts` has etcd's own texts, because clients compare them.
 *
 * **Answers.** The header of an answer identifies the cluster and the member by hashes of the group key and
 * of the node's name (`cluster_identity.ts`). Its revision is the store's. A revision in Floe is the log
 * index of a write, so revisions have gaps. Nothing in etcd's protocol depends on revisions without gaps.
 *
 * **Authorization** uses Floe's tokens (`call.ts`). Clients may send one as etcd's password or as etcd's
 * token. A token's prefixes apply to every key that a request can read or change, on every path through it.
 *
 * @module
 */

export type { EtcdChange } from "./audited.ts";
export { AnswerGate, type AnswerHold } from "./answers.ts";
export type { Call, EtcdCaller } from "./call.ts";
export {
  type Admission,
  callerOf,
  ETCD_CLUSTER_VERSION,
  ETCD_VERSION,
  hasLeader,
} from "./cluster.ts";
export type { MemberAddresses } from "./cluster_identity.ts";
export { type CodeName, CODES, EtcdError, toEtcdError } from "./errors.ts";
export {
  GRPC_CONNECTIONS_MAX,
  type GrpcKeys,
  type GrpcServer,
  type GrpcServerOptions,
  startGrpcServer,
} from "./grpc_server.ts";
export type { Answer, Request, Rpc, RpcCodec } from "./rpc.ts";
export { createRpcs, type EtcdParts } from "./rpcs.ts";
