/**
 * The exchange of hellos at the beginning of a connection, under a deadline.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { Connection } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import { encodeFrame } from "./frame.ts";
import {
  checkAnswer,
  checkHello,
  decodeHello,
  encodeHello,
  type Hello,
  type HelloContext,
  HelloError,
  type Refusal,
} from "./hello.ts";

/** What both sides need. */
export interface HandshakeOptions extends HelloContext {
  /** How long the exchange may take, in milliseconds. */
  readonly helloTimeoutMs: number;
  /** Aborted when the transport closes. */
  readonly signal: AbortSignal;
}

/**
 * The dialer's side: says hello and reads the answer. Returns whether the peer answered; when it did
 * not, the connection has ended.
 *
 * @throws {HelloError} when the hello, or the answer, is refused.
 * @throws {ChannelError} when the network fails, or the deadline has closed the connection.
 */
export async function sayHello(
  connection: Connection,
  options: HandshakeOptions & { readonly peer: NodeId },
): Promise<boolean> {
  using _deadline = closeAtDeadline(connection, options);
  const { cluster, self, peer } = options;
  await writeHello(connection, { kind: "hello", cluster, from: self, to: peer });
  const payload = await connection.readFrame();
  if (payload === null) return false;
  checkAnswer(decodeHello(payload), options);
  return true;
}

/**
 * The acceptor's side: reads the hello and answers it, with a refusal if need be. Returns who speaks,
 * or null when the connection has ended.
 *
 * @throws {HelloError} when the hello is refused, after the dialer was told.
 * @throws {FrameError} when the first frame is larger than a hello.
 * @throws {ChannelError} when the network fails, or the deadline has closed the connection.
 */
export async function answerHello(
  connection: Connection,
  options: HandshakeOptions & { readonly isPeer: (id: NodeId) => boolean },
): Promise<NodeId | null> {
  using _deadline = closeAtDeadline(connection, options);
  const { cluster, self } = options;
  const payload = await connection.readFrame();
  if (payload === null) return null;
  try {
    const peer = checkHello(decodeHello(payload), options);
    await writeHello(connection, { kind: "hello", cluster, from: self, to: peer });
    return peer;
  } catch (error) {
    if (error instanceof HelloError) {
      const { refusal } = error;
      await writeHello(connection, { kind: "refusal", refusal, cluster, from: self });
    }
    throw error;
  }
}

function writeHello(connection: Connection, hello: Hello | Refusal): Promise<void> {
  return connection.writeFrame(encodeFrame(encodeHello(hello)));
}

function closeAtDeadline(connection: Connection, options: HandshakeOptions): Deadline {
  const { helloTimeoutMs: timeoutMs, signal } = options;
  const deadline = new Deadline({ timeoutMs, signal, what: "the exchange of hellos" });
  deadline.onAbort(() => connection.close(signal.aborted ? "closed" : "timedOut"));
  return deadline;
}
