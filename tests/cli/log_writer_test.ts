import assert from "node:assert/strict";
import { LogWriter, PENDING_LENGTH_MAX } from "../../lib/cli/serve/logging.ts";

Deno.test("LogWriter writes the lines of one turn in one write, in order", async () => {
  const sink = new SlowSink();
  const writer = new LogWriter(sink, describeDropped);
  writer.push("a\n");
  writer.push("b\n");
  const drained = writer.drain();
  await sink.finishWrite();
  await drained;
  assert.deepEqual(sink.writes, ["a\nb\n"]);
});

Deno.test("LogWriter drops what a stopped reader leaves no room for, and says so", async () => {
  const sink = new SlowSink();
  const writer = new LogWriter(sink, describeDropped);
  writer.push("first\n");
  await sink.started;
  writer.push("x".repeat(PENDING_LENGTH_MAX));
  writer.push("lost\n");
  writer.push("lost\n");
  const drained = writer.drain();
  await sink.finishWrite();
  await sink.started;
  await sink.finishWrite();
  await drained;
  assert.equal(sink.writes[1]?.slice(-20), "x".repeat(10) + "dropped 2\n");
});

Deno.test("LogWriter finishes what a sink takes in parts", async () => {
  let written = "";
  const writer = new LogWriter({
    write(bytes) {
      written += new TextDecoder().decode(bytes.subarray(0, 2));
      return Promise.resolve(Math.min(2, bytes.length));
    },
  }, describeDropped);
  writer.push("abcde\n");
  await writer.drain();
  assert.equal(written, "abcde\n");
});

Deno.test("LogWriter goes on without a sink that fails", async () => {
  const writer = new LogWriter(
    { write: () => Promise.reject(new Error("broken pipe")) },
    describeDropped,
  );
  writer.push("a\n");
  await writer.drain();
  writer.push("b\n");
  await writer.drain();
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

  write(bytes: Uint8Array): Promise<number> {
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
