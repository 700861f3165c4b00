/**
 * Every call of etcd's protocol: its request, its answer, and the service that answers it. The gateway and
 * gRPC serve this table, and depend on nothing else.
 *
 * @module
 */

import type { NodeApi } from "../node/mod.ts";
import type { NodeId } from "../types.ts";
import { audited, type EtcdChange } from "./audited.ts";
import { ElectionService, LockService } from "./claims.ts";
import {
  type Admission,
  AuthService,
  ClusterService,
  hasLeader,
  MaintenanceService,
} from "./cluster.ts";
import { ClusterIdentity, type MemberAddresses } from "./cluster_identity.ts";
import { unimplemented } from "./errors.ts";
import { KvService } from "./kv.ts";
import { LeaseService } from "./lease.ts";
import * as messages from "./messages.ts";
import { forAnyone, type Rpc, stream, unary } from "./rpc.ts";
import { WatchService } from "./watch.ts";

/** The parts that the protocol needs. */
export interface EtcdParts {
  /** The node that does the work. */
  readonly node: NodeApi;
  /** The node's own name. */
  readonly self: NodeId;
  /** The cluster's nodes. */
  readonly members: () => readonly MemberAddresses[];
  /** Whether clients connect with TLS. */
  readonly isTls: boolean;
  /** The authorization of requests. */
  readonly admission: Admission;
  /** Called with each call that could change something. It must neither throw nor wait. */
  readonly audit?: (change: EtcdChange) => void;
}

/** All calls. */
export function createRpcs(parts: EtcdParts): readonly Rpc[] {
  const identity = new ClusterIdentity(parts.node, parts.self);
  const kv = new KvService(parts.node, identity);
  const inner = { ...parts, identity, kv };
  const rpcs = [
    ...kvRpcs(kv),
    ...watchAndLeaseRpcs(parts.node, identity),
    ...clusterRpcs(inner),
    ...claimRpcs(inner),
    ...refusedRpcs(),
  ];
  const { audit } = parts;
  return audit === undefined ? rpcs : rpcs.map((rpc) => audited(rpc, audit));
}

function kvRpcs(kv: KvService): readonly Rpc[] {
  const {
    rangeRequest,
    rangeResponse,
    putRequest,
    putResponse,
    deleteRangeRequest,
    deleteRangeResponse,
    txnRequest,
    txnResponse,
    compactionRequest,
    headerOnly,
  } = messages;
  return [
    unary(
      "etcdserverpb.KV/Range",
      ["/v3/kv/range"],
      [rangeRequest, rangeResponse],
      (request, call) => kv.range(request, call),
    ),
    unary(
      "etcdserverpb.KV/Put",
      ["/v3/kv/put"],
      [putRequest, putResponse],
      (request, call) => kv.put(request, call),
    ),
    unary(
      "etcdserverpb.KV/DeleteRange",
      ["/v3/kv/deleterange"],
      [deleteRangeRequest, deleteRangeResponse],
      (request, call) => kv.deleteRange(request, call),
    ),
    unary(
      "etcdserverpb.KV/Txn",
      ["/v3/kv/txn"],
      [txnRequest, txnResponse],
      (request, call) => kv.txn(request, call),
    ),
    unary(
      "etcdserverpb.KV/Compact",
      ["/v3/kv/compaction"],
      [compactionRequest, headerOnly],
      (request, call) => kv.compact(request, call),
    ),
  ];
}

function watchAndLeaseRpcs(node: NodeApi, identity: ClusterIdentity): readonly Rpc[] {
  const watches = new WatchService(node, identity);
  const leases = new LeaseService(node, identity);
  const { leaseRequest, headerOnly, empty } = messages;
  return [
    stream(
      "etcdserverpb.Watch/Watch",
      ["/v3/watch"],
      [messages.watchRequest, messages.watchResponse],
      (requests, call) => watches.watch(requests, call),
    ),
    unary(
      "etcdserverpb.Lease/LeaseGrant",
      ["/v3/lease/grant", "/v3/kv/lease/grant"],
      [messages.leaseGrantRequest, messages.leaseGrantResponse],
      (request, call) => leases.grant(request, call),
    ),
    unary(
      "etcdserverpb.Lease/LeaseRevoke",
      ["/v3/lease/revoke", "/v3/kv/lease/revoke"],
      [leaseRequest, headerOnly],
      (request, call) => leases.revoke(request, call),
    ),
    stream(
      "etcdserverpb.Lease/LeaseKeepAlive",
      ["/v3/lease/keepalive", "/v3/kv/lease/keepalive"],
      [leaseRequest, messages.leaseKeepAliveResponse],
      (requests, call) => leases.keepAlive(requests, call),
    ),
    unary(
      "etcdserverpb.Lease/LeaseTimeToLive",
      ["/v3/lease/timetolive", "/v3/kv/lease/timetolive"],
      [messages.leaseTimeToLiveRequest, messages.leaseTimeToLiveResponse],
      (request, call) => leases.timeToLive(request, call),
    ),
    unary(
      "etcdserverpb.Lease/LeaseLeases",
      ["/v3/lease/leases", "/v3/kv/lease/leases"],
      [empty, messages.leaseLeasesResponse],
      (request, call) => leases.leases(request, call),
    ),
  ];
}

type ClusterParts = EtcdParts & { readonly identity: ClusterIdentity; readonly kv: KvService };

function clusterRpcs(parts: ClusterParts): readonly Rpc[] {
  const cluster = new ClusterService(parts);
  const maintenance = new MaintenanceService(parts);
  const auth = new AuthService(parts);
  const { empty, headerOnly, hashRequest, hashResponse } = messages;
  return [
    unary(
      "etcdserverpb.Cluster/MemberList",
      ["/v3/cluster/member/list"],
      [messages.memberListRequest, messages.memberListResponse],
      (request, call) => cluster.memberList(request, call),
    ),
    unary(
      "etcdserverpb.Maintenance/Status",
      ["/v3/maintenance/status"],
      [empty, messages.statusResponse],
      (request, call) => maintenance.status(request, call),
    ),
    unary(
      "etcdserverpb.Maintenance/Alarm",
      ["/v3/maintenance/alarm"],
      [messages.alarmRequest, messages.alarmResponse],
      (request, call) => maintenance.alarm(request, call),
    ),
    stream(
      "etcdserverpb.Maintenance/Snapshot",
      ["/v3/maintenance/snapshot"],
      [empty, messages.snapshotResponse],
      async function* (requests, call) {
        for await (const _ of requests) return yield* maintenance.snapshot(call);
      },
      { takesStream: false },
    ),
    unary(
      "etcdserverpb.Maintenance/Hash",
      ["/v3/maintenance/hash"],
      [hashRequest, hashResponse],
      (_request, call) => maintenance.hash({ revision: 0 }, call),
    ),
    unary(
      "etcdserverpb.Maintenance/HashKV",
      ["/v3/maintenance/hashkv"],
      [hashRequest, hashResponse],
      (request, call) => maintenance.hash(request, call),
    ),
    unary(
      "etcdserverpb.Maintenance/MoveLeader",
      ["/v3/maintenance/transfer-leadership"],
      [messages.moveLeaderRequest, headerOnly],
      (request, call) => maintenance.moveLeader(request, call),
    ),
    forAnyone(unary(
      "etcdserverpb.Auth/Authenticate",
      ["/v3/auth/authenticate"],
      [messages.authenticateRequest, messages.authenticateResponse],
      (request) => auth.authenticate(request),
    )),
    forAnyone(unary(
      "etcdserverpb.Auth/AuthStatus",
      ["/v3/auth/status"],
      [empty, messages.authStatusResponse],
      () => auth.status(),
    )),
    forAnyone(unary(
      "grpc.health.v1.Health/Check",
      [],
      [messages.healthRequest, messages.healthResponse],
      () => Promise.resolve({ status: hasLeader(parts.node) ? "SERVING" : "NOT_SERVING" }),
    )),
  ];
}

function claimRpcs(parts: ClusterParts): readonly Rpc[] {
  const locks = new LockService(parts);
  const elections = new ElectionService(parts);
  const { headerOnly, leaderRequest, leaderResponse } = messages;
  return [
    unary(
      "v3lockpb.Lock/Lock",
      ["/v3/lock/lock"],
      [messages.lockRequest, messages.lockResponse],
      (request, call) => locks.lock(request, call),
    ),
    unary(
      "v3lockpb.Lock/Unlock",
      ["/v3/lock/unlock"],
      [messages.unlockRequest, headerOnly],
      (request, call) => locks.unlock(request, call),
    ),
    unary(
      "v3electionpb.Election/Campaign",
      ["/v3/election/campaign"],
      [messages.campaignRequest, messages.campaignResponse],
      (request, call) => elections.campaign(request, call),
    ),
    unary(
      "v3electionpb.Election/Proclaim",
      ["/v3/election/proclaim"],
      [messages.proclaimRequest, headerOnly],
      (request, call) => elections.proclaim(request, call),
    ),
    unary(
      "v3electionpb.Election/Leader",
      ["/v3/election/leader"],
      [leaderRequest, leaderResponse],
      (request, call) => elections.leader(request, call),
    ),
    stream(
      "v3electionpb.Election/Observe",
      ["/v3/election/observe"],
      [leaderRequest, leaderResponse],
      async function* (requests, call) {
        for await (const request of requests) return yield* elections.observe(request, call);
      },
      { takesStream: false },
    ),
    unary(
      "v3electionpb.Election/Resign",
      ["/v3/election/resign"],
      [messages.resignRequest, headerOnly],
      (request, call) => elections.resign(request, call),
    ),
  ];
}

const MEMBERS_WAY = "members change with floe member, and each change is certified";
const TOKENS_WAY = "who may do what is said by tokens; see floe token, and docs/etcd.md";

/** The calls that Floe does not have, and what it has instead. */
const REFUSED: readonly (readonly [name: string, path: string, way: string])[] = [
  ["Cluster/MemberAdd", "/v3/cluster/member/add", MEMBERS_WAY],
  ["Cluster/MemberRemove", "/v3/cluster/member/remove", MEMBERS_WAY],
  ["Cluster/MemberUpdate", "/v3/cluster/member/update", MEMBERS_WAY],
  ["Cluster/MemberPromote", "/v3/cluster/member/promote", MEMBERS_WAY],
  ["Maintenance/Defragment", "/v3/maintenance/defragment", "there is nothing to defragment"],
  [
    "Maintenance/Downgrade",
    "/v3/maintenance/downgrade",
    "nodes of one version run together; see docs/operators.md",
  ],
  ["Auth/AuthEnable", "/v3/auth/enable", TOKENS_WAY],
  ["Auth/AuthDisable", "/v3/auth/disable", TOKENS_WAY],
  ["Auth/UserAdd", "/v3/auth/user/add", TOKENS_WAY],
  ["Auth/UserGet", "/v3/auth/user/get", TOKENS_WAY],
  ["Auth/UserList", "/v3/auth/user/list", TOKENS_WAY],
  ["Auth/UserDelete", "/v3/auth/user/delete", TOKENS_WAY],
  ["Auth/UserChangePassword", "/v3/auth/user/changepw", TOKENS_WAY],
  ["Auth/UserGrantRole", "/v3/auth/user/grant", TOKENS_WAY],
  ["Auth/UserRevokeRole", "/v3/auth/user/revoke", TOKENS_WAY],
  ["Auth/RoleAdd", "/v3/auth/role/add", TOKENS_WAY],
  ["Auth/RoleGet", "/v3/auth/role/get", TOKENS_WAY],
  ["Auth/RoleList", "/v3/auth/role/list", TOKENS_WAY],
  ["Auth/RoleDelete", "/v3/auth/role/delete", TOKENS_WAY],
  ["Auth/RoleGrantPermission", "/v3/auth/role/grant", TOKENS_WAY],
  ["Auth/RoleRevokePermission", "/v3/auth/role/revoke", TOKENS_WAY],
];

function refusedRpcs(): readonly Rpc[] {
  const { empty } = messages;
  return REFUSED.map(([name, path, way]) =>
    forAnyone(
      unary(
        `etcdserverpb.${name}`,
        [path],
        [empty, empty],
        () => Promise.reject(unimplemented(way)),
      ),
    )
  );
}
