/**
 * A cluster of real Raft cores over a network and disks of the test's making. Every step of every
 * node is checked by the invariants.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import type { Message, Output } from "../../lib/raft/mod.ts";
import { type NodeId, plus, toClusterName, toEpoch, toNodeId, toTerm } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { createCertifierDouble } from "../support/certifier_double.ts";
import { proofOf } from "../support/grant_double.ts";
import { entriesOfTerms } from "./entries.ts";
import {
  ELECTION_TIMEOUT_TICKS,
  type OpenKeys,
  TestNode,
  TIMING,
  type Timing,
} from "./test_node.ts";

export { commandEntry, entriesOfTerms } from "./entries.ts";
export {
  ELECTION_TIMEOUT_TICKS,
  HEARTBEAT_TICKS,
  LOG_LIMITS,
  SIGNING_TIMEOUT_TICKS,
  TestNode,
  UNREADABLE_COMMAND,
} from "./test_node.ts";

/** A cluster of nodes named `n1`, `n2`, ... whose messages wait until the test delivers them. */
export class TestCluster {
  readonly nodes = new Map<NodeId, TestNode>();
  readonly random: () => number;
  /** Messages sent and not yet delivered, oldest first. */
  network: Message[] = [];
  /** Whether the nodes checkpoint their state machines and compact their logs. */
  readonly compacts: boolean;
  /** What the nodes count time by. */
  readonly timing: Timing;
  /** Links that lose everything, as `from>to`. */
  readonly #cut = new Set<string>();
  /** Sees every message on its way and may change it, or drop it by returning null. */
  intercept: (message: Message) => Message | null = (message) => message;

  constructor(options: {
    readonly size?: number;
    readonly threshold?: number;
    readonly random?: () => number;
    readonly compacts?: boolean;
    readonly timing?: Timing;
    /** One for each voter, in order; doubles unless given, whose voters are `n1`, `n2`, ... */
    readonly certifiers?: readonly Certifier[];
    /** Or each node's keys, whoever votes. */
    readonly keys?: ReadonlyMap<NodeId, OpenKeys>;
  }) {
    this.compacts = options.compacts ?? false;
    this.timing = options.timing ?? TIMING;
    // Nobody times out by chance: a test says who does.
    this.random = options.random ?? (() => 0.99);
    for (const [id, keys] of options.keys ?? []) this.nodes.set(id, new TestNode(this, id, keys));
    if (options.keys !== undefined) return;
    const certifiers = options.certifiers ?? doubles(options);
    certifiers.forEach((certifier, position) => {
      const self = assertDefined(certifier.voters[position], "One certifier a voter");
      this.nodes.set(self, new TestNode(this, self, certifier));
    });
  }

  /** The node of this name. */
  node(name: string): TestNode {
    return assertDefined(this.nodes.get(toNodeId(name)), `There is a node ${name}`);
  }

  /** The node that leads the highest term, if any leads. */
  findLeader(): TestNode | null {
    const leaders = [...this.nodes.values()].filter(({ raft }) =>
      raft.state.role.name === "leader"
    );
    leaders.sort((left, right) => right.raft.state.currentTerm - left.raft.state.currentTerm);
    return leaders[0] ?? null;
  }

  /** Delivers messages, and those that they cause, until none is left. */
  deliver(): void {
    while (this.network.length > 0) this.deliverOne();
  }

  /** Delivers the oldest message. */
  deliverOne(): void {
    const message = this.network.shift();
    if (message === undefined || this.isCut(message)) return;
    const passed = this.intercept(message);
    if (passed !== null) this.nodes.get(passed.to)?.receive(passed);
  }

  /** Passes `count` ticks on every node, delivering all messages in between. */
  tick(count = 1): void {
    for (let passed = 0; passed < count; passed++) {
      for (const node of this.nodes.values()) node.tick();
      this.deliver();
    }
  }

  /** Makes one node time out and win, whoever led before, and returns it. */
  elect(name: string): TestNode {
    const node = this.node(name);
    this.letLeaseExpire(name);
    startElection(node);
    this.deliver();
    if (node.raft.state.role.name !== "leader") throw new Error(`${name} was not elected`);
    return node;
  }

  /** Passes an election timeout on every other node, in which nobody hears anything. */
  letLeaseExpire(name: string): void {
    for (const node of this.nodes.values()) {
      if (node.id !== name) node.tick(ELECTION_TIMEOUT_TICKS);
    }
    this.network = [];
  }

  /** Cuts both directions between a node and the others, or between two groups. */
  isolate(...names: readonly string[]): void {
    for (const inside of this.nodes.keys()) {
      for (const outside of this.nodes.keys()) {
        if (names.includes(inside) === names.includes(outside)) continue;
        this.#cut.add(`${inside}>${outside}`);
      }
    }
  }

  /** Whether a message would be lost now. */
  isCut({ from, to }: Message): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  /** Cuts one direction. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** Mends every link. */
  heal(): void {
    this.#cut.clear();
  }
}

function doubles(
  { size = 0, threshold }: { readonly size?: number; readonly threshold?: number },
): readonly Certifier[] {
  const voters = Array.from({ length: size }, (_, position) => ({
    id: toNodeId(`n${position + 1}`),
    identifier: position + 1,
  }));
  const roster = {
    cluster: toClusterName("test"),
    epoch: toEpoch(1),
    threshold: threshold ?? Math.floor(size / 2) + 1,
    voters,
  };
  return voters.map(({ id: self, identifier }) =>
    createCertifierDouble({ ...roster, self, randomBytes: seededBytes(identifier) })
  );
}

/** Ticks a node until it asks for an election. */
export function startElection(node: TestNode): void {
  const before = node.eventsOf("preVoteStarted").length;
  for (let passed = 0; passed < 2 * ELECTION_TIMEOUT_TICKS; passed++) {
    node.tick();
    if (node.eventsOf("preVoteStarted").length > before) return;
  }
  throw new Error(`${node.id} never asked for an election`);
}

/** Restarts a node with a log of these terms on its disk, in `currentTerm` and without a vote in it. */
export function restartWith(
  node: TestNode,
  { terms, currentTerm }: { readonly terms: readonly number[]; readonly currentTerm: number },
): void {
  const hardState = { currentTerm: toTerm(currentTerm), votedFor: null };
  const grants = currentTerm === 0
    ? null
    : proofOf(node.certifier, { term: hardState.currentTerm, candidate: node.id });
  node.disk.prepare({ hardState, entries: entriesOfTerms(...terms), grants });
  node.restart();
}

/** Proposes a command given as text. */
export function propose(node: TestNode, command: string, proposalId = 1): void {
  node.step({ kind: "propose", proposalId, command: new TextEncoder().encode(command) });
}

/** The terms of the entries that a node's log keeps, first entry first. */
export function logTerms(node: TestNode): readonly number[] {
  const { log } = node.raft.state;
  return log.slice(plus(log.base.index, 1), log.last.index).map(({ term }) => term);
}

/** An output that wants nothing done. */
export const NO_OUTPUT: Output = {
  shares: null,
  send: [],
  persist: null,
  installSnapshot: null,
  sendAfterPersist: [],
  apply: [],
  sendChunks: [],
  storeChunks: [],
  makeSnapshot: false,
  accepted: [],
  rejected: [],
  reads: [],
  transfers: [],
  role: null,
  events: [],
};

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
