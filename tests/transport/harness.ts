/**
 * What the transport's tests share: real transports on 127.0.0.1, raw sockets beside them, and
 * waiting for events rather than for time.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from "../../lib/transport/frame.ts";
import { decodeHello, encodeHello } from "../../lib/transport/hello.ts";
import type { TransportRefusal } from "../../lib/transport/reporter.ts";
import { Transport, type TransportOptions } from "../../lib/transport/transport.ts";
import type { Message } from "../../lib/raft/message.ts";
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
}

/** Where the nodes of one test listen. Ports become known as nodes start; dialers try again. */
export class Directory {
  /** For {@linkcode TransportOptions.peers}. */
  readonly peers: { readonly id: NodeId; readonly hostname: string; port: number }[];

  /** Knows the names, and no ports yet. */
  constructor(...ids: readonly NodeId[]) {
    this.peers = ids.map((id) => ({ id, hostname: "127.0.0.1", port: 0 }));
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

/** Starts a node, on the port that the directory has for it or on any. */
export async function startNode(
  self: NodeId,
  directory: Directory,
  options: Partial<TransportOptions> = {},
): Promise<TestNode> {
  const messages = new Inbox<Message>();
  const connected = new Inbox<NodeId>();
  const disconnected = new Inbox<NodeId>();
  const refusals = new Inbox<TransportRefusal>();
  const transport = new Transport({
    self,
    cluster: CLUSTER,
    listen: { hostname: "127.0.0.1", port: directory.port(self) },
    peers: directory.peers,
    onMessage: (message) => messages.put(message),
    onPeerConnected: (peer) => connected.put(peer),
    onPeerDisconnected: (peer) => disconnected.put(peer),
    onRefused: (refusal) => refusals.put(refusal),
    ...options,
  });
  await transport.start();
  directory.setPort(self, transport.address.port);
  return { transport, messages, connected, disconnected, refusals };
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
    round: 9,
    certificate: null,
    transferTarget: null,
  };
}

/** The payload of a hello to a node. */
export function helloOf(from: NodeId, to: NodeId): Uint8Array {
  return encodeHello({ kind: "hello", cluster: CLUSTER, from, to });
}

/** A socket on which a test says what it likes. */
export async function connectRaw(port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port });
}

/** Such a socket, once a node has accepted its hello. */
export async function connectAs(from: NodeId, to: NodeId, port: number): Promise<Deno.TcpConn> {
  const socket = await connectRaw(port);
  await writeFrame(socket, helloOf(from, to));
  assert.deepEqual(decodeHello(await readFrame(socket)), {
    kind: "hello",
    cluster: CLUSTER,
    from: to,
    to: from,
  });
  return socket;
}

/** Accepts a node's connection, as `self`, and answers its hello. */
export async function acceptAs(
  self: NodeId,
  from: NodeId,
  listener: Deno.TcpListener,
): Promise<Deno.TcpConn> {
  const socket = await listener.accept();
  decodeHello(await readFrame(socket));
  await writeFrame(socket, helloOf(self, from));
  return socket;
}

/** Writes a payload in a frame. */
export async function writeFrame(socket: Deno.Conn, payload: Uint8Array): Promise<void> {
  await writeAll(socket, encodeFrame(payload));
}

/** Reads one frame's payload; the end of the stream is an error. */
export async function readFrame(socket: Deno.Conn): Promise<Uint8Array> {
  const decoder = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
  const byte = new Uint8Array(1);
  for (;;) {
    const payload = decoder.next();
    if (payload !== null) return payload;
    assert.notEqual(await socket.read(byte), null, "the stream ended inside a frame");
    decoder.push(byte.slice());
  }
}

/** Writes all bytes. */
export async function writeAll(socket: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await socket.write(bytes.subarray(written));
  }
}

/** Reads until the other end closes or resets the connection; returns what came before. */
export async function readToEnd(socket: Deno.Conn): Promise<Uint8Array> {
  const received: number[] = [];
  const buffer = new Uint8Array(4096);
  try {
    for (let count = await socket.read(buffer); count !== null; count = await socket.read(buffer)) {
      received.push(...buffer.subarray(0, count));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return new Uint8Array(received);
}
