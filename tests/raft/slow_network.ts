/**
 * A cluster of real cores at the default times, a tick every 10 ms, whose messages take as long as a test
 * says. It moves on a millisecond at a time.
 *
 * @module
 */

import type { Message } from "../../lib/raft/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { TestCluster } from "./harness.ts";
import type { TestNode, Timing } from "./test_node.ts";

const TICK_MS = 10;
/** The defaults of `cluster.json`: 500, 50 and 100 ms. */
const DEFAULT_TIMING: Timing = {
  electionTimeoutTicks: 50,
  heartbeatTicks: 5,
  signingTimeoutTicks: 10,
};

/** What a slow network is made of. */
export interface SlowNetworkOptions {
  readonly size: number;
  readonly threshold: number;
  /** Uniform in [0, 1): for timeouts, and for the moments at which nodes tick. */
  readonly random: () => number;
  /** How long a message takes, in milliseconds. */
  readonly latencyMs: (from: NodeId, to: NodeId) => number;
  /** What is sent in place of a message: a liar's words, or nothing. */
  readonly rewrite?: (message: Message) => readonly Message[];
  /** Sees each message as it arrives. */
  readonly overhear?: (message: Message) => void;
  /** Does something each millisecond. */
  readonly act?: () => void;
}

/** See the module. */
export class SlowNetwork {
  readonly cluster: TestCluster;
  nowMs = 0;
  /** Nodes that neither hear nor say anything. */
  readonly down = new Set<string>();
  readonly #options: SlowNetworkOptions;
  readonly #phases: ReadonlyMap<NodeId, number>;
  #underWay: { readonly atMs: number; readonly message: Message }[] = [];

  constructor(options: SlowNetworkOptions) {
    const { random } = options;
    this.#options = options;
    this.cluster = new TestCluster({ ...options, timing: DEFAULT_TIMING });
    this.#phases = new Map(
      [...this.cluster.nodes.keys()].map((id) => [id, Math.floor(random() * 10)]),
    );
  }

  /** Puts a message on its way, whoever says it. */
  send(message: Message): void {
    const { from, to } = message;
    this.#underWay.push({ atMs: this.nowMs + this.#options.latencyMs(from, to), message });
  }

  /** Lets time pass, until `isOver` if that comes earlier; whether it came. */
  run(ms: number, isOver: () => boolean = () => false): boolean {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs++) {
      this.#deliver();
      this.#options.act?.();
      for (const node of this.cluster.nodes.values()) this.#tick(node);
      this.#collect();
      if (isOver()) return true;
    }
    return false;
  }

  /** Waits for a leader that `count` nodes follow. */
  waitForLeader(count: number, ms = 60_000): TestNode | null {
    this.run(ms, () => this.leaderOf(count) !== null);
    return this.leaderOf(count);
  }

  /** The leader that so many nodes follow, itself included; null when there is none. */
  leaderOf(count: number): TestNode | null {
    const leader = this.cluster.findLeader();
    if (leader === null || this.down.has(leader.id)) return null;
    const following = [...this.cluster.nodes.values()].filter(({ raft: { state } }) =>
      state.leader === leader.id && state.currentTerm === leader.raft.state.currentTerm
    );
    return following.length >= count ? leader : null;
  }

  #tick(node: TestNode): void {
    if (this.down.has(node.id)) return;
    if (this.nowMs % TICK_MS === this.#phases.get(node.id)) node.tick();
  }

  #collect(): void {
    const { rewrite = (message) => [message] } = this.#options;
    for (const message of this.cluster.network.splice(0)) {
      for (const said of rewrite(message)) this.send(said);
    }
  }

  #deliver(): void {
    const due = this.#underWay.filter(({ atMs }) => atMs <= this.nowMs);
    this.#underWay = this.#underWay.filter(({ atMs }) => atMs > this.nowMs);
    due.sort((left, right) => left.atMs - right.atMs);
    for (const { message } of due) {
      if (this.down.has(message.to) || this.down.has(message.from)) continue;
      this.#options.overhear?.(message);
      this.cluster.nodes.get(message.to)?.receive(message);
      this.#collect();
    }
  }
}
