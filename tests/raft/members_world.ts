/**
 * A small world in which everything happens at once: messages are lost, doubled and reordered, nodes restart,
 * the network parts, clients write, and operators change the members. All of it from one seed, over real cores
 * and real shares. Each step is checked; at the end the network heals, and the cluster must get on with it.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import { explainIntersection } from "../../lib/reshare/mod.ts";
import { majorityOf } from "../../lib/margins.ts";
import type { NodeId } from "../../lib/types.ts";
import { interpolateAtZero } from "../reshare/harness.ts";
import { nodeId, type Wanted } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import { ELECTION_TIMEOUT_TICKS, propose, seededRandom } from "./harness.ts";
import type { TestNode } from "./test_node.ts";

/** What came of a run. */
export interface MembersRun {
  /** The last epoch that was in force. */
  readonly epoch: number;
  /** How many statements the chain has. */
  readonly sequence: number;
  /** How many terms had a leader. */
  readonly terms: number;
}

const STEPS = 4_000;
const NUMBERS = [1, 2, 3, 4, 5, 6, 7];

/** Runs a seed. @throws when something that must hold does not. */
export function runMembersWorld(seed: number): MembersRun {
  const world = new MembersWorld(seed);
  for (let step = 0; step < STEPS; step++) world.step();
  world.settle();
  return world.result;
}

class MembersWorld {
  readonly #random: () => number;
  readonly #world: ChangingCluster;
  readonly #loss: number;
  readonly #leaders = new Map<number, NodeId>();
  readonly #committed = new Map<number, string>();
  readonly #checked = new Map<NodeId, number>();
  #commands = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const size = 3 + this.#below(3);
    const voters = NUMBERS.slice(0, size);
    const threshold = majorityOf(size) + this.#below(size - majorityOf(size) + 1);
    const compacts = this.#chance(0.5);
    this.#loss = this.#chance(0.5) ? 0 : 0.1 * this.#random();
    const random = seededRandom(seed + 1_000_000);
    this.#world = new ChangingCluster({ voters, threshold, seed, compacts, isReal: true, random });
  }

  get result(): MembersRun {
    const { membership } = this.#newest.raft.state.members.inForce.configuration;
    assert.ok(membership !== null);
    return { epoch: membership.epoch, sequence: membership.sequence, terms: this.#leaders.size };
  }

  step(): void {
    const { cluster } = this.#world;
    const draw = this.#random();
    if (draw < 0.55) this.#deliverOne();
    else if (draw < 0.9) this.#pick([...cluster.nodes.values()]).tick();
    else if (draw < 0.96) this.#propose();
    else if (draw < 0.985) this.#change();
    else if (draw < 0.99) this.#pick([...cluster.nodes.values()]).restart();
    else if (draw < 0.993) cluster.isolate(...this.#someNames());
    else if (draw < 0.999) cluster.heal();
    else this.#cancel();
    this.#check();
  }

  /** The network heals, and nobody restarts any more. */
  settle(): void {
    const { cluster } = this.#world;
    cluster.heal();
    const command = `last ${++this.#commands}`;
    for (let ticks = 0; ticks < 200 * ELECTION_TIMEOUT_TICKS; ticks++) {
      cluster.tick();
      this.#check();
      const leader = cluster.findLeader();
      if (ticks % ELECTION_TIMEOUT_TICKS === 0 && leader !== null) propose(leader, command);
      if (
        !this.#world.isUnderWay &&
        this.#voters.every((node) => node.appliedCommands.includes(command))
      ) {
        return this.#checkShares();
      }
    }
    assert.fail("the cluster never gets on with it");
  }

  #deliverOne(): void {
    const { cluster } = this.#world;
    const at = this.#below(Math.min(cluster.network.length, 8));
    const [message] = cluster.network.splice(at, 1);
    if (message === undefined || this.#random() < this.#loss) return;
    const rest = cluster.network;
    cluster.network = [message];
    // One message, without those that it causes.
    const caused: Message[] = [];
    const passed = cluster.network.shift();
    if (passed !== undefined && !cluster.isCut(passed)) {
      cluster.nodes.get(passed.to)?.receive(passed);
    }
    caused.push(...cluster.network);
    cluster.network = [...rest, ...caused];
    if (this.#chance(0.02)) cluster.network.push(message);
    // What floods is lost: a network has only so much room.
    if (cluster.network.length > 400) cluster.network.splice(0, 200);
  }

  #propose(): void {
    propose(
      this.#pick([...this.#world.cluster.nodes.values()]),
      `c${++this.#commands}`,
      this.#commands,
    );
  }

  /** Any change that the rules allow, to whoever leads, or believes that it does. */
  #change(): void {
    const leaders = [...this.#world.cluster.nodes.values()]
      .filter(({ raft }) => raft.state.role.name === "leader");
    if (leaders.length === 0) return;
    const leader = this.#pick(leaders);
    const wanted = this.#draw(leader);
    if (wanted === null) return;
    leader.step({ kind: "changeMembers", proposal: this.#world.proposal(wanted) });
  }

  #draw(leader: TestNode): Wanted | null {
    const { voters, learners, threshold, membership } = leader.raft.state.members.newest;
    if (membership === null) return null;
    const numberOf = (id: NodeId) => Number(id.slice(1));
    const [own, learning] = [voters.map(numberOf), learners.map(numberOf)];
    const fresh = NUMBERS.filter((number) =>
      number > membership.identifierMax && !own.includes(number) && !learning.includes(number)
    );
    const joiner = fresh[0];
    if (joiner !== undefined && this.#chance(0.4)) {
      return { voters: own, threshold, learners: [...learning, joiner], isResharing: false };
    }
    const promoted = this.#chance(0.6) ? learning : [];
    const after = [...own.filter(() => this.#chance(0.9)), ...promoted];
    if (after.length < 2) return null;
    const next = Math.max(
      2,
      majorityOf(after.length) + this.#below(after.length - majorityOf(after.length) + 1),
    );
    const before = { voters, threshold };
    const why = explainIntersection(before, { voters: after.map(nodeId), threshold: next });
    const absent = after.length > next && this.#chance(0.1) ? after.slice(0, 1) : [];
    const rest = learning.filter((number) => !promoted.includes(number));
    return why === null ? { voters: after, threshold: next, learners: rest, absent } : null;
  }

  #cancel(): void {
    this.#world.cluster.findLeader()?.step({ kind: "cancelChange", reason: "a whim" });
  }

  #check(): void {
    for (const node of this.#world.cluster.nodes.values()) {
      const { role, currentTerm } = node.raft.state;
      if (role.name === "leader") {
        const known = this.#leaders.get(currentTerm) ?? node.id;
        assert.equal(known, node.id, `two leaders of term ${currentTerm}`);
        this.#leaders.set(currentTerm, node.id);
      }
      this.#checkApplied(node);
    }
  }

  #checkApplied(node: TestNode): void {
    const { applied } = node;
    const from = this.#checked.get(node.id) ?? 0;
    const start = from <= applied.length ? from : 0;
    for (const { index, term, kind, data } of applied.slice(start)) {
      const text = `${term} ${kind} ${data.toHex()}`;
      const known = this.#committed.get(index) ?? text;
      assert.equal(text, known, `${node.id} applied another entry ${index}`);
      this.#committed.set(index, text);
    }
    this.#checked.set(node.id, applied.length);
  }

  /** The newest configuration is everywhere, and any t of its shares are the one key. */
  #checkShares(): void {
    const { membership } = this.#newest.raft.state.members.inForce.configuration;
    assert.ok(membership !== null);
    const { epoch, threshold, members, publicKey } = membership;
    assert.deepEqual(publicKey, this.#world.key.genesis.publicKey);
    const held = members.flatMap(({ id, identifier, verifyingShare }) => {
      const { current } = this.#world.cluster.node(id).shares;
      if (verifyingShare === null) return [];
      assert.equal(current?.epoch, epoch, `${id} has no share`);
      return current === null ? [] : [[identifier, current.secret] as const];
    });
    const keyOf = (shares: typeof held) =>
      ed25519.Point.BASE.multiply(interpolateAtZero(shares)).toBytes();
    assert.deepEqual(keyOf(held.slice(0, threshold)), publicKey);
    assert.deepEqual(keyOf(held.slice(-threshold)), publicKey);
    assert.notDeepEqual(keyOf(held.slice(1, threshold)), publicKey);
  }

  get #newest(): TestNode {
    const nodes = [...this.#world.cluster.nodes.values()];
    const sequenceOf = ({ raft }: TestNode) =>
      raft.state.members.inForce.configuration.membership?.sequence ?? 0;
    return nodes.toSorted((left, right) => sequenceOf(right) - sequenceOf(left))[0] ??
      this.#pick(nodes);
  }

  get #voters(): readonly TestNode[] {
    const { voters } = this.#newest.raft.state.members.newest;
    return voters.map((id) => this.#world.cluster.node(id));
  }

  #someNames(): readonly string[] {
    return NUMBERS.filter(() => this.#chance(0.4)).map(nodeId);
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[this.#below(items.length)];
    assert.ok(item !== undefined);
    return item;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

if (import.meta.main) {
  const [from = "1", to = "20"] = Deno.args;
  for (let seed = Number(from); seed <= Number(to); seed++) {
    try {
      console.log(seed, JSON.stringify(runMembersWorld(seed)));
    } catch (error) {
      console.log(seed, error instanceof Error ? error.stack : error);
    }
  }
}
