/**
 * One node of a test cluster.
 *
 * @module
 */

import { assert, assertDefined } from "../../lib/assert.ts";
import { concatBytes, equalBytes } from "../../lib/bytes.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { Loop } from "../../lib/node/loop.ts";
import { InvariantChecker } from "../../lib/raft/invariants.ts";
import {
  type AcceptedProposal,
  type DurableState,
  type Entry,
  type Input,
  type Message,
  type Output,
  type PersistBatch,
  Raft,
  type RaftConfig,
  type RaftEvent,
  type ReadResult,
  type RejectedProposal,
  type Snapshot,
  type SnapshotRequest,
  type TransferResult,
} from "../../lib/raft/mod.ts";
import type { CoreState } from "../../lib/raft/state.ts";
import type { DurableShares } from "../../lib/reshare/mod.ts";
import { type LogIndex, type NodeId, toLogIndex, toNodeId } from "../../lib/types.ts";
import { createGrantDouble } from "../support/grant_double.ts";
import { decodeEntries, encodeEntries, sha256 } from "./entries.ts";
import type { TestCluster } from "./harness.ts";
import { MemoryDisk } from "./memory_disk.ts";

/** The election timeout of every test cluster; the randomised one is up to twice as long. */
export const ELECTION_TIMEOUT_TICKS = 10;
/** The heartbeat interval of every test cluster. */
export const HEARTBEAT_TICKS = 2;
/** The deadline of a signing session in every test cluster. */
export const SIGNING_TIMEOUT_TICKS = 3;

/** Opens a node's keys when it starts. */
export type OpenKeys = (
  durable: DurableState,
  shares: DurableShares,
) => Pick<RaftConfig, "certifier" | "grants" | "members">;

/** What a node counts time by. */
export type Timing = Pick<
  RaftConfig,
  "electionTimeoutTicks" | "heartbeatTicks" | "signingTimeoutTicks"
>;

/** That of every test cluster, unless a test gives another. */
export const TIMING: Timing = {
  electionTimeoutTicks: ELECTION_TIMEOUT_TICKS,
  heartbeatTicks: HEARTBEAT_TICKS,
  signingTimeoutTicks: SIGNING_TIMEOUT_TICKS,
};

/** When the nodes of a compacting test cluster compact their logs. */
export const LOG_LIMITS = { entriesMax: 10, bytesMax: 10_000 };
/** How much of a snapshot one message carries in tests. */
const SNAPSHOT_CHUNK_BYTES = 100;

/** A command that no state machine of these tests can read. */
export const UNREADABLE_COMMAND = Uint8Array.of(0xff);

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
  /** What is on its disk besides the log, if its keys are opened from that; every version of it. */
  shares: DurableShares = { current: null, next: null };
  readonly sharesWritten: DurableShares[] = [];
  readonly discarded: LogIndex[] = [];
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
  readonly #open: OpenKeys;

  /** The keys are opened anew at each start; a double of the grants goes with `certifier` otherwise. */
  constructor(cluster: TestCluster, id: NodeId, keys: Certifier | OpenKeys) {
    this.#cluster = cluster;
    this.id = id;
    this.#open = typeof keys === "function"
      ? keys
      : () => ({ certifier: keys, grants: createGrantDouble(id, keys.epoch) });
    this.certifier = this.#open(this.disk.load(), this.shares).certifier;
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

  /** As if this voter had cost a candidacy of this node a signing session. */
  suspect(voter: string): void {
    const { suspects } = this.raft.state as CoreState;
    suspects.add(toNodeId(voter));
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
        ...this.#open(this.disk.load(), this.shares),
        ...this.#cluster.timing,
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
      state: raft.state,
      step(inputs: readonly Input[]): Output {
        const output = raft.step(inputs);
        checker.check(output);
        return output;
      },
    };
    const loop = new Loop(checked, {
      persistShares: (shares) => {
        this.shares = shares;
        this.sharesWritten.push(shares);
      },
      send: (message) => this.#cluster.network.push(message),
      persist: (batch) => {
        this.disk.persist(batch);
        this.persisted.push(batch);
        this.#later.push({ kind: "persisted", sequence: batch.sequence });
      },
      apply: (entries) => {
        this.applied.push(...entries);
        if (!this.#cluster.compacts) return;
        this.#later.push({ kind: "checkpointed", index: this.appliedIndex });
      },
      installSnapshot: (snapshot) => {
        this.applied.length = 0;
        this.applied.push(...decodeEntries(assertDefined(this.#ready, "A checked snapshot")));
        assert(this.appliedIndex === snapshot.index, "The snapshot is what it claims to be");
      },
      snapshots: {
        sendChunk: (chunk) => {
          const data = this.#own.slice(chunk.offset, chunk.offset + SNAPSHOT_CHUNK_BYTES);
          this.#cluster.network.push({ ...chunk, data });
        },
        storeChunk: (request) => this.#storeChunk(request),
        discard: ({ index }) => this.discarded.push(index),
        make: () => this.#makeSnapshot(),
      },
      report: (output) => this.#record(output),
    });
    return [raft, loop];
  }

  #makeSnapshot(): void {
    this.snapshotsMade++;
    this.#own = encodeEntries(this.applied);
    const { appliedIndex: index } = this;
    const snapshot = { index, bytes: this.#own.length, sha256: sha256(this.#own) };
    this.#later.push({ kind: "snapshotMade", snapshot });
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
