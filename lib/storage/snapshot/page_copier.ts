/**
 * Copying a database file, whole or some of its pages.
 *
 * @module
 */

import { readFully, writeFully } from "../files.ts";
import { PAGE_BYTES } from "../wal_file.ts";
import { SYNC_BYTES } from "./background_sync.ts";

/** How much is copied by one read and one write. */
const CHUNK_BYTES = 1024 * 1024;

/** A file that SQLite may have open, in this process too. */
interface Source {
  readonly path: string;
  readonly file: Deno.FsFile;
  readonly inode: number | null;
}

/**
 * Copies a database file that is in use.
 *
 * It keeps the file open. SQLite locks its files with POSIX record locks, and a process that closes
 * any handle of a file loses all of its record locks there (fcntl(2)): closing ours would let other
 * programs into a database that is in use. Only when another file has taken its place is the old
 * one closed, which nobody has open any more.
 */
export class PageCopier {
  #source: Source | null = null;

  /**
   * Copies all of `from` over `to`, or just `pages`, counted from 1, into it.
   *
   * @throws whatever the system throws.
   */
  copy(
    { from, to, pages }: {
      readonly from: string;
      readonly to: string;
      readonly pages: readonly number[] | null;
    },
  ): void {
    const source = this.#open(from);
    using target = Deno.openSync(to, {
      write: true,
      create: true,
      truncate: pages === null,
      mode: 0o600,
    });
    if (pages === null) copyRun({ source, target, offset: 0, bytes: Infinity });
    for (const run of pages === null ? [] : toRuns(pages)) copyRun({ source, target, ...run });
  }

  #open(path: string): Deno.FsFile {
    const { ino } = Deno.statSync(path);
    if (this.#source?.path === path && this.#source.inode === ino) return this.#source.file;
    const file = Deno.openSync(path);
    this.#source?.file.close();
    this.#source = { path, file, inode: file.statSync().ino };
    return file;
  }
}

interface Run {
  readonly offset: number;
  readonly bytes: number;
}

/** Pages that stand next to each other, as one run. */
function toRuns(pages: readonly number[]): readonly Run[] {
  const runs: { offset: number; bytes: number }[] = [];
  for (const page of pages.toSorted((left, right) => left - right)) {
    const offset = (page - 1) * PAGE_BYTES;
    const last = runs.at(-1);
    if (last !== undefined && last.offset + last.bytes === offset) last.bytes += PAGE_BYTES;
    else runs.push({ offset, bytes: PAGE_BYTES });
  }
  return runs;
}

/** Copies a run, or what there is of it: the file may end before. */
function copyRun(
  { source, target, offset, bytes }: Run & {
    readonly source: Deno.FsFile;
    readonly target: Deno.FsFile;
  },
): void {
  source.seekSync(offset, Deno.SeekMode.Start);
  target.seekSync(offset, Deno.SeekMode.Start);
  const chunk = new Uint8Array(Math.min(bytes, CHUNK_BYTES));
  for (let done = 0; done < bytes;) {
    const wanted = chunk.subarray(0, Math.min(bytes - done, chunk.length));
    const length = readFully(source, wanted);
    writeFully(target, wanted.subarray(0, length));
    if (length < wanted.length) return;
    done += length;
    if (done % SYNC_BYTES === 0) target.syncDataSync();
  }
}
