/**
 * The nodes that a node connects to, as the members change.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { formatAddress } from "../config/mod.ts";
import type { RaftView } from "../raft/mod.ts";
import type { ClusterMembers } from "./cluster_members.ts";
import type { Network } from "./network.ts";

/** For how many election timeouts connections to a removed node stay: longer than a leader sends it the log. */
export const FAREWELL_TIMEOUTS = 3;

type Peers = ClusterMembers["config"]["peers"];

/** The parts of the node that decide about connections. */
interface MemberConnectionsParts {
  /** The members of the cluster. */
  readonly members: ClusterMembers;
  /** Whether this node's log has caught up. */
  readonly state: Pick<RaftView, "self" | "commitIndex" | "leaderCommit">;
  /** The connections. */
  readonly network: Pick<Network, "useMembers">;
  /** How many ticks connections to former members stay. */
  readonly farewellTicks: number;
}

/** One node's connections to members and, for a while, to former members. */
export class MemberConnections {
  readonly #parts: MemberConnectionsParts;
  readonly #logger = getLogger(["floe", "node"]);
  #connected: Peers;
  /** Ticks until connections to former members end; null when there are none. */
  #farewellTicks: number | null = null;
  /** Whether members have addresses or keys that the connections do not use yet. */
  #isMoveDue = false;

  /** Begins with the present members. */
  constructor(parts: MemberConnectionsParts) {
    this.#parts = parts;
    this.#connected = parts.members.config.peers;
  }

  /** Connects to these nodes, and to no others. */
  connect(peers: Peers): void {
    this.#connected = peers;
    this.#parts.network.useMembers(peers);
  }

  /** The members have changed: connects to new members at once. */
  membersChanged(): void {
    const { members, farewellTicks } = this.#parts;
    this.#warnOfMove();
    const added = members.config.peers.filter(({ id }) =>
      !this.#connected.some((known) => known.id === id)
    );
    this.connect([...this.#connected, ...added]);
    this.#farewellTicks = farewellTicks;
    this.#isMoveDue = true;
  }

  /** A node listens where it did when it started, while the others look for it at its new addresses. */
  #warnOfMove(): void {
    const { members, state: { self } } = this.#parts;
    const [before, addresses] = [this.#connected, members.config.peers].map((peers) => {
      const own = peers.find(({ id }) => id === self);
      return own === undefined ? null : `${formatAddress(own.peer)} ${formatAddress(own.api)}`;
    });
    if (before === null || addresses === null || addresses === before) return;
    const advice =
      "restart this node with a fresh cluster.json (floe members export): until then it " +
      "listens at its old addresses";
    this.#logger.warn("members.own_addresses", { before, addresses, advice });
  }

  /**
   * A node whose log is behind finds old addresses in it, so it keeps its present ones until it has caught up.
   * Afterwards it still hears and answers removed nodes for a while, so that they learn of their removal.
   */
  tick(): void {
    const { members, state: { commitIndex, leaderCommit } } = this.#parts;
    if (this.#farewellTicks === null || commitIndex < leaderCommit) return;
    const { peers } = members.config;
    if (this.#isMoveDue) {
      this.#isMoveDue = false;
      const former = this.#connected.filter(({ id }) => !peers.some((peer) => peer.id === id));
      this.connect([...peers, ...former]);
    }
    if (--this.#farewellTicks > 0) return;
    this.#farewellTicks = null;
    this.connect(peers);
  }
}
