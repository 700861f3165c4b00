import assert from "node:assert/strict";
import { OutputQueue, PENDING_BYTES_MAX } from "../../lib/cli/output_queue.ts";

Deno.test("OutputQueue writes the lines of one turn in one write, in order", async () => {
  const sink = new SlowSink();
  const queue = new OutputQueue(sink, describeDropped);
  queue.write("a\n");
  queue.write("b\n");
  const drained = queue.drain();
  await sink.finishWrite();
  await drained;
  assert.deepEqual(sink.writes, ["a\nb\n"]);
});

Deno.test("OutputQueue drops what a stopped reader leaves no room for, and says so", async () => {
  const sink = new SlowSink();
  const queue = new OutputQueue(sink, describeDropped);
  queue.write("first\n");
  await sink.started;
  queue.write("x".repeat(PENDING_BYTES_MAX));
  queue.write("lost\n");
  queue.write("lost\n");
  const drained = queue.drain();
  await sink.finishWrite();
  await sink.started;
  await sink.finishWrite();
  await drained;
  assert.equal(sink.writes[1]?.slice(-20), "x".repeat(10) + "dropped 2\n");
});

Deno.test("OutputQueue finishes what a sink takes in parts", async () => {
  let written = "";
  const queue = new OutputQueue({
    writeSome(bytes) {
      written += new TextDecoder().decode(bytes.subarray(0, 2));
      return Promise.resolve(Math.min(2, bytes.length));
    },
  }, describeDropped);
  queue.write("abcde\n");
  await queue.drain();
  assert.equal(written, "abcde\n");
});

Deno.test("OutputQueue goes on without a sink that fails", async () => {
  const queue = new OutputQueue(
    { writeSome: () => Promise.reject(new Error("broken pipe")) },
    describeDropped,
  );
  queue.write("a\n");
  await queue.drain();
  queue.write("b\n");
  await queue.drain();
});

Deno.test("OutputQueue says how much a sink that failed has lost, on a line of its own", async () => {
  let written = "";
  let room = 3;
  const queue = new OutputQueue({
    writeSome(bytes) {
      if (room === 0) return Promise.reject(new Error("No space left on device"));
      const part = bytes.subarray(0, room);
      written += new TextDecoder().decode(part);
      room -= part.length;
      return Promise.resolve(part.length);
    },
  }, describeDropped);
  for (const line of ["first\n", "second\n"]) {
    queue.write(line);
    await queue.drain();
  }
  room = 100;
  queue.write("third\n");
  await queue.drain();
  queue.write("fourth\n");
  await queue.drain();
  assert.equal(written, "fir\nthird\ndropped 2\nfourth\n");
});

Deno.test("OutputQueue does not keep its program from its end when the reader has stopped", async () => {
  const queue = new OutputQueue({ writeSome: () => new Promise(() => {}) }, describeDropped);
  queue.write("never\n");
  await queue.drain(1);
});

Deno.test("OutputQueue keeps the bytes that it was given, whatever becomes of their array", async () => {
  const sink = new SlowSink();
  const queue = new OutputQueue(sink, describeDropped);
  const bytes = new TextEncoder().encode("a\n");
  queue.write(bytes);
  bytes.fill(0);
  await sink.finishWrite();
  assert.deepEqual(sink.writes, ["a\n"]);
});

/** A sink whose writes take until the test says so. */
class SlowSink {
  readonly writes: string[] = [];
  started: Promise<void>;
  #start: () => void = () => {};
  #finish: (count: number) => void = () => {};

  constructor() {
    this.started = new Promise((resolve) => this.#start = resolve);
  }

  writeSome(bytes: Uint8Array): Promise<number> {
    this.writes.push(new TextDecoder().decode(bytes));
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#finish = () => resolve(bytes.length);
    this.#start();
    return promise;
  }

  async finishWrite(): Promise<void> {
    await this.started;
    this.started = new Promise((resolve) => this.#start = resolve);
    this.#finish(0);
  }
}

function describeDropped(count: number): string {
  return `dropped ${count}\n`;
}
