/**
 * A peer that a test plays by hand: bare sockets, what can be said on them, and the handshake step by
 * step.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ChannelError, TcpChannel } from "../../lib/transport/channel.ts";
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from "../../lib/transport/frame.ts";
import {
  decodeHello,
  decodeIntroduction,
  encodeHello,
  encodeIntroduction,
  type Hello,
  toPrologue,
} from "../../lib/transport/hello.ts";
import { NoiseInitiator, type NoiseKeys, NoiseResponder } from "../../lib/transport/noise.ts";
import { NoiseChannel } from "../../lib/transport/noise_channel.ts";
import { generateKeyPair, type KeyPair } from "../../lib/transport/noise_primitives.ts";
import { TRANSPORT_DEFAULTS } from "../../lib/transport/settings.ts";
import type { ClusterName, NodeId } from "../../lib/types.ts";
import { CLUSTER, CONFIGURATION, keysOf } from "./harness.ts";

/** A hello, and what reads its answer. */
export interface Greeted {
  /** The hello. */
  readonly hello: Hello;
  /** What reads the answer. */
  readonly initiator: NoiseInitiator;
}

/** A hello: a genuine one, unless it is made with other `keys` than those of `from`. */
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
  await writeFrame(secure, encodeIntroduction({ configuration: null, memberships: 0 }));
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
