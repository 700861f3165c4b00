import assert from "node:assert/strict";
import { CHUNK_BYTES_MAX, FrameQueue } from "../../lib/transport/frame.ts";

const roomy = { queueMessagesMax: 1000, queueBytesMax: 100 * CHUNK_BYTES_MAX };

Deno.test("FrameQueue joins what waits, in order, into one chunk", () => {
  const queue = new FrameQueue(roomy);
  for (const byte of [1, 2, 3]) assert.equal(queue.push(new Uint8Array([byte])), 0);
  assert.deepEqual(queue.take(), new Uint8Array([1, 2, 3]));
  assert.equal(queue.take(), null);
  assert.equal(queue.bytes, 0);
});

Deno.test("FrameQueue hands out a single frame as it is", () => {
  const queue = new FrameQueue(roomy);
  const frame = new Uint8Array(10);
  queue.push(frame);
  assert.equal(queue.take(), frame);
});

Deno.test("FrameQueue bounds a chunk, but never cuts a frame", () => {
  const queue = new FrameQueue(roomy);
  queue.push(new Uint8Array(CHUNK_BYTES_MAX - 1));
  queue.push(new Uint8Array(1));
  queue.push(new Uint8Array(1));
  queue.push(new Uint8Array(CHUNK_BYTES_MAX + 5));
  queue.push(new Uint8Array(2));
  const sizes = [];
  for (let chunk = queue.take(); chunk !== null; chunk = queue.take()) sizes.push(chunk.length);
  assert.deepEqual(sizes, [CHUNK_BYTES_MAX, 1, CHUNK_BYTES_MAX + 5, 2]);
});

Deno.test("FrameQueue drops the oldest frames when there are too many", () => {
  const queue = new FrameQueue({ ...roomy, queueMessagesMax: 3 });
  const dropped = [1, 2, 3, 4, 5].map((byte) => queue.push(new Uint8Array([byte])));
  assert.deepEqual(dropped, [0, 0, 0, 1, 1]);
  assert.deepEqual(queue.take(), new Uint8Array([3, 4, 5]));
});

Deno.test("FrameQueue drops as many of the oldest as the newest needs room for", () => {
  const queue = new FrameQueue({ ...roomy, queueBytesMax: 10 });
  for (const bytes of [4, 4, 2]) queue.push(new Uint8Array(bytes));
  assert.equal(queue.push(new Uint8Array(7)), 2);
  assert.deepEqual([queue.length, queue.bytes], [2, 9]);
});

Deno.test("FrameQueue takes a single frame above its bytes, and nothing beside it", () => {
  const queue = new FrameQueue({ ...roomy, queueBytesMax: 10 });
  queue.push(new Uint8Array(3));
  assert.equal(queue.push(new Uint8Array(50)), 1);
  assert.deepEqual([queue.length, queue.bytes], [1, 50]);
  assert.equal(queue.push(new Uint8Array(3)), 1);
  assert.equal(queue.bytes, 3);
});
