/**
 * Nodes that were members and were removed: the key by which this node recognises one that comes back, and the
 * memberships that it then shows to that node.
 *
 * @module
 */

import {
  type Membership,
  type MembershipCertificate,
  verifyMembershipNote,
} from "../certificate/mod.ts";
import type { RaftView } from "../raft/mod.ts";
import type { NodeId } from "../types.ts";
import type { ClusterMembers } from "./cluster_members.ts";
import type { ShownChain } from "./network.ts";

/** Former members, as one node's log knows them. */
export class FormerMembers implements ShownChain {
  readonly #members: Pick<ClusterMembers, "membership" | "isFormer">;
  readonly #cluster: RaftView["cluster"];
  /** Keys that were looked up before: notes are long, and any node on the network can ask. */
  readonly #keys = new Map<NodeId, Uint8Array | null>();

  /** `members` are the members in force, `state` has the chain that led to them. */
  constructor(
    members: Pick<ClusterMembers, "membership" | "isFormer">,
    { cluster }: Pick<RaftView, "cluster">,
  ) {
    this.#members = members;
    this.#cluster = cluster;
  }

  /** See {@linkcode ShownChain.membershipsKnown}. */
  get membershipsKnown(): number {
    return this.#cluster.membershipsKnown;
  }

  /** See {@linkcode ShownChain.membershipsAfter}. */
  membershipsAfter(count: number): readonly MembershipCertificate[] {
    return this.#cluster.certificatesAfter(count);
  }

  /** See {@linkcode ShownChain.formerKeyOf}. */
  formerKeyOf(id: NodeId): Uint8Array | null {
    const { membership } = this.#members;
    if (membership === null || !this.#members.isFormer(id)) return null;
    if (!this.#keys.has(id)) this.#keys.set(id, this.#lookUp(id, membership));
    return this.#keys.get(id) ?? null;
  }

  /** The last statement that lists the node has its key. There always is one from before the node's removal. */
  #lookUp(id: NodeId, membership: Membership): Uint8Array | null {
    for (const { byOld } of this.#cluster.certificates.toReversed()) {
      const { statement } = verifyMembershipNote(byOld, membership);
      const member = statement.members.find((line) => line.id === id);
      if (member !== undefined) return member.channelKey;
    }
    return null;
  }
}
