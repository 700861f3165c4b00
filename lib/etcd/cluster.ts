/**
 * etcd's services Cluster, Maintenance and Auth, as far as they apply to Floe.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { ALL_KEYS } from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import { toLogIndex } from "../types.ts";
import { admitRead, admitScope, type Call, type EtcdCaller, TIMEOUT_MS, turn } from "./call.ts";
import type { ClusterIdentity, MemberAddresses } from "./cluster_identity.ts";
import { refuse, unimplemented } from "./errors.ts";
import type { Member, ResponseHeader } from "./messages.ts";

/** The version of etcd's API that is served. Clients read it to know which calls they may use. */
export const ETCD_VERSION = "3.5.21";
/** The version of the whole cluster, in etcd's sense. */
export const ETCD_CLUSTER_VERSION = "3.5.0";

/** The authorization of requests. */
export interface Admission {
  /** Whether requests need a token. */
  readonly isEnabled: boolean;
  /** The rights of a token; null for an unknown token. */
  callerOf(token: string): EtcdCaller | null;
  /** The rights of a certificate with this common name; null if no token has the name. */
  callerNamed(name: string): EtcdCaller | null;
}

/** The parts of the services in this file. */
interface ClusterParts {
  readonly node: NodeApi;
  readonly identity: ClusterIdentity;
  /** The cluster's nodes. */
  readonly members: () => readonly MemberAddresses[];
  /** Whether clients connect with TLS. */
  readonly isTls: boolean;
  /** The authorization of requests. */
  readonly admission: Admission;
}

interface OnlyHeader {
  readonly header: ResponseHeader;
}

/** etcd's service Cluster. */
export class ClusterService {
  readonly #parts: ClusterParts;

  /** `parts` are used as they are. */
  constructor(parts: ClusterParts) {
    this.#parts = parts;
  }

  /** Every node. Its client addresses are for the same kind of connection as the request's: JSON or gRPC. */
  async memberList(
    { linearizable }: { readonly linearizable: boolean },
    call: Call,
  ): Promise<OnlyHeader & { readonly members: readonly Member[] }> {
    call.caller();
    const { node, identity, members } = this.#parts;
    const consistency = linearizable ? "linearizable" : "stale";
    const { revision } = await node.view({ consistency, timeoutMs: TIMEOUT_MS });
    return {
      header: identity.header(revision),
      members: members().map((member) => this.#toMember(member, call)),
    };
  }

  #toMember({ id, peer, api, etcd }: MemberAddresses, { way }: Call): Member {
    const scheme = this.#parts.isTls ? "https" : "http";
    const client = way === "grpc" ? etcd ?? api : api;
    return {
      ID: this.#parts.identity.memberId(id),
      name: id,
      peerURLs: [`http://${peer}`],
      clientURLs: [`${scheme}://${client}`],
    };
  }
}

/** etcd's service Maintenance. */
export class MaintenanceService {
  readonly #parts: ClusterParts;

  /** `parts` are used as they are. */
  constructor(parts: ClusterParts) {
    this.#parts = parts;
  }

  /** The state of the node. */
  async status(_request: object, call: Call): Promise<Status> {
    call.caller();
    const { node, identity } = this.#parts;
    const { leader, term, lastLogIndex, appliedIndex, trouble } = node.status();
    const view = await node.view({ consistency: "stale", timeoutMs: TIMEOUT_MS });
    return {
      header: identity.header(view.revision),
      version: ETCD_VERSION,
      // Never 0, because etcdctl divides by it.
      dbSize: Math.max(1, view.reservedBytes),
      dbSizeInUse: view.bytes,
      leader: leader === null ? 0n : identity.memberId(leader),
      raftIndex: BigInt(lastLogIndex),
      raftTerm: BigInt(term),
      raftAppliedIndex: BigInt(appliedIndex),
      errors: [
        ...(leader === null ? ["etcdserver: no leader"] : []),
        ...(trouble === null ? [] : [trouble]),
      ],
    };
  }

  /** There are no alarms: a full disk or damaged data stops the node. */
  async alarm(
    { action }: { readonly action: string },
    call: Call,
  ): Promise<OnlyHeader> {
    call.caller();
    if (action === "ACTIVATE") {
      throw unimplemented("there are no alarms; GET /v1/status says what is wrong with a node");
    }
    return { header: await this.#parts.identity.headerNow() };
  }

  /** A hash of all keys at a revision. It differs from etcd's. */
  async hash(
    { revision: asked }: { readonly revision: number },
    call: Call,
  ): Promise<OnlyHeader & Hash> {
    admitRead(call, ALL_KEYS);
    const { node, identity } = this.#parts;
    const view = await node.view({ consistency: "stale", timeoutMs: TIMEOUT_MS });
    if (asked > Math.max(1, view.revision)) throw refuse("futureRevision");
    const at = toLogIndex(asked > 0 ? Math.min(asked, view.revision) : view.revision);
    const read = view.range({ keys: ALL_KEYS, revision: at });
    const hash = createHash("sha256");
    while (true) {
      const slice = read.next();
      if (slice.kind !== "slice") throw refuse("compacted");
      for (const item of slice.items) {
        if (item.kind !== "row") continue;
        const { key, value, createRevision, modRevision, version, lease } = item.row;
        hash.update(JSON.stringify([key.toHex(), createRevision, modRevision, version, lease]));
        hash.update(value);
      }
      if (slice.isDone) break;
      await turn();
    }
    return {
      header: identity.header(view.revision),
      hash: hash.digest().readUInt32BE(),
      compact_revision: view.compactedRevision,
      hash_revision: at,
    };
  }

  /** The whole state as one file of Floe's: `floe snapshot restore` takes it, and etcd's tools do not. */
  async *snapshot(call: Call): AsyncGenerator<SnapshotPart, void> {
    admitScope(call, "admin");
    const { node, identity } = this.#parts;
    const { made } = await node.saveSnapshot({ timeoutMs: TIMEOUT_MS });
    const snapshot = await made;
    try {
      const header = identity.header(snapshot.head.revision);
      let left = snapshot.fileBytes;
      for (let blob = await snapshot.next(); blob !== null; blob = await snapshot.next()) {
        if (call.signal.aborted) return;
        left -= blob.length;
        yield { header, remaining_bytes: BigInt(left), blob, version: ETCD_VERSION };
      }
    } finally {
      snapshot.close();
    }
  }

  /** Transfers the leadership. The node that gets the request must be the leader. */
  async moveLeader({ targetID }: { readonly targetID: bigint }, call: Call): Promise<OnlyHeader> {
    admitScope(call, "admin");
    const { node, identity, members } = this.#parts;
    const target = members().find(({ id }) => identity.memberId(id) === targetID);
    if (target === undefined) throw refuse("badTransferee");
    await node.transferLeadership(target.id);
    return { header: await identity.headerNow() };
  }
}

interface Status extends OnlyHeader {
  readonly version: string;
  readonly dbSize: number;
  readonly dbSizeInUse: number;
  readonly leader: bigint;
  readonly raftIndex: bigint;
  readonly raftTerm: bigint;
  readonly raftAppliedIndex: bigint;
  readonly errors: readonly string[];
}

interface SnapshotPart extends OnlyHeader {
  readonly remaining_bytes: bigint;
  readonly blob: Uint8Array;
  readonly version: string;
}

interface Hash {
  readonly hash: number;
  readonly compact_revision: number;
  readonly hash_revision: number;
}

/** etcd's service Auth. A Floe token is the password. */
export class AuthService {
  readonly #parts: ClusterParts;

  /** `parts` are used as they are. */
  constructor(parts: ClusterParts) {
    this.#parts = parts;
  }

  /** Takes a Floe token as the password, with any user name, and returns it as the token. */
  async authenticate(
    { name, password }: { readonly name: string; readonly password: string },
  ): Promise<OnlyHeader & { readonly token: string }> {
    const { admission, identity } = this.#parts;
    if (!admission.isEnabled) throw refuse("authNotEnabled");
    if (name === "") throw refuse("userEmpty");
    if (admission.callerOf(password) === null) throw refuse("authFailed");
    return { header: await identity.headerNow(), token: password };
  }

  /** Whether requests need a token. */
  async status(): Promise<OnlyHeader & { readonly enabled: boolean }> {
    const { admission, identity } = this.#parts;
    return { header: await identity.headerNow(), enabled: admission.isEnabled };
  }
}

/**
 * The rights of the sender of a request, by its token or by the common name of its certificate. A token goes
 * before a certificate, as in etcd.
 *
 * @throws {EtcdError} when requests need a token, and this one is missing or unknown.
 */
export function callerOf(
  admission: Admission,
  { token, certificate }: {
    readonly token: string | null;
    readonly certificate: string | null;
  },
): EtcdCaller {
  if (!admission.isEnabled) return { scopes: ["admin"], prefixes: [] };
  const hasToken = token !== null && token !== "";
  if (!hasToken && certificate === null) throw refuse("userEmpty");
  // etcd's own clients send the bare token.
  const caller = hasToken
    ? admission.callerOf(token.replace(/^Bearer +/i, ""))
    : admission.callerNamed(certificate ?? "");
  if (caller === null) throw refuse("invalidToken");
  return caller;
}

/** Whether a node knows a leader. Health checks of clients ask for this. */
export function hasLeader(node: NodeApi): boolean {
  return node.leader().leader !== null;
}
