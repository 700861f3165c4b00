/**
 * One connection from its first byte to its last, over a channel in memory: what a stranger says, what
 * a member says who is not honest, and what somebody between two members makes of their words.
 *
 * @module
 */

import assert from "node:assert/strict";
import { concatBytes } from "../../../lib/bytes.ts";
import { InputError } from "../../../lib/errors.ts";
import { ChannelError } from "../../../lib/transport/channel.ts";
import { Connection, HELLO_FRAME_BYTES_MAX } from "../../../lib/transport/connection.ts";
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from "../../../lib/transport/frame.ts";
import { answerHello, sayHello } from "../../../lib/transport/handshake.ts";
import {
  decodeHello,
  encodeHello,
  encodeIntroduction,
  toPrologue,
} from "../../../lib/transport/hello.ts";
import { decodeMessage, encodeMessage } from "../../../lib/transport/message_codec.ts";
import { type NoiseKeys, NoiseResponder } from "../../../lib/transport/noise.ts";
import { generateKeyPair } from "../../../lib/transport/noise_primitives.ts";
import { TRANSPORT_DEFAULTS } from "../../../lib/transport/settings.ts";
import type { Random } from "../../simulator/random.ts";
import {
  ALPHA,
  BETA,
  CLUSTER,
  CONFIGURATION,
  GAMMA,
  keysOf,
  readIndexRequest,
} from "../../transport/harness.ts";
import { MemoryChannel } from "../../transport/memory_channel.ts";
import { greet } from "../../transport/raw_peer.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { mutateSequence } from "../mutate_sequence.ts";
import { ACCEPTED, type Outcome, type Target, toOutcome } from "../target.ts";

/** A time that no input waits for. */
const NEVER_MS = 1_000_000;
const REFUSALS = [InputError, ChannelError];

/** What is done to the words of an honest dialer, or said in their place. */
type Attack =
  /** Nothing. */
  | "none"
  /** Other words, by one who has the keys to say them. */
  | "lie"
  /** Other bytes on the wire, by one who has no keys. */
  | "alter";

/** What the other side says, each part attacked or not. */
export interface Script {
  /** The node that the other side claims to be. */
  readonly from: typeof BETA;
  /** The hello, or the answer to it. */
  readonly greeting: Attack;
  /** The introduction. */
  readonly introduction: Attack;
  /** Messages after it. */
  readonly messages: readonly Attack[];
  /** What is altered or said instead. */
  readonly random: Random;
}

/** Draws what somebody says. Most keep to the protocol until some point. */
export function drawScript(random: Random): Script {
  const attack = (): Attack => random.pick(["none", "none", "none", "lie", "alter"]);
  return {
    from: random.chance(0.95) ? BETA : random.pick([ALPHA, GAMMA]),
    greeting: random.chance(0.6) ? "none" : attack(),
    introduction: random.chance(0.6) ? "none" : attack(),
    messages: Array.from({ length: random.below(6) }, attack),
    random,
  };
}

/** A script without its chance. */
export function showScript({ random: _, ...script }: Script): string {
  return JSON.stringify(script);
}

/** Alpha accepts; what it is told comes from beta, or does not come at all. */
export const acceptedConnections: Target = connectionTarget({
  name: "accepted-connections",
  share: 12,
  attack: attackAcceptor,
});
/** Alpha dials; nothing but keepalives may come back. */
export const dialedConnections: Target = connectionTarget({
  name: "dialed-connections",
  share: 6,
  attack: attackDialer,
});

function connectionTarget(
  { name, share, attack }: Pick<Target, "name" | "share"> & {
    readonly attack: (script: Script) => Promise<Outcome>;
  },
): Target {
  return {
    name,
    share,
    open: () => ({
      draw: (random) => {
        const script = drawScript(random);
        return {
          show: () => showScript(script),
          bytes: 100 * script.messages.length,
          run: () => attack(script),
        };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  };
}

/** The words of a dialer, one after the other; the handshake's answer is needed in between. */
export class Dialing {
  readonly #script: Script;
  readonly #greeted: ReturnType<typeof greet>;
  #keys: NoiseKeys | null = null;
  /** The payloads of the messages as they were before anybody altered them. */
  readonly said: Uint8Array[] = [];

  constructor(script: Script) {
    this.#script = script;
    this.#greeted = greet({ from: script.from, to: ALPHA, keys: keysOf(BETA) });
  }

  /** The first bytes on the wire. */
  hello(): Uint8Array {
    const { greeting, random } = this.#script;
    const payload = encodeHello(this.#greeted.hello).slice();
    return attackFrame(payload, greeting, random);
  }

  /** Everything after the answer; null when that is none. */
  rest(answer: Uint8Array): Uint8Array | null {
    const greeting = decodeHello(onlyFrame(answer));
    if (greeting.kind !== "answer") return null;
    this.#keys = this.#greeted.initiator.readSecond(greeting.noise);
    const { introduction, messages, random } = this.#script;
    const first = encodeFrame(encodeIntroduction({ configuration: null, memberships: 0 }));
    const parts = [this.#say(first, introduction)];
    for (const [at, attack] of messages.entries()) {
      const payload = encodeMessage(readIndexRequest(BETA, ALPHA, at)).slice();
      this.said.push(payload);
      parts.push(this.#say(encodeFrame(payload), attack));
    }
    if (random.chance(0.1)) parts.push(...parts);
    return concatBytes(...parts);
  }

  /** One frame inside one encrypted message, attacked on the inside or on the outside. */
  #say(frame: Uint8Array, attack: Attack): Uint8Array {
    assert.ok(this.#keys !== null);
    const { random } = this.#script;
    const plaintext = attack === "lie" ? attackFrame(frame.subarray(4), attack, random) : frame;
    const { ciphertext, tag } = this.#keys.send.encrypt(plaintext);
    const message = encodeFrame(concatBytes(ciphertext, tag));
    return attack === "alter" ? mutateBytes(message, random) : message;
  }
}

async function attackAcceptor(script: Script): Promise<Outcome> {
  const dialing = new Dialing(script);
  const channel = new MemoryChannel({ takesWrites: true });
  const received: Uint8Array[] = [];
  const victim = accept(channel, received);
  channel.deliver(dialing.hello());
  // What was altered may be half a frame, and wait for more than there is.
  if (script.greeting !== "none") channel.deliver(null);
  const answer = await Promise.race([channel.written.take(), victim.then(() => null)]);
  const rest = answer === null ? null : dialing.rest(answer);
  if (rest !== null) channel.deliver(rest);
  channel.deliver(null);
  const outcome = await victim;
  if (script.introduction !== "lie" && !script.messages.includes("lie")) {
    // Whoever has no keys can cut off what comes last, and do nothing else.
    assert.deepEqual(received, dialing.said.slice(0, received.length));
  }
  return outcome;
}

/** The acceptor's part (`transport/acceptor.ts`) without its socket. */
async function accept(channel: MemoryChannel, received: Uint8Array[]): Promise<Outcome> {
  const connection = newConnection(channel);
  try {
    const dialer = await answerHello(connection, {
      ...handshakeOptions(),
      peerKeyOf: (id) => id === ALPHA ? null : keysOf(id).publicKey,
    });
    if (dialer === null) return connection.close("closedByPeer").reason;
    assert.equal(dialer.peer, BETA);
    const end = await connection.run({
      frameBytesMax: FRAME_BYTES_MAX,
      onFrame: (payload) => {
        decodeMessage(payload, { from: dialer.peer, to: ALPHA });
        received.push(payload);
        return 1;
      },
    });
    if (end.error !== null) throw end.error;
    return ACCEPTED;
  } catch (error) {
    connection.close("closed");
    return toOutcome(REFUSALS, error);
  }
}

async function attackDialer(script: Script): Promise<Outcome> {
  const channel = new MemoryChannel({ takesWrites: true });
  const victim = dial(channel);
  const hello = decodeHello(onlyFrame(await channel.written.take()));
  assert.ok(hello.kind === "hello");
  const responder = new NoiseResponder({
    prologue: toPrologue(hello),
    staticKeys: keysOf(BETA),
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: keysOf(ALPHA).publicKey,
  });
  responder.readFirst(hello.noise);
  const { message: noise, send } = responder.writeSecond(CONFIGURATION.digest);
  const answer = encodeHello({ kind: "answer", noise }).slice();
  channel.deliver(attackFrame(answer, script.greeting, script.random));
  for (const attack of script.messages) {
    const word = attack === "lie" ? script.random.bytes(20) : new Uint8Array(0);
    const { ciphertext, tag } = send.encrypt(encodeFrame(word));
    const message = encodeFrame(concatBytes(ciphertext, tag));
    channel.deliver(attack === "alter" ? mutateBytes(message, script.random) : message);
  }
  channel.deliver(null);
  return await victim;
}

/** The dialer's part (`transport/peer.ts`) without its socket. */
async function dial(channel: MemoryChannel): Promise<Outcome> {
  const connection = newConnection(channel);
  try {
    const options = {
      ...handshakeOptions(),
      peer: BETA,
      peerKey: keysOf(BETA).publicKey,
      membershipsKnown: () => 0,
    };
    if (!await sayHello(connection, options)) return connection.close("closedByPeer").reason;
    const end = await connection.run({
      frameBytesMax: HELLO_FRAME_BYTES_MAX,
      onFrame: () => {
        throw new InputError("more than a keepalive");
      },
    });
    if (end.error !== null) throw end.error;
    return ACCEPTED;
  } catch (error) {
    connection.close("closed");
    return toOutcome(REFUSALS, error);
  }
}

function newConnection(channel: MemoryChannel): Connection {
  return new Connection(channel, { ...TRANSPORT_DEFAULTS, keepaliveIntervalMs: NEVER_MS });
}

function handshakeOptions() {
  return {
    self: ALPHA,
    cluster: CLUSTER,
    channelKeys: keysOf(ALPHA),
    configuration: CONFIGURATION,
    helloTimeoutMs: NEVER_MS,
    signal: new AbortController().signal,
  };
}

function attackFrame(payload: Uint8Array, attack: Attack, random: Random): Uint8Array {
  if (attack === "none") return encodeFrame(payload);
  if (attack === "alter") return mutateBytes(encodeFrame(payload), random);
  return encodeFrame(mutateSequence(payload, random).subarray(0, 65_000));
}

function onlyFrame(bytes: Uint8Array): Uint8Array {
  const decoder = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
  decoder.push(bytes);
  const payload = decoder.next();
  assert.ok(payload !== null);
  return payload;
}
