/**
 * The work that takes long: what a worker does, and what crosses to it and back.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assertDefined } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { EnvironmentError, InputError, messageOf } from "../errors.ts";
import type { ClusterName, LogIndex, NodeId } from "../types.ts";
import { readFully, removeIfThere, syncFolder, writeFully } from "./folder.ts";
import type { StoreOptions } from "./open_database.ts";
import {
  adoptSnapshot,
  checkSnapshot,
  openSnapshot,
  type SnapshotFile,
} from "./snapshot/snapshot_file.ts";
import { CorruptionError, KEY_VALUE_WAY_BACK } from "./storage_error.ts";
import { openTableFile, type TableFile } from "./tables/table_file.ts";

/** A snapshot that was checked, and the store's revision in it. */
export type SealedSnapshot = SnapshotFile & { readonly revision: LogIndex };

/** How much is copied by one job. */
export const COPY_BYTES: number = 1024 * 1024;

/**
 * Everything that a worker does. One worker owns the node's tables from `open` on; another one, which
 * is there when it is needed, works on snapshots. Each method is a job; what it takes and returns crosses
 * between threads.
 */
export class StorageJobs {
  #tables: TableFile | null = null;
  #options: StoreOptions | null = null;
  #source: Deno.FsFile | null = null;

  /** Opens the node's tables, or makes them; up to which entry they have everything. */
  open(options: StoreOptions): LogIndex {
    this.#options = options;
    this.#tables = openTableFile(options);
    return this.#tables.appliedIndex;
  }

  /** Makes the changes of a part of a batch. */
  write({ part }: { readonly part: Uint8Array }): null {
    this.#open().write(part);
    return null;
  }

  /** Ends the batch. */
  commit(_: null): null {
    this.#open().commit();
    return null;
  }

  /** The next rows of what is open; null once all were read. */
  read(_: null): Uint8Array<ArrayBuffer> | null {
    return this.#open().read();
  }

  /** Holds the file of the tables as it is, to be copied; at which entry. */
  hold(_: null): LogIndex {
    this.#open().hold();
    return this.#open().appliedIndex;
  }

  /** Copies so much of the file from `offset` on; false at its end. */
  copy({ to, offset }: { readonly to: string; readonly offset: number }): boolean {
    const source = this.#openSource(this.#open().path);
    using target = Deno.openSync(to, {
      write: true,
      create: true,
      truncate: offset === 0,
      mode: 0o600,
    });
    source.seekSync(offset, Deno.SeekMode.Start);
    target.seekSync(offset, Deno.SeekMode.Start);
    const chunk = new Uint8Array(COPY_BYTES);
    const length = readFully(source, chunk);
    writeFully(target, chunk.subarray(0, length));
    // What waits to be written makes every other sync on the disk wait for it, those of the log included.
    target.syncDataSync();
    return length === chunk.length;
  }

  /** Lets the file of the tables change again. */
  release(_: null): null {
    this.#open().release();
    return null;
  }

  /**
   * Puts a ready snapshot in the place of the tables; up to which entry they have everything. The old
   * file keeps a second name, as to let go of a large file takes long.
   */
  install(
    { ready, replaced }: { readonly ready: string; readonly replaced: string },
  ): LogIndex {
    const options = assertDefined(this.#options, "Tables were opened");
    const { path } = this.#open();
    this.#open().hold();
    this.#open().close();
    removeIfThere(replaced);
    linkIfPossible(path, replaced);
    // SQLite would take the old file's log for the new one's.
    removeIfThere(`${path}-wal`);
    removeIfThere(`${path}-shm`);
    syncFolder(options.folder);
    Deno.renameSync(ready, path);
    syncFolder(options.folder);
    this.#tables = openTableFile(options, { isChecked: true });
    return this.#tables.appliedIndex;
  }

  /** Closes what is open, after everything is in its file. */
  close(_: null): null {
    this.#tables?.close();
    this.#tables = null;
    return null;
  }

  /** Checks a copy of the tables, renames it and names it. What it seals is gone with the process. */
  seal(
    { path, sealedPath, cluster }: {
      readonly path: string;
      readonly sealedPath: string;
      readonly cluster: ClusterName;
    },
  ): SealedSnapshot {
    const { appliedIndex: index, revision } = checkSnapshot(path, cluster);
    const { bytes, sha256 } = digestFile(path);
    Deno.renameSync(path, sealedPath);
    return { index, bytes, sha256, revision };
  }

  /** Checks what arrived against its name, and opens it for {@linkcode read}. */
  openArrived(
    { path, snapshot, cluster }: {
      readonly path: string;
      readonly snapshot: SnapshotFile;
      readonly cluster: ClusterName;
    },
  ): null {
    const { bytes, sha256 } = digestFile(path);
    if (bytes !== snapshot.bytes || !equalBytes(sha256, snapshot.sha256)) {
      throw new InputError(`Cannot use snapshot: its SHA-256 is not the one that was announced`);
    }
    this.#tables = openSnapshot(path, cluster);
    const { appliedIndex } = this.#tables;
    if (appliedIndex === snapshot.index) return null;
    throw new InputError(
      `Cannot use snapshot: it holds the effects of entries up to ${appliedIndex}, not ` +
        `${snapshot.index}`,
    );
  }

  /** Turns the received snapshot into the node's own, and renames it; everything is durable then. */
  adopt(
    { path, readyPath, folder, cluster, node }: {
      readonly path: string;
      readonly readyPath: string;
      readonly folder: string;
      readonly cluster: ClusterName;
      readonly node: NodeId;
    },
  ): null {
    this.close(null);
    adoptSnapshot(path, { cluster, node });
    Deno.renameSync(path, readyPath);
    syncFolder(folder);
    return null;
  }

  /** Removes what arrived and is no good. */
  drop({ path }: { readonly path: string }): null {
    this.close(null);
    removeIfThere(path);
    return null;
  }

  #open(): TableFile {
    return assertDefined(this.#tables, "Tables are open");
  }

  /**
   * Opens the file for reading, and keeps it open. SQLite locks its files with POSIX record locks, and a
   * process that closes any handle of a file loses all of its record locks there (fcntl(2)): closing ours
   * would let other programs into a database that is in use. Only when another file has taken its place is
   * the old one closed, which nobody has open any more.
   */
  #openSource(path: string): Deno.FsFile {
    const { ino } = Deno.statSync(path);
    if (this.#source !== null && this.#source.statSync().ino === ino) return this.#source;
    const file = Deno.openSync(path);
    this.#source?.close();
    this.#source = file;
    return file;
  }
}

/** Any method of {@linkcode StorageJobs}. */
export type JobName = {
  [Name in keyof StorageJobs]: StorageJobs[Name] extends (job: never) => unknown ? Name : never;
}[keyof StorageJobs];

/** What a job takes. */
export type JobOf<Name extends JobName> = Parameters<StorageJobs[Name]>[0];

/** What a job returns. */
export type ResultOf<Name extends JobName> = ReturnType<StorageJobs[Name]>;

/** A job on its way to the worker. */
export interface JobRequest {
  /** Names the answer. */
  readonly id: number;
  /** Which job. */
  readonly name: JobName;
  /** What it takes. */
  readonly job: unknown;
}

/** What became of a job; an error crosses as what it says, as no class does. */
export type JobOutcome =
  | { readonly kind: "done"; readonly result: unknown }
  | { readonly kind: "failed"; readonly fault: "input" | "environment"; readonly message: string }
  | {
    readonly kind: "failed";
    readonly fault: "corruption";
    readonly file: string;
    readonly damage: string;
  };

/** The worker's answer. */
export interface JobResponse {
  /** The request's. */
  readonly id: number;
  /** How the job ended. */
  readonly outcome: JobOutcome;
}

/** Does a job; never throws. */
export function runJob(jobs: StorageJobs, { name, job }: Omit<JobRequest, "id">): JobOutcome {
  try {
    return { kind: "done", result: jobs[name](job as never) };
  } catch (error) {
    if (error instanceof CorruptionError) {
      const { file, damage } = error;
      return { kind: "failed", fault: "corruption", file, damage };
    }
    const fault = error instanceof InputError ? "input" : "environment";
    return { kind: "failed", fault, message: messageOf(error) };
  }
}

/** The error that a failed outcome stands for. */
export function toError(outcome: JobOutcome & { readonly kind: "failed" }): Error {
  switch (outcome.fault) {
    case "input":
      return new InputError(outcome.message);
    case "environment":
      return new EnvironmentError(outcome.message);
    case "corruption":
      return new CorruptionError({ ...outcome, wayBack: KEY_VALUE_WAY_BACK });
    default:
      return outcome satisfies never;
  }
}

function digestFile(path: string): { readonly bytes: number; readonly sha256: Uint8Array } {
  using file = Deno.openSync(path);
  const hash = createHash("sha256");
  const chunk = new Uint8Array(COPY_BYTES);
  let bytes = 0;
  for (let length = chunk.length; length === chunk.length; bytes += length) {
    length = readFully(file, chunk);
    hash.update(chunk.subarray(0, length));
  }
  return { bytes, sha256: new Uint8Array(hash.digest()) };
}

/** Not every file system has hard links. */
function linkIfPossible(path: string, second: string): void {
  try {
    Deno.linkSync(path, second);
  } catch {
    // Then the rename that follows lets go of the file itself.
  }
}
