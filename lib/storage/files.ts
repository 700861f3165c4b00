/**
 * What reading, writing and removing a file take besides the system's calls.
 *
 * @module
 */

/** Fills `bytes` from a file's position on; the number of bytes read, less only at its end. */
export function readFully(file: Deno.FsFile, bytes: Uint8Array): number {
  let length = 0;
  while (length < bytes.length) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return length;
}

/** Writes all of `bytes` at a file's position. @throws whatever the system does when it cannot. */
export function writeFully(file: Deno.FsFile, bytes: Uint8Array): void {
  let length = 0;
  while (length < bytes.length) length += file.writeSync(bytes.subarray(length));
}

/** Removes a file unless it is not there. @throws whatever else the system throws. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
