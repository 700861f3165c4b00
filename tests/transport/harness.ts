/**
 * What the transport's tests share: real transports on 127.0.0.1, raw sockets beside them, and
 * waiting for events rather than for time.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { ChannelError, TcpChannel } from "../../lib/transport/channel.ts";
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from "../../lib/transport/frame.ts";
import { decodeHello, encodeHello, type Hello, toPrologue } from "../../lib/transport/hello.ts";
import {
  type Configuration,
  decodeIntroduction,
  encodeIntroduction,
} from "../../lib/transport/introduction.ts";
import { NoiseInitiator, type NoiseKeys, NoiseResponder } from "../../lib/transport/noise.ts";
import { NoiseChannel } from "../../lib/transport/noise_channel.ts";
import type { TransportRefusal } from "../../lib/transport/reporter.ts";
import { TRANSPORT_DEFAULTS } from "../../lib/transport/settings.ts";
import { generateKeyPair, type KeyPair } from "../../lib/transport/x25519.ts";
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
    },
    ...options,
  });
  await transport.start();
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
    round: 9,
    certificate: null,
    transferTarget: null,
  };
}

/** A hello, and what reads its answer. */
export interface Greeted {
  /** The hello. */
  readonly hello: Hello;
  /** What reads the answer. */
  readonly initiator: NoiseInitiator;
}

/** A genuine hello, or one that claims what `as` says with keys that do not fit. */
export function greet(
  { from, to, cluster = CLUSTER, keys = keysOf(from) }: {
    readonly from: NodeId;
    readonly to: NodeId;
    readonly cluster?: ClusterName;
    readonly keys?: KeyPair;
  },
): Greeted {
  const initiator = new NoiseInitiator({
    prologue: toPrologue({ cluster, from, to }),
    staticKeys: keys,
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: keysOf(to).publicKey,
  });
  const noise = initiator.writeFirst(new Uint8Array(0));
  return { hello: { kind: "hello", cluster, from, to, noise }, initiator };
}

/** The payload of a genuine hello. */
export function helloOf(from: NodeId, to: NodeId): Uint8Array {
  return encodeHello(greet({ from, to }).hello).slice();
}

/** A socket on which a test says what it likes. */
export async function connectRaw(port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port });
}

/** What tests write to: a bare socket, or an encrypted one. */
export type Writer = Pick<Deno.Conn, "write">;
/** What tests read from. */
export type Reader = Pick<Deno.Conn, "read">;

/** A socket behind a handshake: what a test writes arrives as a peer's own words. */
export class SecureSocket implements Reader, Writer {
  readonly #channel: NoiseChannel;
  #unread = new Uint8Array(0);

  /** Takes over a socket. */
  constructor(socket: Deno.TcpConn, keys: NoiseKeys) {
    this.#channel = new NoiseChannel({
      ...TRANSPORT_DEFAULTS,
      channel: new TcpChannel(socket),
      decoder: new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX }),
      keys,
      nowMs: () => 0,
    });
  }

  /** See {@linkcode Deno.Conn.read}. */
  async read(into: Uint8Array): Promise<number | null> {
    if (this.#unread.length === 0) {
      const bytes = await this.#channel.read().catch(throwCause);
      if (bytes === null) return null;
      this.#unread = bytes.slice();
    }
    const part = this.#unread.subarray(0, into.length);
    into.set(part);
    this.#unread = this.#unread.subarray(part.length);
    return part.length;
  }

  /** See {@linkcode Deno.Conn.write}. */
  async write(bytes: Uint8Array): Promise<number> {
    await this.#channel.write(bytes);
    return bytes.length;
  }

  /** See {@linkcode Deno.Conn.close}. */
  close(): void {
    this.#channel.close();
  }
}

function throwCause(error: unknown): never {
  throw error instanceof ChannelError && error.cause !== undefined ? error.cause : error;
}

/** Such a socket, once a node has accepted its hello and its introduction has been sent. */
export async function connectAs(from: NodeId, to: NodeId, port: number): Promise<SecureSocket> {
  const socket = await connectRaw(port);
  const { hello, initiator } = greet({ from, to });
  await writeFrame(socket, encodeHello(hello));
  const answer = decodeHello(await readFrame(socket));
  assert.ok(answer.kind === "answer", `The answer is a ${answer.kind}`);
  const secure = new SecureSocket(socket, initiator.readSecond(answer.noise));
  await writeFrame(secure, encodeIntroduction({ configuration: null }));
  return secure;
}

/** Answers a node's hello on a socket, as `self`, without waiting for its introduction. */
export async function answerAs(self: NodeId, socket: Deno.TcpConn): Promise<SecureSocket> {
  const hello = decodeHello(await readFrame(socket));
  assert.ok(hello.kind === "hello", `The hello is a ${hello.kind}`);
  const responder = new NoiseResponder({
    prologue: toPrologue(hello),
    staticKeys: keysOf(self),
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: keysOf(hello.from).publicKey,
  });
  responder.readFirst(hello.noise);
  const { message: noise, ...keys } = responder.writeSecond(CONFIGURATION.digest);
  await writeFrame(socket, encodeHello({ kind: "answer", noise }));
  return new SecureSocket(socket, keys);
}

/** Accepts a node's connection, as `self`, up to its introduction. */
export async function acceptAs(self: NodeId, listener: Deno.TcpListener): Promise<SecureSocket> {
  const secure = await answerAs(self, await listener.accept());
  decodeIntroduction(await readFrame(secure));
  return secure;
}

/** Writes a payload in a frame. */
export async function writeFrame(socket: Writer, payload: Uint8Array): Promise<void> {
  await writeAll(socket, encodeFrame(payload));
}

/** Reads one frame's payload; the end of the stream is an error. */
export async function readFrame(socket: Reader): Promise<Uint8Array> {
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
export async function writeAll(socket: Writer, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await socket.write(bytes.subarray(written));
  }
}

/** Reads until the other end closes or resets the connection; returns what came before. */
export async function readToEnd(socket: Reader): Promise<Uint8Array> {
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
