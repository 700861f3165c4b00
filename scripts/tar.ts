/**
 * Just enough of tar to pack a few files (POSIX.1-2017, pax, "ustar Interchange Format").
 *
 * @module
 */

const BLOCK_BYTES = 512;

/** A file to pack. */
export interface TarEntry {
  /** Its name in the archive, at most 100 ASCII characters. */
  readonly name: string;
  /** Where it is now. */
  readonly path: string;
  /** Its permissions in the archive. */
  readonly mode: number;
}

/** The archive, piece by piece. */
export async function* tar(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  for (const { name, path, mode } of entries) {
    using file = await Deno.open(path);
    const { size } = await file.stat();
    yield header({ name, mode, size });
    yield* file.readable;
    yield new Uint8Array((BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES);
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

function header(
  { name, mode, size }: { readonly name: string; readonly mode: number; readonly size: number },
): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const write = (text: string, offset: number) =>
    new TextEncoder().encodeInto(text, block.subarray(offset));
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  write(name, 0);
  write(octal(mode, 7), 100);
  write(octal(0, 7), 108);
  write(octal(0, 7), 116);
  write(octal(size, 11), 124);
  write(octal(0, 11), 136);
  // The checksum counts its own field as blanks.
  write(" ".repeat(8), 148);
  write("0", 156);
  write("ustar\0" + "00", 257);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  write(`${octal(checksum, 6)}\0 `, 148);
  return block;
}
