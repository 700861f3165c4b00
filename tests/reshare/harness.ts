/**
 * Whole resharings for tests: every node in one place, one log that all of them share, a network that
 * loses and reorders, and disks that survive restarts.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { createPublicKey, sign } from "node:crypto";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import {
  type GenesisStatement,
  type Membership,
  type MembershipCertificate,
  toFirstMembership,
  toGenesisStatement,
  toGroup,
  toGroupPublicKeys,
  verifyMembershipChain,
} from "../../lib/certificate/mod.ts";
import { aggregate, commit, signShare, trustedDealerKeygen } from "../../lib/frost/mod.ts";
import { toPrivateKey } from "../../lib/native_key.ts";
import {
  type Adoption,
  carryOut,
  type DueStatement,
  type DurableNodeShare,
  type DurableShares,
  type PlannedMember,
  type Proposal,
  type ReshareEntry,
  type ReshareEvent,
  type ReshareInput as Input,
  type ReshareMessage,
  Resharing,
} from "../../lib/reshare/mod.ts";
import { type NodeId, toClusterName, toEpoch, toNodeId } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";

const { Fn } = ed25519.Point;

/** Lies by which a test changes what nodes say. */
export interface Lies {
  /** What reaches the log instead of an entry; null for nothing. */
  readonly entry?: (entry: ReshareEntry, by: NodeId) => ReshareEntry | null;
  /** What reaches the receiver instead of a message; null for nothing. */
  readonly message?: (message: ReshareMessage) => ReshareMessage | null;
}

/** What a test cluster is made of. */
export interface ClusterOptions {
  readonly threshold: number;
  readonly voters: number;
  /** Nodes that exist beside the voters, and may join. */
  readonly joiners?: number;
  readonly seed?: number;
  readonly lies?: Lies;
  /** Whether messages are lost, doubled and reordered at random. */
  readonly isUnreliable?: boolean;
}

interface TestNode {
  readonly id: NodeId;
  readonly sign: (message: Uint8Array) => Uint8Array;
  resharing: Resharing;
  record: DurableShares;
  position: number;
  isUp: boolean;
  lives: number;
}

/** The name of the node with an identifier. */
export function nodeId(identifier: number): NodeId {
  return toNodeId(`server_${identifier}`);
}

/** A cluster that changes. The first node leads unless told otherwise. */
export class TestCluster {
  readonly log: ReshareEntry[] = [];
  readonly events: (ReshareEvent & { readonly at: NodeId })[] = [];
  readonly adopted = new Map<NodeId, Adoption>();
  readonly genesis: GenesisStatement;
  readonly secret: bigint;
  lies: Lies;
  leader: NodeId = nodeId(1);
  readonly #options: ClusterOptions;
  readonly #nodes = new Map<NodeId, TestNode>();
  readonly #members = new Map<NodeId, PlannedMember>();
  readonly #random: (length: number) => Uint8Array;
  #network: ReshareMessage[] = [];
  #due: { readonly due: DueStatement; readonly leader: NodeId } | null = null;

  constructor(options: ClusterOptions) {
    const { threshold, voters, joiners = 0, seed = 1 } = options;
    this.#options = options;
    this.lies = options.lies ?? {};
    this.#random = seededBytes(seed);
    const { group, shares } = trustedDealerKeygen({
      minParticipants: threshold,
      maxParticipants: voters,
      randomBytes: this.#random,
    });
    const signers = new Map<NodeId, TestNode["sign"]>();
    for (let identifier = 1; identifier <= voters + joiners; identifier++) {
      const key = toPrivateKey("ed25519", this.#random(32));
      const der = createPublicKey(key).export({ format: "der", type: "spki" });
      const id = nodeId(identifier);
      this.#members.set(id, {
        id,
        role: "voter",
        identifier,
        identityKey: new Uint8Array(der).slice(-32),
        channelKey: this.#random(32),
        peerAddress: `10.0.0.${identifier}:7101`,
        apiAddress: null,
      });
      signers.set(id, (message) => new Uint8Array(sign(null, message, key)));
    }
    const roster = {
      cluster: toClusterName("floe-test"),
      epoch: toEpoch(1),
      threshold,
      voters: [...this.#members.values()].slice(0, voters),
    };
    this.genesis = toGenesisStatement(
      { ...roster, voters: roster.voters.map(({ id, identityKey }) => ({ id, identityKey })) },
      group,
      this.#random(32),
    );
    this.secret = interpolateAtZero(
      shares.map(({ identifier, secret }) => [identifier, secret] as const),
    );
    for (const [id, signAs] of signers) {
      const share = shares.find(({ identifier }) => nodeId(identifier) === id);
      const current = share === undefined
        ? null
        : { epoch: toEpoch(1), change: null, secret: share.secret };
      const record = { current, next: null };
      const resharing = this.#createResharing(id, { record, sign: signAs, life: 0 });
      this.#nodes.set(id, {
        id,
        sign: signAs,
        resharing,
        record,
        position: 0,
        isUp: true,
        lives: 0,
      });
    }
    this.lead(this.leader);
  }

  node(id: NodeId): TestNode {
    return assertDefined(this.#nodes.get(id), `No node ${id}`);
  }

  /** The members as a proposal lists them. */
  members(voters: readonly number[], learners: readonly number[] = []): PlannedMember[] {
    return [...voters, ...learners].toSorted((left, right) => left - right).map((identifier) => {
      const member = assertDefined(this.#members.get(nodeId(identifier)), "No such node");
      return { ...member, role: voters.includes(identifier) ? "voter" : "learner" };
    });
  }

  /** A change to these voters. */
  proposal(threshold: number, voters: readonly number[], change: Partial<Proposal> = {}): Proposal {
    return { isResharing: true, threshold, members: this.members(voters), absent: [], ...change };
  }

  /** Makes a change, as far as it comes by itself. */
  change(threshold: number, voters: readonly number[], change: Partial<Proposal> = {}): void {
    this.step(this.leader, [
      { kind: "propose", proposal: this.proposal(threshold, voters, change) },
    ]);
    this.settle();
  }

  lead(id: NodeId): void {
    if (this.node(this.leader).isUp) this.step(this.leader, [{ kind: "leading", isLeader: false }]);
    this.leader = id;
    this.step(id, [{ kind: "leading", isLeader: true }]);
  }

  stop(id: NodeId): void {
    const node = this.node(id);
    node.isUp = false;
    node.resharing.erase();
  }

  /** Restarts a node from its disk: it gets the whole log anew. */
  start(id: NodeId): void {
    const node = this.node(id);
    node.lives++;
    const { record, sign, lives: life } = node;
    node.resharing = this.#createResharing(id, { record, sign, life });
    node.isUp = true;
    node.position = this.log.length;
    const inputs: Input[] = this.log.map((entry) => ({ kind: "committed", entry }));
    this.step(id, inputs);
    if (id === this.leader) this.step(id, [{ kind: "leading", isLeader: true }]);
  }

  restart(id: NodeId): void {
    this.stop(id);
    this.start(id);
  }

  /** Commits, delivers and signs until nothing is left to do. */
  settle(): void {
    for (let rounds = 0; this.#advance(); rounds++) {
      assert.ok(rounds < 20_000, "the cluster never comes to rest");
    }
  }

  /** Lets time pass. */
  tick(ticks: number): void {
    for (let tick = 0; tick < ticks; tick++) {
      for (const { id, isUp } of this.#nodes.values()) if (isUp) this.step(id, [{ kind: "tick" }]);
      this.settle();
    }
  }

  /** Appends an entry as a leader can, whatever it is. */
  commit(entry: ReshareEntry): void {
    this.log.push(entry);
    this.settle();
  }

  step(id: NodeId, inputs: readonly Input[]): void {
    const node = this.node(id);
    carryOut(node.resharing.step(inputs), {
      persist: (record) => node.record = record,
      send: (message) => this.#send(message),
      propose: (entry) => this.#propose(entry, node),
      sign: (due) => this.#due = { due, leader: id },
      adopt: (adoption) => this.adopted.set(id, adoption),
      report: (event) => this.events.push({ ...event, at: id }),
    });
  }

  /** Where the leader's chain stands. */
  get membership(): Membership {
    return this.node(this.leader).resharing.log.current;
  }

  /** Everything that the log put into force, as certificates. */
  get certificates(): MembershipCertificate[] {
    const completed = new Set(this.eventsOf("completed").map(({ change }) => change));
    const entries = new Map(
      this.log.flatMap((entry) =>
        entry.kind === "configuration" && completed.has(entry.change)
          ? [[entry.change, entry] as const]
          : []
      ),
    );
    return [...entries.values()];
  }

  /** The nodes' durable shares of the epoch in force, by identifier. */
  get shares(): (readonly [number, Uint8Array])[] {
    const { epoch, members } = this.membership;
    return members.flatMap(({ id, identifier }) => {
      const { current } = this.node(id).record;
      return current?.epoch === epoch ? [[identifier, current.secret] as const] : [];
    });
  }

  eventsOf<Kind extends ReshareEvent["kind"]>(
    kind: Kind,
  ): Extract<ReshareEvent, { kind: Kind }>[] {
    return this.events.filter((event): event is Extract<ReshareEvent, { kind: Kind }> & {
      at: NodeId;
    } => event.kind === kind);
  }

  /** Checks everything that must hold after any committed change, with the secret itself. */
  check(): void {
    const after = this.membership;
    assert.deepEqual(verifyMembershipChain(this.genesis, this.certificates).hash, after.hash);
    assert.deepEqual(after.publicKey, this.genesis.publicKey);
    const shares = this.shares;
    assert.ok(shares.length >= after.threshold, "too few nodes have a share");
    assert.equal(interpolateAtZero(shares.slice(0, after.threshold)), this.secret);
    assert.equal(interpolateAtZero(shares.slice(-after.threshold)), this.secret);
    assert.notEqual(interpolateAtZero(shares.slice(0, after.threshold - 1)), this.secret);
    for (const { id } of toGroup(after).voters) {
      assert.ok(!this.node(id).isUp || this.node(id).record.current !== null, `${id} has no share`);
    }
  }

  #advance(): boolean {
    const node = this.#pick([...this.#nodes.values()]
      .filter(({ isUp, position }) => isUp && position < this.log.length));
    const isNetworkNext = this.#network.length > 0 && (node === undefined || this.#chance(2));
    if (isNetworkNext) {
      const at = this.#options.isUnreliable ? this.#number(this.#network.length) : 0;
      const [message] = this.#network.splice(at, 1);
      const sent = assertDefined(message, "no message");
      if (this.node(sent.to).isUp) this.step(sent.to, [{ kind: "message", message: sent }]);
      return true;
    }
    if (node !== undefined) {
      const entry = assertDefined(this.log[node.position++], "no entry");
      this.step(node.id, [{ kind: "committed", entry }]);
      return true;
    }
    return this.#signDue();
  }

  #signDue(): boolean {
    const due = this.#due;
    this.#due = null;
    if (due === null || due.leader !== this.leader || !this.node(due.leader).isUp) return false;
    const signature = this.#sign(due.due);
    if (signature !== null) {
      this.step(due.leader, [{ kind: "signed", by: due.due.by, signature }]);
    }
    return signature !== null;
  }

  /** As the voters of an epoch do, each of whom signs only what its own log says is due. */
  #sign({ by, text, statement }: DueStatement): Uint8Array | null {
    const isNew = by === statement.epoch && this.membership.epoch !== by;
    const { threshold, members } = isNew ? statement : this.membership;
    const voters = members.flatMap(({ id, identifier, verifyingShare }) =>
      verifyingShare === null ? [] : [{ id, identifier, verifyingShare }]
    );
    const signers = voters.flatMap(({ id, identifier }) => {
      const { isUp, record, resharing } = this.node(id);
      const share: DurableNodeShare | null = isNew ? record.next : record.current;
      if (!isUp || share?.epoch !== by || resharing.log.change?.due?.text !== text) return [];
      return [{ identifier, secret: share.secret }];
    }).slice(0, threshold);
    if (signers.length < threshold) return null;
    const group = toGroupPublicKeys({ ...statement, threshold, voters });
    const rounds = signers.map((share) => ({ share, roundOne: commit(share, this.#random) }));
    const commitments = rounds.map(({ roundOne }) => roundOne.commitment);
    const session = { group, message: encodeUtf8(text), commitments };
    const signatureShares = new Map(
      rounds.map((round) => [round.share.identifier, signShare(session, round).signatureShare]),
    );
    const result = aggregate(session, { signatureShares });
    assert.ok(result.kind === "signature", "honest shares make no signature");
    return result.signature;
  }

  #propose(entry: ReshareEntry, node: TestNode): void {
    if (entry.kind === "ready") {
      assert.equal(node.record.next?.change, entry.change, "ready before the share is durable");
    }
    if (this.#options.isUnreliable && entry.kind !== "begin" && this.#chance(4)) return;
    const said = this.lies.entry === undefined ? entry : this.lies.entry(entry, node.id);
    if (said !== null) this.log.push(said);
  }

  #send(message: ReshareMessage): void {
    const said = this.lies.message === undefined ? message : this.lies.message(message);
    if (said === null || (this.#options.isUnreliable && this.#chance(4))) return;
    this.#network.push(said);
    if (this.#options.isUnreliable && this.#chance(5)) this.#network.push(said);
  }

  #createResharing(
    self: NodeId,
    { record, sign, life }: { record: DurableShares; sign: TestNode["sign"]; life: number },
  ): Resharing {
    const randomBytes = seededBytes(
      this.#number(1_000_000_000) + life,
    );
    const membership = toFirstMembership(this.genesis);
    return new Resharing({ self, membership, sign, randomBytes }, record);
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.#options.isUnreliable ? this.#number(Math.max(1, items.length)) : 0];
  }

  #chance(oneIn: number): boolean {
    return this.#number(oneIn) === 0;
  }

  #number(below: number): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#random(4);
    return (((a * 256 + b) * 256 + c) * 256 + d) % below;
  }
}

/** Schoolbook interpolation, which shares no code with the library. Tests only may do this. */
export function interpolateAtZero(shares: readonly (readonly [number, Uint8Array])[]): bigint {
  return shares.reduce((sum, [own, secret]) => {
    let weight = 1n;
    for (const [other] of shares) {
      if (other === own) continue;
      weight = Fn.mul(weight, Fn.mul(BigInt(other), Fn.inv(Fn.create(BigInt(other - own)))));
    }
    return Fn.add(sum, Fn.mul(weight, Fn.fromBytes(secret)));
  }, 0n);
}
