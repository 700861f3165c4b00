/**
 * One run: real nodes in a simulated world, all of it from one seed. First the safety phase, in which
 * faults happen and every step is checked; then the liveness phase (`liveness.ts`), in which enough
 * nodes are healed and must get on with it.
 *
 * @module
 */

import { TICKS_AT_ONCE_MAX } from "../../lib/node/inbox.ts";
import type { Entry } from "../../lib/raft/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { createGrantDouble } from "../support/grant_double.ts";
import { Adversary } from "./adversary.ts";
import { ClusterChecker } from "./checkers/cluster_checker.ts";
import { LifetimeChecker } from "./checkers/lifetime_checker.ts";
import { Client } from "./client.ts";
import { Counters } from "./counters.ts";
import { describeMessage } from "./describe.ts";
import { EventQueue } from "./event_queue.ts";
import type { LieKind } from "./fault_kinds.ts";
import { History } from "./history.ts";
import { Machine } from "./machine.ts";
import { ChangingKeys } from "./members/changing_keys.ts";
import { MemberLiar } from "./members/member_lies.ts";
import { Operator } from "./members/operator.ts";
import { Nemesis } from "./nemesis.ts";
import { type Carried, isLeaseMessage, Network } from "./network.ts";
import { Random } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import { StoreClients, TICKS_PER_SECOND } from "./store_clients/store_clients.ts";
import type { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";
import { createChangingVoters, createVoters, EPOCH, type Voters } from "./voters.ts";

/** How long a prober waits: six ways between the farthest nodes, with time to spare. */
const PROBER_TIMEOUT_MS = 3_000;
/** Most clients of a burst. */
const BURST_MAX = 12;

/** Most events of a run: many times what any sound one takes. More is a storm that feeds itself. */
const EVENTS_MAX = 2_000_000;

/** So many promises may hang on one that was settled, one on the other: the log's writing is the longest. */
const PROMISE_HOPS = 24;

/** The world of one run. */
export class Simulation {
  /** What is run. */
  readonly scenario: Scenario;
  /** Time. */
  readonly queue = new EventQueue();
  /** What happened how often. */
  readonly counters = new Counters();
  /** What clients asked and were answered. */
  readonly history = new History();
  /** All nodes. */
  readonly machines: readonly Machine[];
  /** The network. */
  readonly network: Network;
  /** Brings about faults. */
  readonly nemesis: Nemesis;
  /** Those who ask. */
  readonly clients: readonly Client[];
  /** Those who ask for more than single keys. */
  readonly storeClients: StoreClients;
  /** Changes the members; null where they never change. */
  readonly operator: Operator | null;
  /** The keys of members that change. */
  readonly keys: ChangingKeys | null;
  /** Those who look. */
  readonly checker: ClusterChecker;
  /** Chance, for whatever else is drawn. */
  readonly random: Random;
  /** For people. */
  readonly trace: Trace;
  readonly #farNodes: ReadonlySet<NodeId>;
  readonly #byId: ReadonlyMap<NodeId, Machine>;
  readonly #adversaries: Adversary[] = [];
  /** Those that clients ask. */
  readonly #asked: Machine[] = [];
  readonly #burstClients = new Set<Client>();
  #bursts = 0;
  #hasSettled = false;
  #violation: unknown = null;
  #restarts = true;
  #liarsStay = false;

  /** A world in which nothing has happened yet. */
  constructor(scenario: Scenario, trace: Trace) {
    this.scenario = scenario;
    this.trace = trace;
    this.random = new Random(`floe ${scenario.seed}`);
    this.keys = scenario.members === null ? null : new ChangingKeys(scenario);
    const voters = this.keys === null
      ? createVoters(scenario, this.random.split("voters"))
      : createChangingVoters(scenario, this.keys);
    const { farNodes } = scenario.network;
    this.#farNodes = new Set(this.random.split("far").shuffled(voters.ids).slice(0, farNodes));
    this.network = this.#createNetwork();
    const lifetimes = this.#createLifetimes();
    this.checker = new ClusterChecker({
      lifetimes,
      voters: { voters: voters.ids, threshold: scenario.threshold },
      genesis: this.keys?.genesis ?? null,
      entered: () => this.#membersChanged(),
      liars: scenario.liars,
      replicationHolds: scenario.replicationHolds,
      hasGoodClocks: scenario.hasGoodClocks,
      verify: voters.verify,
      nodes: () => this.machines,
    });
    this.machines = voters.ids.map((id, at) => this.#createMachine(voters, id, at));
    this.#byId = new Map(this.machines.map((machine) => [machine.id, machine]));
    this.#membersChanged();
    this.nemesis = this.#createNemesis();
    this.clients = this.#createClients();
    this.storeClients = this.#createStoreClients(lifetimes);
    this.operator = this.#createOperator();
  }

  /** Clients turn to whoever is a member, and honest. */
  #membersChanged(): void {
    const { members } = this.checker;
    const asked = this.machines.filter(({ id, isHonest }) =>
      isHonest && (members === null || members.members.includes(id))
    );
    this.#asked.splice(0, this.#asked.length, ...asked);
  }

  /** Everything committed so far. */
  get committed(): readonly Entry[] {
    return this.checker.committed.map(({ entry }) => entry);
  }

  /** Starts every node, client and fault. */
  start(): void {
    for (const machine of this.machines) machine.start();
    for (const client of this.clients) client.start();
    this.storeClients.start();
    this.nemesis.start();
    this.operator?.start();
    for (const adversary of this.#adversaries) this.#keepLying(adversary);
  }

  /** Many clients that ask once each. */
  #burst(machine: Machine): void {
    if (!machine.isHonest) return;
    const count = this.random.between(2, BURST_MAX);
    for (let client = 0; client < count; client++) {
      const name = `b${++this.#bursts}`;
      const prober = this.#createClient(name, [machine]);
      this.#burstClients.add(prober);
      prober.askOnce(() => this.#burstClients.delete(prober));
    }
  }

  /**
   * A client of one machine only, that asks nothing by itself. It waits long enough for a request
   * that a far node forwards to another far node, whatever the world's other clients do.
   */
  createProber(machine: Machine): Client {
    const { workload } = this.scenario;
    const timeoutMs = Math.max(workload.timeoutMs, PROBER_TIMEOUT_MS);
    return this.#createClient(`p-${machine.id}`, [machine], { ...workload, timeoutMs });
  }

  /** Nobody asks anything new. */
  stopClients(): void {
    for (const client of this.clients) client.stop();
    this.storeClients.stop();
  }

  /** Liars go on when nobody is restarted any more. */
  letLiarsStay(): void {
    this.#liarsStay = true;
  }

  /** From now on, who is down stays down. */
  stopRestarting(): void {
    this.#restarts = false;
  }

  /** Lets time pass until then, or until something is done. @throws {Violation} on a storm of events. */
  async runUntil(untilUs: number, isDone: () => boolean = () => false): Promise<void> {
    while (!isDone() && this.queue.runNext(untilUs)) {
      if (this.queue.scheduled > EVENTS_MAX) {
        throw new Violation("What is said comes to an end", `more than ${EVENTS_MAX} events`);
      }
      if (!this.#hasSettled) continue;
      this.#hasSettled = false;
      // Lets whoever waits for a promise that has just been settled hear of it, now and in this order.
      for (let hop = 0; hop < PROMISE_HOPS; hop++) await null;
      if (this.#violation !== null) throw this.#violation;
    }
  }

  #createMachine(voters: Voters, id: NodeId, at: number): Machine {
    const { scenario, queue, trace, counters } = this;
    const random = this.random.split(`machine ${id}`);
    let lives = 0;
    return new Machine({
      id,
      isHonest: at >= scenario.liars,
      adversary: at >= scenario.liars ? null : this.#createAdversary(voters, id),
      scenario,
      queue,
      random,
      watcher: this.checker,
      trace,
      counters,
      keys: this.keys,
      liar: at === 0 ? this.#createLiar(id) : null,
      createCertifier: () => voters.createCertifier(id, random.split(`certifier ${++lives}`)),
      send: (message) => this.#send(message),
      sendLease: (message) => this.#send(message),
      ended: (machine) => this.#ended(machine),
      settled: () => this.#hasSettled = true,
      violated: (error) => this.#violation ??= error,
      snapshotArrived: () => this.nemesis.snapshotArrived(),
      won: (machine) => {
        this.network.echo(machine.id);
        this.nemesis.won(machine);
      },
    });
  }

  #createAdversary(voters: Voters, id: NodeId): Adversary {
    const random = this.random.split(`adversary ${id}`);
    const adversary = new Adversary({
      self: id,
      peers: voters.ids.filter((other) => other !== id),
      grants: createGrantDouble(id, EPOCH),
      certifier: voters.createCertifier(id, random.split("certifier")),
      signElsewhere: (claim) => voters.signElsewhere(claim, random),
      lies: () => this.#liesNow(),
      isConstant: this.scenario.lying.isConstant,
      random,
      counters: this.counters,
      send: (message) => this.#send(message),
    });
    this.#adversaries.push(adversary);
    return adversary;
  }

  /** All lies, or the one whose turn it is. */
  #liesNow(): readonly LieKind[] {
    const { lies, lying: { turnUs } } = this.scenario;
    if (turnUs === null || lies.length === 0) return lies;
    const turn = Math.floor(this.queue.nowUs / turnUs) % lies.length;
    return lies.slice(turn, turn + 1);
  }

  #keepLying(adversary: Adversary): void {
    const { queue, scenario: { lying }, random } = this;
    queue.after(random.exponential(lying.mischiefUsMean), () => {
      if (!this.#restarts && !this.#liarsStay) return;
      adversary.makeMischief();
      this.#keepLying(adversary);
    });
  }

  #createNetwork(): Network {
    const { scenario, queue, counters, trace } = this;
    return new Network({
      queue,
      random: this.random.split("network"),
      scenario: scenario.network,
      encodes: scenario.encodesMessages,
      counters,
      isFar: (node) => this.#farNodes.has(node),
      deliver: (message) => {
        trace.add(queue.nowUs, message.to, () => describeMessage(message));
        const machine = this.#byId.get(message.to);
        if (isLeaseMessage(message)) machine?.receiveLease(message);
        else machine?.receive(message);
      },
      lost: (message, why) => {
        trace.add(queue.nowUs, "~~", () => `${why}: ${describeMessage(message)}`);
      },
    });
  }

  #createNemesis(): Nemesis {
    const { scenario, queue, machines, network, counters, trace } = this;
    return new Nemesis({
      scenario,
      queue,
      machines,
      network,
      counters,
      trace,
      random: this.random.split("nemesis"),
      burst: (machine) => this.#burst(machine),
      committed: () => this.committed,
      disconnect: (from, to) => this.#disconnect(from, to),
    });
  }

  /** Ticks are handed on a few at once at most, also those of a clock that jumped. */
  #createLifetimes(): LifetimeChecker {
    const { queue, scenario: { tickUs, clockDriftMax } } = this;
    return new LifetimeChecker({
      nowUs: () => queue.nowUs,
      lifeUsMin: (ttlSeconds) => ttlSeconds * TICKS_PER_SECOND * tickUs / (1 + clockDriftMax),
      jumpedUs: (sinceUs) => {
        const jumps = this.machines.map(({ clock }) => clock.jumpsSince(sinceUs));
        return Math.max(...jumps) * TICKS_AT_ONCE_MAX * tickUs;
      },
    });
  }

  #createStoreClients(lifetimes: LifetimeChecker): StoreClients {
    const { queue, counters, trace, scenario } = this;
    const random = this.random.split("store clients");
    const machines = this.#asked;
    return new StoreClients({ queue, random, machines, counters, trace, scenario, lifetimes });
  }

  /** Only the first voter lies in changes of the members. */
  #createLiar(id: NodeId): MemberLiar | null {
    const { keys, counters, scenario: { members } } = this;
    if (keys === null || members === null || members.lies.length === 0) return null;
    const random = this.random.split("member liar");
    const sign = (message: Uint8Array) => keys.signAs(id, message);
    const { lies, liesForEver: isConstant } = members;
    return new MemberLiar({ lies, isConstant, sign, random, counters });
  }

  #createOperator(): Operator | null {
    const { keys, queue, machines, counters, trace, scenario: { members } } = this;
    if (keys === null || members === null) return null;
    const random = this.random.split("operator");
    return new Operator({ keys, queue, machines, counters, trace, random, scenario: members });
  }

  #createClients(): readonly Client[] {
    return Array.from({ length: this.scenario.workload.clients }, (_, at) => {
      return this.#createClient(`c${at + 1}`, this.#asked);
    });
  }

  #createClient(
    name: string,
    machines: readonly Machine[],
    workload = this.scenario.workload,
  ): Client {
    const { queue, history, counters, trace } = this;
    const random = this.random.split(`client ${name}`);
    const isChecked = this.scenario.replicationHolds;
    const world = { queue, random, machines, history, counters, trace };
    const rememberedEntries = this.scenario.rememberedEntries ?? Infinity;
    return new Client({ name, workload, isChecked, rememberedEntries, ...world });
  }

  #send(message: Carried): boolean {
    this.counters.count("messages");
    // A process that is not there accepts no connection, and that is often known.
    const isDown = this.#byId.get(message.to)?.life === null;
    if (isDown && this.random.chance(0.5)) return false;
    this.network.send(message, this.queue.nowUs);
    return true;
  }

  #disconnect(from: NodeId, to: NodeId): void {
    this.#byId.get(from)?.life?.add({ kind: "unreachable", peer: to });
  }

  /** A process is no more: clients and peers notice, and somebody starts it again. */
  #ended(machine: Machine): void {
    const { queue, random, scenario, machines } = this;
    for (const client of [...this.clients, ...this.#burstClients]) client.disconnected(machine);
    this.storeClients.disconnected(machine);
    for (const { id } of machines) {
      if (id === machine.id || !random.chance(0.7)) continue;
      queue.after(scenario.network.latencyUsMin, () => this.#disconnect(id, machine.id));
    }
    queue.after(random.exponential(scenario.faultUsMean), () => {
      if (this.#restarts) machine.start();
    });
  }
}
