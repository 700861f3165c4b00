/**
 * What a running node does for its clients: it answers at once what it knows itself, and hands the core what
 * needs the cluster.
 *
 * @module
 */

import type { Certificate, Certifier, Group } from "../certificate/mod.ts";
import { catching, EnvironmentError } from "../errors.ts";
import {
  type AppliedEntry,
  type Command,
  encodeCommand,
  type LeaseMessage,
  type StoreView,
  type Token,
  type Watcher,
  type WatchQuery,
} from "../kv/mod.ts";
import type { Entry, Input, Output, RaftView } from "../raft/mod.ts";
import type { RaftStore, SavedSnapshot } from "../storage/mod.ts";
import type { NodeId, Term } from "../types.ts";
import {
  type Consistency,
  type LeaderAnswer,
  type LeaseAnswer,
  type NodeApi,
  type NodeStatus,
  RequestError,
  type SnapshotInMaking,
  type WatchRefusal,
  type WriteAnswer,
} from "./api.ts";
import type {
  EndedMembersChange,
  MembersChange,
  MembershipChain,
  MembersPlan,
  MembersRequest,
  MembersStatus,
  Timeout,
} from "./members_api.ts";
import type { ClusterWatch, WriteTimes } from "./cluster_views.ts";
import type { ClusterMembers } from "./cluster_members.ts";
import type { Evidence, EvidenceReport } from "./evidence.ts";
import { TICK_MS } from "./inbox.ts";
import { type KeyGenerationReport, toFinalReport } from "./key_generation/report.ts";
import type { Network } from "./network.ts";
import { Leases } from "./leases.ts";
import type { LiveStore } from "./live_store.ts";
import { leaderCommitOf, type NodeFigures, type Observer, troubleOf } from "./observer.ts";
import { MemberService } from "./member_service.ts";
import { EXPIRY_INTERVAL_TICKS, Requests } from "./requests.ts";
import { Transfers } from "./transfers.ts";

/** The parts of the node that a client service reads from and hands requests to. */
export interface ClientServiceParts {
  /** The members of the cluster, and its configuration. */
  readonly members: ClusterMembers;
  /** The genesis certificate; null if a dealer made the key. */
  readonly genesis: string | null;
  /** The text that the genesis states; null for a cluster of one. */
  readonly founding: string | null;
  /** Checks the certificates that the store holds. */
  readonly certifier: Pick<Certifier, "verify">;
  /** The core's state; every step of the core changes it. */
  readonly state: RaftView;
  /** The replicated state. */
  readonly live: LiveStore;
  /** The certificates that this node keeps. */
  readonly certificates: Pick<RaftStore, "election" | "elections">;
  /** The proofs of misbehaviour that it has seen. */
  readonly evidence: Pick<Evidence, "report">;
  /** The node's connections. */
  readonly network: Pick<Network, "isConnected" | "isConfigurationEqual" | "sendLease"> & {
    /** The counters of the connections, by name. */
    readonly counters: Readonly<Record<string, number>>;
  };
  /** The counters of the node itself, by name. */
  readonly counters: () => Readonly<Record<string, number>>;
  /** Begins to watch the nodes of the cluster. */
  readonly watchCluster: () => ClusterWatch;
  /** Copies the state, with everything applied so far. @throws {RequestError} when that cannot begin. */
  readonly saveSnapshot: () => Promise<SavedSnapshot>;
  /** Takes what the clients' side measures; `figures` are what the rest of the node has measured. */
  readonly observer: Pick<Observer, "took">;
  readonly figures: () => Omit<NodeFigures, "watchers" | "leases">;
  /** Hands an input to the core. */
  readonly submit: (input: Input) => void;
  /** Stops the node, because its own data are damaged. */
  readonly fail: (error: unknown) => void;
}

/** The clients' side of one node, from its start until {@linkcode ClientService.stop}. */
export class ClientService implements NodeApi {
  /** The genesis certificate; null if a dealer made the key. */
  readonly genesis: string | null;
  readonly #members: MemberService;
  readonly #parts: ClientServiceParts;
  readonly #live: LiveStore;
  readonly #requests: Requests;
  readonly #leases: Leases;
  readonly #transfers: Transfers;
  readonly #startedMs = performance.now();
  readonly #writes = { count: 0, totalMs: 0 };
  #expiredMs = 0;
  #isStopped = false;

  /** A service without any request yet. */
  constructor(parts: ClientServiceParts) {
    this.genesis = parts.genesis;
    this.#members = new MemberService({
      ...parts,
      isConnected: (peer) => parts.network.isConnected(peer),
    });
    this.#parts = parts;
    this.#live = parts.live;
    this.#requests = new Requests(parts.submit);
    this.#leases = new Leases({
      self: parts.state.self,
      incarnation: parts.state.config.incarnation,
      store: () => parts.live.store,
      requests: this.#requests,
      send: (message) => parts.network.sendLease(message),
      nowMs: () => performance.now(),
    });
    this.#transfers = new Transfers(parts.submit);
  }

  /** See {@linkcode NodeApi.group}. */
  get group(): Group {
    return this.#parts.members.group;
  }

  /** See {@linkcode NodeApi.write}. */
  write(command: Command, options: { readonly timeoutMs: number }): Promise<WriteAnswer> {
    this.#checkRunning();
    const startedMs = performance.now();
    return this.#timed(
      this.#requests.write(encodeCommand(command), startedMs + options.timeoutMs),
      startedMs,
    );
  }

  async #timed(written: Promise<WriteAnswer>, startedMs: number): Promise<WriteAnswer> {
    const answer = await written;
    this.#writes.count += 1;
    const tookMs = performance.now() - startedMs;
    this.#writes.totalMs += tookMs;
    this.#parts.observer.took("write.commit", tookMs);
    return answer;
  }

  /** How long clients of this node have waited for their writes. */
  get writeTimes(): WriteTimes {
    return { ...this.#writes };
  }

  /** See {@linkcode NodeApi.view}. */
  async view(
    { consistency, timeoutMs }: { readonly consistency: Consistency; readonly timeoutMs: number },
  ): Promise<StoreView> {
    this.#checkRunning();
    if (consistency !== "stale") {
      const lease = consistency === "lease";
      await this.#requests.confirmRead(performance.now() + timeoutMs, { lease });
      this.#checkRunning();
    }
    return this.#live.view;
  }

  /** See {@linkcode NodeApi.watch}. */
  watch(query: WatchQuery, onReady: () => void): Watcher | WatchRefusal {
    this.#checkRunning();
    return this.#live.watch(query, onReady);
  }

  /** See {@linkcode NodeApi.keepAlive}. */
  // deno-lint-ignore require-await -- a refusal is a rejection
  async keepAlive(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer> {
    this.#checkRunning();
    return this.#leases.ask({ id, isKeptAlive: true }, performance.now() + options.timeoutMs);
  }

  /** See {@linkcode NodeApi.leaseTimes}. */
  // deno-lint-ignore require-await -- a refusal is a rejection
  async leaseTimes(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer> {
    this.#checkRunning();
    return this.#leases.ask({ id, isKeptAlive: false }, performance.now() + options.timeoutMs);
  }

  /** See {@linkcode NodeApi.token}. */
  token(id: string): Token | null {
    this.#checkRunning();
    return this.#live.view.token(id);
  }

  /** See {@linkcode NodeApi.tokenNamed}. */
  tokenNamed(name: string): Token | null {
    this.#checkRunning();
    return this.#live.view.tokenNamed(name);
  }

  /** See {@linkcode NodeApi.tokens}. */
  async tokens({ timeoutMs }: { readonly timeoutMs: number }): Promise<readonly Token[]> {
    return (await this.view({ consistency: "linearizable", timeoutMs })).tokens();
  }

  /** See {@linkcode NodeApi.saveSnapshot}. */
  async saveSnapshot({ timeoutMs }: { readonly timeoutMs: number }): Promise<SnapshotInMaking> {
    await this.view({ consistency: "linearizable", timeoutMs });
    return { made: this.#parts.saveSnapshot() };
  }

  /** See {@linkcode NodeApi.transferLeadership}. */
  transferLeadership(target: NodeId | null): Promise<NodeId> {
    this.#checkRunning();
    return this.handOver(target);
  }

  /** {@linkcode NodeApi.transferLeadership} for the node itself, which works after {@linkcode stopServing}. */
  handOver(target: NodeId | null): Promise<NodeId> {
    // The core gives the target an election timeout; its election may take another.
    const deadlineMs = performance.now() + 2 * this.#parts.members.config.timing.electionTimeoutMs;
    return this.#transfers.request(target, deadlineMs);
  }

  /** See {@linkcode NodeApi.watchCluster}. */
  watchCluster(): ClusterWatch {
    this.#checkRunning();
    return this.#parts.watchCluster();
  }

  /** See {@linkcode NodeApi.status}. */
  status(): NodeStatus {
    const { state, network, counters } = this.#parts;
    const { role, term, leader } = state.report();
    const followers = state.role.name === "leader" ? state.role.followers : null;
    return {
      id: state.self,
      role,
      term,
      leader,
      commitIndex: state.commitIndex,
      leaderCommitIndex: leader === null ? null : leaderCommitOf(state),
      appliedIndex: this.#live.appliedIndex,
      revision: this.#live.view.revision,
      compactedRevision: this.#live.view.compactedRevision,
      lastLogIndex: state.log.last.index,
      trouble: troubleOf(state),
      uptimeMs: Math.round(performance.now() - this.#startedMs),
      peers: state.peers.map((id) => ({
        id,
        connected: network.isConnected(id),
        matchIndex: followers?.get(id)?.matchIndex ?? null,
      })),
      counters: { ...counters(), ...network.counters },
    };
  }

  /** See {@linkcode NodeApi.figures}. */
  figures(): NodeFigures {
    return { ...this.#live.figures, ...this.#parts.figures() };
  }

  /** See {@linkcode NodeApi.keyGeneration}. */
  keyGeneration(): KeyGenerationReport {
    const { members: { config }, state, genesis, network } = this.#parts;
    return toFinalReport({
      config,
      self: state.self,
      genesis,
      viewOf: (peer) => ({
        isConnected: network.isConnected(peer),
        isConfigurationEqual: network.isConfigurationEqual(peer),
      }),
    });
  }

  /** See {@linkcode NodeApi.leader}. */
  leader(): LeaderAnswer {
    const { members, state } = this.#parts;
    const { leader, term, certificate } = state.report();
    const api = leader === null ? null : members.apiOf(leader);
    return { leader, term, api, certificate };
  }

  /** See {@linkcode NodeApi.elections}. */
  elections(
    options: { readonly limit: number; readonly before?: Term },
  ): readonly Certificate[] {
    this.#checkRunning();
    const notes = this.#fromStore(() => this.#parts.certificates.elections(options));
    return notes.map((note) => this.#parts.certifier.verify(note));
  }

  /** See {@linkcode NodeApi.election}. */
  election(term: Term): Certificate | null {
    this.#checkRunning();
    const note = this.#fromStore(() => this.#parts.certificates.election(term));
    return note === null ? null : this.#parts.certifier.verify(note);
  }

  /** See {@linkcode NodeApi.evidence}. */
  evidence(): EvidenceReport {
    return this.#parts.evidence.report;
  }

  /** See {@linkcode NodeApi.members}. */
  members(): MembersStatus {
    return this.#members.status();
  }

  /** See {@linkcode NodeApi.membershipChain}. */
  membershipChain(): MembershipChain {
    return this.#members.chain();
  }

  /** See {@linkcode NodeApi.planMembers}. */
  planMembers(request: MembersRequest): MembersPlan {
    this.#checkRunning();
    return this.#members.plan(request);
  }

  /** See {@linkcode NodeApi.changeMembers}. */
  changeMembers(request: MembersRequest, { timeoutMs }: Timeout): Promise<MembersChange> {
    this.#checkRunning();
    return this.#members.change(request, performance.now() + timeoutMs);
  }

  /** See {@linkcode NodeApi.cancelMembers}. */
  cancelMembers(reason: string, { timeoutMs }: Timeout): Promise<EndedMembersChange> {
    this.#checkRunning();
    return this.#members.cancel(reason, performance.now() + timeoutMs);
  }

  /** Answers the requests that the step's output decides. */
  handle(output: Output): void {
    this.#requests.handle(output, this.#live.appliedIndex);
    this.#transfers.handle(output);
    this.#members.handle(output);
    if (output.role !== null) this.#leases.roleChanged(output.role);
  }

  /** Answers the requests that wait for these entries to be applied. */
  applied(entries: readonly Entry[], outcomes: readonly AppliedEntry[]): void {
    this.#leases.applied();
    this.#requests.applied(entries, outcomes, this.#live.appliedIndex);
  }

  /** A peer asks about a lease, or answers. */
  receivedLease(message: LeaseMessage): void {
    if (!this.#isStopped) this.#leases.received(message);
  }

  /** Counts a tick of the node's clock. */
  tick(): void {
    this.#live.tick();
    this.#leases.tick();
  }

  /** Ends the requests whose deadline has passed. The node calls this at each turn; most calls do nothing. */
  expire(): void {
    const nowMs = performance.now();
    if (nowMs - this.#expiredMs < EXPIRY_INTERVAL_TICKS * TICK_MS) return;
    this.#expiredMs = nowMs;
    const waiting = [this.#requests, this.#leases, this.#transfers, this.#members];
    for (const part of waiting) part.expire(nowMs);
  }

  /**
   * Answers every request, waiting or later, that the node is stopping: a write that waits for a quorum could
   * otherwise keep the process alive for long.
   */
  stopServing(): void {
    this.#isStopped = true;
    for (const part of [this.#requests, this.#leases, this.#members]) part.stop();
    this.#live.endWatches("stopping");
  }

  /** As {@linkcode ClientService.stopServing}; also ends a hand-over that is still under way. */
  stop(): void {
    this.stopServing();
    this.#transfers.stop();
  }

  #checkRunning(): void {
    if (!this.#isStopped) return;
    throw new RequestError("stopping", "The node is stopping", { maybeApplied: false });
  }

  /** A node whose data are damaged must answer no request any more: the next damaged row could be its vote. */
  #fromStore<Result>(read: () => Result): Result {
    return catching(EnvironmentError, read, (error) => {
      this.#parts.fail(error);
      const why = "The node stops: it cannot read its own data";
      throw new RequestError("stopping", why, { maybeApplied: false });
    });
  }
}
