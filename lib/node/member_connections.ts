/**
 * Whom a node connects to, as the members change.
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

/** What connections follow. */
interface MemberConnectionsParts {
  /** Who belongs to the cluster. */
  readonly members: ClusterMembers;
  /** Whether this node's log has caught up. */
  readonly state: Pick<RaftView, "self" | "commitIndex" | "leaderCommit">;
  /** The connections. */
  readonly network: Pick<Network, "useMembers">;
  /** For how many ticks connections to former members stay. */
  readonly farewellTicks: number;
}

/** One node's connections to members, and for a while to former ones. */
export class MemberConnections {
  readonly #parts: MemberConnectionsParts;
  readonly #logger = getLogger(["floe", "node"]);
  #connected: Peers;
  /** Ticks until connections to former members end; null when all are to members. */
  #farewellTicks: number | null = null;
  /** Whether members have addresses or keys that this node does not use yet. */
  #isMoveDue = false;

  /** Begins with the members that there are. */
  constructor(parts: MemberConnectionsParts) {
    this.#parts = parts;
    this.#connected = parts.members.config.peers;
  }

  /** Connects to these, and to nobody else. */
  connect(peers: Peers): void {
    this.#connected = peers;
    this.#parts.network.useMembers(peers);
  }

  /** Others are members now: who is new is connected to at once. */
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
   * A node whose log is behind has old addresses in it: it goes on with those that it has until it has caught
   * up. Who was removed is heard and answered for a while after that, so that it learns of it.
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
