import fc from "fast-check";
import assert from "node:assert/strict";
import { concatBytes, decodeHex } from "../../lib/bytes.ts";
import {
  encodeFrame,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameDecoder,
  FrameError,
} from "../../lib/transport/frame.ts";

function decoder(frameBytesMax = FRAME_BYTES_MAX): FrameDecoder {
  return new FrameDecoder({ frameBytesMax });
}

function drain(frames: FrameDecoder): Uint8Array[] {
  const payloads = [];
  for (let payload = frames.next(); payload !== null; payload = frames.next()) {
    payloads.push(payload);
  }
  return payloads;
}

const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });

Deno.test("encodeFrame() puts the length first, four bytes, big-endian", () => {
  assert.deepEqual(encodeFrame(new Uint8Array([9, 8, 7])), decodeHex("00000003090807"));
  assert.equal(encodeFrame(new Uint8Array(70_000))[1], 1);
});

Deno.test("encodeFrame() takes the largest payload and refuses one byte more", () => {
  const largest = new Uint8Array(FRAME_BYTES_MAX);
  assert.equal(encodeFrame(largest).length, FRAME_HEADER_BYTES + FRAME_BYTES_MAX);
  assert.throws(
    () => encodeFrame(new Uint8Array(FRAME_BYTES_MAX + 1)),
    new FrameError("Cannot write frame: length 8388609 is above 8388608"),
  );
});

Deno.test("FrameDecoder returns what was framed, however the stream is cut", () => {
  fc.assert(
    fc.property(payloads, fc.infiniteStream(fc.integer({ min: 1, max: 90 })), (sent, cuts) => {
      const stream = concatBytes(...sent.map(encodeFrame));
      const frames = decoder();
      const received = [];
      for (let offset = 0; offset < stream.length;) {
        const { value: length } = cuts.next();
        frames.push(stream.subarray(offset, offset + length));
        received.push(...drain(frames));
        offset += length;
      }
      assert.deepEqual(received, sent.map((payload) => new Uint8Array(payload)));
      assert.equal(frames.insideFrame, false);
    }),
  );
});

Deno.test("FrameDecoder gives each payload a buffer of its own, of exactly its length", () => {
  const frames = decoder();
  const chunk = concatBytes(encodeFrame(new Uint8Array([1, 2])), encodeFrame(new Uint8Array([3])));
  frames.push(chunk);
  const [first, second] = drain(frames);
  chunk.fill(0);
  assert.deepEqual([first, second], [new Uint8Array([1, 2]), new Uint8Array([3])]);
  assert.equal(first?.buffer.byteLength, 2);
  assert.equal(second?.buffer.byteLength, 1);
});

Deno.test("FrameDecoder refuses a length above the limit before its payload arrives", () => {
  const frames = decoder();
  frames.push(decodeHex("00800001"));
  assert.throws(
    () => frames.next(),
    new FrameError("Cannot read frame: length 8388609 is above 8388608"),
  );
  const atLimit = decoder();
  atLimit.push(decodeHex("00800000"));
  assert.equal(atLimit.next(), null);
});

Deno.test("FrameDecoder reads the first length bit as a number, not as a sign", () => {
  const frames = decoder();
  frames.push(decodeHex("ffffffff"));
  assert.throws(() => frames.next(), /length 4294967295 is above/);
});

Deno.test("FrameDecoder applies a new limit from the next frame on", () => {
  const frames = decoder(2);
  frames.push(concatBytes(encodeFrame(new Uint8Array(2)), encodeFrame(new Uint8Array(3))));
  assert.deepEqual(frames.next(), new Uint8Array(2));
  frames.frameBytesMax = 3;
  assert.deepEqual(frames.next(), new Uint8Array(3));
});

Deno.test("FrameDecoder knows a truncated stream from one between frames", () => {
  const frames = decoder();
  const frame = encodeFrame(new Uint8Array([1, 2, 3]));
  for (let length = 1; length < frame.length; length++) {
    frames.push(frame.subarray(length - 1, length));
    assert.equal(frames.next(), null);
    assert.equal(frames.insideFrame, true);
  }
  frames.push(frame.subarray(-1));
  assert.deepEqual(frames.next(), new Uint8Array([1, 2, 3]));
  assert.equal(frames.insideFrame, false);
});

Deno.test("FrameDecoder takes an empty payload for what it is", () => {
  const frames = decoder();
  frames.push(concatBytes(encodeFrame(new Uint8Array(0)), encodeFrame(new Uint8Array([5]))));
  assert.deepEqual(drain(frames), [new Uint8Array(0), new Uint8Array([5])]);
});
