/**
 * A cluster of real key generations over a network and disks of the test's making. Every message and
 * every record of every honest node is checked against what `input_output.ts` and `mod.ts` promise.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { createCertifier, verifyGenesis } from "../../lib/certificate/mod.ts";
import { verifySignature } from "../../lib/frost/mod.ts";
import {
  carryOut,
  type DurableKeyGeneration,
  type GeneratedKey,
  type Input,
  KeyGeneration,
  type KeyGenerationConfig,
  type KeyGenerationEvent,
  type Message,
  newDurableKeyGeneration,
  type Output,
} from "../../lib/keygen/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { nodeId } from "../certificate/cluster.ts";
import { createFounders, type TestFounders } from "../certificate/founders.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";

/** Where in a step a node dies: what was persisted and sent before stays so. */
export type CrashPoint = "beforePersist" | "beforeSend" | "afterFirstSend" | "afterStep";

/** One node: a key generation, its disk, and a record of what it did. */
export class TestNode {
  readonly id: NodeId;
  readonly events: KeyGenerationEvent[] = [];
  /** What it finished with; kept across restarts, and compared. */
  key: GeneratedKey | null = null;
  disk: DurableKeyGeneration;
  keyGeneration: KeyGeneration;
  /** Every statement it ever signed. */
  readonly signedStatements = new Set<string>();
  /** The attempt in which it revealed each element. */
  readonly #revealedIn = new Map<string, number>();
  isUp = true;
  readonly #cluster: TestKeygen;
  #incarnation = 0;

  constructor(cluster: TestKeygen, id: NodeId) {
    this.#cluster = cluster;
    this.id = id;
    this.disk = newDurableKeyGeneration(cluster.founders.roster);
    this.keyGeneration = this.#boot();
  }

  /** Steps, and carries out what the step wants; dies at `crash` where one is given. */
  step(inputs: readonly Input[], crash: CrashPoint | null = null): void {
    if (!this.isUp) return;
    const output = this.keyGeneration.step(inputs);
    if (crash === null) carryOut(output, this.#ports());
    else this.#crashDuring(output, crash);
  }

  /** Dies; what was not durable is gone. */
  crash(): void {
    this.isUp = false;
    this.keyGeneration.erase();
  }

  /** Starts again from what is on disk. */
  restart(): void {
    this.isUp = true;
    this.keyGeneration = this.#boot();
    this.step([]);
  }

  /** Events of one kind. */
  eventsOf<Kind extends KeyGenerationEvent["kind"]>(
    kind: Kind,
  ): readonly Extract<KeyGenerationEvent, { readonly kind: Kind }>[] {
    return this.events.filter(
      (event): event is Extract<KeyGenerationEvent, { readonly kind: Kind }> => event.kind === kind,
    );
  }

  #crashDuring(output: Output, crash: CrashPoint): void {
    const sent = { beforePersist: 0, beforeSend: 0, afterFirstSend: 1, afterStep: Infinity }[crash];
    carryOut({
      persist: crash === "beforePersist" ? null : output.persist,
      send: output.send.slice(0, sent),
      finished: crash === "afterStep" ? output.finished : null,
      events: [],
    }, this.#ports());
    this.crash();
  }

  #ports() {
    return {
      persist: (record: DurableKeyGeneration) => this.#persist(record),
      send: (message: Message) => {
        this.#checkPromises(message);
        this.#cluster.network.push(message);
      },
      finish: (key: GeneratedKey) => this.#finish(key),
      report: (event: KeyGenerationEvent) => this.events.push(event),
    };
  }

  /** Invariants of `input_output.ts`: attempts only rise, a signed share stays, a certificate stays. */
  #persist(record: DurableKeyGeneration): void {
    const before = this.disk;
    assert.ok(record.attempt >= before.attempt, "an attempt fell");
    if (before.genesis !== null) assert.equal(record.genesis, before.genesis);
    if (before.share !== null) {
      assert.ok(record.share !== null, "a share was dropped");
      assert.ok(record.share.attempt >= before.share.attempt, "a share fell back");
      if (before.share.signed) assert.deepEqual(record.share, before.share);
    }
    this.disk = structuredClone(record);
    record.share?.secret.fill(0);
  }

  /** Nothing leaves before what it relies on is durable. */
  #checkPromises(message: Message): void {
    const { attempt, share, genesis } = this.disk;
    assert.equal(message.from, this.id);
    assert.ok(message.attempt <= attempt, "a message of an attempt that is not durable");
    if (message.kind === "reveal") this.#checkIsFresh(message);
    if (message.kind === "ready") assert.equal(share?.attempt, message.attempt);
    if (message.kind === "genesis") assert.equal(message.note, genesis);
    // Whoever finds two hashes of its own accuses itself, and rightly.
    if (message.kind === "abort" && !this.#cluster.liars.has(this.id)) {
      assert.notEqual(message.voter, this.id);
    }
    if (message.kind !== "signed") return;
    assert.ok(share?.signed && share.attempt === message.attempt, "an early signature");
    this.signedStatements.add(share.statement);
    assert.equal(this.signedStatements.size, 1, `${this.id} signed twice`);
    const key = this.#cluster.identityKeyOf(this.id);
    assert.ok(verifySignature(key, encodeUtf8(share.statement), message.signature));
  }

  /** An attempt that was given up may have dealt its shares: its polynomial must not come again. */
  #checkIsFresh({ attempt, vssCommitment }: Message & { readonly kind: "reveal" }): void {
    for (const element of vssCommitment.map(encodeHex)) {
      assert.equal(this.#revealedIn.get(element) ?? attempt, attempt, "an old polynomial");
      this.#revealedIn.set(element, attempt);
    }
  }

  #finish(key: GeneratedKey): void {
    assert.equal(this.disk.genesis, key.genesis.note);
    assert.deepEqual(this.disk.share?.secret, key.secret);
    if (this.key !== null) assert.deepEqual(key, this.key);
    this.key = key;
  }

  #boot(): KeyGeneration {
    // Another incarnation has other randomness, or a restart would repeat the polynomial.
    const seed = 100 * this.#cluster.ids.indexOf(this.id) + this.#incarnation++;
    const config = this.#cluster.configOf(this.id, seed);
    return new KeyGeneration(config, structuredClone(this.disk));
  }
}

/** Nodes named `server_1`, `server_2`, ... whose messages wait until the test delivers them. */
export class TestKeygen {
  readonly founders: TestFounders;
  readonly ids: readonly NodeId[];
  readonly nodes: ReadonlyMap<NodeId, TestNode>;
  /** Messages sent and not yet delivered, oldest first. */
  network: Message[] = [];
  /** Sees every message on its way and may change it, or drop it by returning null. */
  intercept: (message: Message) => Message | null = (message) => message;
  /** Called before each step of a node: where in the step it dies, or null. */
  crashPlan: (node: TestNode) => CrashPoint | null = () => null;
  /** Whose messages the test changes. */
  readonly liars = new Set<NodeId>();
  readonly #seed: number;

  constructor(threshold: number, size: number, seed = 1) {
    this.#seed = seed;
    this.founders = createFounders(threshold, size);
    this.ids = this.founders.roster.voters.map(({ id }) => id);
    this.nodes = new Map(this.ids.map((id) => [id, new TestNode(this, id)]));
  }

  /** A node by its number, from 1. */
  node(number: number): TestNode {
    return assertDefined(this.nodes.get(nodeId(number)), `no node ${number}`);
  }

  /** What a node is told; `seed` tells its randomness from others'. */
  configOf(self: NodeId, seed: number): KeyGenerationConfig {
    return {
      roster: this.founders.roster,
      self,
      sign: assertDefined(this.founders.signers.get(self), `no identity of ${self}`),
      randomBytes: seededBytes(10_000 * this.#seed + seed),
    };
  }

  identityKeyOf(id: NodeId): Uint8Array {
    const voter = this.founders.roster.voters.find((candidate) => candidate.id === id);
    return assertDefined(voter, `no voter ${id}`).identityKey;
  }

  /** Steps a node, which may die of it. */
  step(node: TestNode, inputs: readonly Input[]): void {
    if (node.isUp) node.step(inputs, this.crashPlan(node));
  }

  /** Every node's first step. */
  start(): void {
    for (const node of this.nodes.values()) this.step(node, []);
  }

  /** Delivers messages, and those that they cause, until none is left. */
  deliver(): void {
    for (let message = this.network.shift(); message; message = this.network.shift()) {
      this.receive(message);
    }
  }

  /** Delivers one message, if the network lets it pass. */
  receive(message: Message): void {
    const passed = this.intercept(message);
    const node = passed === null ? undefined : this.nodes.get(passed.to);
    if (passed !== null && node !== undefined) {
      this.step(node, [{ kind: "message", message: passed }]);
    }
  }

  /** Passes `count` ticks on every node, delivering all messages in between. */
  tick(count = 1): void {
    for (let passed = 0; passed < count; passed++) {
      for (const node of this.nodes.values()) this.step(node, [{ kind: "tick" }]);
      this.deliver();
    }
  }

  /** Restarts whoever is down, and lets everybody finish on a network without faults. */
  recover(ticks = 60): void {
    this.crashPlan = () => null;
    for (const node of this.nodes.values()) {
      if (!node.isUp) node.restart();
    }
    this.deliver();
    for (let passed = 0; passed < ticks && !this.isFinished; passed++) this.tick();
  }

  /** Whether every node has its key. */
  get isFinished(): boolean {
    return [...this.nodes.values()].every(({ key }) => key !== null);
  }

  /** Asserts that all nodes, or those given, ended in one key, and that their shares are of it. */
  assertOneKey(nodes: Iterable<TestNode> = this.nodes.values()): void {
    const keys = [...nodes].map(({ id, key }) => ({
      id,
      key: assertDefined(key, `${id}: no key`),
    }));
    const [{ key: { genesis } } = assertDefined(keys[0], "no nodes")] = keys;
    verifyGenesis(genesis.note, this.founders.roster);
    for (const { id, key } of keys) {
      assert.equal(key.genesis.note, genesis.note);
      createCertifier({
        group: key.genesis,
        self: id,
        share: key.secret,
        randomBytes: seededBytes(1),
      });
    }
  }
}
