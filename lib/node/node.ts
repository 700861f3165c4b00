/**
 * A running node: the core, its stores, its connections and its clients, tied together.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import { assert } from "../assert.ts";
import type { Certifier, GrantKeys, Group } from "../certificate/mod.ts";
import type { ClusterConfig, PinnedClusterConfig, TimingConfig } from "../config/mod.ts";
import { isCommand, type Store } from "../kv/mod.ts";
import {
  type Input,
  type Message,
  type Output,
  Raft,
  type RaftConfig,
  type RoleReport,
} from "../raft/mod.ts";
import {
  CorruptionError,
  KEY_VALUE_FILE,
  openStores,
  RAFT_FOLDER,
  type Stores,
} from "../storage/mod.ts";
import type { NodeId } from "../types.ts";
import { type NodeApi, RequestError } from "./api.ts";
import { ClientService } from "./client_service.ts";
import { ClusterViews } from "./cluster_views.ts";
import { FolderWatch } from "./folder_watch.ts";
import { Inbox, Ticker, toTicks } from "./inbox.ts";
import { GenesisResponder } from "./key_generation/key_generation_run.ts";
import { LiveStore } from "./live_store.ts";
import { Loop } from "./loop.ts";
import type { Network, NetworkUser } from "./network.ts";
import { Observer } from "./observer.ts";
import { SnapshotKeeper } from "./snapshots.ts";
import { TableKeeper } from "./table_keeper.ts";

/** What a node is started with. */
export interface NodeOptions {
  /** The cluster's configuration, with every node's public keys. */
  readonly config: PinnedClusterConfig;
  /** This node; one of the configuration's peers. */
  readonly self: NodeId;
  /** Its connections, from now on the node's own. */
  readonly network: Network;
  /** The public description of the cluster's key. */
  readonly group: Group;
  /** The genesis certificate; null where a dealer made the key. */
  readonly genesis: string | null;
  /** Makes and checks certificates with this node's share, which nobody else holds. */
  readonly certifier: Certifier;
  /** Signs pre-vote grants with this node's identity key, and checks those of all voters. */
  readonly grants: GrantKeys;
  /** The node's own data folder. */
  readonly dataDir: string;
  /** Called once the stores are open and before the node says anything to anyone. */
  readonly beforeStart?: () => void;
  /** Told whenever role, term or leader changed, in order. Must not throw. */
  readonly onRole?: (report: RoleReport) => void;
}

/**
 * Opens the stores, takes the peer port and starts to take part. When that fails, the network is
 * closed as well.
 *
 * @throws {EnvironmentError} when the folder or the port cannot be used.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something in it is damaged or missing.
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { self: node, dataDir: folder, config: { cluster }, network } = options;
  let stores: Stores | null = null;
  try {
    stores = await openStores({ folder, cluster, node });
    checkLostState(stores, { folder, peerCount: options.config.peers.length - 1 });
    options.beforeStart?.();
    const running = new Node(options, stores);
    running.start();
    return running;
  } catch (error) {
    await network.close();
    await stores?.close();
    throw error;
  }
}

/** One node of a cluster; see {@linkcode startNode}. */
export class Node {
  /** Resolves when the node has stopped; rejects when it had to, because something failed. */
  readonly closed: Promise<void>;

  readonly #options: NodeOptions;
  readonly #stores: Stores;
  readonly #raft: Raft;
  readonly #loop: Loop;
  readonly #inbox: Inbox;
  readonly #live: LiveStore;
  readonly #tables: TableKeeper;
  readonly #clients: ClientService;
  readonly #views: ClusterViews;
  readonly #network: Network;
  readonly #observer = new Observer();
  readonly #logger = getLogger(["floe", "node"]);
  readonly #closing = Promise.withResolvers<void>();
  readonly #ticker = new Ticker();
  readonly #folder: FolderWatch;
  /** When each batch that is on its way to the disk was handed over. */
  readonly #persistedFrom = new Map<number, number>();
  #isStopped = false;

  /** Takes over opened stores; see {@linkcode startNode}. */
  constructor(options: NodeOptions, stores: Stores) {
    this.closed = this.#closing.promise;
    this.#options = options;
    this.#stores = stores;
    const store = stores.takeStore();
    this.#raft = new Raft(toRaftConfig(options), stores.raft.load(), store.appliedIndex);
    this.#inbox = new Inbox((inputs) => this.#turn(inputs));
    this.#network = options.network;
    this.#folder = new FolderWatch(options.dataDir, {
      same: [RAFT_FOLDER],
      there: [KEY_VALUE_FILE],
    });
    const submit = (input: Input) => this.#inbox.add(input);
    const fail = (error: unknown) => this.#fail(error);
    this.#live = new LiveStore(store);
    this.#tables = new TableKeeper({
      store,
      write: (batch, written) => stores.tables.write(batch, written),
      submit,
    });
    const keeper = new SnapshotKeeper({
      snapshots: stores.snapshots,
      submit,
      send: (message) => this.#network.send(message),
      fail,
    });
    this.#clients = new ClientService({
      ...options,
      state: this.#raft.state,
      live: this.#live,
      certificates: stores.raft,
      counters: () => this.#observer.counts,
      saveSnapshot: () => keeper.save(() => this.#tables.catchUp(this.#live.appliedIndex)),
      watchCluster: () => this.#views.watch(),
      timings: () => this.#observer.timings,
      submit,
      fail,
    });
    this.#views = new ClusterViews({
      state: this.#raft.state,
      clients: this.#clients,
      send: (message) => this.#network.sendView(message),
      onRefused: () => this.#observer.count("view.refused"),
    });
    this.#loop = new Loop(this.#raft, {
      persistShares: () => assert(false, "The members of a running cluster do not change yet"),
      send: (message) => this.#send(message),
      persist: (batch) => {
        this.#persistedFrom.set(batch.sequence, performance.now());
        stores.raft.persist(batch);
      },
      apply: (entries) => {
        this.#clients.applied(entries, this.#live.apply(entries));
        this.#tables.applied();
      },
      installSnapshot: (snapshot) => this.#install(stores.installSnapshot(snapshot)),
      snapshots: keeper,
      report: (output) => {
        keeper.observe(output.events);
        this.#report(output);
      },
    });
    stores.raft.use({
      persisted: (sequence) => {
        this.#persisted(sequence);
        submit({ kind: "persisted", sequence });
      },
      failed: fail,
    });
    stores.tables.use({
      failed: (error) => {
        this.#tables.failed(error);
        fail(error);
      },
    });
  }

  /** What this node offers its clients. */
  get api(): NodeApi {
    return this.#clients;
  }

  /**
   * Takes the peer port and starts the clock.
   *
   * @throws {EnvironmentError} when the port cannot be used.
   */
  start(): void {
    this.#network.use(this.#networkUser());
    this.#network.start();
    this.#ticker.start(() => this.#inbox.wake());
    this.#folder.start((error) => this.#fail(error));
    this.#logger.info("node.started", { term: this.#raft.state.currentTerm });
  }

  /** Answers every request that waits, and every later one, that the node is stopping. */
  stopServing(): void {
    this.#clients.stopServing();
  }

  /**
   * Stops: answers every client, hands leadership over if it has it, closes every connection and the
   * stores.
   */
  async close(): Promise<void> {
    this.stopServing();
    if (!this.#isStopped) await this.#handOver();
    if (!this.#isStopped) await this.#stop(null);
    await this.closed;
  }

  /** Spares the cluster an election timeout. */
  async #handOver(): Promise<void> {
    if (this.#raft.state.role.name !== "leader" || this.#raft.state.peers.length === 0) return;
    try {
      await this.#clients.handOver(null);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#logger.warn("transfer.failed", { reason: error.message });
    }
  }

  #networkUser(): NetworkUser {
    const { config, self, genesis } = this.#options;
    const responder = new GenesisResponder({
      config,
      self,
      genesis,
      send: (message) => this.#network.sendKeyGeneration(message),
      nowMs: () => performance.now(),
    });
    return {
      onMessage: (message) => {
        if (!this.#inbox.addMessage(message)) this.#observer.count("inbox.dropped");
      },
      onKeyGenerationMessage: (message) => responder.answer(message),
      onLeaseMessage: (message) => this.#clients.receivedLease(message),
      onViewMessage: (message) => this.#views.received(message),
      onDisconnected: (peer) => this.#inbox.add({ kind: "unreachable", peer }),
    };
  }

  /** What a client asked may be asked again elsewhere if it did not even leave. */
  #send(message: Message): void {
    const isSent = this.#network.send(message);
    this.#views.sent(message);
    const isClients = message.kind === "proposeRequest" || message.kind === "readIndexRequest";
    if (!isSent && isClients) this.#inbox.add({ kind: "unsent", message });
  }

  /** Every batch up to this one is durable. */
  #persisted(sequence: number): void {
    const nowMs = performance.now();
    for (const [handedOver, sinceMs] of this.#persistedFrom) {
      if (handedOver > sequence) return;
      this.#persistedFrom.delete(handedOver);
      this.#observer.took("log.persist", nowMs - sinceMs);
    }
  }

  #turn(inputs: readonly Input[]): void {
    if (this.#isStopped) return;
    const startedMs = performance.now();
    this.#doTurn(inputs);
    this.#observer.took("loop.turn", performance.now() - startedMs);
  }

  #doTurn(inputs: readonly Input[]): void {
    try {
      // The time first: a process that stood still must not act on how things were before.
      const time = this.#ticker.take();
      this.#loop.turn([...time, ...inputs]);
      for (const { kind } of time) if (kind === "tick") this.#tick();
      // What one turn cannot tell its watchers, the next one does.
      if (!this.#live.publish()) this.#inbox.wake();
      if (inputs.length === 0) this.#options.certifier.prepare();
      this.#clients.expire();
    } catch (error) {
      // A broken invariant or a disk that failed: what this node believes is no longer certain, so it
      // says nothing more to anyone.
      this.#fail(error);
    }
  }

  #tick(): void {
    this.#clients.tick();
    this.#views.tick();
    this.#tables.tick();
  }

  /** A leader's snapshot took the place of the state machine's data. */
  #install(store: Store): void {
    this.#live.replace(store);
    this.#tables.replace(store);
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.#logger.error("node.failed", { error: String(error) });
    void this.#stop(error);
  }

  #report(output: Output): void {
    for (const event of output.events) this.#observer.observe(event);
    this.#views.observe(output);
    if (output.role !== null) {
      this.#observer.roleChanged(output.role);
      this.#options.onRole?.(output.role);
    }
    this.#clients.handle(output);
  }

  async #stop(failure: unknown): Promise<void> {
    this.#isStopped = true;
    this.#ticker.stop();
    this.#folder.stop();
    this.#inbox.close();
    this.#clients.stop();
    try {
      await this.#network.close();
      if (failure === null) await this.#tables.flush();
      await this.#stores.close();
    } catch (error) {
      failure ??= error;
    }
    this.#logger.info("node.stopped");
    if (failure === null) this.#closing.resolve();
    else this.#closing.reject(failure);
  }
}

/** What the core of one process of a node is told: its times in ticks, and an incarnation of its own. */
export function toRaftConfig(
  { self, certifier, grants, config }: {
    readonly self: NodeId;
    readonly certifier: Certifier;
    readonly grants: GrantKeys;
    readonly config: ClusterConfig;
  },
): RaftConfig {
  return {
    self,
    certifier,
    grants,
    ...toTickCounts(config.timing),
    logLimits: config.log,
    isCommand,
    random: Math.random,
    incarnation: randomSafeInteger(),
  };
}

/** As many random bits as a message's count can carry. */
function randomSafeInteger(): number {
  const [random = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return Number(BigInt.asUintN(53, random));
}

function toTickCounts(
  timing: TimingConfig,
): Pick<RaftConfig, "electionTimeoutTicks" | "heartbeatTicks" | "signingTimeoutTicks"> {
  return {
    electionTimeoutTicks: toTicks(timing.electionTimeoutMs),
    heartbeatTicks: toTicks(timing.heartbeatMs),
    signingTimeoutTicks: toTicks(timing.signingTimeoutMs),
  };
}

/**
 * Says so when the store was made anew and the log no longer reaches back to its beginning: the leader
 * must send a snapshot, and until it is here this node votes and keeps entries, but does not lead.
 *
 * @throws {CorruptionError} when there is no other node that could.
 */
function checkLostState(
  stores: Stores,
  { folder, peerCount }: { readonly folder: string; readonly peerCount: number },
): void {
  if (!stores.lacksState) return;
  const { index } = stores.raft.logStart;
  if (peerCount > 0) {
    return getLogger(["floe", "node"]).warn("state.lost", { index, next: "snapshot of a leader" });
  }
  throw new CorruptionError({
    file: join(folder, KEY_VALUE_FILE),
    damage: `it was made anew, the log starts after entry ${index}, and there is no other node`,
    wayBack: "Put back every file whose name begins with kv.db that was moved out of this folder.",
  });
}
