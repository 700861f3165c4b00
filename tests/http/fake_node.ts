/**
 * A node with a state machine but without a cluster, which does as tests tell it.
 *
 * @module
 */

import { encodeUtf8 } from "../../lib/bytes.ts";
import type { Certificate } from "../../lib/certificate/certifier.ts";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import type { Application } from "../../lib/http/route.ts";
import { type Command, EXPIRED_LEASES_MAX } from "../../lib/kv/command.ts";
import { encodeCommand } from "../../lib/kv/command_codec.ts";
import { singleKey } from "../../lib/kv/key_range.ts";
import { Lessor } from "../../lib/kv/lessor.ts";
import { Store, type StoreLimits } from "../../lib/kv/store.ts";
import type { StoreView } from "../../lib/kv/store_view.ts";
import type { Token } from "../../lib/kv/token.ts";
import type { Watcher, WatchQuery } from "../../lib/kv/watch_hub.ts";
import type {
  Consistency,
  LeaderAnswer,
  LeaseAnswer,
  NodeApi,
  NodeStatus,
  SnapshotInMaking,
  WatchRefusal,
  WriteAnswer,
} from "../../lib/node/api.ts";
import type { ClusterWatch } from "../../lib/node/cluster_views.ts";
import type { EvidenceReport } from "../../lib/node/evidence.ts";
import type { KeyGenerationReport } from "../../lib/node/key_generation/report.ts";
import { LiveStore } from "../../lib/node/live_store.ts";
import type {
  EndedMembersChange,
  MembersChange,
  MembershipChain,
  MembersPlan,
  MembersRequest,
  MembersStatus,
} from "../../lib/node/members_api.ts";
import type { NodeFigures } from "../../lib/node/observer.ts";
import { type NodeView } from "../../lib/node_view.ts";
import { SavedSnapshot } from "../../lib/storage/snapshot/saved_file.ts";
import { type NodeId, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { PROBLEM_MEDIA_TYPE, type ProblemBody } from "../../lib/wire/mod.ts";
import { TERM } from "../kv/support.ts";
import {
  CHANGE,
  fakeCertificate,
  fakeGroup,
  FIGURES,
  KEY_GENERATION,
  MEMBERS,
  STATUS,
  STEP,
  VIEW,
} from "./fake_reports.ts";

/** The API of a node that lets everybody in, under whatever name a test gives it. */
export function openApp(node: NodeApi): Application {
  return createApp(node, { authorizer: new Authorizer({ node, access: { kind: "open" } }) });
}

/** How often the fake node's leases are looked at, in a second of its own. */
const TICKS_PER_SECOND = 10;

/** Everything public may be changed by a test before, or while, requests run. */
export class FakeNode implements NodeApi {
  group = fakeGroup;
  genesis: string | null = null;
  statusNow: NodeStatus = STATUS;
  keyGenerationNow: KeyGenerationReport = KEY_GENERATION;
  views: readonly NodeView[] = [VIEW];
  /** How many watch the cluster. */
  clusterWatches = 0;
  leaderNow: LeaderAnswer = {
    leader: toNodeId("server_1"),
    term: toTerm(7),
    api: "127.0.0.1:8001",
    certificate: fakeCertificate(7),
  };
  certificates: readonly Certificate[] = [7, 5, 4, 2].map(fakeCertificate);
  evidenceNow: EvidenceReport = { twoLeaders: [], refusedCount: 0, lastRefused: null };
  membersNow: MembersStatus = MEMBERS;
  chainNow: MembershipChain = {
    genesis: null,
    founding: "",
    memberships: [{ byOld: "a note", byNew: null }],
    settings: {
      timing: { heartbeatMs: 50, electionTimeoutMs: 500, signingTimeoutMs: 150 },
      log: { entriesMax: 100_000, bytesMax: 67_108_864 },
      history: { changesMax: 100_000, bytesMax: 67_108_864, ageSecondsMax: 86_400 },
    },
  };
  planNow: MembersPlan = { steps: [STEP], lying: 2, sparesAfter: 1, takesLastSpare: false };
  changeNow: MembersChange = CHANGE;
  /** What was asked to be changed of the members, in order. */
  readonly membersRequests: MembersRequest[] = [];
  /** Thrown by the next requests, as long as it is set. */
  failure: unknown = null;
  /** How many of the next requests fail with `failure`; all by default. */
  failuresLeft = Infinity;
  /** Waited for by every request before it answers. */
  hold: Promise<void> = Promise.resolve();
  /** What a saved snapshot holds. */
  snapshotBytes = new Uint8Array(700_000).fill(7);
  /** How many of them were sent, or given up. */
  snapshotsClosed = 0;
  /** What arrived, in order. */
  readonly commands: Command[] = [];
  readonly reads: { consistency: Consistency; timeoutMs: number }[] = [];
  readonly timeouts: number[] = [];
  /** The store, its watchers, and what a snapshot could take the place of. */
  readonly live: LiveStore;
  readonly #lessor = new Lessor({ leases: [], ticksPerSecond: TICKS_PER_SECOND });

  /** The first write has revision 101. */
  constructor(limits: StoreLimits = {}) {
    this.live = new LiveStore(new Store(limits));
    this.skip(100);
  }

  /** Entries that change nothing. */
  skip(count: number): void {
    const data = encodeUtf8("a note");
    for (let left = count; left > 0; left--) {
      const index = toLogIndex(this.live.appliedIndex + 1);
      this.live.apply([{ index, term: TERM, kind: "certificate", data }]);
    }
    this.publish();
  }

  async write(
    command: Command,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<WriteAnswer> {
    this.timeouts.push(timeoutMs);
    await this.#wait();
    return this.apply(command);
  }

  /** Applies a command as if it had come through another node, whatever `failure` says. */
  apply(command: Command): WriteAnswer {
    this.commands.push(command);
    const index = toLogIndex(this.live.appliedIndex + 1);
    const data = encodeCommand(command);
    const [applied] = this.live.apply([{ index, term: TERM, kind: "command", data }]);
    if (applied === undefined || !("result" in applied)) throw new Error("a command has a result");
    for (const id of leasesOf(command)) this.#lessor.changed(id, this.live.view.lease(id));
    this.publish();
    return { result: applied.result, isReplay: applied.kind === "replayed" };
  }

  /** Sets a key, as {@linkcode apply}. */
  put(key: string | Uint8Array, value: string | Uint8Array = "", lease = 0): WriteAnswer {
    return this.apply({
      kind: "transaction",
      conditions: [],
      success: [{
        kind: "put",
        key: toBytes(key),
        value: toBytes(value),
        lease,
        isPreviousWanted: false,
      }],
      failure: [],
    });
  }

  /** Removes a key, as {@linkcode apply}. */
  remove(key: string): WriteAnswer {
    const keys = singleKey(encodeUtf8(key));
    const success = [{ kind: "delete", keys, isPreviousWanted: false }] as const;
    return this.apply({ kind: "transaction", conditions: [], success, failure: [] });
  }

  /** Lets so many seconds go by for its leases. */
  pass(seconds: number): void {
    for (let ticks = seconds * TICKS_PER_SECOND; ticks > 0; ticks--) {
      this.#lessor.tick();
      const ids = this.#lessor.due(EXPIRED_LEASES_MAX);
      if (ids.length > 0) {
        this.apply({
          kind: "expireLeases",
          term: TERM,
          appliedIndex: this.live.store.appliedIndex,
          ids,
        });
      }
    }
  }

  /** Tells the watchers what is new. */
  publish(): void {
    while (!this.live.publish());
  }

  async view(
    options: { readonly consistency: Consistency; readonly timeoutMs: number },
  ): Promise<StoreView> {
    this.reads.push(options);
    await this.#wait();
    return this.live.view;
  }

  watch(query: WatchQuery, onReady: () => void): Watcher | WatchRefusal {
    return this.live.watch(query, onReady);
  }

  watchCluster(): ClusterWatch {
    this.clusterWatches += 1;
    return { read: () => this.views, end: () => void (this.clusterWatches -= 1) };
  }

  async keepAlive(id: number): Promise<LeaseAnswer> {
    await this.#wait();
    return this.#lessor.keepAlive(id) ? this.#leaseAnswer(id) : { kind: "leaseNotFound" };
  }

  async leaseTimes(id: number): Promise<LeaseAnswer> {
    await this.#wait();
    return this.#leaseAnswer(id);
  }

  token(id: string): Token | null {
    return this.live.view.token(id);
  }

  tokenNamed(name: string): Token | null {
    return this.live.view.tokenNamed(name);
  }

  async tokens({ timeoutMs }: { readonly timeoutMs: number }): Promise<readonly Token[]> {
    this.timeouts.push(timeoutMs);
    await this.#wait();
    return this.live.view.tokens();
  }

  status(): NodeStatus {
    return this.statusNow;
  }

  keyGeneration(): KeyGenerationReport {
    return this.keyGenerationNow;
  }

  /** A snapshot whose database is no database: nobody here looks into it. */
  async saveSnapshot(): Promise<SnapshotInMaking> {
    await this.#wait();
    const path = Deno.makeTempFileSync({ prefix: "floe-fake-" });
    Deno.writeFileSync(path, this.snapshotBytes);
    const { cluster } = this.group;
    const { revision } = this.live.view;
    const head = { cluster, index: revision, revision, bytes: this.snapshotBytes.length };
    const snapshot = new SavedSnapshot(path, head, () => this.snapshotsClosed++);
    // It is open: whatever becomes of it, no file stays.
    Deno.removeSync(path);
    return { made: Promise.resolve(snapshot) };
  }

  transferLeadership(target: NodeId | null): Promise<NodeId> {
    return Promise.resolve(target ?? toNodeId("server_2"));
  }

  leader(): LeaderAnswer {
    return this.leaderNow;
  }

  elections({ limit, before }: { limit: number; before?: number }): readonly Certificate[] {
    return this.certificates
      .filter(({ term }) => before === undefined || term < before)
      .slice(0, limit);
  }

  election(term: number): Certificate | null {
    return this.certificates.find((certificate) => certificate.term === term) ?? null;
  }

  evidence(): EvidenceReport {
    return this.evidenceNow;
  }

  figures(): NodeFigures {
    return FIGURES;
  }

  members(): MembersStatus {
    return this.membersNow;
  }

  membershipChain(): MembershipChain {
    return this.chainNow;
  }

  planMembers(request: MembersRequest): MembersPlan {
    this.membersRequests.push(request);
    if (this.failure !== null) throw this.failure;
    return this.planNow;
  }

  async changeMembers(
    request: MembersRequest,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<MembersChange> {
    this.membersRequests.push(request);
    this.timeouts.push(timeoutMs);
    await this.#wait();
    return this.changeNow;
  }

  async cancelMembers(
    reason: string,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<EndedMembersChange> {
    this.timeouts.push(timeoutMs);
    await this.#wait();
    return { id: this.changeNow.id, outcome: "cancelled", reason };
  }

  #leaseAnswer(id: number): LeaseAnswer {
    const lease = this.live.view.lease(id);
    const secondsLeft = this.#lessor.secondsLeft(id);
    if (lease === null || secondsLeft === null) return { kind: "leaseNotFound" };
    return { kind: "lease", lease, secondsLeft };
  }

  async #wait(): Promise<void> {
    await this.hold;
    if (this.failure === null || this.failuresLeft <= 0) return;
    this.failuresLeft -= 1;
    throw this.failure;
  }
}

function toBytes(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? encodeUtf8(text) : text;
}

function leasesOf(command: Command): readonly number[] {
  switch (command.kind) {
    case "grantLease":
    case "revokeLease":
      return [command.id];
    case "expireLeases":
      return command.ids;
    default:
      return [];
  }
}

/** A refusal as a node would word it, with what the test is about. */
export function problemAnswer(
  status: number,
  problem: Pick<ProblemBody, "code" | "detail" | "maybeApplied">,
): Response {
  const headers = { "content-type": PROBLEM_MEDIA_TYPE };
  const body: ProblemBody = { type: "about:blank", title: "Refused", status, ...problem };
  return Response.json(body, { status, headers });
}
