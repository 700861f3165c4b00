/**
 * A running node: connects the core, its stores, its connections and its clients.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { Membership } from "../certificate/mod.ts";
import type { Store } from "../kv/mod.ts";
import type { Input, Message, Output, Raft } from "../raft/mod.ts";
import { KEY_VALUE_FILE, openStores, RAFT_FOLDER, type Stores } from "../storage/mod.ts";
import { type NodeApi, RequestError } from "./api.ts";
import { ClientService } from "./client_service.ts";
import { ClusterViews } from "./cluster_views.ts";
import type { ClusterMembers } from "./cluster_members.ts";
import { FormerMembers } from "./former_members.ts";
import { FolderWatch } from "./folder_watch.ts";
import { Inbox, Ticker, toTicks } from "./inbox.ts";
import { GenesisResponder } from "./key_generation/key_generation_run.ts";
import { LiveStore } from "./live_store.ts";
import { Loop } from "./loop.ts";
import type { Network, NetworkUser } from "./network.ts";
import { type NodeOptions, type NodeParts, openParts, RemovedError } from "./node_parts.ts";
import { FAREWELL_TIMEOUTS, MemberConnections } from "./member_connections.ts";
import { Observer } from "./observer.ts";
import { SnapshotKeeper } from "./snapshots.ts";
import { TableKeeper } from "./table_keeper.ts";

/** How many election timeouts a node goes on after its log says that it was removed. */
const LEAVING_TIMEOUTS = 2;
/** The same if another node shows the removal, or if the removal in the log may not be committed. */
const UNSURE_TIMEOUTS = 20;

/**
 * Opens the stores, takes the peer port and joins in. If that fails, a network that the caller gave stays
 * open: the caller closes it.
 *
 * @throws {EnvironmentError} when the folder or the port cannot be used.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something in it is damaged or missing.
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { self: node, dataDir: folder, config: { cluster, history } } = options;
  const { changesMax, bytesMax, ageSecondsMax } = history;
  const ageTicksMax = ageSecondsMax === null ? null : toTicks(1_000 * ageSecondsMax);
  const limits = { history: { changesMax, bytesMax, ageTicksMax } };
  const stores = await openStores({ folder, cluster, node }, limits);
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

/** One node of a cluster; see {@linkcode startNode}. */
export class Node {
  /** Resolves when the node has stopped, also because it was removed. Rejects when a failure has stopped it. */
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
  readonly #connections: MemberConnections;
  readonly #checkKeys: NodeParts["checkKeys"];
  readonly #observer = new Observer();
  readonly #logger = getLogger(["floe", "node"]);
  readonly #closing = Promise.withResolvers<void>();
  readonly #ticker = new Ticker();
  readonly #folder: FolderWatch;
  /** When each batch that is not durable yet was handed over. */
  readonly #persistedFrom = new Map<number, number>();
  #isStopped = false;
  /** How many ticks ago this node was removed. */
  #leavingTicks = 0;
  #isRemoved = false;

  /** Takes over opened stores; see {@linkcode startNode}. */
  constructor(options: NodeOptions, parts: NodeParts) {
    const { stores, store, keyring, members, evidence } = parts;
    this.closed = this.#closing.promise;
    this.#options = options;
    this.#stores = stores;
    this.#raft = parts.raft;
    this.#members = members;
    this.#checkKeys = parts.checkKeys;
    this.#inbox = new Inbox((inputs) => this.#turn(inputs));
    this.#network = options.openNetwork(members.config);
    this.#network.useChain(new FormerMembers(members, this.#raft.state));
    this.#connections = new MemberConnections({
      members,
      state: this.#raft.state,
      network: this.#network,
      farewellTicks: this.#electionTimeouts(FAREWELL_TIMEOUTS),
    });
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
      evidence,
      counters: () => ({ ...this.#observer.counts, ...evidence.counts }),
      saveSnapshot: () => keeper.save(() => this.#tables.catchUp(this.#live.appliedIndex)),
      watchCluster: () => this.#views.watch(),
      observer: this.#observer,
      figures: () => ({ ...this.#observer.figures, spareNonces: this.#raft.spareNonces }),
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
        evidence.compare(batch.certificates);
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
        for (const event of output.events) evidence.observe(event);
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

  /** Whether it stopped because it was removed. */
  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** This node's API. */
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
    this.#ticker.start(() => this.#inbox.turn());
    this.#folder.start((error) => this.#fail(error));
    this.#logger.info("node.started", { term: this.#raft.state.currentTerm });
    const { membership, isNewer } = this.#members;
    if (membership === null || this.#members.isOfFile(this.#options.self)) return;
    this.#connections.connect(this.#members.config.peers);
    if (!isNewer) return;
    const { sequence, epoch } = membership;
    const advice = "floe members export writes a cluster.json that says the same";
    this.#logger.info("members.newer_than_file", { sequence, epoch, advice });
  }

  /** Gives up what a failed start has opened, except for the stores. */
  async abandon(): Promise<void> {
    this.#isStopped = true;
    this.#ticker.stop();
    this.#folder.stop();
    this.#inbox.close();
    await this.#network.close();
  }

  /** Answers every request, waiting or later, that the node is stopping. */
  stopServing(): void {
    this.#clients.stopServing();
  }

  /** Stops: answers every client, hands leadership over, and closes every connection and the stores. */
  async close(): Promise<void> {
    this.stopServing();
    if (!this.#isStopped) await this.#handOver();
    if (!this.#isStopped) await this.#stop(null);
    await this.closed;
  }

  /** A hand-over spares the cluster an election timeout. */
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
      onFarewell: (certificates) => this.#inbox.add({ kind: "memberships", certificates }),
      onDisconnected: (peer) => this.#inbox.add({ kind: "unreachable", peer }),
    };
  }

  /** A write that never left this node can safely be sent to another one. */
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
      // The time first: a process that stood still must not act on an old state.
      const time = this.#ticker.take();
      this.#loop.turn([...time, ...inputs]);
      for (const { kind } of time) if (kind === "tick") this.#tick();
      // Watchers that this turn has no time for learn in the next one.
      if (!this.#live.publish()) this.#inbox.wake();
      if (inputs.length === 0) this.#raft.prepare();
      this.#clients.expire();
    } catch (error) {
      // After a broken invariant or a failed disk, this node's state is no longer certain, so it sends nothing
      // more to any node.
      this.#fail(error);
    }
  }

  #tick(): void {
    this.#clients.tick();
    this.#views.tick();
    this.#tables.tick();
    this.#connections.tick();
    this.#tickLeaving();
  }

  #membersChanged(membership: Membership): void {
    this.#members.update(membership);
    this.#connections.membersChanged();
    if (this.#members.has(this.#options.self)) this.#checkKeys();
  }

  /**
   * A removed node stops, once it leads no more: until then, others may lack what it has. It waits longer if
   * another node only shows the removal, or if the removal may not be committed: its vote may still be needed.
   */
  #tickLeaving(): void {
    // Several ticks can come at once.
    if (this.#isStopped) return;
    const { cluster, role } = this.#raft.state;
    if (!cluster.isFormer || role.name === "leader") {
      this.#leavingTicks = 0;
      return;
    }
    const { self, dataDir } = this.#options;
    const isCommitted = this.#members.isFormer(self);
    const patience = isCommitted ? LEAVING_TIMEOUTS : UNSURE_TIMEOUTS;
    if (++this.#leavingTicks < this.#electionTimeouts(patience)) return;
    this.#isRemoved = true;
    this.#logger.warn("node.removed", { advice: new RemovedError(self, dataDir).message });
    void this.#stop(null);
  }

  #electionTimeouts(count: number): number {
    return count * toTicks(this.#options.config.timing.electionTimeoutMs);
  }

  /** A leader's snapshot has replaced the state machine's data. */
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
