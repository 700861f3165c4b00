/**
 * `deno task bench channel`: what encryption between nodes costs. Two ends in one process, over
 * loopback: round trips of a message of 300 bytes and of one MiB, a flood of both, each over bare TCP
 * and over the encrypted channel; and how long a handshake takes.
 *
 * @module
 */

import { type Channel, TcpChannel } from "../lib/transport/channel.ts";
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from "../lib/transport/frame.ts";
import { NoiseInitiator, type NoiseKeys, NoiseResponder } from "../lib/transport/noise.ts";
import { NoiseChannel } from "../lib/transport/noise_channel.ts";
import { generateKeyPair } from "../lib/transport/noise_primitives.ts";
import { TRANSPORT_DEFAULTS } from "../lib/transport/settings.ts";
import { quantile } from "./support/statistics.ts";

const MESSAGE = encodeFrame(new Uint8Array(300).fill(7));
const MEBIBYTE = encodeFrame(new Uint8Array(1024 * 1024).fill(7));
const NOTHING = new Uint8Array(0);
const ROUNDS = 7;
const staticKeys = [generateKeyPair(), generateKeyPair()] as const;

/** Microseconds of one thing over either kind of channel. */
interface Cost {
  readonly tcpUs: number;
  readonly noiseUs: number;
  readonly ratio: number;
}

/** Two ends of a connection. */
type Ends = readonly [Channel, Channel];

const roundTrip = await compare((ends) => roundTrips(ends, { frame: MESSAGE, count: 2_000 }));
const message = await compare((ends) => flood(ends, { frame: MESSAGE, count: 20_000 }));
const mebibyte = await compare((ends) => flood(ends, { frame: MEBIBYTE, count: 64 }));
const handshakeUs = medianOf(ROUNDS, () => timeUs(200, shake));

console.table({
  "round trip of 300 B": roundTrip,
  "one way, 300 B": message,
  "one way, 1 MiB": mebibyte,
});
console.log(`a handshake, both sides together: ${handshakeUs} us`);
console.log(JSON.stringify({ bench: "channel", roundTrip, message, mebibyte, handshakeUs }));

/** The two kinds of channel in turn, so that both see the same machine; the median round of each. */
async function compare(measure: (ends: Ends) => Promise<number>): Promise<Cost> {
  const [tcp, noise]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    tcp.push(await withEnds((ends) => ends, measure));
    noise.push(await withEnds(secure, measure));
  }
  const [tcpUs, noiseUs] = [quantile(tcp, 0.5), quantile(noise, 0.5)];
  return { tcpUs: round2(tcpUs), noiseUs: round2(noiseUs), ratio: round2(noiseUs / tcpUs) };
}

async function withEnds(
  wrap: (ends: Ends) => Ends,
  measure: (ends: Ends) => Promise<number>,
): Promise<number> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [dialed, accepted] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  listener.close();
  const ends = wrap([new TcpChannel(dialed), new TcpChannel(accepted)]);
  try {
    return await measure(ends);
  } finally {
    for (const end of ends) end.close();
  }
}

/** Microseconds from sending a frame to having it back. */
async function roundTrips(
  [left, right]: Ends,
  { frame, count }: { readonly frame: Uint8Array; readonly count: number },
): Promise<number> {
  const echo = (async () => {
    const receive = receiverOf(right);
    for (let round = 0; round < count; round++) {
      await receive();
      await right.write(frame);
    }
  })();
  const receive = receiverOf(left);
  const startMs = performance.now();
  for (let round = 0; round < count; round++) {
    await left.write(frame);
    await receive();
  }
  await echo;
  return (performance.now() - startMs) * 1000 / count;
}

/** Microseconds that each frame takes when one follows the other; each is a write of its own. */
async function flood(
  [left, right]: Ends,
  { frame, count }: { readonly frame: Uint8Array; readonly count: number },
): Promise<number> {
  const receive = receiverOf(right);
  const startMs = performance.now();
  const sent = (async () => {
    for (let round = 0; round < count; round++) await left.write(frame);
  })();
  for (let round = 0; round < count; round++) await receive();
  await sent;
  return (performance.now() - startMs) * 1000 / count;
}

/** Waits for the next frame on a channel. */
function receiverOf(channel: Channel): () => Promise<void> {
  const decoder = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
  return async () => {
    while (decoder.next() === null) {
      const chunk = await channel.read();
      if (chunk === null) throw new Error("The stream ended");
      decoder.push(chunk);
    }
  };
}

function secure([left, right]: Ends): Ends {
  const [leftKeys, rightKeys] = shake();
  return [secureEnd(left, leftKeys), secureEnd(right, rightKeys)];
}

function secureEnd(channel: Channel, keys: NoiseKeys): Channel {
  return new NoiseChannel({
    ...TRANSPORT_DEFAULTS,
    channel,
    decoder: new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX }),
    keys,
    nowMs: () => performance.now(),
  });
}

/** A whole handshake without a network, ephemeral keys included. */
function shake(): readonly [NoiseKeys, NoiseKeys] {
  const [initiatorKeys, responderKeys] = staticKeys;
  const prologue = NOTHING;
  using initiator = new NoiseInitiator({
    prologue,
    staticKeys: initiatorKeys,
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: responderKeys.publicKey,
  });
  using responder = new NoiseResponder({
    prologue,
    staticKeys: responderKeys,
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: initiatorKeys.publicKey,
  });
  responder.readFirst(initiator.writeFirst(NOTHING));
  const answer = responder.writeSecond(NOTHING);
  return [initiator.readSecond(answer.message), answer];
}

function timeUs(count: number, work: () => unknown): number {
  const startMs = performance.now();
  for (let round = 0; round < count; round++) work();
  return (performance.now() - startMs) * 1000 / count;
}

function medianOf(rounds: number, measure: () => number): number {
  return round2(quantile(Array.from({ length: rounds }, measure), 0.5));
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
