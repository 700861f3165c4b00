import { deepEqual, equal, rejects } from "node:assert/strict";
import { readAtMost } from "../lib/streams.ts";

/** A stream of chunks of these lengths that counts what is taken, and knows whether it was cancelled. */
function streamOf(lengths: readonly number[]) {
  const seen = { chunks: 0, cancelled: false };
  const left = [...lengths];
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const length = left.shift();
      if (length === undefined) return controller.close();
      seen.chunks += 1;
      controller.enqueue(new Uint8Array(length).fill(seen.chunks));
    },
    cancel() {
      seen.cancelled = true;
    },
  }, { highWaterMark: 0 });
  return { stream, seen };
}

Deno.test("readAtMost() joins the chunks of a stream, up to the limit", async () => {
  deepEqual(await readAtMost(streamOf([2, 0, 1]).stream, 3), Uint8Array.of(1, 1, 3));
  deepEqual(await readAtMost(streamOf([]).stream, 0), new Uint8Array());
});

Deno.test("readAtMost() stops at the first byte too many, and cancels the stream", async () => {
  const { stream, seen } = streamOf([2, 2, 1000, 1000]);
  equal(await readAtMost(stream, 3), null);
  deepEqual(seen, { chunks: 2, cancelled: true });
});

Deno.test("readAtMost() throws what the stream fails with", async () => {
  const broken = new Error("the cable is out");
  const stream = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(broken) });
  await rejects(readAtMost(stream, 3), broken);
});
