/**
 * A whole cluster on this machine: one process for each node, watched until it is stopped.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import { encodeHex } from "../../bytes.ts";
import {
  encodeVerifierKey,
  type Group,
  verifyCertificate,
  verifyGenesis,
} from "../../certificate/mod.ts";
import {
  formatAddress,
  type PeerConfig,
  type PinnedClusterConfig,
  toGenesisRoster,
} from "../../config/mod.ts";
import { EnvironmentError, InputError } from "../../errors.ts";
import { type KnownKey, statFile } from "../../keys/mod.ts";
import { type NodeId, toTerm } from "../../types.ts";
import { nodeFolder } from "../options.ts";
import type { NodeAnnouncement } from "../serve/run_node.ts";
import { LeaderlessTime } from "./leaderless.ts";
import { NodeProcess, type SelfCommand } from "./node_process.ts";
import { noteRemoved } from "./prepare.ts";
import type { ClusterEvent } from "./reporter.ts";

/** A node on this machine. */
export interface LocalNode extends Pick<PeerConfig, "peer" | "api" | "etcd"> {
  readonly id: NodeId;
}

/** The settings of a local cluster. */
interface LocalClusterOptions {
  /** The nodes. */
  readonly config: PinnedClusterConfig;
  /** The configuration file, for the nodes' processes. */
  readonly configFile: string;
  /** The nodes that joined in an earlier run. */
  readonly joined: readonly LocalNode[];
  /** The nodes that are members no more, and are not started. */
  readonly removed: ReadonlySet<NodeId>;
  /** The folder of all nodes' folders, which already have identities. */
  readonly folder: string;
  /** The key that proves leaders; null if the nodes make it. */
  readonly key: KnownKey | null;
  /** How to start Floe. */
  readonly self: SelfCommand;
  /** Flags for the nodes' logs. */
  readonly logFlags: readonly string[];
  /** Called with every event, in order. */
  readonly onEvent: (event: ClusterEvent) => void;
}

/**
 * A node's last announced state, as a table shows it. `paused`: this process has stopped it (SIGSTOP). `cut`: it
 * is cut off from all others.
 */
export type NodeState =
  | "starting"
  | "follower"
  | "preCandidate"
  | "candidate"
  | "leader"
  | "paused"
  | "cut"
  | "down";

/** The started cluster. */
export class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #nodes: Map<NodeId, LocalNode>;
  readonly #processes = new Map<NodeId, NodeProcess>();
  /** Nodes that wait until they are members, and the callers that wait for their cards. */
  readonly #joining = new Map<NodeId, PromiseWithResolvers<unknown>>();
  readonly #states = new Map<NodeId, NodeState>();
  readonly #paused = new Set<NodeId>();
  readonly #cut = new Set<NodeId>();
  /** For each node, the latest term whose leader it knows. */
  readonly #informed = new Map<NodeId, number>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #startedMs: number;
  readonly #allEnded = Promise.withResolvers<void>();
  #group: Group | null;
  readonly #leaderless: LeaderlessTime;
  #isReady = false;
  #isStopping = false;

  /** Starts every node. `startedMs` is when the first election's clock began to run. */
  constructor(options: LocalClusterOptions, startedMs: number) {
    const { cluster, peers } = options.config;
    this.#options = options;
    const nodes = [...peers, ...options.joined].filter(({ id }) => !options.removed.has(id));
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
    this.#startedMs = startedMs;
    this.#leaderless = new LeaderlessTime(startedMs);
    options.onEvent({ event: "starting", cluster, nodes: this.#nodes.size });
    this.#group = options.key?.group ?? null;
    if (options.key !== null) this.#tellKey(options.key, null);
    for (const id of this.#nodes.keys()) this.#start(id);
    // No caller awaits it before `ended()` is called.
    this.#failed.promise.catch(() => {});
  }

  /** The nodes, those that are down included. */
  get nodes(): readonly LocalNode[] {
    return [...this.#nodes.values()];
  }

  /** Every node's last announced state. */
  get states(): ReadonlyMap<NodeId, NodeState> {
    return new Map([...this.#states].map(([id, state]) => [id, this.#stateOf(id, state)]));
  }

  #stateOf(id: NodeId, announced: NodeState): NodeState {
    if (announced === "down") return announced;
    return this.#paused.has(id) ? "paused" : this.#cut.has(id) ? "cut" : announced;
  }

  /** Whether there has been a leader. */
  get hasElected(): boolean {
    return this.#leaderless.term > 0;
  }

  /** The description of the cluster's key; null while there is none. */
  get group(): Group | null {
    return this.#group;
  }

  /**
   * Settles when no node is left.
   *
   * @throws {CertificateError} when a node announces a leader or a key, and the certificate does not prove it.
   * @throws {InputError} when two nodes announce different keys.
   */
  async ended(): Promise<void> {
    await Promise.race([this.#allEnded.promise, this.#failed.promise]);
  }

  /** Rejects as {@linkcode ended} does, and never settles otherwise: nodes that ended can be started again. */
  async failed(): Promise<never> {
    return await this.#failed.promise;
  }

  /** Kills a node, as a crash does. The others go on. */
  kill(id: NodeId): void {
    this.#process(id).signal("SIGKILL");
    this.#paused.delete(id);
  }

  /** Starts a node that has ended again, with the data in its folder. */
  restart(id: NodeId): void {
    if (this.#states.get(id) === "down") this.#start(id);
  }

  /** Pauses a node's process at any moment; its connections stay open. */
  pause(id: NodeId): void {
    if (this.#states.get(id) === "down") return;
    this.#process(id).signal("SIGSTOP");
    this.#paused.add(id);
  }

  /** Lets a paused node go on. */
  resume(id: NodeId): void {
    if (!this.#paused.delete(id)) return;
    this.#process(id).signal("SIGCONT");
  }

  /** Ends a node's connections to all others, until {@linkcode heal}. Its clients still reach it. */
  cut(id: NodeId): void {
    if (this.#states.get(id) === "down") return;
    this.#process(id).order("cut");
    this.#cut.add(id);
  }

  /** Lets a node that was cut off connect again. */
  heal(id: NodeId): void {
    if (!this.#cut.delete(id)) return;
    this.#process(id).order("heal");
  }

  /** Starts a new node, which waits until it is a member. @returns the card that it printed. */
  async join(node: LocalNode): Promise<unknown> {
    const card = Promise.withResolvers<unknown>();
    this.#nodes.set(node.id, node);
    this.#joining.set(node.id, card);
    this.#start(node.id);
    return await card.promise;
  }

  /** Ends a node that is not a member, and forgets it. Its folder stays. */
  dismiss(id: NodeId): void {
    this.#processes.get(id)?.signal("SIGKILL");
    for (const kept of [this.#nodes, this.#states, this.#processes, this.#joining]) kept.delete(id);
  }

  /** Ends a node that is a member no more, and never starts it again, in a later run neither. */
  retire(id: NodeId): void {
    if (!this.#nodes.has(id)) return;
    noteRemoved(this.#options.folder, id);
    this.dismiss(id);
    this.#options.onEvent({ event: "removed", id });
    this.#checkReady();
  }

  /** Stops every node, all at once. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const id of [...this.#paused]) this.resume(id);
    await Promise.all([...this.#processes.values()].map((process) => process.stop()));
    this.#options.onEvent({ event: "stopped" });
  }

  #process(id: NodeId): NodeProcess {
    return assertDefined(this.#processes.get(id), "Every node has a process");
  }

  #start(id: NodeId): void {
    const { api, etcd } = assertDefined(this.#nodes.get(id), "A node that is known");
    const process = this.#spawn(id);
    this.#processes.set(id, process);
    this.#states.set(id, "starting");
    this.#options.onEvent({
      event: "node",
      id,
      api: formatAddress(api),
      etcd: etcd === undefined ? null : formatAddress(etcd),
      pid: process.pid,
    });
  }

  #spawn(id: NodeId): NodeProcess {
    const { self, folder, logFlags } = this.#options;
    const process = new NodeProcess({
      id,
      self,
      command: this.#commandOf(id),
      dataDir: nodeFolder(folder, id),
      logFlags,
      onCard: (card) => this.#joining.get(id)?.resolve(card),
      onAnnouncement: (announcement) => this.#announced(id, announcement),
      onLogFailure: (reason) => {
        this.#options.onEvent({ event: "logFailed", id, path: process.log.path, reason });
      },
    });
    process.ended.then((status) => this.#exited(process, status), this.#failed.reject);
    return process;
  }

  /** A node that has joined has its configuration in its folder. */
  #commandOf(id: NodeId): readonly string[] {
    const { config: { peers }, configFile, folder } = this.#options;
    const isFounder = peers.some((peer) => peer.id === id);
    const file = isFounder ? configFile : `${nodeFolder(folder, id)}/cluster.json`;
    if (isFounder || statFile(file) !== null) return ["node", "--id", id, "--config", file];
    const { peer, api } = assertDefined(this.#nodes.get(id), "A node that is known");
    const { publicKey } = assertDefined(
      this.#group ?? undefined,
      "A cluster with members has a key",
    );
    const others = this.nodes.filter((node) => node.id !== id);
    const from = others.map((node) => formatAddress(node.api)).join(",");
    return [
      ...["join", "--config", configFile, "--key", encodeHex(publicKey), "--from", from],
      ...["--id", id, "--peer", formatAddress(peer), "--api", formatAddress(api)],
    ];
  }

  #announced(id: NodeId, announcement: NodeAnnouncement): void {
    if (!this.#nodes.has(id)) return;
    if (announcement.event === "key") return this.#checkKey(id, announcement);
    if (announcement.event === "removed") return this.retire(id);
    if (announcement.event !== "role") return;
    const { role, term, leader, certificate } = announcement;
    this.#states.set(id, role);
    if (leader === null || certificate === null) {
      const isCutOff = this.#cut.has(id);
      return this.#leaderless.announced({ term, role, isCutOff }, performance.now());
    }
    this.#informed.set(id, term);
    if ([...this.#states.values()].includes("leader")) this.#leaderless.followed(term);
    // A follower may still remember a leader of the run before.
    if (role === "leader" && term > this.#leaderless.term) this.#elected(id, term, certificate);
    this.#checkReady();
  }

  /** The first node with the key proves it with the genesis. The other nodes must have the same key. */
  #checkKey(
    id: NodeId,
    { publicKey, genesis }: { readonly publicKey: string; readonly genesis: string | null },
  ): void {
    try {
      this.#group ??= this.#proveKey(id, genesis);
      const known = encodeHex(this.#group.publicKey);
      if (publicKey === known) return;
      throw new InputError(`${id} has the group key ${publicKey}, and others have ${known}`);
    } catch (error) {
      this.#failed.reject(error);
    }
  }

  #proveKey(id: NodeId, note: string | null): Group {
    if (note === null) {
      throw new InputError(
        `${id} has a key from a dealer, but other nodes make one: the folders belong to different ` +
          "clusters. floe cluster --fresh deletes the nodes' data and starts over.",
      );
    }
    const group = verifyGenesis(note, toGenesisRoster(this.#options.config));
    this.#tellKey({ group, genesis: note }, Math.round(performance.now() - this.#startedMs));
    return group;
  }

  #tellKey({ group, genesis }: KnownKey, ms: number | null): void {
    const { cluster, threshold, publicKey } = group;
    const verifierKey = encodeVerifierKey(cluster, publicKey);
    const key = { publicKey: encodeHex(publicKey), verifierKey };
    this.#options.onEvent({ event: "group", cluster, threshold, ...key, genesis, ms });
  }

  #elected(leader: NodeId, term: number, note: string): void {
    try {
      const group = assertDefined(this.#group ?? undefined, "A leader without a key");
      verifyCertificate(note, group, { leader, term: toTerm(term) });
    } catch (error) {
      return this.#failed.reject(error);
    }
    const ms = this.#leaderless.elected(term, performance.now());
    this.#options.onEvent({ event: "leader", id: leader, term, certificate: "valid", ms, note });
  }

  #exited(process: NodeProcess, { code, signal }: Deno.CommandStatus): void {
    const { id, pid, log } = process;
    this.#joining.get(id)?.reject(new EnvironmentError(`${id} has ended: ${log.lastLines.at(-1)}`));
    if (!this.#nodes.has(id)) return;
    const wasLeader = this.#states.get(id) === "leader";
    this.#states.set(id, "down");
    this.#cut.delete(id);
    this.#informed.delete(id);
    if (!this.#isStopping) {
      this.#options.onEvent({ event: "exit", id, pid, code, signal, log: log.lastLines });
      if (wasLeader) this.#leaderless.lost(performance.now());
      this.#checkReady();
    }
    if ([...this.#states.values()].every((state) => state === "down")) this.#allEnded.resolve();
  }

  #checkReady(): void {
    if (this.#isReady || !this.hasElected) return;
    const isWaitedFor = ([id, state]: [NodeId, NodeState]) =>
      state !== "down" && this.#informed.get(id) !== this.#leaderless.term;
    if ([...this.#states].some(isWaitedFor)) return;
    this.#isReady = true;
    this.#options.onEvent({ event: "ready" });
  }
}
