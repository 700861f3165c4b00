/**
 * What names a snapshot, and where the files of snapshots are.
 *
 * @module
 */

import { join } from "node:path";
import { equalBytes } from "../../bytes.ts";
import { InputError } from "../../errors.ts";
import type { LogIndex } from "../../types.ts";

/** Names one snapshot: two with the same name are the same, byte for byte. */
export interface SnapshotFile {
  /** Index of the last log entry whose effects it holds. */
  readonly index: LogIndex;
  /** Its length. */
  readonly bytes: number;
  /** SHA-256 over all of it: 32 bytes. */
  readonly sha256: Uint8Array;
}

/** Most bytes of a snapshot that a node makes or takes. */
export const SNAPSHOT_BYTES_MAX: number = 16 * 1024 ** 3;

const DIGEST_BYTES = 32;

/** Checks a name that came from elsewhere. @throws {InputError} when it can be no snapshot's. */
export function checkSnapshotFile({ index, bytes, sha256 }: SnapshotFile): void {
  if (!(Number.isSafeInteger(index) && index >= 1)) {
    throw new InputError(`Cannot use snapshot: its index ${index} is not a whole number from 1 on`);
  }
  if (!(Number.isSafeInteger(bytes) && bytes >= 1 && bytes <= SNAPSHOT_BYTES_MAX)) {
    throw new InputError(
      `Cannot use snapshot: its length ${bytes} is not from 1 to ${SNAPSHOT_BYTES_MAX}`,
    );
  }
  if (sha256.length !== DIGEST_BYTES) {
    throw new InputError(
      `Cannot use snapshot: its SHA-256 has ${sha256.length} bytes, not ${DIGEST_BYTES}`,
    );
  }
}

/** Whether two names are the same. */
export function isSameSnapshot(left: SnapshotFile, right: SnapshotFile): boolean {
  return left.index === right.index && left.bytes === right.bytes &&
    equalBytes(left.sha256, right.sha256);
}

/** The files of snapshots in one data folder; all in a folder of their own. */
export class SnapshotPaths {
  /** That folder. */
  readonly folder: string;
  /** A copy of kv.db that is being made. */
  readonly copy: string;
  /** The newest snapshot that this node has made. */
  readonly outgoing: string;
  /** As much of a snapshot as has arrived. */
  readonly incoming: string;
  /** The name of the snapshot that is arriving. */
  readonly incomingName: string;
  /** The kv.db that a snapshot has replaced. */
  readonly replaced: string;

  /** The files in the data folder `dataFolder`. */
  constructor(dataFolder: string) {
    this.folder = join(dataFolder, "snapshots");
    this.copy = join(this.folder, "copy");
    this.outgoing = join(this.folder, "outgoing");
    this.incoming = join(this.folder, "incoming");
    this.incomingName = join(this.folder, "incoming.name");
    this.replaced = join(this.folder, "replaced");
  }

  /** The `number`th snapshot of this process that arrived whole and is being checked. */
  checking(number: number): string {
    return join(this.folder, `checking-${number}`);
  }

  /** The `number`th file of this process that is being removed. */
  removing(number: number): string {
    return join(this.folder, `removing-${number}`);
  }

  /** A snapshot of this index that can take the place of kv.db as it is. */
  ready(index: LogIndex): string {
    return join(this.folder, `ready-${index}`);
  }

  /** The indexes of all snapshots that are ready. */
  listReady(): readonly LogIndex[] {
    const names = [...Deno.readDirSync(this.folder)].map(({ name }) => /^ready-(\d+)$/.exec(name));
    return names.flatMap((match) => match === null ? [] : [Number(match[1]) as LogIndex]);
  }

  /** Every file of which a start makes no use, after an unfinished installation is completed. */
  listLeftovers(): readonly string[] {
    const kept = [this.incoming, this.incomingName];
    return [...Deno.readDirSync(this.folder)]
      .map(({ name }) => join(this.folder, name))
      .filter((path) => !kept.includes(path));
  }
}
