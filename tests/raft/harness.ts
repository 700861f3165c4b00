/**
 * A cluster of real Raft cores over a network and disks of the test's making. Every step of every
 * node is checked by the invariants.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assert, assertDefined } from "../../lib/assert.ts";
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes } from "../../lib/bytes.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { createCertifierDouble } from "../../lib/certificate/certifier_double.ts";
import { Loop } from "../../lib/node/loop.ts";
import { InvariantChecker } from "../../lib/raft/invariants.ts";
import {
  type AcceptedProposal,
  type DurableState,
  type Entry,
  type Input,
  LOG_START,
  type Message,
  type Output,
  type PersistBatch,
  Raft,
  type RaftEvent,
  type ReadResult,
  type RejectedProposal,
  type Snapshot,
  type SnapshotRequest,
  type TransferResult,
} from "../../lib/raft/mod.ts";
import {
  type LogIndex,
  type NodeId,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";

/** The election timeout of every test cluster; the randomised one is up to twice as long. */
export const ELECTION_TIMEOUT_TICKS = 10;
/** The heartbeat interval of every test cluster. */
export const HEARTBEAT_TICKS = 2;
/** The deadline of a signing session in every test cluster. */
export const SIGNING_TIMEOUT_TICKS = 3;

/** An output that wants nothing done. */
export const NO_OUTPUT: Output = {
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

/** When the nodes of a compacting test cluster compact their logs. */
export const LOG_LIMITS = { entriesMax: 10, bytesMax: 10_000 };
/** How much of a snapshot one message carries in tests. */
export const SNAPSHOT_CHUNK_BYTES = 100;

/** A command that no state machine of these tests can read. */
export const UNREADABLE_COMMAND = Uint8Array.of(0xff);

/** What a node in a test keeps on its "disk". */
class MemoryDisk {
  #state: DurableState = {
    hardState: { currentTerm: toTerm(0), votedFor: null },
    logStart: LOG_START,
    entries: [],
    currentTermNote: null,
  };
  readonly #notes = new Map<number, string>();

  persist(batch: PersistBatch): void {
    const first = batch.entries[0]?.index ?? Infinity;
    const logStart = batch.logStart?.position ?? this.#state.logStart;
    const kept = batch.logStart?.keepsRest === false ? [] : this.#state.entries;
    const hardState = batch.hardState ?? this.#state.hardState;
    for (const { term, note } of batch.certificates) this.#notes.set(term, note);
    this.#state = {
      hardState,
      logStart,
      entries: [
        ...kept.filter(({ index }) => index > logStart.index && index < first),
        ...batch.entries,
      ],
      currentTermNote: this.#notes.get(hardState.currentTerm) ?? null,
    };
  }

  load(): DurableState {
    return this.#state;
  }

  /** Puts entries and a term there directly, to start a node in the middle of a history. */
  prepare(state: Pick<DurableState, "hardState" | "entries">): void {
    this.#state = { ...state, logStart: LOG_START, currentTermNote: null };
  }
}

/** One node: a core, its disk, and a record of everything it put out. */
export class TestNode {
  readonly id: NodeId;
  readonly disk = new MemoryDisk();
  readonly certifier: Certifier;
  readonly applied: Entry[] = [];
  readonly events: RaftEvent[] = [];
  readonly accepted: AcceptedProposal[] = [];
  readonly rejected: RejectedProposal[] = [];
  readonly reads: ReadResult[] = [];
  readonly transfers: TransferResult[] = [];
  readonly persisted: PersistBatch[] = [];
  /** How often it made a snapshot of its state machine. */
  snapshotsMade = 0;
  raft: Raft;
  #loop: Loop;
  #incarnation = 0;
  /** This node's own snapshot, the leader's that is arriving, and the one that arrived. */
  #own: Uint8Array = new Uint8Array();
  #incoming: { readonly name: string; bytes: Uint8Array } = { name: "", bytes: new Uint8Array() };
  #ready: Uint8Array | null = null;
  /** Inputs that the real node brings about later. */
  #later: Input[] = [];
  readonly #cluster: TestCluster;

  constructor(cluster: TestCluster, id: NodeId, certifier: Certifier) {
    this.#cluster = cluster;
    this.id = id;
    this.certifier = certifier;
    [this.raft, this.#loop] = this.#boot();
  }

  /** Hands inputs to the core in one step and carries out what it wants. */
  step(...inputs: readonly Input[]): void {
    this.#loop.turn(inputs);
    while (this.#later.length > 0) this.#loop.turn(this.#later.splice(0));
  }

  /** Index of the last entry applied. */
  get appliedIndex(): LogIndex {
    return this.applied.at(-1)?.index ?? toLogIndex(0);
  }

  /** Passes `count` ticks on this node alone. */
  tick(count = 1): void {
    for (let passed = 0; passed < count; passed++) this.step({ kind: "tick" });
  }

  /** Hands a message to the core, whoever it is from. */
  receive(message: Message): void {
    this.step({ kind: "message", message });
  }

  /** Loses everything that is not on disk and starts again. */
  restart(): void {
    [this.raft, this.#loop] = this.#boot();
  }

  /** The data of the commands applied so far, as text. */
  get appliedCommands(): readonly string[] {
    return this.applied.filter(({ kind }) => kind === "command").map(({ data }) =>
      new TextDecoder().decode(data)
    );
  }

  /** Events of one kind. */
  eventsOf<Kind extends RaftEvent["kind"]>(
    kind: Kind,
  ): readonly Extract<RaftEvent, { readonly kind: Kind }>[] {
    return this.events.filter((event): event is Extract<RaftEvent, { readonly kind: Kind }> =>
      event.kind === kind
    );
  }

  #boot(): [Raft, Loop] {
    const raft = new Raft(
      {
        self: this.id,
        certifier: this.certifier,
        electionTimeoutTicks: ELECTION_TIMEOUT_TICKS,
        heartbeatTicks: HEARTBEAT_TICKS,
        signingTimeoutTicks: SIGNING_TIMEOUT_TICKS,
        random: this.#cluster.random,
        isCommand: (command) => command[0] !== UNREADABLE_COMMAND[0],
        incarnation: ++this.#incarnation,
        ...(this.#cluster.compacts ? { logLimits: LOG_LIMITS } : {}),
      },
      this.disk.load(),
      this.appliedIndex,
    );
    const checker = new InvariantChecker(raft);
    const checked = {
      step(inputs: readonly Input[]): Output {
        const output = raft.step(inputs);
        checker.check(output);
        return output;
      },
    };
    const loop = new Loop(checked, {
      send: (message) => this.#cluster.network.push(message),
      persist: (batch) => {
        this.disk.persist(batch);
        this.persisted.push(batch);
      },
      apply: (entries) => {
        this.applied.push(...entries);
        return entries.map(({ index }) => ({ kind: "certificate", index }));
      },
      checkpoint: () => this.#cluster.compacts ? this.appliedIndex : null,
      installSnapshot: (snapshot) => {
        this.applied.length = 0;
        this.applied.push(...decodeEntries(assertDefined(this.#ready, "A checked snapshot")));
        assert(this.appliedIndex === snapshot.index, "The snapshot is what it claims to be");
      },
      sendChunk: (chunk) => {
        const data = this.#own.slice(chunk.offset, chunk.offset + SNAPSHOT_CHUNK_BYTES);
        this.#cluster.network.push({ ...chunk, data });
      },
      storeChunk: (request) => this.#storeChunk(request),
      makeSnapshot: () => {
        this.snapshotsMade++;
        this.#own = encodeEntries(this.applied);
        const { appliedIndex: index } = this;
        const bytes = this.#own.length;
        this.#later.push({
          kind: "snapshotMade",
          snapshot: { index, bytes, sha256: sha256(this.#own) },
        });
      },
      report: (output) => this.#record(output),
    });
    return [raft, loop];
  }

  /** Keeps a chunk if it is the next one, and checks the whole when it is complete. */
  #storeChunk({ snapshot, offset, data }: SnapshotRequest): number {
    const name = snapshot.sha256.toHex();
    if (this.#incoming.name !== name) this.#incoming = { name, bytes: new Uint8Array() };
    if (offset === this.#incoming.bytes.length) {
      this.#incoming.bytes = concatBytes(this.#incoming.bytes, data);
    }
    const nextOffset = this.#incoming.bytes.length;
    if (nextOffset === snapshot.bytes) this.#later.push(this.#check(snapshot));
    return nextOffset;
  }

  #check(snapshot: Snapshot): Input {
    this.#ready = this.#incoming.bytes;
    this.#incoming = { name: "", bytes: new Uint8Array() };
    const isSound = equalBytes(sha256(this.#ready), snapshot.sha256);
    return { kind: isSound ? "snapshotReady" : "snapshotRefused", snapshot };
  }

  #record(output: Output): void {
    this.events.push(...output.events);
    this.accepted.push(...output.accepted);
    this.rejected.push(...output.rejected);
    this.reads.push(...output.reads);
    this.transfers.push(...output.transfers);
  }
}

/** A cluster of nodes named `n1`, `n2`, ... whose messages wait until the test delivers them. */
export class TestCluster {
  readonly nodes = new Map<NodeId, TestNode>();
  readonly random: () => number;
  /** Messages sent and not yet delivered, oldest first. */
  network: Message[] = [];
  /** Whether the nodes checkpoint their state machines and compact their logs. */
  readonly compacts: boolean;
  /** Links that lose everything, as `from>to`. */
  readonly #cut = new Set<string>();
  /** Sees every message on its way and may change it, or drop it by returning null. */
  intercept: (message: Message) => Message | null = (message) => message;

  constructor(options: {
    readonly size: number;
    readonly threshold?: number;
    readonly random?: () => number;
    readonly compacts?: boolean;
    /** One for each voter, in order; doubles unless given, whose voters are `n1`, `n2`, ... */
    readonly certifiers?: readonly Certifier[];
  }) {
    this.compacts = options.compacts ?? false;
    // Nobody times out by chance: a test says who does.
    this.random = options.random ?? (() => 0.99);
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
    for (let message = this.network.shift(); message; message = this.network.shift()) {
      if (this.#cut.has(`${message.from}>${message.to}`)) continue;
      const passed = this.intercept(message);
      if (passed !== null) this.nodes.get(passed.to)?.receive(passed);
    }
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
  { size, threshold }: { readonly size: number; readonly threshold?: number },
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

/** Proposes a command given as text. */
export function propose(node: TestNode, command: string, proposalId = 1): void {
  node.step({ kind: "propose", proposalId, command: new TextEncoder().encode(command) });
}

/** The terms of the entries that a node's log keeps, first entry first. */
export function logTerms(node: TestNode): readonly number[] {
  const { log } = node.raft.state;
  return log.slice(log.base.index + 1 as LogIndex, log.last.index).map(({ term }) => term);
}

function encodeEntries(entries: readonly Entry[]): Uint8Array {
  return encodeUtf8(JSON.stringify(entries.map((entry) => ({ ...entry, data: [...entry.data] }))));
}

function decodeEntries(bytes: Uint8Array): readonly Entry[] {
  const raw: (Entry & { readonly data: number[] })[] = JSON.parse(decodeUtf8(bytes));
  return raw.map((entry) => ({ ...entry, data: Uint8Array.from(entry.data) }));
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/** An entry with a command given as text. */
export function commandEntry(index: number, term: number, command = `${index}@${term}`): Entry {
  return {
    index: toLogIndex(index),
    term: toTerm(term),
    kind: "command",
    data: new TextEncoder().encode(command),
  };
}

/** A log of commands with these terms, from index 1. */
export function entriesOfTerms(...terms: readonly number[]): readonly Entry[] {
  return terms.map((term, position) => commandEntry(position + 1 as LogIndex, term));
}

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
