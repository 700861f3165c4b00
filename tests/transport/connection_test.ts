import assert from "node:assert/strict";
import { concatBytes } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import { Connection, HELLO_FRAME_BYTES_MAX } from "../../lib/transport/connection.ts";
import { WORK_PER_TURN_MAX } from "../../lib/transport/fair_share.ts";
import {
  encodeFrame,
  FRAME_BYTES_MAX,
  FrameDecoder,
  FrameError,
} from "../../lib/transport/frame.ts";
import type { NoiseKeys } from "../../lib/transport/noise.ts";
import { NoiseChannel } from "../../lib/transport/noise_channel.ts";
import { CipherState } from "../../lib/transport/noise_primitives.ts";
import { MemoryChannel } from "./memory_channel.ts";
import { TurnCounter, TURNS_MIN } from "./turn_counter.ts";

/** Far enough away that no test's connection is looked at. */
const NEVER_MS = 1_000_000;
const options = {
  queueMessagesMax: 4,
  queueBytesMax: 1000,
  keepaliveIntervalMs: NEVER_MS,
  rekeyAfterMessages: 100,
  rekeyAfterMs: NEVER_MS,
};

function frame(byte: number): Uint8Array {
  return encodeFrame(new Uint8Array([byte]));
}

function collect(payloads: Uint8Array[]) {
  return {
    frameBytesMax: FRAME_BYTES_MAX,
    onFrame: (payload: Uint8Array) => {
      payloads.push(payload);
      return 1;
    },
  };
}

Deno.test("send() starts the write before it returns when none is under way", () => {
  const channel = new MemoryChannel({ takesWrites: false });
  const connection = new Connection(channel, options);
  connection.send(frame(1));
  assert.equal(channel.written.length, 1);
  connection.close("closed");
});

Deno.test("send() joins what waits for a write into the next", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const connection = new Connection(channel, options);
  for (const byte of [1, 2, 3]) connection.send(frame(byte));
  assert.deepEqual(await channel.written.take(), frame(1));
  assert.deepEqual(await channel.written.take(), concatBytes(frame(2), frame(3)));
  connection.close("closed");
});

Deno.test("send() keeps a bounded queue for a peer that does not read, and drops the oldest", () => {
  const channel = new MemoryChannel({ takesWrites: false });
  const connection = new Connection(channel, options);
  let dropped = 0;
  for (let sent = 0; sent < 1000; sent++) dropped += connection.send(frame(sent & 255));
  assert.equal(connection.queued, options.queueMessagesMax);
  assert.equal(dropped, 1000 - 1 - options.queueMessagesMax);
  connection.close("closed");
});

Deno.test("send() after the end does nothing", () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const connection = new Connection(channel, options);
  connection.close("closed");
  connection.send(frame(1));
  assert.equal(channel.written.length, 0);
});

Deno.test("run() hands over payloads in order, skips keepalives and ends with the stream", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const payloads: Uint8Array[] = [];
  const ended = new Connection(channel, options).run(collect(payloads));
  channel.deliver(concatBytes(frame(1), encodeFrame(new Uint8Array(0)), frame(2)));
  channel.deliver(null);
  assert.deepEqual(await ended, { reason: "closedByPeer", error: null });
  assert.deepEqual(payloads, [new Uint8Array([1]), new Uint8Array([2])]);
  assert.equal(channel.closed, true);
});

Deno.test("run() ends a connection whose frame is refused", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const ended = new Connection(channel, options).run({ ...collect([]), frameBytesMax: 5 });
  channel.deliver(encodeFrame(new Uint8Array(6)));
  const { reason, error } = await ended;
  assert.equal(reason, "refused");
  assert.deepEqual(error, new FrameError("Cannot read frame: length 6 is above 5"));
  assert.equal(channel.closed, true);
});

Deno.test("run() ends a connection whose payload is refused, and hands over no more", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const error = new InputError("refused");
  let calls = 0;
  const ended = new Connection(channel, options).run({
    frameBytesMax: FRAME_BYTES_MAX,
    onFrame: () => {
      calls += 1;
      throw error;
    },
  });
  channel.deliver(concatBytes(frame(1), frame(2)));
  assert.deepEqual(await ended, { reason: "refused", error });
  assert.equal(calls, 1);
});

Deno.test("run() throws what is neither the peer's fault nor the network's", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const bug = new TypeError("a bug");
  const ended = new Connection(channel, options).run({
    frameBytesMax: FRAME_BYTES_MAX,
    onFrame: () => {
      throw bug;
    },
  });
  channel.deliver(frame(1));
  await assert.rejects(ended, bug);
  assert.equal(channel.closed, true);
});

Deno.test("run() hands over nothing after the connection was closed", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const connection = new Connection(channel, options);
  const payloads: Uint8Array[] = [];
  const ended = connection.run({
    frameBytesMax: FRAME_BYTES_MAX,
    onFrame: (payload) => {
      payloads.push(payload);
      connection.close("replaced");
      return 1;
    },
  });
  channel.deliver(concatBytes(frame(1), frame(2)));
  assert.deepEqual(await ended, { reason: "replaced", error: null });
  assert.deepEqual(payloads, [new Uint8Array([1])]);
});

for (
  const [what, { frames, work }] of Object.entries({
    "much": { frames: repeated(encodeFrame(new Uint8Array(0)), 1000), work: 0 },
    "large frames": { frames: repeated(encodeFrame(new Uint8Array(FRAME_BYTES_MAX)), 8), work: 0 },
    "what makes much work": { frames: repeated(frame(1), 15), work: WORK_PER_TURN_MAX },
  })
) {
  Deno.test(`run() lets everybody else have their turn when a peer says ${what} at once`, async () => {
    const channel = new MemoryChannel({ takesWrites: true });
    const connection = new Connection(channel, options);
    channel.deliver(frames);
    channel.deliver(null);
    using turns = new TurnCounter();
    await connection.run({ frameBytesMax: FRAME_BYTES_MAX, onFrame: () => work });
    assert.ok(turns.count >= TURNS_MIN, `${turns.count} turns`);
  });
}

function repeated(bytes: Uint8Array, count: number): Uint8Array {
  return concatBytes(...Array.from({ length: count }, () => bytes));
}

Deno.test("run() sends keepalives when there is nothing else to send", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const connection = new Connection(channel, { ...options, keepaliveIntervalMs: 1 });
  const ended = connection.run(collect([]));
  assert.deepEqual(await channel.written.take(), new Uint8Array(4));
  connection.close("closed");
  await ended;
});

Deno.test("run() ends a connection on which nothing is heard", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const connection = new Connection(channel, { ...options, keepaliveIntervalMs: 1 });
  assert.deepEqual(await connection.run(collect([])), { reason: "silent", error: null });
});

Deno.test("run() ends a connection that takes nothing, though it speaks", async () => {
  const channel = new MemoryChannel({ takesWrites: false });
  const connection = new Connection(channel, { ...options, keepaliveIntervalMs: 1 });
  const speaking = setInterval(() => channel.deliver(encodeFrame(new Uint8Array(0))), 0);
  connection.send(frame(1));
  assert.deepEqual(await connection.run(collect([])), { reason: "stalled", error: null });
  clearInterval(speaking);
});

Deno.test("readFrame() refuses a frame larger than a hello before the hellos", async () => {
  const channel = new MemoryChannel({ takesWrites: true });
  const connection = new Connection(channel, options);
  channel.deliver(encodeFrame(new Uint8Array(HELLO_FRAME_BYTES_MAX + 1)));
  await assert.rejects(connection.readFrame(), /length 513 is above 512/);
  connection.close("refused");
});

for (
  const [what, limits, received] of [
    ["so many messages", { rekeyAfterMessages: 3, rekeyAfterMs: NEVER_MS }, 3],
    ["so long", { rekeyAfterMessages: 100, rekeyAfterMs: 0 }, 1],
  ] as const
) {
  Deno.test(`secure() makes a channel whose keys are replaced after ${what}`, async () => {
    const channel = new MemoryChannel({ takesWrites: true });
    const connection = new Connection(channel, { ...options, ...limits });
    connection.secure(channelKeys());
    const below = new MemoryChannel({ takesWrites: true });
    // It takes no more messages under one key than should come.
    const other = new NoiseChannel({
      channel: below,
      decoder: new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX }),
      keys: channelKeys(),
      nowMs: () => 0,
      rekeyAfterMessages: received,
      rekeyAfterMs: NEVER_MS,
    });
    for (let sent = 0; sent < 10; sent++) {
      await connection.writeFrame(frame(sent));
      below.deliver(await channel.written.take());
      assert.deepEqual(concatBytes(await other.read() ?? new Uint8Array()), frame(sent));
    }
    connection.close("closed");
    other.close();
  });
}

/** What a handshake leads to; the same for both sides, and both ways. */
function channelKeys(): NoiseKeys {
  const [send, receive] = [1, 2].map(() => new CipherState(new Uint8Array(32).fill(7)));
  assert.ok(send !== undefined && receive !== undefined);
  return { send, receive, handshakeHash: new Uint8Array(32) };
}
