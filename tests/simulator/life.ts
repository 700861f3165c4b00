/**
 * One life of a simulated node's process: the real core, loop, requests and state machine, from a
 * start to the next crash. Nothing here survives it.
 *
 * @module
 */

import type { AppliedEntry, LeaseMessage, Store, TableBatch } from "../../lib/kv/mod.ts";
import { Ticker } from "../../lib/node/inbox.ts";
import { Leases } from "../../lib/node/leases.ts";
import { LiveStore } from "../../lib/node/live_store.ts";
import { Loop, type LoopPorts } from "../../lib/node/loop.ts";
import { Requests } from "../../lib/node/requests.ts";
import { TableKeeper } from "../../lib/node/table_keeper.ts";
import { Transfers } from "../../lib/node/transfers.ts";
import { InvariantChecker } from "../../lib/raft/invariants.ts";
import {
  type DurableState,
  type Entry,
  type Input,
  type Message,
  type Output,
  type PersistBatch,
  Raft,
  type RaftConfig,
  type Snapshot,
  type SnapshotChunk,
  type SnapshotRequest,
} from "../../lib/raft/mod.ts";
import type { DurableShares } from "../../lib/reshare/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { type Boundary, kindsOf } from "./crash_plan.ts";
import type { KeyValueDisk } from "./disk/key_value_disk.ts";
import type { Step } from "./watcher.ts";

/** What a life needs of its machine. */
export interface LifeHost {
  /** Something is to be handled in the next turn. */
  wake(): void;
  /** A boundary is reached. @throws {CrashSignal} to kill the process here. */
  reach(boundary: Boundary): void;
  /** Puts a message on its way; false when it certainly did not leave. */
  send(message: Message): boolean;
  /** Hands a batch to the disk. */
  persist(batch: PersistBatch): void;
  /** Makes the node's shares durable, in place of those before. */
  persistShares(shares: DurableShares): void;
  /** A step was taken; nothing of its output is done yet. */
  stepped(step: Step): void;
  /** Entries were applied. */
  applied(entries: readonly Entry[], outcomes: readonly AppliedEntry[]): void;
  /** Puts a message about a lease on its way; false when it certainly did not leave. */
  sendLease(message: LeaseMessage): boolean;
  /** Writes a batch to the tables, and says when no crash undoes it. */
  writeTables(batch: TableBatch, written: () => void): void;
  /** Begins to make a snapshot. */
  makeSnapshot(): void;
  /** A leader's snapshot is complete; it is to be checked. */
  snapshotArrived(snapshot: Snapshot): void;
  /** Does something about so much later, if this process still runs then. */
  later(meanUs: number, work: (life: Life) => void): void;
  /** Requests of clients have ended: their promises are to be heard before anything else happens. */
  settled(): void;
}

/** What a life begins with. */
export interface LifeOptions {
  /** The machine. */
  readonly host: LifeHost;
  /** The core's configuration; the certifier's nonces die with the life. */
  readonly config: RaftConfig;
  /** What the disk holds. */
  readonly durable: DurableState;
  /** The state machine, as the disk has it. */
  readonly store: Store;
  /** The snapshots. */
  readonly keyValues: KeyValueDisk;
  /** The machine's time in milliseconds of the core's ticks. */
  readonly nowMs: () => number;
  /** The machine's time in milliseconds, by which deadlines are. */
  readonly clockMs: () => number;
  /** Most bytes of a chunk of a snapshot. */
  readonly chunkBytesMax: number;
  /** Most messages of one peer that wait for a turn. */
  readonly inboxMessagesMax: number;
  /** How long it takes on average until the core hears that a batch is durable; 0 for no time. */
  readonly acknowledgeUsMean: () => number;
  /** Whether the core's own invariants are checked after every step. */
  readonly checksInvariants: boolean;
  /** Whether anybody keeps leases. */
  readonly hasLeaseClients: boolean;
  /** What a liar does to its own state before each step. */
  readonly lie: (state: Raft["state"]) => void;
}

/** A running process. */
export class Life {
  /** The core. */
  readonly raft: Raft;
  /** The clients' requests. */
  readonly requests: Requests;
  /** The state machine. */
  readonly live: LiveStore;
  /** What clients ask of leases. */
  readonly leases: Leases;
  /** Wishes to hand leadership over. */
  readonly transfers: Transfers;
  readonly #options: LifeOptions;
  readonly #host: LifeHost;
  readonly #loop: Loop;
  readonly #ticker: Ticker;
  readonly #tables: TableKeeper;
  readonly #checker: InvariantChecker | null;
  #inbox: Input[] = [];
  readonly #messageCounts = new Map<NodeId, number>();
  readonly #held: (() => void)[] = [];
  /** Acknowledgements whose time has come. */
  readonly #late = new Set<Input>();

  /** Starts a process on what the last one left behind. */
  constructor(options: LifeOptions) {
    const { host, store, durable } = options;
    this.#options = options;
    this.#host = host;
    this.live = new LiveStore(store);
    this.#tables = new TableKeeper({
      store,
      write: (batch, written) => host.writeTables(batch, written),
      submit: (input) => this.add(input),
    });
    this.raft = new Raft(options.config, durable, store.appliedIndex);
    this.#checker = options.checksInvariants ? new InvariantChecker(this.raft) : null;
    this.requests = new Requests((input) => this.add(input));
    this.transfers = new Transfers((input) => this.add(input));
    this.leases = new Leases({
      self: options.config.self,
      incarnation: options.config.incarnation,
      store: () => this.live.store,
      requests: this.requests,
      send: (message) => host.sendLease(message),
      nowMs: options.clockMs,
    });
    this.#ticker = new Ticker({ nowMs: options.nowMs, wallMs: options.nowMs });
    const core = { state: this.raft.state, step: (inputs: readonly Input[]) => this.#step(inputs) };
    this.#loop = new Loop(core, this.#createPorts());
  }

  /** Puts an input into the inbox. */
  add(input: Input): void {
    this.#inbox.push(input);
    if (hasEntries(input)) this.release();
    this.#host.wake();
  }

  /** Puts a peer's message into the inbox; false when so many of its messages wait that it is dropped. */
  addMessage(message: Message): boolean {
    const count = this.#messageCounts.get(message.from) ?? 0;
    if (count >= this.#options.inboxMessagesMax) return false;
    this.#messageCounts.set(message.from, count + 1);
    this.add({ kind: "message", message });
    return true;
  }

  /** Takes a peer's message about a lease. */
  addLease(message: LeaseMessage): void {
    this.leases.received(message);
    this.#host.settled();
  }

  /** Keeps back what puts an input into the inbox until a leader's next entries are there. */
  hold(work: () => void): void {
    this.#held.push(work);
  }

  /** Does what was kept back. */
  release(): void {
    for (const work of this.#held.splice(0)) work();
  }

  /** Handles the time that has passed, and everything in the inbox, as `lib/node/node.ts` does. */
  turn(): void {
    const inputs = this.#inbox;
    this.#inbox = [];
    this.#messageCounts.clear();
    const time = this.#ticker.take();
    this.#settling(() => {
      this.#loop.turn([...time, ...inputs]);
      for (const { kind } of time) if (kind === "tick") this.#tick();
      this.live.publish();
    });
  }

  #tick(): void {
    this.live.tick();
    this.leases.tick();
    this.#tables.tick();
  }

  /** Ends the requests whose deadline has passed. */
  expire(nowMs: number): void {
    this.#settling(() => {
      this.requests.expire(nowMs);
      this.leases.expire(nowMs);
    });
    this.transfers.expire(nowMs);
    if (this.#options.hasLeaseClients) this.#host.settled();
  }

  #settling(work: () => void): void {
    const before = this.requests.size;
    try {
      work();
    } finally {
      if (this.requests.size < before) this.#host.settled();
    }
  }

  #step(arrived: readonly Input[]): Output {
    const acknowledgeUsMean = this.#options.acknowledgeUsMean();
    const inputs = acknowledgeUsMean === 0 ? arrived : this.#holdBack(arrived, acknowledgeUsMean);
    this.#options.lie(this.raft.state);
    const output = this.raft.step(inputs);
    this.#checker?.check(output);
    this.#host.stepped({ inputs, output });
    return output;
  }

  /** The core must not mind when it hears of a write, or whether older news come after newer. */
  #holdBack(inputs: readonly Input[], usMean: number): readonly Input[] {
    return inputs.filter((input) => {
      if (input.kind !== "persisted" || this.#late.delete(input)) return true;
      this.#host.later(usMean, () => {
        this.#late.add(input);
        this.add(input);
      });
      return false;
    });
  }

  #createPorts(): LoopPorts {
    const host = this.#host;
    return {
      persistShares: (shares) => {
        host.reach("beforeShares");
        host.persistShares(shares);
        host.reach("afterShares");
      },
      send: (message) => this.#send(message),
      persist: (batch) => {
        for (const kind of kindsOf(batch)) host.reach(`before${kind}`);
        host.persist(batch);
      },
      installSnapshot: (snapshot) => this.#install(snapshot),
      apply: (entries) => this.#apply(entries),
      snapshots: {
        sendChunk: (chunk) => this.#sendChunk(chunk),
        storeChunk: (request) => this.#storeChunk(request),
        discard: (snapshot) => this.#options.keyValues.discard(snapshot),
        make: () => {
          host.reach("beforeSnapshot");
          host.makeSnapshot();
          host.reach("afterSnapshot");
        },
      },
      report: (output) => this.#report(output),
    };
  }

  #send(message: Message): void {
    this.#host.reach("send");
    const isSent = this.#host.send(message);
    const isClients = message.kind === "proposeRequest" || message.kind === "readIndexRequest";
    if (!isSent && isClients) this.add({ kind: "unsent", message });
  }

  #sendChunk(chunk: SnapshotChunk): void {
    const { keyValues, chunkBytesMax } = this.#options;
    this.#send({ ...chunk, data: keyValues.readChunk(chunk.offset, chunkBytesMax) });
  }

  #storeChunk(request: SnapshotRequest): number {
    this.#host.reach("beforeChunk");
    const nextOffset = this.#options.keyValues.storeChunk(request);
    this.#host.reach("afterChunk");
    if (nextOffset === request.snapshot.bytes) this.#host.snapshotArrived(request.snapshot);
    return nextOffset;
  }

  #install(snapshot: Snapshot): void {
    const { keyValues } = this.#options;
    this.#host.reach("beforeInstall");
    const store = keyValues.install(snapshot);
    this.live.replace(store);
    this.#tables.replace(store);
    this.#host.reach("afterInstall");
  }

  #apply(entries: readonly Entry[]): void {
    this.#host.reach("beforeApply");
    const outcomes = this.live.apply(entries);
    this.#host.applied(entries, outcomes);
    this.#host.reach("afterApply");
    this.leases.applied();
    this.requests.applied(entries, outcomes, this.live.appliedIndex);
    this.#tables.applied();
  }

  #report(output: Output): void {
    this.#host.reach("beforeReport");
    this.requests.handle(output, this.live.appliedIndex);
    this.transfers.handle(output);
    if (output.role !== null) this.leases.roleChanged(output.role);
    this.#host.reach("afterReport");
  }
}

function hasEntries(input: Input): boolean {
  return input.kind === "message" && input.message.kind === "appendRequest" &&
    input.message.entries.length > 0;
}
