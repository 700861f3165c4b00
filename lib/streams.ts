/**
 * Reading streams that come from outside.
 *
 * @module
 */

import { concatBytes } from "./bytes.ts";

/**
 * All bytes of a stream, or null as soon as there are more than `bytesMax`: the rest is then never
 * read, and the stream cancelled.
 *
 * @throws whatever the stream fails with.
 */
export async function readAtMost(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the stream.
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > bytesMax) return null;
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}
