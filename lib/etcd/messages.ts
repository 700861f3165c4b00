/**
 * etcd's messages: the numbers and names of its protocol, `rpc.proto` and `kv.proto` of etcd 3.7.
 *
 * @module
 */

import {
  anyOf,
  bool,
  bytes,
  bytesList,
  type Draft,
  int64,
  many,
  type Message,
  message,
  one,
  oneOf,
  type Read,
  recursive,
  string,
  strings,
  uint32,
  uint64,
} from "./shape.ts";

/** The header of every answer: the node that answers, and the store's revision. */
export const responseHeader = message({
  cluster_id: uint64(1),
  member_id: uint64(2),
  revision: int64(3),
  raft_term: uint64(4),
});
export type ResponseHeader = Draft<typeof responseHeader>;

export const keyValue = message({
  key: bytes(1),
  create_revision: int64(2),
  mod_revision: int64(3),
  version: int64(4),
  value: bytes(5),
  lease: int64(6),
});
export type KeyValue = Draft<typeof keyValue>;

/** A request whose fields do not matter, or that the service refuses anyway. */
export const empty = message({});

/** An answer with nothing but its header. */
export const headerOnly = message({ header: one(1, responseHeader) });

export const rangeRequest = message({
  key: bytes(1),
  range_end: bytes(2),
  limit: int64(3),
  revision: int64(4),
  sort_order: oneOf(5, ["NONE", "ASCEND", "DESCEND"]),
  sort_target: oneOf(6, ["KEY", "VERSION", "CREATE", "MOD", "VALUE"]),
  serializable: bool(7),
  keys_only: bool(8),
  count_only: bool(9),
  min_mod_revision: int64(10),
  max_mod_revision: int64(11),
  min_create_revision: int64(12),
  max_create_revision: int64(13),
});
export type RangeRequest = Read<typeof rangeRequest>;

export const rangeResponse = message({
  header: one(1, responseHeader),
  kvs: many(2, keyValue),
  more: bool(3),
  count: int64(4),
});
export type RangeResponse = Draft<typeof rangeResponse>;

export const putRequest = message({
  key: bytes(1),
  value: bytes(2),
  lease: int64(3),
  prev_kv: bool(4),
  ignore_value: bool(5),
  ignore_lease: bool(6),
});
export type PutRequest = Read<typeof putRequest>;

export const putResponse = message({ header: one(1, responseHeader), prev_kv: one(2, keyValue) });
export type PutResponse = Draft<typeof putResponse>;

export const deleteRangeRequest = message({
  key: bytes(1),
  range_end: bytes(2),
  prev_kv: bool(3),
});
export type DeleteRangeRequest = Read<typeof deleteRangeRequest>;

export const deleteRangeResponse = message({
  header: one(1, responseHeader),
  deleted: int64(2),
  prev_kvs: many(3, keyValue),
});
export type DeleteRangeResponse = Draft<typeof deleteRangeResponse>;

export const compare = message({
  result: oneOf(1, ["EQUAL", "GREATER", "LESS", "NOT_EQUAL"]),
  target: oneOf(2, ["VERSION", "CREATE", "MOD", "VALUE", "LEASE"]),
  key: bytes(3),
  version: int64(4),
  create_revision: int64(5),
  mod_revision: int64(6),
  value: bytes(7),
  lease: int64(8),
  range_end: bytes(64),
});
export type Compare = Read<typeof compare>;

/** One step of a transaction: it has at most one of the fields. */
export interface RequestOp {
  readonly request_range: RangeRequest | undefined;
  readonly request_put: PutRequest | undefined;
  readonly request_delete_range: DeleteRangeRequest | undefined;
  readonly request_txn: TxnRequest | undefined;
}

/** A transaction. Declared by hand, because it can contain itself. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

const requestOp = message({
  request_range: one(1, rangeRequest),
  request_put: one(2, putRequest),
  request_delete_range: one(3, deleteRangeRequest),
  request_txn: recursive<TxnRequest, TxnRequest>(4, txnRequestMessage),
});

export const txnRequest = message({
  compare: many(1, compare),
  success: many(2, requestOp),
  failure: many(3, requestOp),
});

function txnRequestMessage(): Message {
  return txnRequest;
}

/** The result of one step of a transaction. */
export interface ResponseOp {
  readonly response_range?: RangeResponse;
  readonly response_put?: PutResponse;
  readonly response_delete_range?: DeleteRangeResponse;
  readonly response_txn?: TxnResponse;
}

/** The result of a transaction. Declared by hand, because it can contain itself. */
export interface TxnResponse {
  readonly header?: ResponseHeader;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

const responseOp = message({
  response_range: one(1, rangeResponse),
  response_put: one(2, putResponse),
  response_delete_range: one(3, deleteRangeResponse),
  response_txn: recursive<TxnResponse, TxnResponse>(4, txnResponseMessage),
});

export const txnResponse = message({
  header: one(1, responseHeader),
  succeeded: bool(2),
  responses: many(3, responseOp),
});

function txnResponseMessage(): Message {
  return txnResponse;
}

export const compactionRequest = message({ revision: int64(1), physical: bool(2) });

const watchCreateRequest = message({
  key: bytes(1),
  range_end: bytes(2),
  start_revision: int64(3),
  progress_notify: bool(4),
  filters: anyOf(5, ["NOPUT", "NODELETE"]),
  prev_kv: bool(6),
  watch_id: int64(7),
  fragment: bool(8),
});
export type WatchCreateRequest = Read<typeof watchCreateRequest>;

export const watchRequest = message({
  create_request: one(1, watchCreateRequest),
  cancel_request: one(2, message({ watch_id: int64(1) })),
  progress_request: one(3, empty),
});
export type WatchRequest = Read<typeof watchRequest>;

const event = message({
  type: oneOf(1, ["PUT", "DELETE"]),
  kv: one(2, keyValue),
  prev_kv: one(3, keyValue),
});
export type Event = Draft<typeof event>;

export const watchResponse = message({
  header: one(1, responseHeader),
  watch_id: int64(2),
  created: bool(3),
  canceled: bool(4),
  compact_revision: int64(5),
  cancel_reason: string(6),
  fragment: bool(7),
  events: many(11, event),
});
export type WatchResponse = Draft<typeof watchResponse>;

export const leaseGrantRequest = message({ TTL: int64(1), ID: int64(2) });
export const leaseGrantResponse = message({
  header: one(1, responseHeader),
  ID: int64(2),
  TTL: int64(3),
  error: string(4),
});
/** Names a lease: to revoke it, or to keep it alive. */
export const leaseRequest = message({ ID: int64(1) });
export type LeaseRequest = Read<typeof leaseRequest>;
export const leaseKeepAliveResponse = message({
  header: one(1, responseHeader),
  ID: int64(2),
  TTL: int64(3),
});
export type LeaseKeepAliveResponse = Draft<typeof leaseKeepAliveResponse>;
export const leaseTimeToLiveRequest = message({ ID: int64(1), keys: bool(2) });
export const leaseTimeToLiveResponse = message({
  header: one(1, responseHeader),
  ID: int64(2),
  TTL: int64(3),
  grantedTTL: int64(4),
  keys: bytesList(5),
});
export const leaseLeasesResponse = message({
  header: one(1, responseHeader),
  leases: many(2, message({ ID: int64(1) })),
});

export const memberListRequest = message({ linearizable: bool(1) });
const member = message({
  ID: uint64(1),
  name: string(2),
  peerURLs: strings(3),
  clientURLs: strings(4),
  isLearner: bool(5),
});
export type Member = Draft<typeof member>;
export const memberListResponse = message({
  header: one(1, responseHeader),
  members: many(2, member),
});

export const alarmRequest = message({
  action: oneOf(1, ["GET", "ACTIVATE", "DEACTIVATE"]),
  memberID: uint64(2),
  alarm: oneOf(3, ["NONE", "NOSPACE", "CORRUPT"]),
});
export const alarmResponse = message({
  header: one(1, responseHeader),
  alarms: many(
    2,
    message({ memberID: uint64(1), alarm: oneOf(2, ["NONE", "NOSPACE", "CORRUPT"]) }),
  ),
});
export const statusResponse = message({
  header: one(1, responseHeader),
  version: string(2),
  dbSize: int64(3),
  leader: uint64(4),
  raftIndex: uint64(5),
  raftTerm: uint64(6),
  raftAppliedIndex: uint64(7),
  errors: strings(8),
  dbSizeInUse: int64(9),
  isLearner: bool(10),
});
export const hashRequest = message({ revision: int64(1) });
export const hashResponse = message({
  header: one(1, responseHeader),
  hash: uint32(2),
  compact_revision: int64(3),
  hash_revision: int64(4),
});
export const snapshotResponse = message({
  header: one(1, responseHeader),
  remaining_bytes: uint64(2),
  blob: bytes(3),
  version: string(4),
});
export const moveLeaderRequest = message({ targetID: uint64(1) });

export const authenticateRequest = message({ name: string(1), password: string(2) });
export const authenticateResponse = message({ header: one(1, responseHeader), token: string(2) });
export const authStatusResponse = message({
  header: one(1, responseHeader),
  enabled: bool(2),
  authRevision: uint64(3),
});

export const lockRequest = message({ name: bytes(1), lease: int64(2) });
export const lockResponse = message({ header: one(1, responseHeader), key: bytes(2) });
export const unlockRequest = message({ key: bytes(1) });

const leaderKey = message({ name: bytes(1), key: bytes(2), rev: int64(3), lease: int64(4) });
export type LeaderKey = Read<typeof leaderKey>;
export const campaignRequest = message({ name: bytes(1), lease: int64(2), value: bytes(3) });
export const campaignResponse = message({
  header: one(1, responseHeader),
  leader: one(2, leaderKey),
});
export const leaderRequest = message({ name: bytes(1) });
export const leaderResponse = message({ header: one(1, responseHeader), kv: one(2, keyValue) });
export type LeaderResponse = Draft<typeof leaderResponse>;
export const resignRequest = message({ leader: one(1, leaderKey) });
export const proclaimRequest = message({ leader: one(1, leaderKey), value: bytes(2) });

/** gRPC's own health check. */
export const healthRequest = message({ service: string(1) });
export const healthResponse = message({
  status: oneOf(1, ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]),
});
