/**
 * Nodes that were members and are none any more: by which key they are known when they come back, and what they
 * are shown then.
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

/** What is known of former members, from one node's log. */
export class FormerMembers implements ShownChain {
  readonly #members: Pick<ClusterMembers, "membership" | "isFormer">;
  readonly #cluster: RaftView["cluster"];
  /** Keys that were looked up: notes are long, and anybody can ask. */
  readonly #keys = new Map<NodeId, Uint8Array | null>();

  /** `members` are those in force, `state` has the chain that led to them. */
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

  /** The last statement that has the node says its key. Before a node leaves, there is one that does. */
  #lookUp(id: NodeId, membership: Membership): Uint8Array | null {
    for (const { byOld } of this.#cluster.certificates.toReversed()) {
      const { statement } = verifyMembershipNote(byOld, membership);
      const member = statement.members.find((line) => line.id === id);
      if (member !== undefined) return member.channelKey;
    }
    return null;
  }
}
