/**
 * Key generation runs whose network, disks and keys are in memory. Connections and configurations are as
 * the test says.
 *
 * @module
 */

import { assertDefined } from "../../../lib/assert.ts";
import {
  generateLocalCluster,
  type PinnedClusterConfig,
} from "../../../lib/config/cluster_config.ts";
import {
  type DurableKeyGeneration,
  type GeneratedKey,
  hashConfiguration,
  type Message,
  newDurableKeyGeneration,
} from "../../../lib/keygen/mod.ts";
import { toPrivateKey } from "../../../lib/native_key.ts";
import {
  type KeyGenerationOptions,
  KeyGenerationRun,
} from "../../../lib/node/key_generation/key_generation_run.ts";
import type { NetworkUser } from "../../../lib/node/network.ts";
import { generateKeyPair } from "../../../lib/transport/mod.ts";
import { type NodeId, toClusterName } from "../../../lib/types.ts";
import { createFounders, type TestFounders } from "../../certificate/founders.ts";
import { seededBytes } from "../../frost/seeded_bytes.ts";

/** A tick that does not come while the test runs. */
export const NEVER_MS = 2 ** 30;

/** What a run of one node is given beside the usual. */
export type RunOptions = Partial<Pick<KeyGenerationOptions, "persist" | "tickMs">> & {
  /** Whether its messages lead nowhere. */
  readonly isAlone?: boolean;
};

/** Founders `server_1`, `server_2`, ... of a cluster that has no key yet. */
export class MemoryCluster {
  readonly founders: TestFounders;
  readonly config: PinnedClusterConfig;
  /** Every message sent, whether it arrived or not. */
  readonly sent: Message[] = [];
  /** What each node has made durable. */
  readonly records = new Map<NodeId, DurableKeyGeneration>();
  /** The share in every record that was made durable, as the run left it. */
  readonly persisted: Uint8Array[] = [];
  /** The key of each node that has one. */
  readonly kept = new Map<NodeId, GeneratedKey>();
  /** Nodes that nobody is connected to. */
  readonly disconnected = new Set<NodeId>();
  /** Nodes whose configuration is not equal. */
  readonly unequal = new Map<NodeId, false | null>();
  /** Sees what is sent, and what arrives in its stead. */
  onSend: (message: Message) => void = () => {};
  readonly #users = new Map<NodeId, NetworkUser>();

  constructor(nodes: number) {
    this.founders = createFounders(Math.floor(nodes / 2) + 1, nodes);
    const { roster } = this.founders;
    const config = generateLocalCluster({ nodes, threshold: roster.threshold });
    const peers = config.peers.map((peer, at) => {
      const { identityKey: signingKey } = assertDefined(roster.voters[at], "no such voter");
      return { ...peer, keys: { signingKey, channelKey: generateKeyPair().publicKey } };
    });
    this.config = { ...config, cluster: toClusterName(roster.cluster), peers };
  }

  get ids(): readonly NodeId[] {
    return this.config.peers.map(({ id }) => id);
  }

  /** The nodes of a cluster of three. */
  get three(): readonly [NodeId, NodeId, NodeId] {
    const [first, second, third] = this.ids;
    return [
      assertDefined(first, "no first"),
      assertDefined(second, "no second"),
      assertDefined(third, "no third"),
    ];
  }

  get configuration(): string {
    return hashConfiguration(this.founders.roster);
  }

  newRecord(): DurableKeyGeneration {
    return newDurableKeyGeneration(this.founders.roster);
  }

  /** Starts a node, which takes up its record. */
  start(self: NodeId, { isAlone = false, ...options }: RunOptions = {}): KeyGenerationRun {
    const run = new KeyGenerationRun({
      config: this.config,
      self,
      ...this.peersOf(self, { isAlone }),
      record: this.records.get(self) ?? null,
      persist: (record) => this.#persist(self, record),
      keep: (key) => void this.kept.set(self, { ...key, secret: key.secret.slice() }),
      tickMs: 5,
      ...options,
    });
    run.start();
    return run;
  }

  /** A node's identity and its connections, which lead nowhere where it `isAlone`. */
  peersOf(
    self: NodeId,
    { isAlone }: { readonly isAlone: boolean } = { isAlone: true },
  ): Pick<KeyGenerationOptions, "identity" | "network"> {
    const at = this.ids.indexOf(self);
    const signingKey = toPrivateKey("ed25519", seededBytes(1000 + at)(32));
    const { keys } = assertDefined(this.config.peers[at], "no such node");
    return {
      identity: { node: self, keys, signingKey, channelKeys: generateKeyPair() },
      network: {
        use: (user) => void this.#users.set(self, user),
        isConnected: (peer) => !this.disconnected.has(peer),
        isConfigurationEqual: (peer) => {
          const found = this.unequal.get(peer);
          return found === undefined ? true : found;
        },
        sendKeyGeneration: (message) => this.#send(message, { isAlone }),
      },
    };
  }

  #send(message: Message, { isAlone }: { readonly isAlone: boolean }): boolean {
    this.sent.push(message);
    this.onSend(message);
    const user = isAlone ? undefined : this.#users.get(message.to);
    if (user === undefined) return false;
    const copy = structuredClone(message);
    this.onSend(copy);
    user.onKeyGenerationMessage(copy);
    return true;
  }

  #persist(self: NodeId, record: DurableKeyGeneration): void {
    this.records.set(self, structuredClone(record));
    record.share?.secret.fill(0);
    if (record.share !== null) this.persisted.push(record.share.secret);
  }
}
