/**
 * Streams of frames, in chunks of any size.
 *
 * @module
 */

import assert from "node:assert/strict";
import { concatBytes } from "../../../lib/bytes.ts";
import { encodeFrame, FrameDecoder, FrameError } from "../../../lib/transport/frame.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { pureTarget, refusing, type Target } from "../target.ts";

/** As strict as with a stranger, so that lengths above it are common. */
const FRAME_BYTES_MAX = 512;

interface Input {
  readonly stream: Uint8Array;
  readonly chunkBytes: readonly number[];
}

/** Whatever the decoder makes of a stream is what stands in it, however it arrives. */
export const frames: Target = pureTarget<Input>({
  name: "frames",
  share: 150,
  draw: (random) => {
    const stream = drawStream(random);
    return {
      stream: random.chance(0.3) ? stream : mutateBytes(stream, random),
      chunkBytes: [random.between(1, 9), random.between(1, 600)],
    };
  },
  show: ({ stream, chunkBytes }) => `${stream.toHex()} in chunks of ${chunkBytes.join(" and ")}`,
  bytesOf: ({ stream }) => stream.length,
  give: (input) =>
    refusing([FrameError], () => {
      const decoded: Uint8Array[] = [];
      try {
        for (const payload of decode(input)) decoded.push(payload);
      } finally {
        const encoded = concatBytes(...decoded.map((payload) => encodeFrame(payload)));
        assert.deepEqual(encoded, input.stream.slice(0, encoded.length));
      }
    }),
});

function drawStream(random: Random): Uint8Array {
  const payloads = Array.from(
    { length: random.between(1, 6) },
    () => random.bytes(random.below(random.pick([1, 20, FRAME_BYTES_MAX]))),
  );
  return concatBytes(...payloads.map((payload) => encodeFrame(payload)));
}

function* decode({ stream, chunkBytes }: Input): Generator<Uint8Array> {
  const decoder = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
  for (let offset = 0, at = 0; offset < stream.length; at++) {
    const length = chunkBytes[at % chunkBytes.length] ?? 1;
    decoder.push(stream.subarray(offset, offset + length));
    offset += length;
    for (let payload = decoder.next(); payload !== null; payload = decoder.next()) yield payload;
  }
}
