/**
 * A running node: the core, its stores, its connections and its clients, tied together.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import type { Certifier, GrantKeys, Group, Membership } from "../certificate/mod.ts";
import type { ClusterConfig, PeerKeys, PinnedClusterConfig, TimingConfig } from "../config/mod.ts";
import { InputError } from "../errors.ts";
import { IDENTITY_FILE } from "../keys/mod.ts";
import { isCommand, type Store } from "../kv/mod.ts";
import {
  type Input,
  type MembersConfig,
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
import { ClusterMembers } from "./cluster_members.ts";
import { FolderWatch } from "./folder_watch.ts";
import { Inbox, Ticker, toTicks } from "./inbox.ts";
import { GenesisResponder } from "./key_generation/key_generation_run.ts";
import type { Keyring } from "./keyring.ts";
import { LiveStore } from "./live_store.ts";
import { Loop } from "./loop.ts";
import type { Network, NetworkUser } from "./network.ts";
import { Observer } from "./observer.ts";
import { SnapshotKeeper } from "./snapshots.ts";
import { TableKeeper } from "./table_keeper.ts";

/** For how many election timeouts connections to a removed node stay: longer than a leader sends it the log. */
const FAREWELL_TIMEOUTS = 3;
/** How many election timeouts a removed node stays, once it knows. */
const LEAVING_TIMEOUTS = 2;

/** What a node is started with. */
export interface NodeOptions {
  /** The cluster's configuration, with every node's public keys. */
  readonly config: PinnedClusterConfig;
  /** This node; one of the configuration's peers. */
  readonly self: NodeId;
  /** Its identity's public keys; absent where nothing is to be checked against them. */
  readonly ownKeys?: PeerKeys;
  /** Opens its connections to these nodes, from then on the node's own, unless they are there already. */
  readonly openNetwork: (config: PinnedClusterConfig) => Network;
  /** The public description of the cluster's key, as it was made. */
  readonly group: Group;
  /** The genesis certificate; null where a dealer made the key. */
  readonly genesis: string | null;
  /** What it signs with, for what its log begins with. */
  readonly openKeys: (record: string | null) => Keyring;
  /** The node's own data folder. */
  readonly dataDir: string;
  /** Told whenever role, term or leader changed, in order. Must not throw. */
  readonly onRole?: (report: RoleReport) => void;
}

/**
 * Opens the stores, takes the peer port and starts to take part. When that fails, the network is the
 * caller's to close, if it was there before.
 *
 * @throws {EnvironmentError} when the folder or the port cannot be used.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something in it is damaged or missing.
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { self: node, dataDir: folder, config: { cluster } } = options;
  const stores = await openStores({ folder, cluster, node });
  let running: Node | null = null;
  try {
    running = new Node(options, openParts(options, stores));
    running.start();
    return running;
  } catch (error) {
    await running?.abandon();
    await stores.close();
    throw error;
  }
}

/** What a node is made of. */
interface NodeParts {
  readonly stores: Stores;
  readonly store: Store;
  readonly raft: Raft;
  readonly keyring: Keyring;
  readonly members: ClusterMembers;
}

/** Opens the keys for what the log has, and checks that this node may run with it. */
function openParts(options: NodeOptions, stores: Stores): NodeParts {
  const { self, dataDir: folder, config } = options;
  checkLostState(stores, { folder, peerCount: config.peers.length - 1 });
  const durable = stores.raft.load();
  const keyring = options.openKeys(durable.members);
  const store = stores.takeStore();
  const raft = new Raft(toRaftConfig({ self, config, ...keyring }), durable, store.appliedIndex);
  const { membership } = raft.state.members.inForce.configuration;
  const members = new ClusterMembers(options, membership);
  if (members.isFormer(self)) throw new InputError(removalAdvice(self, folder));
  checkOwnKeys(members, options);
  keyring.claim();
  return { stores, store, raft, keyring, members };
}

/** A node that goes on under other keys than the members know could prove nothing to them. */
function checkOwnKeys(members: ClusterMembers, { self, ownKeys }: NodeOptions): void {
  if (ownKeys === undefined || !members.hasOtherKeys(self, ownKeys)) return;
  throw new InputError(
    `Cannot run ${self}: the members know it by other keys than those in its ${IDENTITY_FILE}. Put the ` +
      "identity back whose card was given to floe member (or floe init), or give the members this " +
      `one's card: floe member update ${self} --card CARD.`,
  );
}

/** What a removed node's operator should know. */
function removalAdvice(self: NodeId, folder: string): string {
  return `${self} was removed from the cluster, and its id is never used again. Nothing in ${folder} is of ` +
    "use any more: delete the folder. To join again, make a new identity under another id: floe join.";
}

/** One node of a cluster; see {@linkcode startNode}. */
export class Node {
  /**
   * Resolves when the node has stopped, also because it is no member any more; rejects when it had to,
   * because something failed.
   */
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
  readonly #members: ClusterMembers;
  readonly #observer = new Observer();
  readonly #logger = getLogger(["floe", "node"]);
  readonly #closing = Promise.withResolvers<void>();
  readonly #ticker = new Ticker();
  readonly #folder: FolderWatch;
  /** When each batch that is on its way to the disk was handed over. */
  readonly #persistedFrom = new Map<number, number>();
  #isStopped = false;
  /** Ticks until connections to former members end; null when all are to members. */
  #farewellTicks: number | null = null;
  /** Ticks until this node stops because it is no member any more; null while it is one. */
  #leavingTicks: number | null = null;
  #isRemoved = false;

  /** Takes over opened stores; see {@linkcode startNode}. */
  constructor(options: NodeOptions, parts: NodeParts) {
    const { stores, store, keyring, members } = parts;
    this.closed = this.#closing.promise;
    this.#options = options;
    this.#stores = stores;
    this.#raft = parts.raft;
    this.#members = members;
    this.#inbox = new Inbox((inputs) => this.#turn(inputs));
    this.#network = options.openNetwork(members.config);
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
      members,
      genesis: options.genesis,
      founding: keyring.founding,
      certifier: keyring.certifier,
      network: this.#network,
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
      persistShares: (shares) => keyring.persistShares(shares),
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

  /** Whether it stopped because it is no member any more. */
  get isRemoved(): boolean {
    return this.#isRemoved;
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
    const { membership, isNewer } = this.#members;
    if (membership === null || membership.sequence === 0) return;
    this.#network.useMembers(this.#members.config.peers);
    if (!isNewer) return;
    const { sequence, epoch } = membership;
    const advice = "floe members export writes a cluster.json that says the same";
    this.#logger.info("members.newer_than_file", { sequence, epoch, advice });
  }

  /** Gives up what was opened when the start failed, apart from the stores. */
  async abandon(): Promise<void> {
    this.#isStopped = true;
    this.#ticker.stop();
    this.#folder.stop();
    this.#inbox.close();
    await this.#network.close();
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
      if (inputs.length === 0) this.#raft.prepare();
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
    this.#tickFarewell();
    this.#tickLeaving();
  }

  /** Who was removed is heard and answered for a while, so that it learns of it. */
  #tickFarewell(): void {
    if (this.#farewellTicks === null || --this.#farewellTicks > 0) return;
    this.#farewellTicks = null;
    this.#network.useMembers(this.#members.config.peers);
  }

  /** A leader hands over first. Who does not lead stays for a while: others may lack what it has. */
  #tickLeaving(): void {
    const { cluster, role } = this.#raft.state;
    if (!cluster.isFormer || role.name === "leader") return;
    this.#leavingTicks ??= this.#electionTimeouts(LEAVING_TIMEOUTS);
    if (--this.#leavingTicks > 0) return;
    this.#isRemoved = true;
    const { self, dataDir } = this.#options;
    this.#logger.warn("node.removed", { advice: removalAdvice(self, dataDir) });
    void this.#stop(null);
  }

  #electionTimeouts(count: number): number {
    return count * toTicks(this.#options.config.timing.electionTimeoutMs);
  }

  /** Another configuration is in force: whom this node connects to, and who it is itself. */
  #membersChanged(membership: Membership): void {
    const before = this.#members.config.peers;
    this.#members.update(membership);
    const { peers } = this.#members.config;
    const former = before.filter(({ id }) => !peers.some((peer) => peer.id === id));
    this.#network.useMembers([...peers, ...former]);
    this.#farewellTicks = this.#electionTimeouts(FAREWELL_TIMEOUTS);
    if (this.#members.has(this.#options.self)) checkOwnKeys(this.#members, this.#options);
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
    for (const event of output.events) {
      this.#observer.observe(event);
      const membership = event.kind === "membersChanged" ? event.configuration.membership : null;
      if (membership !== null) this.#membersChanged(membership);
    }
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
  { self, certifier, grants, members = null, config }: {
    readonly self: NodeId;
    readonly certifier: Certifier;
    readonly grants: GrantKeys;
    readonly members?: MembersConfig | null;
    readonly config: ClusterConfig;
  },
): RaftConfig {
  return {
    self,
    certifier,
    grants,
    ...(members === null ? {} : { members }),
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
