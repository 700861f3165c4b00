/**
 * The file of a saved snapshot: a head of text, a copy of kv.db, and the SHA-256 of all that.
 *
 * The head takes one page, so that kv.db's pages stand where a disk has its own, and the digest at the end
 * is what etcd's clients look for in a snapshot: so `etcdctl snapshot save` can save one as well.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { decodeUtf8, encodeUtf8, equalBytes } from "../../bytes.ts";
import { EnvironmentError, InputError, messageOf } from "../../errors.ts";
import { type ClusterName, type LogIndex, toClusterName, toLogIndex } from "../../types.ts";
import { SNAPSHOT_BYTES_MAX, type SnapshotFile } from "./snapshot_file.ts";

/** What a saved snapshot says of itself. */
export interface SavedHead extends Omit<SnapshotFile, "sha256"> {
  /** Whose state it is. */
  readonly cluster: ClusterName;
  /** The store's revision: that of its last change. */
  readonly revision: LogIndex;
}

/** What a file was found to be. */
export interface SavedFile extends SavedHead {
  /** SHA-256 over everything in the file but itself: its last 32 bytes. */
  readonly sha256: Uint8Array;
  /** The file's length. */
  readonly fileBytes: number;
}

/** Bytes of the head: the text, filled up with line ends. */
const HEAD_BYTES = 4096;
const DIGEST_BYTES = 32;
/** How much is read, and sent, at once. */
const SAVED_PART_BYTES = 256 * 1024;

const HEAD_PATTERN = new RegExp(
  "^floe/snapshot/v1\ncluster (?<cluster>[^\n]{1,255})\nindex (?<index>[0-9]{1,16})\n" +
    "revision (?<revision>[0-9]{1,16})\nbytes (?<bytes>[0-9]{1,16})\n+$",
);

/** The length of a file whose database has so many bytes. */
function fileBytesOf({ bytes }: SavedHead): number {
  return HEAD_BYTES + bytes + DIGEST_BYTES;
}

function encodeHead({ cluster, index, revision, bytes }: SavedHead): Uint8Array<ArrayBuffer> {
  const text = `floe/snapshot/v1\ncluster ${cluster}\nindex ${index}\nrevision ${revision}\n` +
    `bytes ${bytes}\n`;
  return encodeUtf8(text.padEnd(HEAD_BYTES, "\n"));
}

/** @throws {InputError} when it is no head. */
function decodeHead(raw: Uint8Array): SavedHead {
  const fields = HEAD_PATTERN.exec(decodeUtf8(raw))?.groups;
  if (fields === undefined) throw new InputError("it does not begin as a saved snapshot does");
  const bytes = Number(fields["bytes"]);
  if (!(bytes >= 1 && bytes <= SNAPSHOT_BYTES_MAX)) {
    throw new InputError(`its database of ${bytes} bytes is not from 1 to ${SNAPSHOT_BYTES_MAX}`);
  }
  return {
    cluster: toClusterName(fields["cluster"]),
    index: toLogIndex(Number(fields["index"])),
    revision: toLogIndex(Number(fields["revision"])),
    bytes,
  };
}

/** A snapshot that a client is saving. Its file is removed when the client is done. */
export class SavedSnapshot {
  /** What the snapshot says of itself. */
  readonly head: SavedHead;
  /** The length of the whole file. */
  readonly fileBytes: number;
  readonly #file: Deno.FsFile;
  readonly #remove: () => void;
  readonly #hash = createHash("sha256");
  #sent = 0;
  #isClosed = false;

  /** Of the database in the file at `path`; `remove` is called once it is read or given up. */
  constructor(path: string, head: SavedHead, remove: () => void) {
    this.head = head;
    this.fileBytes = fileBytesOf(head);
    this.#remove = remove;
    this.#file = Deno.openSync(path);
  }

  /**
   * The next part; null at the end.
   *
   * @throws {EnvironmentError} when the database cannot be read to its end.
   */
  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const { head, fileBytes } = this;
    if (this.#sent === fileBytes) return null;
    if (this.#sent === 0) return this.#hashed(encodeHead(head));
    const left = HEAD_BYTES + head.bytes - this.#sent;
    if (left > 0) return this.#hashed(await this.#read(Math.min(SAVED_PART_BYTES, left)));
    this.#sent = fileBytes;
    return new Uint8Array(this.#hash.digest());
  }

  /** Releases the file. The caller must call this in every case. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file.close();
    this.#remove();
  }

  #hashed(part: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#hash.update(part);
    this.#sent += part.length;
    return part;
  }

  async #read(bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
    const part = new Uint8Array(bytesMax);
    const length = this.#isClosed ? null : await this.#file.read(part);
    if (length !== null) return part.subarray(0, length);
    throw new EnvironmentError("Cannot read a snapshot: its file ends before its length");
  }
}

/**
 * Reads a saved snapshot to its end, and checks that it is whole and as it was written. Until it returns, nothing
 * in it can be trusted.
 *
 * @throws {InputError} when it is none, was cut short, or is damaged.
 * @throws {EnvironmentError} when it cannot be read.
 */
export function readSavedFile(
  path: string,
  options: {
    /** Gets the database, part by part. */
    readonly take?: (part: Uint8Array) => void;
    /** Hears how much is read, of how much. */
    readonly onProgress?: (bytes: number, of: number) => void;
  } = {},
): SavedFile {
  try {
    using file = Deno.openSync(path);
    return new SavedReader(file).read(options);
  } catch (cause) {
    if (cause instanceof InputError) {
      const reason =
        `Cannot use snapshot ${path}: ${cause.message}. Save it again, or use another.`;
      throw new InputError(reason, { cause });
    }
    if (cause instanceof EnvironmentError) throw cause;
    throw new EnvironmentError(`Cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

class SavedReader {
  readonly #file: Deno.FsFile;
  readonly #hash: Hash = createHash("sha256");

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  read({ take, onProgress }: NonNullable<Parameters<typeof readSavedFile>[1]>): SavedFile {
    const head = decodeHead(this.#take(HEAD_BYTES));
    const fileBytes = fileBytesOf(head);
    const { size } = this.#file.statSync();
    if (size < fileBytes) throw new InputError(`it was cut off at byte ${size} of ${fileBytes}`);
    if (size > fileBytes) throw new InputError(`it is longer than its ${fileBytes} bytes`);
    for (let left = head.bytes; left > 0;) {
      const part = this.#take(Math.min(SAVED_PART_BYTES, left));
      take?.(part);
      left -= part.length;
      onProgress?.(head.bytes - left, head.bytes);
    }
    const sha256 = new Uint8Array(this.#hash.copy().digest());
    if (equalBytes(this.#take(DIGEST_BYTES), sha256)) return { ...head, sha256, fileBytes };
    throw new InputError("it is damaged: its SHA-256 does not match");
  }

  #take(length: number): Uint8Array {
    const part = new Uint8Array(length);
    for (let read = 0; read < length;) {
      const count = this.#file.readSync(part.subarray(read));
      if (count === null) throw new InputError("it was cut off");
      read += count;
    }
    this.#hash.update(part);
    return part;
  }
}
