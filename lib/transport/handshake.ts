/**
 * The beginning of a connection, under one deadline: hello, answer, and the dialer's introduction, which
 * is the first message in the encrypted channel.
 *
 * @module
 */

import { equalBytes } from "../bytes.ts";
import { Deadline } from "../deadline.ts";
import { catching } from "../errors.ts";
import type { NodeId } from "../types.ts";
import type { Connection } from "./connection.ts";
import { encodeFrame } from "./frame.ts";
import {
  checkAnswer,
  checkHello,
  type Configuration,
  decodeHello,
  decodeIntroduction,
  encodeHello,
  encodeIntroduction,
  type Greeting,
  type Hello,
  type HelloContext,
  HelloError,
  type HelloRefusal,
  type Introduction,
  toPrologue,
} from "./hello.ts";
import { NoiseInitiator, type NoiseKeys, NoiseResponder } from "./noise.ts";
import {
  generateKeyPair,
  type KeyPair,
  NoiseError,
  type NoiseRefusal,
} from "./noise_primitives.ts";

/** The settings of both sides. */
export interface HandshakeOptions extends HelloContext {
  /** This node's lasting keys. */
  readonly channelKeys: KeyPair;
  /** This node's configuration, which the two sides compare. */
  readonly configuration: Configuration;
  /** How long the handshake may take, in milliseconds. */
  readonly helloTimeoutMs: number;
  /** Aborted when the transport closes. */
  readonly signal: AbortSignal;
}

/** The settings of the dialer. */
export interface DialerOptions extends HandshakeOptions {
  /** The node that it dials. */
  readonly peer: NodeId;
  /** That node's lasting public key. */
  readonly peerKey: Uint8Array;
  /** How many memberships since the genesis this node knows. */
  readonly membershipsKnown: () => number;
}

/** The settings of the acceptor. */
export interface AnswerOptions extends HandshakeOptions {
  /** The lasting public key of a peer; null for a node that is not a peer. */
  readonly peerKeyOf: (id: NodeId) => Uint8Array | null;
}

/** A dialer that is authenticated. */
export interface Dialer extends Introduction {
  /** The node. */
  readonly peer: NodeId;
}

/**
 * The dialer's side: secures the connection. Returns whether the peer answered; when it did not, the
 * connection has ended.
 *
 * @throws {HelloError} when the peer refuses the hello, or its answer proves nothing.
 * @throws {ChannelError} when the network fails, or the deadline has closed the connection.
 */
export async function sayHello(connection: Connection, options: DialerOptions): Promise<boolean> {
  using _deadline = closeAtDeadline(connection, options);
  const { cluster, self, peer, configuration } = options;
  const route = { cluster, from: self, to: peer };
  using initiator = new NoiseInitiator({
    prologue: toPrologue(route),
    staticKeys: options.channelKeys,
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: options.peerKey,
  });
  const noise = initiator.writeFirst(new Uint8Array(0));
  await writeGreeting(connection, { kind: "hello", ...route, noise });
  const payload = await connection.readFrame();
  if (payload === null) return false;
  const answer = checkAnswer(decodeHello(payload), options);
  const { payload: digest, ...keys } = proving(
    `answer of ${peer}`,
    () => initiator.readSecond(answer),
  );
  connection.secure(keys);
  const introduction = {
    configuration: equalBytes(digest, configuration.digest) ? null : configuration.text,
    memberships: options.membershipsKnown(),
  };
  await connection.writeFrame(encodeFrame(encodeIntroduction(introduction)));
  return true;
}

/**
 * The acceptor's side: secures the connection and waits until the dialer has proved its identity. Returns
 * the dialer, or null when the connection has ended.
 *
 * @throws {HelloError} when the hello is refused, after the refusal was sent to the dialer.
 * @throws {NoiseError} when the dialer's next message proves nothing.
 * @throws {FrameError} when a frame is above its limit.
 * @throws {ChannelError} when the network fails, or the deadline has closed the connection.
 */
export async function answerHello(
  connection: Connection,
  options: AnswerOptions,
): Promise<Dialer | null> {
  using _deadline = closeAtDeadline(connection, options);
  const payload = await connection.readFrame();
  if (payload === null) return null;
  const { hello, noise, keys } = await judgeHello(connection, { ...options, payload });
  try {
    await writeGreeting(connection, { kind: "answer", noise });
  } catch (error) {
    // The connection has not taken the keys over, so it does not erase them.
    keys.send.erase();
    keys.receive.erase();
    throw error;
  }
  connection.secure(keys);
  const introduction = await connection.readFrame();
  if (introduction === null) return null;
  return { peer: hello.from, ...decodeIntroduction(introduction) };
}

interface Judged {
  readonly hello: Hello;
  /** The second message of the handshake. */
  readonly noise: Uint8Array;
  readonly keys: NoiseKeys;
}

/** Reads a hello and prepares the answer, or sends the dialer a refusal. */
async function judgeHello(
  connection: Connection,
  options: AnswerOptions & { readonly payload: Uint8Array },
): Promise<Judged> {
  try {
    return acceptHello(options);
  } catch (error) {
    if (error instanceof HelloError) {
      const { cluster, self: from } = options;
      await writeGreeting(connection, { kind: "refusal", refusal: error.refusal, cluster, from });
    }
    throw error;
  }
}

function acceptHello(options: AnswerOptions & { readonly payload: Uint8Array }): Judged {
  const { configuration } = options;
  const { hello, peerKey } = checkHello(decodeHello(options.payload), options);
  using responder = new NoiseResponder({
    prologue: toPrologue(hello),
    staticKeys: options.channelKeys,
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: peerKey,
  });
  return proving(`hello of ${hello.from}`, () => {
    responder.readFirst(hello.noise);
    const { message: noise, ...keys } = responder.writeSecond(configuration.digest);
    return { hello, noise, keys };
  });
}

/** Runs a step of the handshake. Its failure becomes a refusal of `what`. */
function proving<Value>(what: string, step: () => Value): Value {
  return catching(NoiseError, step, (cause) => {
    const { refusal, meaning } = NOISE_MEANINGS[cause.refusal];
    throw new HelloError(refusal, `Cannot accept ${what}: ${meaning}`, { cause });
  });
}

const NOT_AUTHENTIC = {
  refusal: "notAuthentic",
  meaning:
    "it is not authentic: either the two nodes have different channelKeys for one of them in " +
    "cluster.json, or it was altered on its way",
} as const;

const NOISE_MEANINGS: Readonly<
  Record<NoiseRefusal, { readonly refusal: HelloRefusal; readonly meaning: string }>
> = {
  notAuthentic: NOT_AUTHENTIC,
  exhausted: NOT_AUTHENTIC,
  wrongKey: {
    refusal: "wrongKey",
    meaning: "its sender does not have the channelKey in cluster.json",
  },
  weakKey: { refusal: "malformed", meaning: "its X25519 key is of low order" },
  malformed: { refusal: "malformed", meaning: "its handshake is too short" },
};

function writeGreeting(connection: Connection, greeting: Greeting): Promise<void> {
  return connection.writeFrame(encodeFrame(encodeHello(greeting)));
}

function closeAtDeadline(connection: Connection, options: HandshakeOptions): Deadline {
  const { helloTimeoutMs: timeoutMs, signal } = options;
  const deadline = new Deadline({ timeoutMs, signal, what: "the handshake" });
  deadline.onAbort(() => connection.close(signal.aborted ? "closed" : "timedOut"));
  return deadline;
}
