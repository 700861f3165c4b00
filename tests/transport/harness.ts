/**
 * What the transport's tests share: real transports on 127.0.0.1, and waiting for events rather than
 * for time.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { encodeUtf8 } from "../../lib/bytes.ts";
import type { Message } from "../../lib/raft/message.ts";
import type { Configuration } from "../../lib/transport/hello.ts";
import { generateKeyPair, type KeyPair } from "../../lib/transport/noise_primitives.ts";
import type { TransportRefusal } from "../../lib/transport/reporter.ts";
import { Transport, type TransportOptions } from "../../lib/transport/transport.ts";
import {
  type ClusterName,
  type NodeId,
  toClusterName,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../lib/types.ts";

/** The cluster of all tests. */
export const CLUSTER: ClusterName = toClusterName("test");
/** The node under test, as a rule. */
export const ALPHA: NodeId = toNodeId("alpha");
/** Another. */
export const BETA: NodeId = toNodeId("beta");
/** A third. */
export const GAMMA: NodeId = toNodeId("gamma");

const channelKeys = new Map<NodeId, KeyPair>();

/** A node's lasting keys, the same in all tests of a run. */
export function keysOf(id: NodeId): KeyPair {
  const keys = channelKeys.get(id) ?? generateKeyPair();
  channelKeys.set(id, keys);
  return keys;
}

/** A configuration that says so. */
export function configurationOf(text: string): Configuration {
  const bytes = encodeUtf8(text);
  return { digest: createHash("sha256").update(bytes).digest(), text: bytes };
}

/** The configuration of all nodes that are given no other. */
export const CONFIGURATION: Configuration = configurationOf("the same for all");

/** Things that happened, in order, and waiting for the next. */
export class Inbox<Item> {
  readonly #items: Item[] = [];
  readonly #waiting: ((item: Item) => void)[] = [];

  /** How many have not been taken. */
  get length(): number {
    return this.#items.length;
  }

  /** Something happened. */
  put(item: Item): void {
    const take = this.#waiting.shift();
    if (take === undefined) this.#items.push(item);
    else take(item);
  }

  /** The oldest that was not taken, once there is one. */
  take(): Promise<Item> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** A started transport and everything it told. */
export interface TestNode {
  /** The transport. */
  readonly transport: Transport;
  /** Messages received. */
  readonly messages: Inbox<Message>;
  /** Peers connected. */
  readonly connected: Inbox<NodeId>;
  /** Peers disconnected. */
  readonly disconnected: Inbox<NodeId>;
  /** Refusals. */
  readonly refusals: Inbox<TransportRefusal>;
  /** What peers said of their configuration: null, or a text that differs. */
  readonly configurations: Inbox<{ readonly peer: NodeId; readonly text: string | null }>;
}

/** Where the nodes of one test listen. Ports become known as nodes start; dialers try again. */
export class Directory {
  /** For {@linkcode TransportOptions.peers}. */
  readonly peers: {
    readonly id: NodeId;
    readonly hostname: string;
    port: number;
    channelKey: Uint8Array;
  }[];

  /** Knows the names, and no ports yet. */
  constructor(...ids: readonly NodeId[]) {
    this.peers = ids.map((id) => ({
      id,
      hostname: "127.0.0.1",
      port: 0,
      channelKey: keysOf(id).publicKey,
    }));
  }

  /** Sets a node's port. */
  setPort(id: NodeId, port: number): void {
    for (const peer of this.peers) if (peer.id === id) peer.port = port;
  }

  /** A node's port; 0 when it is not known yet. */
  port(id: NodeId): number {
    return this.peers.find((peer) => peer.id === id)?.port ?? 0;
  }
}

/** A time that no test waits for. */
const NEVER_MS = 1_000_000;

/**
 * What ends connections of itself: never, unless a test is about that. A test that stands still on a
 * busy machine does not lose the connection that it is about.
 */
const PATIENCE = {
  connectTimeoutMs: NEVER_MS,
  helloTimeoutMs: NEVER_MS,
  keepaliveIntervalMs: NEVER_MS,
};

/** Starts a node, on the port that the directory has for it or on any. */
export function startNode(
  self: NodeId,
  directory: Directory,
  options: Partial<TransportOptions> = {},
): TestNode {
  const messages = new Inbox<Message>();
  const connected = new Inbox<NodeId>();
  const disconnected = new Inbox<NodeId>();
  const refusals = new Inbox<TransportRefusal>();
  const configurations: TestNode["configurations"] = new Inbox();
  const decoder = new TextDecoder();
  const transport = new Transport({
    self,
    cluster: CLUSTER,
    channelKeys: keysOf(self),
    configuration: CONFIGURATION,
    listen: { hostname: "127.0.0.1", port: directory.port(self) },
    peers: directory.peers,
    onMessage: (message) => messages.put(message),
    onPeerConnected: (peer) => connected.put(peer),
    onPeerDisconnected: (peer) => disconnected.put(peer),
    onRefused: (refusal) => refusals.put(refusal),
    onConfiguration: (peer, different) => {
      configurations.put({ peer, text: different === null ? null : decoder.decode(different) });
      return true;
    },
    ...PATIENCE,
    ...options,
  });
  transport.start();
  directory.setPort(self, transport.address.port);
  return { transport, messages, connected, disconnected, refusals, configurations };
}

/** A small message that can be told from others by its batch. */
export function readIndexRequest(from: NodeId, to: NodeId, batchId: number): Message {
  return {
    kind: "readIndexRequest",
    from,
    to,
    term: toTerm(1),
    incarnation: 7,
    batchId,
    lease: false,
  };
}

/** An AppendEntries of one entry of so many bytes. */
export function appendOf(dataBytes: number, from: NodeId, to: NodeId): Message {
  return {
    kind: "appendRequest",
    from,
    to,
    term: toTerm(3),
    previousLogIndex: toLogIndex(4),
    previousLogTerm: toTerm(2),
    entries: [{
      index: toLogIndex(5),
      term: toTerm(3),
      kind: "command",
      data: new Uint8Array(dataBytes).fill(7),
    }],
    leaderCommit: toLogIndex(4),
    matchIndex: toLogIndex(3),
    round: 9,
    certificate: null,
    transferTarget: null,
  };
}
