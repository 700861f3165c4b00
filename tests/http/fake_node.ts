/**
 * A node that keeps its keys in a map and does as tests tell it.
 *
 * @module
 */

import type { Certificate } from "../../lib/certificate/certifier.ts";
import type { Group } from "../../lib/certificate/group.ts";
import type { Command, CommandResult, KeyValue } from "../../lib/kv/command.ts";
import type {
  Consistency,
  LeaderAnswer,
  NodeApi,
  NodeStatus,
  ReadAnswer,
} from "../../lib/node/api.ts";
import { toClusterName, toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";

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
  appliedIndex: toLogIndex(70),
  lastLogIndex: toLogIndex(71),
  uptimeMs: 61_000,
  peers: [2, 3, 4, 5].map((number) => ({
    id: toNodeId(`server_${number}`),
    connected: number !== 5,
    matchIndex: number === 5 ? null : toLogIndex(70),
  })),
  counters: { "frame.refused": 2 },
};

/** Everything public may be changed by a test before, or while, requests run. */
export class FakeNode implements NodeApi {
  group = fakeGroup;
  statusNow: NodeStatus = STATUS;
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
  readonly reads: { key: string; consistency: Consistency; timeoutMs: number }[] = [];
  readonly timeouts: number[] = [];
  readonly #rows = new Map<string, KeyValue>();
  #revision = 100;

  async write(
    command: Command,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<CommandResult> {
    this.timeouts.push(timeoutMs);
    await this.#wait();
    this.commands.push(command);
    this.#revision += 1;
    const revision = toLogIndex(this.#revision);
    const before = this.#rows.get(command.key);
    if (command.kind === "delete") {
      return { kind: "delete", revision, deleted: this.#rows.delete(command.key) };
    }
    const row: KeyValue = {
      key: command.key,
      value: command.value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
    };
    this.#rows.set(command.key, row);
    return { kind: "put", revision, createRevision: row.createRevision, version: row.version };
  }

  async read(
    key: string,
    options: { readonly consistency: Consistency; readonly timeoutMs: number },
  ): Promise<ReadAnswer> {
    this.reads.push({ key, ...options });
    await this.#wait();
    return { row: this.#rows.get(key) ?? null, revision: toLogIndex(this.#revision) };
  }

  status(): NodeStatus {
    return this.statusNow;
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
