/**
 * The files of a log on a simulated disk. What is written is there for the process that wrote it; what
 * was not synced may be gone after it, whole or in part, and so may a name.
 *
 * @module
 */

import { assertDefined } from "../../../lib/assert.ts";
import type { LogFile, LogFiles } from "../../../lib/storage/log/files.ts";
import type { Random } from "../random.ts";

/** A disk writes so much whole or not at all. */
const SECTOR_BYTES = 512;

/** What the files need of the machine. */
export interface DiskFilesHost {
  /** What is about to be written to a file. @throws when the disk refuses. */
  writing(name: string, bytes: Uint8Array): void;
  /** Calls `done` when a sync has ended; never, when the process ends before. */
  sync(done: (outcome: SyncOutcome) => void): void;
}

/** What came of a sync. */
export interface SyncOutcome {
  /** What the process is told; null when all is well. */
  readonly failure: Error | null;
  /** Whether the disk has it. */
  readonly isWritten: boolean;
}

interface PendingWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** One file on the disk. */
class Content {
  durable = new Uint8Array(0);
  pending: PendingWrite[] = [];
  /** Whether its name is durable. */
  isListed = false;

  /** As the process sees it. */
  read(): Uint8Array {
    return this.pending.reduce(overwrite, this.durable.slice());
  }

  /** Makes so many of the pending writes durable. */
  settle(count: number): void {
    this.durable = this.pending.splice(0, count).reduce(overwrite, this.durable);
  }

  /** The process ended: any part of what was pending may have reached the disk. */
  tear(random: Random): void {
    const fate = random.pick(["whole", "nothing", "torn", "torn"]);
    if (fate === "whole") this.settle(this.pending.length);
    for (const { offset, bytes } of fate === "torn" ? this.pending : []) {
      for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
        if (random.chance(0.5)) continue;
        const sector = { offset: offset + at, bytes: bytes.subarray(at, at + SECTOR_BYTES) };
        this.durable = overwrite(this.durable, sector);
      }
    }
    this.pending = [];
  }
}

/** See the module. */
export class DiskFiles implements LogFiles {
  readonly #contents = new Map<string, Content>();
  /** Removed, though not durably. */
  #removed = new Map<string, Content>();
  #host: DiskFilesHost | null = null;

  /** The process that uses the files from now on. */
  use(host: DiskFilesHost): void {
    this.#host = host;
  }

  /** See {@linkcode LogFiles.list}. */
  list(): readonly string[] {
    return [...this.#contents.keys()];
  }

  /** See {@linkcode LogFiles.read}. */
  read(name: string): Uint8Array {
    return assertDefined(this.#contents.get(name), `${name} is there`).read();
  }

  /** See {@linkcode LogFiles.open}. */
  open(name: string): LogFile {
    let content = this.#contents.get(name);
    if (content === undefined) {
      content = new Content();
      this.#contents.set(name, content);
    }
    return new DiskFile(name, content, () => assertDefined(this.#host, "A process uses the files"));
  }

  /** See {@linkcode LogFiles.create}. */
  create(name: string, bytes: Uint8Array): void {
    const content = new Content();
    content.durable = bytes.slice();
    content.isListed = true;
    this.#contents.set(name, content);
  }

  /** See {@linkcode LogFiles.remove}. */
  remove(name: string): void {
    const content = this.#contents.get(name);
    if (content === undefined) return;
    this.#contents.delete(name);
    if (content.isListed) this.#removed.set(name, content);
  }

  /** See {@linkcode LogFiles.sync}. */
  sync(): Promise<void> {
    const listed = [...this.#contents.values()];
    const removed = this.#removed;
    return waitFor(this.#host, () => {
      for (const content of listed) content.isListed = true;
      for (const [name, content] of removed) {
        if (this.#removed.get(name) === content) this.#removed.delete(name);
      }
    });
  }

  /** The process ended, and what was not durable is whatever it is. */
  tear(random: Random): void {
    for (const content of this.#contents.values()) content.tear(random);
    for (const [name, content] of this.#contents) {
      if (content.isListed) continue;
      if (random.chance(0.5)) this.#contents.delete(name);
      else content.isListed = true;
    }
    for (const [name, content] of this.#removed) {
      if (random.chance(0.2) && !this.#contents.has(name)) this.#contents.set(name, content);
    }
    this.#removed = new Map();
    this.#host = null;
  }

  /** Changes a file's bytes behind everybody's back. */
  damage(name: string, change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>): void {
    const content = assertDefined(this.#contents.get(name), `${name} is there`);
    content.durable = change(content.durable);
  }

  /** Whether something of these files was written and not synced. */
  hasUnsynced(matches: (name: string) => boolean): boolean {
    return [...this.#contents].some(([name, { pending }]) => matches(name) && pending.length > 0);
  }

  /** A file is gone. */
  lose(name: string): void {
    this.#contents.delete(name);
  }
}

/** A file that a process writes. */
class DiskFile implements LogFile {
  readonly #name: string;
  readonly #content: Content;
  readonly #host: () => DiskFilesHost;

  constructor(name: string, content: Content, host: () => DiskFilesHost) {
    this.#name = name;
    this.#content = content;
    this.#host = host;
  }

  // deno-lint-ignore require-await -- a refusal is a rejection, as the real file's are
  async write(bytes: Uint8Array, offset: number): Promise<void> {
    this.#host().writing(this.#name, bytes);
    this.#content.pending.push({ offset, bytes: bytes.slice() });
  }

  sync(): Promise<void> {
    const content = this.#content;
    const { length } = content.pending;
    return waitFor(this.#host(), () => content.settle(length));
  }

  cut(offset: number): void {
    this.#content.settle(this.#content.pending.length);
    this.#content.durable = this.#content.durable.slice(0, offset);
  }

  close(): void {}
}

function waitFor(host: DiskFilesHost | null, settle: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    assertDefined(host, "A process uses the files").sync(({ failure, isWritten }) => {
      if (isWritten) settle();
      if (failure === null) resolve();
      else reject(failure);
    });
  });
}

function overwrite(
  target: Uint8Array<ArrayBuffer>,
  { offset, bytes }: PendingWrite,
): Uint8Array<ArrayBuffer> {
  let result = target;
  if (offset + bytes.length > target.length) {
    result = new Uint8Array(offset + bytes.length);
    result.set(target);
  }
  result.set(bytes, offset);
  return result;
}
