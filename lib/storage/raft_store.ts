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
import { CHAIN_START, drawSalt } from "./log/record.ts";
import { isUnfinished, recoverLog, type Recovery, toDurableState } from "./log/recovery.ts";
import { encodeIntroduction, type LogOwner, type LogState, segmentName } from "./log/segment.ts";
import type { StoreOptions } from "./open_database.ts";
import { RAFT_STATE_AT_FIRST, type RaftState, stateAfter } from "./raft_state.ts";
import { CorruptionError, OTHER_FORMAT_WAY_ON, RAFT_WAY_BACK } from "./storage_error.ts";

/** The folder of a {@linkcode RaftStore} in the data folder. */
export const RAFT_FOLDER = "raft";

/** A file that is created after the log only. Where it is, there was a log. */
const COMPANION = "kv.db";

/** The database in which earlier versions kept the log. */
const OLD_FILE = "raft.db";

/** What a store is made of. */
interface RaftStoreParts {
  readonly owner: LogOwner;
  /** The log's folder, for messages. */
  readonly folder: string;
  readonly files: LogFiles;
  /** The size at which the next segment begins; {@linkcode SEGMENT_BYTES_MAX} outside of tests. */
  readonly segmentBytesMax?: number;
  /** Where the salts of new files come from; chance, but in a simulation that is to be repeated. */
  readonly drawSalt?: () => Uint8Array;
}

/** Receives the reports about batches. */
export interface RaftStoreUser {
  /** This batch, and all before it, are durable. */
  readonly persisted: (sequence: number) => void;
  /** The disk failed, and its content is unknown: the node must stop. Called once. */
  readonly failed: (error: EnvironmentError) => void;
}

/**
 * Opens the store of one node, or creates it where the folder never had one. `wrap` replaces the file
 * operations, for tests of slow disks.
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
  const guardFile = `${folder}.guard`;
  // Before the guard is made: the refusal says that nothing in the folder was changed.
  if (!isWritten(guardFile) && isOld(options.folder)) throw oldFormat(options.folder);
  const guard = Guard.take(guardFile);
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

/** The durable part of a Raft node. It mirrors the log, which the core has in memory. */
export class RaftStore {
  readonly #folder: string;
  readonly #release: () => void;
  readonly #writer: LogWriter;
  readonly #notes: ElectionNotes;
  #found: DurableState | null;
  /** The state after the newest batch, which need not be durable yet. */
  #state: RaftState;
  #lastSequence = 0;
  #user: RaftStoreUser | null = null;
  #failure: EnvironmentError | null = null;
  #isClosed = false;

  /**
   * Reads the log and continues it; see {@linkcode openRaftStore}. `release` is called on close.
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
    this.#writer = new LogWriter({
      files,
      owner,
      recovery,
      segmentBytesMax,
      drawSalt: parts.drawSalt ?? drawSalt,
    });
    this.#writer.use({
      persisted: (sequence) => this.#user?.persisted(sequence),
      failed: (cause) => this.#fail(cause),
    });
  }

  /** The place before the log's first entry. */
  get logStart(): LogPosition {
    return this.#state.logStart;
  }

  /** Index of the last entry in the store; for an empty log, the index of its start. */
  get lastIndex(): LogIndex {
    return this.#state.lastIndex;
  }

  /** What recovery found. To be called once: the store does not keep it. */
  load(): DurableState {
    const found = assertDefined(this.#found, "What a start found is taken once");
    this.#found = null;
    return found;
  }

  /** Sets the receiver of the reports about batches. */
  use(user: RaftStoreUser): void {
    this.#user = user;
  }

  /**
   * Accepts a batch: hard state with the proof of a new term, the log's start, entries that replace all
   * entries from the first one's index on, and certificates. A batch survives as a whole or not at all.
   * Returns immediately, and reports when the batch is durable. Batches become durable in order; one sync
   * can serve several.
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

  /** The signed note of one term's leader; null when this node has none. */
  election(term: Term): string | null {
    return this.#notes.get(term);
  }

  /** Signed notes by falling term: at most `limit` of them, of terms below `before` if given. */
  elections(
    options: { readonly limit: number; readonly before?: Term | undefined },
  ): readonly string[] {
    return this.#notes.list(options);
  }

  /** Closes the files without another write. */
  abandon(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#writer.abandon();
    this.#release();
  }

  /** Makes everything durable and closes the store. A process that ends without it loses nothing durable. */
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
 * Checks the store in a node's folder, without starting to use it.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function checkRaftStore(options: StoreOptions): void {
  openRaftStore(options).abandon();
}

/**
 * Whether a data folder has a store, or parts of one. Opening reports missing parts. Empty files do not
 * count: they are what an interrupted creation leaves.
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

/** The first bytes of a new log. */
export function encodeNewLog(owner: LogOwner, salt: Uint8Array = drawSalt()): Uint8Array {
  const state: LogState = { ...RAFT_STATE_AT_FIRST, electionRecords: 0 };
  const after = { number: 0, chain: CHAIN_START };
  const { cluster, node } = owner;
  return encodeIntroduction({ owner: { cluster, node }, state, after }, salt).bytes;
}

function readLog({ files, owner, folder }: RaftStoreParts): Recovery {
  const recovery = recoverLog(files, { folder, owner });
  if (recovery === null) throw corruption(folder, "its files are missing");
  return recovery;
}

/** The current term must be proven: the core never raises a term without its proof. */
function checkProof(folder: string, { hardState, currentTermNote, grants }: DurableState): void {
  const { currentTerm } = hardState;
  if (currentTerm === 0 || currentTermNote !== null || grants !== null) return;
  throw corruption(folder, `nothing in it proves its term ${currentTerm}`);
}

/** Creates the log where there is none, or where its creation was interrupted. */
function prepareFolder(options: StoreOptions, { folder, files, owner }: RaftStoreParts): void {
  if (existsSync(folder) && !isUnfinished(files)) return;
  if (existsSync(join(options.folder, COMPANION))) {
    throw corruption(folder, `the log is missing, though ${COMPANION} is there`);
  }
  createDataFolder(folder);
  files.create(segmentName(1), encodeNewLog(owner));
}

function oldFormat(folder: string): EnvironmentError {
  return new EnvironmentError(
    `Cannot use data folder ${folder}: an earlier version of Floe wrote it, which kept the log in ` +
      `${OLD_FILE}. ${OTHER_FORMAT_WAY_ON}`,
  );
}

function guardText({ cluster, node }: StoreOptions): string {
  return `${RAFT_FOLDER} was made for node ${node} of cluster ${cluster}. While this file is here, ` +
    `Floe will not take its absence for a new node.\n`;
}

function corruption(file: string, damage: string): CorruptionError {
  return new CorruptionError({ file, damage, wayBack: RAFT_WAY_BACK });
}
