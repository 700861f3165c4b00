/**
 * A real cluster whose members change: nodes that join, leave and are lost.
 *
 * @module
 */

import assert from "node:assert/strict";
import { formatAddress } from "../../../lib/address.ts";
import { assertDefined } from "../../../lib/assert.ts";
import {
  type Group,
  type VerifiedCertificate,
  verifyCertificate,
} from "../../../lib/certificate/mod.ts";
import {
  formatClusterConfig,
  generateLocalCluster,
  type PeerConfig,
} from "../../../lib/config/cluster_config.ts";
import {
  createPeerCard,
  type PeerCardJson,
  toPeerCardJson,
} from "../../../lib/config/peer_card.ts";
import { pause } from "../../../lib/deadline.ts";
import { openOrCreateIdentity } from "../../../lib/keys/identity.ts";
import { toVerifiedConfig, verifyCluster, writeJoiner } from "../../../lib/node/join.ts";
import { type NodeId, toClusterName, toNodeId } from "../../../lib/types.ts";
import type { MembersBody, MembersChainBody } from "../../../lib/wire/mod.ts";
import { onFreePorts } from "../../support/free_ports.ts";
import { WAIT_TIMEOUT_MS } from "./events.ts";
import { TestCluster, type TestClusterOptions } from "./test_cluster.ts";

/** A request to change the members, as the API takes it. */
type Request = Readonly<Record<string, unknown>>;

/** How often a test asks how far a change has come, in milliseconds. */
const POLL_MS = 50;

/** Asks again and again until there is an answer. @throws {Error} at the deadline: what was waited for, and why. */
async function until<Answer>(
  what: string | { toString(): string },
  ask: () => Promise<Answer | null>,
): Promise<Answer> {
  const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (deadline.aborted) throw new Error(`Not within ${WAIT_TIMEOUT_MS} ms: ${what}`);
    await pause(POLL_MS, deadline);
  }
}

/** The cluster, and the nodes that are no part of its first configuration. */
export class MembersCluster implements AsyncDisposable {
  /** The processes. */
  readonly cluster: TestCluster;
  readonly #joiners = new Map<NodeId, PeerConfig>();
  readonly #spare: PeerConfig[];
  #group: Group | null = null;

  /** `spare` nodes may join later. */
  constructor(options: TestClusterOptions & { readonly spare: number }) {
    this.cluster = new TestCluster(options);
    this.#spare = [...onFreePorts(generateLocalCluster({ nodes: options.spare + 1 })).peers];
  }

  /** The cluster's key, as it was in the beginning. */
  get group(): Group {
    return this.#group ??= this.cluster.group;
  }

  /** Makes the identity of a node that is to join, and returns its card. */
  prepare(id: NodeId): PeerCardJson {
    const { peer, api } = assertDefined(this.#spare.shift(), "Another spare node");
    this.#joiners.set(id, { id, peer, api });
    const identity = openOrCreateIdentity(this.cluster.keyFolder(id));
    return toPeerCardJson(createPeerCard(identity, { peer, api }));
  }

  /** Starts a node that was added, with what a running one shows of the cluster. */
  async join(id: NodeId, from: NodeId): Promise<void> {
    const chain = await this.chain(from);
    const { cluster, publicKey } = this.group;
    const verified = verifyCluster(chain, { cluster: toClusterName(cluster), publicKey });
    writeJoiner(this.cluster.keyFolder(id), verified);
    const file = `${this.cluster.dataDir(id)}/cluster.json`;
    Deno.writeTextFileSync(
      file,
      formatClusterConfig(toVerifiedConfig(verified, this.cluster.config)),
    );
    this.cluster.start(id, file);
  }

  /** The chain, as a node shows it. */
  async chain(from: NodeId): Promise<MembersChainBody> {
    return await (await this.fetch(from, "/v1/members/chain")).json();
  }

  /** The members, as a node shows them. */
  async members(from: NodeId): Promise<MembersBody> {
    return await (await this.fetch(from, "/v1/members")).json();
  }

  /** Asks the leader for a change, whoever that is. */
  async ask(among: readonly NodeId[], request: Request): Promise<Response> {
    return await until(`a leader of ${among} that takes ${Object.keys(request)}`, async () => {
      const id = await this.leader(among);
      const response = await this.fetch(id, "/v1/members", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(request),
      });
      if (response.status === 200) return response;
      const { code, detail } = await response.json();
      if (code !== "not_leader" && code !== "no_leader") throw new Error(detail);
      return null;
    });
  }

  /** Asks for a change, and waits until it is made. */
  async change(among: readonly NodeId[], request: Request): Promise<MembersBody> {
    const response = await this.ask(among, request);
    const { id, detail } = await response.json();
    assert.equal(response.status, 200, detail);
    return await this.ended(among, id);
  }

  /** Adds a node that is new, with whatever else is asked for, and waits until all of it is done. */
  async add(among: readonly NodeId[], id: NodeId, request: Request = {}): Promise<MembersBody> {
    const response = await this.ask(among, { ...request, add: [{ card: this.prepare(id) }] });
    const { id: plan, detail } = await response.json();
    assert.equal(response.status, 200, detail);
    const from = await this.#waitForMember(id, among);
    await this.join(id, from);
    return await this.ended(among, plan);
  }

  async #waitForMember(id: NodeId, among: readonly NodeId[]): Promise<NodeId> {
    return await until(`${id} is a member by one of ${among}`, async () => {
      for (const node of among) {
        const body = await this.members(node).catch(() => null);
        if (body?.members.some((member) => member.id === id)) return node;
      }
      return null;
    });
  }

  /** Waits until a plan has ended, and that it is completed. */
  async ended(among: readonly NodeId[], id: number): Promise<MembersBody> {
    let last: MembersBody["change"] | null = null;
    const what = () => `change ${id} has ended by one of ${among}: ${JSON.stringify(last)}`;
    return await until({ toString: what }, async () => {
      for (const node of among) {
        // Who was removed has ended.
        const body = await this.members(node).catch(() => null);
        last = body?.change ?? last;
        if (body?.lastChange?.id !== id) continue;
        assert.equal(body.lastChange.outcome, "completed", body.lastChange.reason ?? "");
        return body;
      }
      return null;
    });
  }

  /** Who leads, as these nodes agree. */
  async leader(among: readonly NodeId[]): Promise<NodeId> {
    return await until(`one of ${among} leads`, async () => {
      for (const node of among) {
        const response = await this.fetch(node, "/v1/leader").catch(() => null);
        const { leader = null } = response === null ? {} : await response.json();
        if (among.includes(leader)) return toNodeId(leader);
      }
      return null;
    });
  }

  /** The certificate of who leads now, verified under the first key. */
  async certificate(among: readonly NodeId[]): Promise<VerifiedCertificate> {
    const leader = await this.leader(among);
    const { certificate } = await (await this.fetch(leader, "/v1/leader")).json();
    return verifyCertificate(certificate, this.group);
  }

  /** Writes a key through a node. */
  async put(through: NodeId, key: string, value: string): Promise<void> {
    await until(`${through} puts ${key}`, async () => {
      const response = await this.fetch(through, `/v1/kv/${key}`, { method: "PUT", body: value });
      const text = await response.text();
      if (response.status === 200) return true;
      // A leader that leaves hands over: the same write may be sent again.
      assert.equal(response.status, 503, text);
      return null;
    });
  }

  /** Reads a key through a node; null where it is not. */
  async get(through: NodeId, key: string): Promise<string | null> {
    const response = await this.fetch(through, `/v1/kv/${key}`);
    const { value = null } = await response.json();
    return value;
  }

  /** A request to any node's API. */
  async fetch(id: NodeId, path: string, init?: RequestInit): Promise<Response> {
    const joiner = this.#joiners.get(id);
    if (joiner === undefined) return await this.cluster.fetch(id, path, init);
    return await fetch(`http://${formatAddress(joiner.api)}${path}`, init);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}
