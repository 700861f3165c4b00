/**
 * Reads the log at the start. Everything that was durable is there, or its absence is noticed.
 *
 * @module
 */

import { equalBytes } from "../../bytes.ts";
import { EnvironmentError, InputError } from "../../errors.ts";
import type { DurableState, Entry } from "../../raft/mod.ts";
import { highest, type LogIndex, toLogIndex } from "../../types.ts";
import { stateAfter } from "../raft_state.ts";
import { CorruptionError, OTHER_FORMAT_WAY_ON, RAFT_WAY_BACK } from "../storage_error.ts";
import { decodeBatches, type LoggedBatch, type TermNote } from "./batch_codec.ts";
import { ElectionNotes } from "./election_notes.ts";
import type { LogFiles } from "./files.ts";
import { findRecordAbove, otherFormat, type Position, readRecord, readSalt } from "./record.ts";
import {
  ELECTIONS_FILE,
  type LogOwner,
  type LogState,
  readIntroduction,
  segmentName,
  segmentNumber,
} from "./segment.ts";

/** A segment, as the writer knows it. */
export interface Segment {
  /** The number of the segment, from 1. */
  readonly number: number;
  /** The highest index of its entries, 0 without entries. Once that is compacted, the segment is unneeded. */
  lastIndex: LogIndex;
  /** The certificates in it. The elections file needs them before the segment is removed. */
  readonly notes: TermNote[];
}

/** The end of a file, where the next record goes. */
export interface FileEnd {
  /** The file's salt. */
  readonly salt: Uint8Array;
  /** The place behind the last valid record. */
  readonly position: Position;
  /** Whether an interrupted record stands behind it. */
  readonly isTorn: boolean;
}

/** What recovery found. */
export interface Recovery {
  /** The state after the last record. */
  readonly state: LogState;
  /** The log's entries, from the log's start on. */
  readonly entries: readonly Entry[];
  /** Every certificate. */
  readonly notes: ElectionNotes;
  /** The segments, oldest first. The writer continues in the last one. */
  readonly segments: readonly Segment[];
  /** The end of the last segment. */
  readonly end: FileEnd;
  /** The end of the elections file and its number of records; null without such a file. */
  readonly elections: { readonly end: FileEnd; readonly records: number } | null;
  /** Files that the log no longer needs. */
  readonly leftovers: readonly string[];
}

/**
 * Reads and checks the log: every record's checksum and chain, that no record is missing, that each batch
 * may follow the one before, and the owner. Changes nothing.
 *
 * @returns null when there is no segment.
 * @throws {CorruptionError} at the first damage.
 * @throws {InputError} when it is another node's log.
 * @throws {EnvironmentError} when the disk fails, or another version of Floe wrote the log.
 */
export function recoverLog(
  files: LogFiles,
  { folder, owner }: { readonly folder: string; readonly owner: LogOwner },
): Recovery | null {
  const names = files.list();
  if (!names.some((name) => segmentNumber(name) !== null)) return null;
  const reading = new Reading(files, folder, owner);
  return reading.run(names);
}

/** The progress of one reading. */
class Reading {
  readonly #files: LogFiles;
  readonly #folder: string;
  readonly #owner: LogOwner;
  readonly #notes = new ElectionNotes();
  readonly #segments: Segment[] = [];
  #state: LogState | null = null;
  #end: FileEnd | null = null;
  /** The entries read so far, contiguous. */
  #entries: Entry[] = [];
  /** The index of the first of them. Earlier entries were in segments that were removed. */
  #entriesFrom = 1;

  constructor(files: LogFiles, folder: string, owner: LogOwner) {
    this.#files = files;
    this.#folder = folder;
    this.#owner = owner;
  }

  run(names: readonly string[]): Recovery {
    const numbers = names.flatMap((name) => segmentNumber(name) ?? []).sort((a, b) => a - b);
    // A power failure can undo a removal, which leaves an unneeded segment before a gap.
    const first = numbers.findLastIndex((number, at) => numbers[at - 1] !== number - 1);
    const needed = numbers.slice(first);
    const leftovers = numbers.slice(0, first).map(segmentName);
    let isUnfinished = false;
    for (const [at, number] of needed.entries()) {
      const isLast = at === needed.length - 1;
      isUnfinished = !this.#readSegment(number, { isLast, next: needed[at + 1] });
      if (isUnfinished) leftovers.push(segmentName(number + 1));
      if (isUnfinished) break;
    }
    const { state, end } = this;
    const elections = this.#readElections(names, state);
    return {
      state,
      entries: this.#keptEntries(state),
      notes: this.#notes,
      segments: this.#segments,
      end,
      elections,
      leftovers,
    };
  }

  get state(): LogState {
    if (this.#state !== null) return this.#state;
    throw this.#corruption(segmentName(1), "it is empty");
  }

  get end(): FileEnd {
    if (this.#end !== null) return this.#end;
    throw this.#corruption(segmentName(1), "it is empty");
  }

  /** Reads a segment. @returns false when it is the last one, because its successor was not announced. */
  #readSegment(
    number: number,
    { isLast, next }: { readonly isLast: boolean; readonly next: number | undefined },
  ): boolean {
    const name = segmentName(number);
    const file = this.#read(name);
    const salt = this.#readSalt(file, name);
    const segment: Segment = { number, lastIndex: toLogIndex(0), notes: [] };
    this.#segments.push(segment);
    let position = this.#readHead(file, salt, name);
    let hasEnd = false;
    for (;;) {
      const record = readRecord(file, { salt, after: position });
      if (record === null || hasEnd) break;
      position = record.end;
      hasEnd = record.kind === "end";
      if (record.kind === "batches") this.#readBatches(record.payload, segment);
    }
    this.#end = { salt, position, isTorn: isTorn(file, position) };
    if (hasEnd) {
      if (!isLast) return true;
      throw this.#corruption(
        segmentName(number + 1),
        "the file is missing, and the log goes on in it",
      );
    }
    const later = findRecordAbove(file, {
      salt,
      offset: position.offset,
      number: position.number + 1,
    });
    if (later !== null) {
      throw this.#corruption(
        name,
        `record ${position.number + 1} is damaged, and record ${later} was written after it`,
      );
    }
    if (isLast) return true;
    if (next !== undefined && this.#isOnlyBegun(segmentName(next))) return false;
    throw this.#corruption(name, `record ${position.number + 1} is damaged or missing`);
  }

  /** Whether a segment was not announced yet: the process ended before its predecessor did so. */
  #isOnlyBegun(name: string): boolean {
    const file = this.#read(name);
    const salt = readSalt(file);
    if (salt === null) return true;
    const found = readIntroduction(file, salt);
    // Only the record that announces the successor stands between the last record here and its first one.
    const number = this.end.position.number + 2;
    if (found !== null && found.end.number !== number) return false;
    return findRecordAbove(file, { salt, offset: 0, number }) === null;
  }

  #readSalt(file: Uint8Array, name: string): Uint8Array {
    const salt = readSalt(file);
    if (salt !== null) return salt;
    const format = otherFormat(file);
    if (format === null) {
      throw this.#corruption(name, "its first bytes are not as they were written");
    }
    throw new EnvironmentError(
      `Cannot use ${this.#folder}/${name}: its format is ${format}, which this version of Floe does ` +
        `not know. ${OTHER_FORMAT_WAY_ON}`,
    );
  }

  /** Reads a segment's first record, which must continue where the previous segment ended. */
  #readHead(file: Uint8Array, salt: Uint8Array, name: string): Position {
    const found = readIntroduction(file, salt);
    if (found === null) throw this.#corruption(name, "its first record is damaged");
    const { introduction, end } = found;
    this.#checkOwner(introduction.owner);
    if (this.#state === null) {
      this.#state = introduction.state;
      this.#entriesFrom = introduction.state.lastIndex + 1;
      return end;
    }
    const before = this.end.position;
    if (end.number === before.number + 1 && equalBytes(introduction.after.chain, before.chain)) {
      return end;
    }
    throw this.#corruption(name, "it does not go on where the file before it ends");
  }

  #readBatches(payload: Uint8Array, segment: Segment): void {
    const { electionRecords, batches } = decodeBatches(payload);
    for (const batch of batches) this.#apply(batch, segment);
    this.#state = { ...this.state, electionRecords };
  }

  #apply(batch: LoggedBatch, segment: Segment): void {
    this.#state = { ...this.state, ...stateAfter(this.state, batch) };
    if (batch.logStart?.keepsRest === false) this.#discard(batch.logStart.position.index + 1);
    const first = batch.entries[0];
    if (first !== undefined) {
      if (first.index < this.#entriesFrom) this.#discard(first.index);
      this.#entries.length = first.index - this.#entriesFrom;
      for (const entry of batch.entries) this.#entries.push(entry);
      segment.lastIndex = highest(segment.lastIndex, this.state.lastIndex);
    }
    for (const note of batch.certificates) {
      segment.notes.push(note);
      this.#notes.add(note);
    }
  }

  #discard(entriesFrom: number): void {
    this.#entries = [];
    this.#entriesFrom = entriesFrom;
    forgetEntries(this.#segments);
  }

  #keptEntries({ logStart }: LogState): readonly Entry[] {
    const { index } = logStart;
    if (this.#entriesFrom <= index + 1) return this.#entries.slice(index + 1 - this.#entriesFrom);
    const { number } = this.#segments[0] ?? { number: 1 };
    throw this.#corruption(segmentName(number - 1), `the file with entry ${index + 1} is missing`);
  }

  /** Reads the certificates of removed segments. */
  #readElections(names: readonly string[], { electionRecords }: LogState): Recovery["elections"] {
    if (!names.includes(ELECTIONS_FILE)) {
      if (electionRecords === 0) return null;
      throw this.#corruption(ELECTIONS_FILE, "the file is missing");
    }
    const file = this.#read(ELECTIONS_FILE);
    const salt = readSalt(file);
    const head = salt === null ? null : readIntroduction(file, salt);
    // Until the log states a length, the file may have been interrupted anywhere.
    if (salt === null || head === null) {
      if (electionRecords === 0) return null;
      throw this.#corruption(ELECTIONS_FILE, "its first bytes are not as they were written");
    }
    this.#checkOwner(head.introduction.owner);
    let position = head.end;
    for (;;) {
      const record = readRecord(file, { salt, after: position });
      if (record === null) break;
      position = record.end;
      for (const { certificates } of decodeBatches(record.payload).batches) {
        for (const note of certificates) this.#notes.add(note);
      }
    }
    const records = position.number - head.end.number;
    if (records >= electionRecords) {
      return { end: { salt, position, isTorn: isTorn(file, position) }, records };
    }
    throw this.#corruption(
      ELECTIONS_FILE,
      `record ${position.number + 1} of ${electionRecords + 1} is damaged or missing`,
    );
  }

  #checkOwner({ cluster, node }: LogOwner): void {
    const { cluster: ownCluster, node: ownNode } = this.#owner;
    if (cluster === ownCluster && node === ownNode) return;
    throw new InputError(
      `Cannot use data folder ${this.#folder}: it belongs to node ${node} of cluster ${cluster}, ` +
        `not to node ${ownNode} of cluster ${ownCluster}. Name this node's own folder.`,
    );
  }

  #read(name: string): Uint8Array {
    return this.#files.read(name);
  }

  #corruption(name: string, damage: string): CorruptionError {
    return new CorruptionError({ file: `${this.#folder}/${name}`, damage, wayBack: RAFT_WAY_BACK });
  }
}

/** Whether the log was never completed: at most a part of its first record was written. */
export function isUnfinished(files: LogFiles): boolean {
  const names = files.list();
  const [name] = names;
  return name === undefined ||
    (names.length === 1 && name === segmentName(1) && !isBegun(files, name));
}

/** Whether a file has a valid first record, or a valid record behind a damaged one. */
function isBegun(files: LogFiles, name: string): boolean {
  const file = files.read(name);
  const salt = readSalt(file);
  if (salt === null) return false;
  return readIntroduction(file, salt) !== null ||
    findRecordAbove(file, { salt, offset: 0, number: 1 }) !== null;
}

function isTorn(file: Uint8Array, { offset }: Position): boolean {
  return file.subarray(offset).some((byte) => byte !== 0);
}

/** Marks all entries in these segments as unneeded. */
export function forgetEntries(segments: readonly Segment[]): void {
  for (const segment of segments) segment.lastIndex = toLogIndex(0);
}

/** What a node resumes from. */
export function toDurableState({ state, entries, notes }: Recovery): DurableState {
  const { hardState, logStart, members } = state;
  const currentTermNote = notes.get(hardState.currentTerm);
  const isProof = currentTermNote === null && state.grants?.term === hardState.currentTerm;
  const grants = isProof ? state.grants : null;
  return { hardState, logStart, members, entries, currentTermNote, grants };
}
