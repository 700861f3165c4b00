/**
 * A node with a state machine but without a cluster, which does as tests tell it.
 *
 * @module
 */

import type { Certificate, Group } from "../../lib/certificate/certifier.ts";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import type { Application } from "../../lib/http/route.ts";
import { PROBLEM_MEDIA_TYPE, type ProblemBody } from "../../lib/http/wire.ts";
import type { Command } from "../../lib/kv/command.ts";
import { Store } from "../../lib/kv/store.ts";
import { StoreView } from "../../lib/kv/store_view.ts";
import type { Token } from "../../lib/kv/token.ts";
import { type Watcher, WatchHub, type WatchQuery } from "../../lib/kv/watch_hub.ts";
import type {
  Consistency,
  LeaderAnswer,
  LeaseAnswer,
  NodeApi,
  NodeStatus,
  WatchRefusal,
  WriteAnswer,
} from "../../lib/node/api.ts";
import type { KeyGenerationReport } from "../../lib/node/key_generation/report.ts";
import {
  type NodeId,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../lib/types.ts";
import { entryOf } from "../kv/support.ts";

/** RFC 8032 §7.1, test 1: a real Ed25519 public key. */
const PUBLIC_KEY = Uint8Array.fromHex(
  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
);

export const fakeGroup: Group = {
  cluster: toClusterName("floe-test"),
  epoch: toEpoch(1),
  threshold: 4,
  publicKey: PUBLIC_KEY,
  voters: [1, 2, 3, 4, 5].map((identifier) => ({
    id: toNodeId(`server_${identifier}`),
    identifier,
    verifyingShare: PUBLIC_KEY,
  })),
};

export function fakeCertificate(term: number): Certificate {
  return {
    epoch: toEpoch(1),
    term: toTerm(term),
    leader: toNodeId("server_1"),
    lastLogIndex: toLogIndex(term * 10),
    lastLogTerm: toTerm(term - 1),
    note: `floe/election/v1\nterm ${term}\n\n— floe-test AAAA\n`,
  };
}

const STATUS: NodeStatus = {
  id: toNodeId("server_1"),
  role: "leader",
  term: toTerm(7),
  leader: toNodeId("server_1"),
  commitIndex: toLogIndex(70),
  leaderCommitIndex: toLogIndex(70),
  appliedIndex: toLogIndex(70),
  revision: toLogIndex(70),
  compactedRevision: toLogIndex(0),
  lastLogIndex: toLogIndex(71),
  trouble: null,
  uptimeMs: 61_000,
  peers: [2, 3, 4, 5].map((number) => ({
    id: toNodeId(`server_${number}`),
    connected: number !== 5,
    matchIndex: number === 5 ? null : toLogIndex(70),
  })),
  counters: { "frame.refused": 2 },
};

const KEY_GENERATION: KeyGenerationReport = {
  cluster: fakeGroup.cluster,
  id: toNodeId("server_1"),
  phase: "dealt",
  attempt: null,
  threshold: fakeGroup.threshold,
  voters: fakeGroup.voters.map(({ id }) => id),
  peers: STATUS.peers.map(({ id, connected }) => ({
    id,
    connected,
    configuration: connected ? "equal" : "unknown",
    roundOne: false,
    roundTwo: false,
    ready: false,
    signed: false,
  })),
  waitingFor: [],
  genesis: null,
};

/** The API of a node that lets everybody in, under whatever name a test gives it. */
export function openApp(node: NodeApi): Application {
  return createApp(node, { authorizer: new Authorizer({ node, access: { kind: "open" } }) });
}

/** Everything public may be changed by a test before, or while, requests run. */
export class FakeNode implements NodeApi {
  group = fakeGroup;
  genesis: string | null = null;
  statusNow: NodeStatus = STATUS;
  keyGenerationNow: KeyGenerationReport = KEY_GENERATION;
  leaderNow: LeaderAnswer = {
    leader: toNodeId("server_1"),
    term: toTerm(7),
    api: "127.0.0.1:8001",
    certificate: fakeCertificate(7),
  };
  certificates: readonly Certificate[] = [7, 5, 4, 2].map(fakeCertificate);
  /** Thrown by the next requests, as long as it is set. */
  failure: unknown = null;
  /** How many of the next requests fail with `failure`; all by default. */
  failuresLeft = Infinity;
  /** Waited for by every request before it answers. */
  hold: Promise<void> = Promise.resolve();
  /** What arrived, in order. */
  readonly commands: Command[] = [];
  readonly reads: { consistency: Consistency; timeoutMs: number }[] = [];
  readonly timeouts: number[] = [];
  /** Leases that were kept alive, in order. */
  readonly keptAlive: number[] = [];
  readonly store = new Store();
  readonly hub = new WatchHub(this.store.keys);

  /** The first write has revision 101. */
  constructor() {
    const [term, kind, data] = [toTerm(1), "certificate", new Uint8Array()] as const;
    this.store.apply(
      Array.from({ length: 100 }, (_, at) => ({ index: toLogIndex(at + 1), term, kind, data })),
    );
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
    const [applied] = this.store.apply([entryOf(this.store.appliedIndex + 1, command)]);
    for (const watcher of this.hub.publish().ready) watcher.onReady();
    if (applied === undefined || !("result" in applied)) throw new Error("a command has a result");
    return { result: applied.result, isReplay: applied.kind === "replayed" };
  }

  async view(
    options: { readonly consistency: Consistency; readonly timeoutMs: number },
  ): Promise<StoreView> {
    this.reads.push(options);
    await this.#wait();
    return new StoreView(this.store);
  }

  watch(query: WatchQuery, onReady: () => void): Watcher | WatchRefusal {
    return this.hub.watch(query, onReady);
  }

  async keepAlive(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer> {
    this.keptAlive.push(id);
    return await this.leaseTimes(id, options);
  }

  async leaseTimes(
    id: number,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<LeaseAnswer> {
    this.timeouts.push(timeoutMs);
    await this.#wait();
    const lease = this.store.keys.leases.get(id);
    if (lease === null) return { kind: "leaseNotFound" };
    return { kind: "lease", lease, secondsLeft: lease.ttlSeconds };
  }

  token(id: string): Token | null {
    return this.store.tokens.get(id) ?? null;
  }

  async tokens({ timeoutMs }: { readonly timeoutMs: number }): Promise<readonly Token[]> {
    this.timeouts.push(timeoutMs);
    await this.#wait();
    return this.store.tokenRows();
  }

  status(): NodeStatus {
    return this.statusNow;
  }

  keyGeneration(): KeyGenerationReport {
    return this.keyGenerationNow;
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

  async #wait(): Promise<void> {
    await this.hold;
    if (this.failure === null || this.failuresLeft <= 0) return;
    this.failuresLeft -= 1;
    throw this.failure;
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
