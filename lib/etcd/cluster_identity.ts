/**
 * The identity of the answering node in the form that etcd's clients need: ids of 64 bits, and a header on
 * every answer.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { NodeApi } from "../node/mod.ts";
import type { NodeId } from "../types.ts";
import type { ResponseHeader } from "./messages.ts";

/** The first revision of an empty store, in etcd. */
const REVISION_FIRST = 1;

/** The addresses of a member of the cluster. */
export interface MemberAddresses {
  /** Its name. */
  readonly id: NodeId;
  /** The address for other nodes, `host:port`. */
  readonly peer: string;
  /** The address of its API, which has the JSON gateway. */
  readonly api: string;
  /** The address of its gRPC server; null when it has none. */
  readonly etcd: string | null;
}

/** Ids and headers. The ids are hashes of names and the group key, so all nodes always have the same. */
export class ClusterIdentity {
  readonly #node: NodeApi;
  readonly #self: NodeId;
  readonly #memberIds = new Map<string, bigint>();
  #clusterId: bigint | null = null;

  /** `self` is the node that answers. */
  constructor(node: NodeApi, self: NodeId) {
    this.#node = node;
    this.#self = self;
  }

  /** The cluster's id. @throws {RequestError} `no_key` while the cluster has no key. */
  get clusterId(): bigint {
    this.#clusterId ??= hash64(`cluster\n${this.#node.group.publicKey.toHex()}`);
    return this.#clusterId;
  }

  /** The id of the node that answers. */
  get selfId(): bigint {
    return this.memberId(this.#self);
  }

  /** The id of any node. */
  memberId(id: NodeId): bigint {
    const known = this.#memberIds.get(id);
    if (known !== undefined) return known;
    const hash = hash64(`member\n${this.#node.group.cluster}\n${id}`);
    this.#memberIds.set(id, hash);
    return hash;
  }

  /** The header of an answer at a revision of the store. */
  header(revision: number): ResponseHeader {
    return {
      cluster_id: this.clusterId,
      member_id: this.selfId,
      revision: Math.max(REVISION_FIRST, revision),
      raft_term: BigInt(this.#node.leader().term),
    };
  }

  /** The header of an answer without a particular revision: it has the present one. */
  async headerNow(): Promise<ResponseHeader> {
    const view = await this.#node.view({ consistency: "stale", timeoutMs: 0 });
    return this.header(view.revision);
  }
}

/** 64 bits of a hash; never 0, because etcd uses 0 for no member. */
function hash64(text: string): bigint {
  const digest = createHash("sha256").update(`floe/etcd/v1\n${text}`).digest();
  return digest.readBigUInt64BE() || 1n;
}
