import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { concatBytes } from "../../lib/bytes.ts";
import { ChannelError } from "../../lib/transport/channel.ts";
import { encodeFrame, FrameDecoder, FrameError } from "../../lib/transport/frame.ts";
import { MESSAGE_OVERHEAD_BYTES, NoiseChannel } from "../../lib/transport/noise_channel.ts";
import {
  CipherState,
  NOISE_MESSAGE_BYTES_MAX,
  NoiseError,
  PLAINTEXT_BYTES_MAX,
} from "../../lib/transport/noise_primitives.ts";
import { MemoryChannel } from "./memory_channel.ts";
import { TurnCounter, TURNS_MIN } from "./turn_counter.ts";

const NEVER = Number.MAX_SAFE_INTEGER;
const KEY = new Uint8Array(32).fill(7);

/** Two ends of one channel; what the left one writes is handed to the right one by the test. */
class Ends {
  nowMs = 0;
  readonly keys: readonly CipherState[] = Array.from(
    { length: 4 },
    () => new CipherState(KEY.slice()),
  );
  readonly leftBelow = new MemoryChannel({ takesWrites: true });
  readonly rightBelow = new MemoryChannel({ takesWrites: true });
  readonly left: NoiseChannel;
  readonly right: NoiseChannel;

  constructor(limits: { readonly messages?: number; readonly receivable?: number } = {}) {
    const { messages = NEVER, receivable = messages } = limits;
    const [leftSend, rightSend, leftReceive, rightReceive] = this.keys;
    assert.ok(leftSend && rightSend && leftReceive && rightReceive);
    this.left = this.#end(this.leftBelow, messages, { send: leftSend, receive: leftReceive });
    this.right = this.#end(this.rightBelow, receivable, { send: rightSend, receive: rightReceive });
  }

  /** Writes on the left; everything that goes out below, joined. */
  async written(bytes: Uint8Array): Promise<Uint8Array> {
    await this.left.write(bytes);
    const chunks: Uint8Array[] = [];
    while (this.leftBelow.written.length > 0) chunks.push(await this.leftBelow.written.take());
    return concatBytes(...chunks);
  }

  #end(
    channel: MemoryChannel,
    rekeyAfterMessages: number,
    keys: { readonly send: CipherState; readonly receive: CipherState },
  ): NoiseChannel {
    return new NoiseChannel({
      channel,
      decoder: new FrameDecoder({ frameBytesMax: 512 }),
      keys: { ...keys, handshakeHash: new Uint8Array(32) },
      rekeyAfterMessages,
      rekeyAfterMs: 1000,
      nowMs: () => this.nowMs,
    });
  }
}

function bytesOf(length: number, fill = 3): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

async function readAll(channel: NoiseChannel, length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let missing = length; missing > 0;) {
    const part = await channel.read();
    assert.ok(part !== null);
    parts.push(part.slice());
    missing -= part.length;
  }
  return concatBytes(...parts);
}

Deno.test("read() returns what was written, in messages of at most what Noise allows", async () => {
  const ends = new Ends();
  for (
    const [length, messages] of [
      [1, 1],
      [PLAINTEXT_BYTES_MAX, 1],
      [PLAINTEXT_BYTES_MAX + 1, 2],
      [8 * 1024 * 1024, 129],
    ] as const
  ) {
    const wire = await ends.written(bytesOf(length));
    assert.equal(wire.length, length + messages * MESSAGE_OVERHEAD_BYTES);
    ends.rightBelow.deliver(wire);
    assert.deepEqual(await readAll(ends.right, length), bytesOf(length));
  }
});

Deno.test("write() starts before it returns", () => {
  const ends = new Ends();
  void ends.left.write(bytesOf(10));
  assert.equal(ends.leftBelow.written.length, 1);
});

Deno.test("read() takes a stream that arrives byte by byte", async () => {
  const ends = new Ends();
  const wire = concatBytes(await ends.written(bytesOf(5)), await ends.written(bytesOf(6)));
  for (const byte of wire) ends.rightBelow.deliver(new Uint8Array([byte]));
  assert.deepEqual(await ends.right.read(), Buffer.from(bytesOf(5)));
  assert.deepEqual(await ends.right.read(), Buffer.from(bytesOf(6)));
});

Deno.test("read() goes on with what the decoder of the handshake had taken in already", async () => {
  const ends = new Ends();
  const wire = await ends.written(bytesOf(5));
  const decoder = new FrameDecoder({ frameBytesMax: 512 });
  decoder.push(concatBytes(encodeFrame(bytesOf(2)), wire));
  assert.deepEqual(decoder.next(), bytesOf(2));
  const channel = new NoiseChannel({
    channel: ends.rightBelow,
    decoder,
    keys: {
      send: new CipherState(KEY.slice()),
      receive: new CipherState(KEY.slice()),
      handshakeHash: new Uint8Array(32),
    },
    rekeyAfterMessages: NEVER,
    rekeyAfterMs: NEVER,
    nowMs: () => 0,
  });
  assert.deepEqual(new Uint8Array(await channel.read() ?? []), bytesOf(5));
});

Deno.test("read() lets everybody else have their turn between marks that carry nothing", async () => {
  const ends = new Ends();
  const wire: Uint8Array[] = [];
  const sender = new CipherState(KEY.slice());
  for (let marks = 0; marks < 1000; marks++) {
    const { ciphertext, tag } = sender.encrypt(new Uint8Array(0));
    wire.push(encodeFrame(concatBytes(ciphertext, tag)));
    sender.rekey();
  }
  ends.rightBelow.deliver(concatBytes(...wire));
  ends.rightBelow.deliver(null);
  using turns = new TurnCounter();
  assert.equal(await ends.right.read(), null);
  assert.ok(turns.count >= TURNS_MIN, `${turns.count} turns`);
});

Deno.test("read() says that the stream has ended, but not inside a message", async () => {
  const ends = new Ends();
  const wire = await ends.written(bytesOf(5));
  ends.rightBelow.deliver(wire);
  ends.rightBelow.deliver(null);
  await ends.right.read();
  assert.equal(await ends.right.read(), null);

  for (let length = 1; length < wire.length; length++) {
    const cut = new Ends();
    cut.rightBelow.deliver(wire.subarray(0, length));
    cut.rightBelow.deliver(null);
    await assert.rejects(
      cut.right.read(),
      (error) => error instanceof ChannelError && /ends inside a message/.test(error.message),
    );
  }
});

Deno.test("read() refuses messages that are repeated, left out or out of order", async () => {
  const ends = new Ends();
  const wire = [];
  for (let message = 0; message < 3; message++) wire.push(await ends.written(bytesOf(9, message)));
  for (const order of [[0, 0], [1], [0, 2], [1, 0], [0, 1, 0], [0, 1, 1]]) {
    const { right, rightBelow } = new Ends();
    for (const at of order) rightBelow.deliver(wire[at] ?? null);
    for (let genuine = 1; genuine < order.length; genuine++) await right.read().catch(() => {});
    await assert.rejects(right.read(), NoiseError, `order ${order}`);
  }
});

Deno.test("read() refuses a frame that no Noise message fills", async () => {
  for (const length of [0, 15]) {
    const { right, rightBelow } = new Ends();
    rightBelow.deliver(encodeFrame(bytesOf(length)));
    await assert.rejects(right.read(), new RegExp(`length ${length} is not from 16 to 65535`));
  }
  const { right, rightBelow } = new Ends();
  rightBelow.deliver(encodeFrame(bytesOf(NOISE_MESSAGE_BYTES_MAX + 1)));
  await assert.rejects(right.read(), FrameError);
});

Deno.test("a channel takes a new key after so many messages, and both sides stay in step", async () => {
  const ends = new Ends({ messages: 3 });
  for (let message = 1; message <= 10; message++) {
    const wire = await ends.written(bytesOf(8));
    const mark = message > 1 && message % 3 === 1 ? MESSAGE_OVERHEAD_BYTES : 0;
    assert.equal(wire.length, mark + MESSAGE_OVERHEAD_BYTES + 8, `message ${message}`);
    ends.rightBelow.deliver(wire);
    assert.deepEqual(new Uint8Array(await ends.right.read() ?? []), bytesOf(8));
  }
});

Deno.test("a channel takes new keys in the middle of a large write", async () => {
  const ends = new Ends({ messages: 2 });
  const length = 9 * PLAINTEXT_BYTES_MAX;
  const wire = await ends.written(bytesOf(length));
  assert.equal(wire.length, length + (9 + 4) * MESSAGE_OVERHEAD_BYTES);
  ends.rightBelow.deliver(wire);
  assert.deepEqual(await readAll(ends.right, length), bytesOf(length));
});

Deno.test("a channel takes a new key after so long, at its next message", async () => {
  const ends = new Ends();
  const lengths: number[] = [];
  for (const nowMs of [999, 1000, 1001, 1999, 2000, 5000]) {
    ends.nowMs = nowMs;
    const wire = await ends.written(bytesOf(8));
    lengths.push(wire.length - MESSAGE_OVERHEAD_BYTES - 8);
    ends.rightBelow.deliver(wire);
    assert.deepEqual(new Uint8Array(await ends.right.read() ?? []), bytesOf(8));
  }
  const mark = MESSAGE_OVERHEAD_BYTES;
  assert.deepEqual(lengths, [0, mark, 0, 0, mark, mark]);
});

Deno.test("each direction takes new keys by itself", async () => {
  const ends = new Ends({ messages: 1 });
  for (let message = 0; message < 3; message++) {
    ends.rightBelow.deliver(await ends.written(bytesOf(8)));
  }
  for (let message = 0; message < 3; message++) await ends.right.read();
  await ends.right.write(bytesOf(4));
  const wire = await ends.rightBelow.written.take();
  assert.equal(wire.length, MESSAGE_OVERHEAD_BYTES + 4);
  ends.leftBelow.deliver(wire);
  assert.deepEqual(new Uint8Array(await ends.left.read() ?? []), bytesOf(4));
});

Deno.test("read() refuses more messages under one key than are allowed", async () => {
  const ends = new Ends({ messages: 3, receivable: 2 });
  for (let message = 0; message < 3; message++) {
    ends.rightBelow.deliver(await ends.written(bytesOf(8)));
  }
  await ends.right.read();
  await ends.right.read();
  await assert.rejects(
    ends.right.read(),
    (error) =>
      error instanceof NoiseError && /more than 2 were encrypted under one key/.test(error.message),
  );
});

Deno.test("close() erases the keys and closes what is below, also twice", async () => {
  const ends = new Ends();
  const wire = await ends.written(bytesOf(5));
  ends.left.close();
  ends.left.close();
  assert.equal(ends.leftBelow.closed, true);
  const [send] = ends.keys;
  assert.throws(() => send?.encrypt(bytesOf(1)), InvariantError);
  await assert.rejects(ends.left.write(bytesOf(5)), ChannelError);
  ends.leftBelow.deliver(wire);
  await assert.rejects(ends.left.read(), ChannelError);
});

Deno.test("read() decrypts nothing that arrived before close() and is read after it", async () => {
  const ends = new Ends();
  ends.rightBelow.deliver(await ends.written(bytesOf(5)));
  const reading = ends.right.read();
  ends.right.close();
  await assert.rejects(reading, ChannelError);
});
