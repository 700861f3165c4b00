/**
 * etcd's API, version 3, on Floe's store: so programs that were written for etcd work unchanged.
 *
 * One table, `rpcs.ts`, has every call of etcd's protocol: its messages, where the gateway serves it, and
 * who does it. `lib/http` serves it as JSON on the API's port, `grpc_server.ts` over gRPC. Neither knows what a
 * call does, and no service knows over which way its request came. There is no state here but that of
 * streams that are open.
 *
 * **Where to begin.** `messages.ts` has the messages, each declared once, with the kit of `shape.ts`: types,
 * JSON (`json.ts`) and Protocol Buffers (`protobuf.ts`) all follow from a declaration. Then the services:
 * `kv.ts` with `ranges.ts` and `transactions.ts`, `watch.ts`, `lease.ts`, `claims.ts` for locks and elections,
 * `cluster.ts` for the rest. `errors.ts` has etcd's own texts, because clients compare them.
 *
 * **What an answer says.** Its header names cluster and member by hashes of the group key and of the
 * node's name (`cluster_identity.ts`); its revision is the store's. A revision in Floe is the log index of a write, so
 * they have gaps; nothing in etcd's protocol depends on them having none.
 *
 * **Who may do what** is said by Floe's tokens (`call.ts`): they are taken as etcd's passwords and as its
 * tokens, and their prefixes hold for every key that a request can touch, whichever way it takes.
 *
 * @module
 */

export type { Call, EtcdCaller } from "./call.ts";
export { type Admission, callerOf, ETCD_CLUSTER_VERSION, ETCD_VERSION } from "./cluster.ts";
export type { MemberAddresses } from "./cluster_identity.ts";
export { type CodeName, CODES, EtcdError, toEtcdError } from "./errors.ts";
export {
  GRPC_CONNECTIONS_MAX,
  type GrpcKeys,
  type GrpcServer,
  type GrpcServerOptions,
  startGrpcServer,
} from "./grpc_server.ts";
export {
  type Answer,
  createRpcs,
  type EtcdParts,
  hasLeader,
  type Request,
  type Rpc,
  type RpcCodec,
} from "./rpcs.ts";
