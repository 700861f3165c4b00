/**
 * A running node: the core, its stores, its connections and its clients, tied together.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { Certificate, Certifier } from "../certificate/certifier.ts";
import type { Group } from "../certificate/group.ts";
import { EnvironmentError } from "../errors.ts";
import {
  type AppliedEntry,
  type Command,
  encodeCommand,
  StateMachine,
  type Token,
} from "../kv/mod.ts";
import { type Input, type Message, type Output, Raft, type RoleReport } from "../raft/mod.ts";
import { openStores, type Stores } from "../storage/mod.ts";
import type { NodeId, Term } from "../types.ts";
import { formatAddress } from "./address.ts";
import {
  type Consistency,
  type LeaderAnswer,
  type NodeApi,
  type NodeStatus,
  type ReadAnswer,
  RequestError,
  type WriteAnswer,
} from "./api.ts";
import { findPeer, type PinnedClusterConfig } from "./cluster_config.ts";
import { Checkpointer } from "./checkpointer.ts";
import { Inbox } from "./inbox.ts";
import { GenesisResponder } from "./key_generation/genesis_responder.ts";
import { type KeyGenerationReport, toFinalReport } from "./key_generation/report.ts";
import { Loop } from "./loop.ts";
import { checkLostState } from "./lost_state.ts";
import type { Network, NetworkUser } from "./network.ts";
import { Observer } from "./observer.ts";
import { toRaftConfig } from "./raft_config.ts";
import { Requests } from "./requests.ts";
import { SnapshotKeeper } from "./snapshot_keeper.ts";
import { TICK_MS, Ticker } from "./ticker.ts";
import { Transfers } from "./transfers.ts";

/** How often requests are checked for their deadlines. */
const EXPIRY_INTERVAL_MS = 5 * TICK_MS;

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
    stores = openStores({ folder, cluster, node });
    checkLostState(stores, { peerCount: options.config.peers.length - 1 });
    options.beforeStart?.();
    const running = new Node(options, stores);
    await running.start();
    return running;
  } catch (error) {
    await network.close();
    await stores?.close();
    throw error;
  }
}

/** One node of a cluster; see {@linkcode startNode}. */
export class Node implements NodeApi {
  /** The public description of the cluster's key. */
  readonly group: Group;
  /** The genesis certificate; null where a dealer made the key. */
  readonly genesis: string | null;
  /** Resolves when the node has stopped; rejects when it had to, because something failed. */
  readonly closed: Promise<void>;

  readonly #options: NodeOptions;
  readonly #stores: Stores;
  readonly #raft: Raft;
  readonly #loop: Loop;
  readonly #inbox: Inbox;
  readonly #requests: Requests;
  readonly #stateMachine: StateMachine;
  readonly #network: Network;
  readonly #observer = new Observer();
  readonly #logger = getLogger(["floe", "node"]);
  readonly #startedMs = performance.now();
  readonly #closing = Promise.withResolvers<void>();
  readonly #ticker = new Ticker();
  readonly #transfers: Transfers;
  #expiredMs = 0;
  #isStopped = false;

  /** Takes over opened stores; see {@linkcode startNode}. */
  constructor(options: NodeOptions, stores: Stores) {
    this.group = options.group;
    this.genesis = options.genesis;
    this.closed = this.#closing.promise;
    this.#options = options;
    this.#stores = stores;
    this.#stateMachine = new StateMachine(stores.keyValues);
    this.#raft = new Raft(toRaftConfig(options), stores.raft.load(), stores.keyValues.appliedIndex);
    this.#inbox = new Inbox((inputs) => this.#turn(inputs));
    this.#requests = new Requests((input) => this.#inbox.add(input));
    this.#transfers = new Transfers((input) => this.#inbox.add(input));
    this.#network = options.network;
    const checkpointer = new Checkpointer(options.config.log, () => stores.keyValues.checkpoint());
    const keeper = new SnapshotKeeper({
      snapshots: stores.snapshots,
      submit: (input) => this.#inbox.add(input),
      send: (message) => this.#network.send(message),
      fail: (error) => this.#fail(error),
    });
    this.#loop = new Loop(this.#raft, {
      send: (message) => this.#send(message),
      persist: (batch) => stores.raft.persist(batch),
      apply: (entries) => {
        checkpointer.applied(entries);
        return this.#stateMachine.apply(entries);
      },
      checkpoint: () => checkpointer.checkpointIfDue(this.#raft.state.log),
      installSnapshot: (snapshot) => stores.installSnapshot(snapshot),
      sendChunk: (chunk) => keeper.sendChunk(chunk),
      storeChunk: (request) => keeper.storeChunk(request),
      discardSnapshot: (snapshot) => stores.snapshots.discard(snapshot),
      makeSnapshot: () => keeper.make(),
      report: (output, applied) => {
        keeper.observe(output.events);
        this.#report(output, applied);
      },
    });
  }

  /**
   * Takes the peer port and starts the clock.
   *
   * @throws {EnvironmentError} when the port cannot be used.
   */
  async start(): Promise<void> {
    this.#network.use(this.#networkUser());
    await this.#network.start();
    this.#ticker.start(() => this.#inbox.wake());
    this.#logger.info("node.started", { term: this.#raft.state.currentTerm });
  }

  /**
   * Stops: hands leadership over if it has it, answers every client, closes every connection and the
   * stores.
   */
  async close(): Promise<void> {
    if (!this.#isStopped) await this.#handOver();
    if (!this.#isStopped) await this.#stop(null);
    await this.closed;
  }

  /** See {@linkcode NodeApi.write}. */
  write(command: Command, options: { readonly timeoutMs: number }): Promise<WriteAnswer> {
    this.#checkRunning();
    return this.#requests.write(encodeCommand(command), performance.now() + options.timeoutMs);
  }

  /** See {@linkcode NodeApi.read}. */
  async read(
    key: string,
    options: { readonly consistency: Consistency; readonly timeoutMs: number },
  ): Promise<ReadAnswer> {
    this.#checkRunning();
    const { consistency } = options;
    if (consistency !== "stale") {
      const lease = consistency === "lease";
      await this.#requests.confirmRead(performance.now() + options.timeoutMs, { lease });
      this.#checkRunning();
    }
    const row = this.#fromStore(() => this.#stateMachine.get(key));
    return { row, revision: this.#stateMachine.appliedIndex };
  }

  /** See {@linkcode NodeApi.token}. */
  token(id: string): Token | null {
    this.#checkRunning();
    return this.#fromStore(() => this.#stateMachine.token(id));
  }

  /** See {@linkcode NodeApi.tokens}. */
  async tokens(options: { readonly timeoutMs: number }): Promise<readonly Token[]> {
    this.#checkRunning();
    await this.#requests.confirmRead(performance.now() + options.timeoutMs);
    this.#checkRunning();
    return this.#fromStore(() => this.#stateMachine.tokens());
  }

  /** See {@linkcode NodeApi.transferLeadership}. */
  transferLeadership(target: NodeId | null): Promise<NodeId> {
    this.#checkRunning();
    return this.#transfers.request(target, this.#transferDeadlineMs());
  }

  /** See {@linkcode NodeApi.status}. */
  status(): NodeStatus {
    const { state } = this.#raft;
    const { role, term, leader } = state.report();
    const followers = state.role.name === "leader" ? state.role.followers : null;
    return {
      id: state.self,
      role,
      term,
      leader,
      commitIndex: state.commitIndex,
      appliedIndex: this.#stateMachine.appliedIndex,
      lastLogIndex: state.log.last.index,
      uptimeMs: Math.round(performance.now() - this.#startedMs),
      peers: state.peers.map((id) => ({
        id,
        connected: this.#network.isConnected(id),
        matchIndex: followers?.get(id)?.matchIndex ?? null,
      })),
      counters: { ...this.#observer.counters, ...this.#network.counters },
    };
  }

  /** See {@linkcode NodeApi.keyGeneration}. */
  keyGeneration(): KeyGenerationReport {
    const { config, self, genesis } = this.#options;
    return toFinalReport({
      config,
      self,
      genesis,
      viewOf: (peer) => ({
        isConnected: this.#network.isConnected(peer),
        isConfigurationEqual: this.#network.isConfigurationEqual(peer),
      }),
    });
  }

  /** See {@linkcode NodeApi.leader}. */
  leader(): LeaderAnswer {
    const { leader, term, certificate } = this.#raft.state.report();
    const api = leader === null ? null : formatAddress(findPeer(this.#options.config, leader).api);
    return { leader, term, api, certificate };
  }

  /** See {@linkcode NodeApi.elections}. */
  elections(
    options: { readonly limit: number; readonly before?: Term },
  ): readonly Certificate[] {
    this.#checkRunning();
    const notes = this.#fromStore(() => this.#stores.raft.elections(options));
    return notes.map((note) => this.#verify(note));
  }

  /** See {@linkcode NodeApi.election}. */
  election(term: Term): Certificate | null {
    this.#checkRunning();
    const note = this.#fromStore(() => this.#stores.raft.election(term));
    return note === null ? null : this.#verify(note);
  }

  #verify(note: string): Certificate {
    return this.#options.certifier.verify(note);
  }

  /** The core gives the target an election timeout; its election may take another. */
  #transferDeadlineMs(): number {
    return performance.now() + 2 * this.#options.config.timing.electionTimeoutMs;
  }

  /** Spares the cluster an election timeout. */
  async #handOver(): Promise<void> {
    if (this.#raft.state.role.name !== "leader" || this.#raft.state.peers.length === 0) return;
    try {
      await this.#transfers.request(null, this.#transferDeadlineMs());
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#logger.warn("transfer.failed", { reason: error.message });
    }
  }

  #checkRunning(): void {
    if (!this.#isStopped) return;
    throw new RequestError("stopping", "The node is stopping", { maybeApplied: false });
  }

  /** A node whose own data are damaged answers nobody any more: the next row may be one it votes by. */
  #fromStore<Result>(read: () => Result): Result {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      this.#fail(error);
      throw new RequestError("stopping", "The node stops: it cannot read its own data", {
        maybeApplied: false,
      });
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
      onDisconnected: (peer) => this.#inbox.add({ kind: "unreachable", peer }),
    };
  }

  #expireRequests(): void {
    const nowMs = performance.now();
    if (nowMs - this.#expiredMs < EXPIRY_INTERVAL_MS) return;
    this.#expiredMs = nowMs;
    this.#requests.expire(nowMs);
    this.#transfers.expire(nowMs);
  }

  /** What a client asked may be asked again elsewhere if it did not even leave. */
  #send(message: Message): void {
    const isSent = this.#network.send(message);
    const isClients = message.kind === "proposeRequest" || message.kind === "readIndexRequest";
    if (!isSent && isClients) this.#inbox.add({ kind: "unsent", message });
  }

  #turn(inputs: readonly Input[]): void {
    if (this.#isStopped) return;
    try {
      // The time first: a process that stood still must not act on how things were before.
      this.#loop.turn([...this.#ticker.take(), ...inputs]);
      this.#expireRequests();
    } catch (error) {
      // A broken invariant or a disk that failed: what this node believes is no longer certain, so it
      // says nothing more to anyone.
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.#logger.error("node.failed", { error: String(error) });
    void this.#stop(error);
  }

  #report(output: Output, applied: readonly AppliedEntry[]): void {
    for (const event of output.events) this.#observer.observe(event);
    if (output.role !== null) {
      this.#observer.roleChanged(output.role);
      this.#options.onRole?.(output.role);
    }
    this.#requests.handle(output, applied, this.#stateMachine.appliedIndex);
    this.#transfers.handle(output);
  }

  async #stop(failure: unknown): Promise<void> {
    this.#isStopped = true;
    this.#ticker.stop();
    this.#inbox.close();
    this.#requests.stop();
    this.#transfers.stop();
    try {
      await this.#network.close();
      await this.#stores.close();
    } catch (error) {
      failure ??= error;
    }
    this.#logger.info("node.stopped");
    if (failure === null) this.#closing.resolve();
    else this.#closing.reject(failure);
  }
}
