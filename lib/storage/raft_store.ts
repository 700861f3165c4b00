/**
 * What Raft must not forget (Figure 2, "Persistent state on all servers"), and the certificates.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert, assertDefined } from "../assert.ts";
import { EnvironmentError, messageOf } from "../errors.ts";
import type { DurableState, LogPosition, PersistBatch } from "../raft/mod.ts";
import type { LogIndex, Term } from "../types.ts";
import { createDataFolder, Guard } from "./folder.ts";
import type { ElectionNotes } from "./log/election_notes.ts";
import { FolderFiles, type LogFiles } from "./log/files.ts";
import { LogWriter, SEGMENT_BYTES_MAX } from "./log/log_writer.ts";
import { CHAIN_START, SALT_BYTES } from "./log/record.ts";
import { isUnfinished, recoverLog, type Recovery, toDurableState } from "./log/recovery.ts";
import { encodeIntroduction, type LogOwner, type LogState, segmentName } from "./log/segment.ts";
import type { StoreOptions } from "./open_database.ts";
import { RAFT_STATE_AT_FIRST, type RaftState, stateAfter } from "./raft_state.ts";
import { CorruptionError, RAFT_WAY_BACK } from "./storage_error.ts";

/** The folder of a {@linkcode RaftStore} in the data folder. */
export const RAFT_FOLDER = "raft";

/** A file that cannot be in the data folder unless the log was: it is only ever made after it. */
const COMPANION = "kv.db";

/** The database that earlier versions kept instead. */
const OLD_FILE = "raft.db";

/** What a store is made of. */
interface RaftStoreParts {
  readonly owner: LogOwner;
  /** The log's folder, for messages. */
  readonly folder: string;
  readonly files: LogFiles;
  /** From so many bytes on another segment is begun; {@linkcode SEGMENT_BYTES_MAX} but in tests. */
  readonly segmentBytesMax?: number;
}

/** Who hears what becomes of the batches. */
export interface RaftStoreUser {
  /** This batch, and all before it, are durable. */
  readonly persisted: (sequence: number) => void;
  /** The disk failed, and what it holds is unknown: the node must stop. Called once. */
  readonly failed: (error: EnvironmentError) => void;
}

/**
 * Opens the store of one node, or makes it when its folder never had one. `wrap` puts other files in the
 * place of the folder's own, for tests of slow disks.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function openRaftStore(
  options: StoreOptions,
  wrap: (files: LogFiles) => LogFiles = (files) => files,
): RaftStore {
  const folder = join(options.folder, RAFT_FOLDER);
  const guard = Guard.take(`${folder}.guard`);
  try {
    const parts = { folder, owner: options, files: wrap(new FolderFiles(folder)) };
    if (!guard.databaseWasMade) prepareFolder(options, parts);
    const store = new RaftStore(parts, () => guard.release());
    if (!guard.databaseWasMade) guard.markDatabaseMade(guardText(options));
    return store;
  } catch (error) {
    guard.release();
    if (error instanceof Deno.errors.NotFound) throw corruption(folder, "the folder is missing");
    throw error;
  }
}

/** The durable half of a Raft node. The log itself lives in the core's memory; this mirrors it. */
export class RaftStore {
  readonly #folder: string;
  readonly #release: () => void;
  readonly #writer: LogWriter;
  readonly #notes: ElectionNotes;
  #found: DurableState | null;
  /** As of the last batch, durable or not yet. */
  #state: RaftState;
  #lastSequence = 0;
  #user: RaftStoreUser | null = null;
  #failure: EnvironmentError | null = null;
  #isClosed = false;

  /**
   * Reads the log back and goes on with it; see {@linkcode openRaftStore}. `release` is called when it is
   * closed.
   */
  constructor(parts: RaftStoreParts, release: () => void = () => {}) {
    const { files, owner, folder } = parts;
    const recovery = readLog(parts);
    for (const name of recovery.leftovers) files.remove(name);
    this.#folder = folder;
    this.#release = release;
    this.#state = recovery.state;
    this.#found = toDurableState(recovery);
    checkProof(folder, this.#found);
    this.#notes = recovery.notes;
    const segmentBytesMax = parts.segmentBytesMax ?? SEGMENT_BYTES_MAX;
    this.#writer = new LogWriter({ files, owner, recovery, segmentBytesMax });
    this.#writer.use({
      persisted: (sequence) => this.#user?.persisted(sequence),
      failed: (cause) => this.#fail(cause),
    });
  }

  /** The place before the log's first entry. */
  get logStart(): LogPosition {
    return this.#state.logStart;
  }

  /** Index of the last entry in the store; where the log starts when it is empty. */
  get lastIndex(): LogIndex {
    return this.#state.lastIndex;
  }

  /** What a start found; to be asked once, as it is not kept. */
  load(): DurableState {
    const found = assertDefined(this.#found, "What a start found is taken once");
    this.#found = null;
    return found;
  }

  /** Who hears what becomes of the batches, from now on. */
  use(user: RaftStoreUser): void {
    this.#user = user;
  }

  /**
   * Takes a batch to be written: hard state with the proof of a new term, the log's start, entries in place of whatever is at or above
   * the first one's index, certificates. All of it, or nothing, survives. Returns at once; when it is
   * durable, the user hears of it. Batches become durable in order, several by one sync if need be.
   *
   * @throws {EnvironmentError} when the disk has failed; the store is then unusable for good.
   * @throws {InvariantError} when the batch cannot follow what the store holds.
   */
  persist(batch: PersistBatch): void {
    assert(!this.#isClosed, `Cannot write in ${this.#folder}: it is closed`);
    this.#checkUsable();
    assert(batch.sequence > this.#lastSequence, `Batch ${batch.sequence} was persisted already`);
    this.#state = stateAfter(this.#state, batch);
    this.#lastSequence = batch.sequence;
    for (const certificate of batch.certificates) this.#notes.add(certificate);
    this.#writer.add(batch);
  }

  /** The signed note of one term's leader, or null when this node kept none. */
  election(term: Term): string | null {
    return this.#notes.get(term);
  }

  /** Signed notes by falling term: at most `limit` of them, of terms below `before` if given. */
  elections(
    options: { readonly limit: number; readonly before?: Term | undefined },
  ): readonly string[] {
    return this.#notes.list(options);
  }

  /** Lets go of the files as they are. */
  abandon(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#writer.abandon();
    this.#release();
  }

  /** Makes everything durable and closes the store. Without it nothing that was durable is lost. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      await this.#writer.close();
    } catch (cause) {
      this.#fail(cause);
    } finally {
      this.#release();
    }
  }

  #fail(cause: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = new EnvironmentError(
      `Cannot write in ${this.#folder}: ${
        messageOf(cause)
      }. The node must stop: what has reached the ` +
        `disk is unknown. See that the disk works and has free space, then start the node again.`,
      { cause },
    );
    this.#user?.failed(this.#failure);
  }

  #checkUsable(): void {
    if (this.#failure === null) return;
    throw new EnvironmentError(
      `Cannot write in ${this.#folder}: it failed before and is not used again until the node is ` +
        `restarted. The first failure: ${this.#failure.message}`,
      { cause: this.#failure },
    );
  }
}

/**
 * Checks what a node has in its folder without using it.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function checkRaftStore(options: StoreOptions): void {
  openRaftStore(options).abandon();
}

/**
 * Whether anything is left in a data folder of what its node voted; of less than everything, opening it
 * tells. What is empty is what a store leaves that was begun and never made.
 */
export function hasRaftStore(dataFolder: string): boolean {
  const folder = join(dataFolder, RAFT_FOLDER);
  const names = existsSync(folder) ? new FolderFiles(folder).list() : [];
  const files = names.map((name) => join(folder, name));
  return [`${folder}.guard`, ...files].some(isWritten) || isOld(dataFolder);
}

/** Whether an earlier version of Floe has run in a folder. */
function isOld(dataFolder: string): boolean {
  return [OLD_FILE, `${OLD_FILE}.guard`].some((name) => isWritten(join(dataFolder, name)));
}

function isWritten(path: string): boolean {
  return existsSync(path) && Deno.statSync(path).size > 0;
}

/** The first bytes of a log that never had anything. */
export function encodeNewLog(owner: LogOwner): Uint8Array {
  const state: LogState = { ...RAFT_STATE_AT_FIRST, electionRecords: 0 };
  const after = { number: 0, chain: CHAIN_START };
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const { cluster, node } = owner;
  return encodeIntroduction({ owner: { cluster, node }, state, after }, salt).bytes;
}

function readLog({ files, owner, folder }: RaftStoreParts): Recovery {
  const recovery = recoverLog(files, { folder, owner });
  if (recovery === null) throw corruption(folder, "its files are missing");
  return recovery;
}

/** The core raises no term without its proof, and shows it to whoever asks. */
function checkProof(folder: string, { hardState, currentTermNote, grants }: DurableState): void {
  const { currentTerm } = hardState;
  if (currentTerm === 0 || currentTermNote !== null || grants !== null) return;
  throw corruption(folder, `nothing in it proves its term ${currentTerm}`);
}

/** Makes a log that is not there, or of which not even the making was completed. */
function prepareFolder(options: StoreOptions, { folder, files, owner }: RaftStoreParts): void {
  if (existsSync(folder) && !isUnfinished(files)) return;
  if (isOld(options.folder)) throw oldFormat(options.folder);
  if (existsSync(join(options.folder, COMPANION))) {
    throw corruption(folder, `the log is missing, though ${COMPANION} is there`);
  }
  createDataFolder(folder);
  files.create(segmentName(1), encodeNewLog(owner));
}

function oldFormat(folder: string): EnvironmentError {
  return new EnvironmentError(
    `Cannot use data folder ${folder}: an earlier version of Floe wrote it, which kept the log in ` +
      `${OLD_FILE}. Start this node with that version. To move its data, read each key from the ` +
      `cluster there (floe get) and write it into a new cluster of this version (floe put).`,
  );
}

function guardText({ cluster, node }: StoreOptions): string {
  return `${RAFT_FOLDER} was made for node ${node} of cluster ${cluster}. While this file is here, ` +
    `Floe will not take its absence for a new node.\n`;
}

function corruption(file: string, damage: string): CorruptionError {
  return new CorruptionError({ file, damage, wayBack: RAFT_WAY_BACK });
}
