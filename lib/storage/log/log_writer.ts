/**
 * The writer of the log. It accepts batches immediately and makes them durable off the loop, one record
 * at a time. Batches that arrive during a sync form the next record.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import type { PersistBatch } from "../../raft/mod.ts";
import { highest, toLogIndex } from "../../types.ts";
import { stateAfter } from "../raft_state.ts";
import {
  BATCHES_HEAD_BYTES,
  encodeBatch,
  encodeBatchesHead,
  type LoggedBatch,
  measureBatch,
  type TermNote,
} from "./batch_codec.ts";
import type { LogFile, LogFiles } from "./files.ts";
import {
  CHAIN_START,
  encodeRecord,
  type Position,
  RECORD_HEAD_BYTES,
  recordBytes,
  type RecordKind,
  sealRecord,
} from "./record.ts";
import { type FileEnd, forgetEntries, type Recovery, type Segment } from "./recovery.ts";
import {
  ELECTIONS_FILE,
  encodeIntroduction,
  type LogOwner,
  type LogState,
  segmentName,
} from "./segment.ts";

/** A segment that reaches this size is followed by another: at most this much unneeded data is kept. */
export const SEGMENT_BYTES_MAX: number = 8 * 1024 * 1024;
/** Most bytes of waiting batches in one record; a single larger batch has a record of its own. */
const RECORD_BYTES_MAX: number = 4 * 1024 * 1024;

/** What a writer reports. */
interface LogWriterUser {
  /** Every batch up to this one is durable. */
  readonly persisted: (sequence: number) => void;
  /** The disk failed. Nothing more becomes durable, and the node must stop. */
  readonly failed: (cause: unknown) => void;
}

/** A file and its write position. */
interface OpenFile {
  readonly file: LogFile;
  readonly salt: Uint8Array;
  position: Position;
}

/** See the module. */
export class LogWriter {
  readonly #files: LogFiles;
  readonly #owner: LogOwner;
  readonly #segmentBytesMax: number;
  readonly #drawSalt: () => Uint8Array;
  readonly #segments: Segment[];
  #current: OpenFile;
  #elections: OpenFile | null;
  /** The state that the records on disk describe. */
  #state: LogState;
  #waiting: PersistBatch[] = [];
  #working: Promise<void> | null = null;
  #user: LogWriterUser | null = null;
  #buffer = new Uint8Array(64 * 1024);
  /** How many durable records the elections file has. */
  #electionRecords: number;
  /** Segments to remove once a record of the log states the length of the elections file. */
  #archived: readonly Segment[] = [];
  /** Whether files were removed at the start, and might come back at a power failure. */
  #hasRemoved: boolean;
  #hasWritten = false;
  #hasFailed = false;

  /** Continues at the end of the log that recovery found. */
  constructor(
    { files, owner, recovery, segmentBytesMax, drawSalt }: {
      readonly files: LogFiles;
      readonly owner: LogOwner;
      readonly recovery: Recovery;
      readonly segmentBytesMax: number;
      readonly drawSalt: () => Uint8Array;
    },
  ) {
    this.#files = files;
    this.#owner = owner;
    this.#segmentBytesMax = segmentBytesMax;
    this.#drawSalt = drawSalt;
    this.#segments = [...recovery.segments];
    this.#state = recovery.state;
    this.#current = this.#goOn(segmentName(this.#last.number), recovery.end);
    this.#elections = recovery.elections === null
      ? null
      : this.#goOn(ELECTIONS_FILE, recovery.elections.end);
    this.#electionRecords = recovery.elections?.records ?? 0;
    this.#hasRemoved = recovery.leftovers.length > 0;
  }

  /** Sets the receiver of the reports. */
  use(user: LogWriterUser): void {
    this.#user = user;
  }

  /** Accepts the next batch. It becomes durable later. */
  add(batch: PersistBatch): void {
    this.#waiting.push(batch);
    if (this.#working === null && !this.#hasFailed) this.#working = this.#work();
  }

  /** Makes everything durable, records that the node stopped in order, and closes the files. */
  async close(): Promise<void> {
    await this.#working;
    try {
      if (this.#hasWritten && !this.#hasFailed) await this.#append(this.#current, "closed", 0);
    } finally {
      this.#closeFiles();
    }
  }

  /** Closes the files without another write. */
  abandon(): void {
    this.#hasFailed = true;
    this.#user = null;
    this.#waiting = [];
    this.#closeFiles();
  }

  #closeFiles(): void {
    this.#current.file.close();
    this.#elections?.file.close();
  }

  get #last(): Segment {
    return assertDefined(this.#segments.at(-1), "A log has a segment");
  }

  #goOn(name: string, { salt, position, isTorn }: FileEnd): OpenFile {
    const file = this.#files.open(name);
    // The rest of an interrupted record must not remain behind the records that follow.
    if (isTorn) file.cut(position.offset);
    return { file, salt, position };
  }

  async #work(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const sequence = await this.#writeSome();
        this.#user?.persisted(sequence);
        await this.#removeOld();
      }
    } catch (cause) {
      this.#hasFailed = true;
      this.#user?.failed(cause);
    }
    this.#working = null;
  }

  /** Writes as many waiting batches as fit into a record. Resolves, once durable, with the last one's number. */
  async #writeSome(): Promise<number> {
    this.#hasWritten = true;
    // A segment that comes back must find the log as it was, or it would look like damage.
    if (this.#hasRemoved) await this.#files.sync();
    this.#hasRemoved = false;
    if (this.#current.position.offset >= this.#segmentBytesMax) await this.#beginSegment();
    const batches = this.#takeSome();
    const payloadBytes = this.#encode(batches);
    await this.#append(this.#current, "batches", payloadBytes);
    for (const batch of batches) this.#written(batch);
    return assertDefined(batches.at(-1), "A record has a batch").sequence;
  }

  #takeSome(): readonly PersistBatch[] {
    let bytes = 0;
    let count = 0;
    for (const batch of this.#waiting) {
      bytes += measureBatch(batch);
      if (bytes > RECORD_BYTES_MAX && count > 0) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Puts batches into the buffer, behind a record's head. @returns their bytes. */
  #encode(batches: readonly LoggedBatch[]): number {
    const bytes = batches.reduce((sum, batch) => sum + measureBatch(batch), BATCHES_HEAD_BYTES);
    const needed = recordBytes(bytes);
    if (needed > this.#buffer.length) this.#buffer = new Uint8Array(needed);
    const start = RECORD_HEAD_BYTES;
    let end = encodeBatchesHead(this.#electionRecords, this.#buffer, start);
    for (const batch of batches) end = encodeBatch(batch, this.#buffer, end);
    return end - start;
  }

  /** Writes the buffer as a record, and makes it durable. */
  async #append(to: OpenFile, kind: RecordKind, payloadBytes: number): Promise<void> {
    const { file, salt, position: after } = to;
    const end = sealRecord(this.#buffer, { salt, kind, payloadBytes, after });
    await file.write(this.#buffer.subarray(0, recordBytes(payloadBytes)), after.offset);
    await file.sync();
    to.position = end;
  }

  #written(batch: PersistBatch): void {
    const { logStart, entries, certificates } = batch;
    this.#state = { ...stateAfter(this.#state, batch), electionRecords: this.#electionRecords };
    const segment = this.#last;
    if (logStart?.keepsRest === false) forgetEntries(this.#segments);
    if (entries.length > 0) {
      segment.lastIndex = highest(segment.lastIndex, this.#state.lastIndex);
    }
    for (const { term, note } of certificates) segment.notes.push({ term, note });
  }

  /**
   * Begins another segment. The new file is durable before the last record of the old one announces it.
   * So the loss of a segment is noticed, and a new segment that was not announced is no loss.
   */
  async #beginSegment(): Promise<void> {
    const before = this.#current;
    const { salt, position: after } = before;
    const number = this.#last.number + 1;
    const { bytes, end } = encodeRecord(new Uint8Array(0), { salt, kind: "end", after });
    this.#current = await this.#begin(segmentName(number), end);
    this.#segments.push({ number, lastIndex: toLogIndex(0), notes: [] });
    await before.file.write(bytes, after.offset);
    await before.file.sync();
    before.file.close();
  }

  /** Creates a segment whose first record follows `after`. */
  async #begin(name: string, after: Pick<Position, "number" | "chain">): Promise<OpenFile> {
    const salt = this.#drawSalt();
    const introduction = { owner: this.#owner, state: this.#state, after };
    const { bytes, end } = encodeIntroduction(introduction, salt);
    const file = this.#files.open(name);
    await file.write(bytes, 0);
    await file.sync();
    await this.#files.sync();
    return { file, salt, position: end };
  }

  /** Removes unneeded segments, once their certificates are in the elections file. */
  async #removeOld(): Promise<void> {
    this.#remove(this.#archived);
    this.#archived = [];
    const { index } = this.#state.logStart;
    const kept = this.#segments.findIndex(({ lastIndex }, at) =>
      lastIndex > index || at === this.#segments.length - 1
    );
    const old = this.#segments.splice(0, kept);
    const notes = old.flatMap((segment) => segment.notes);
    if (notes.length === 0) return this.#remove(old);
    await this.#archive(notes);
    this.#archived = old;
  }

  #remove(segments: readonly Segment[]): void {
    for (const { number } of segments) this.#files.remove(segmentName(number));
  }

  /** Makes certificates durable in the elections file. The next record of the log states its new length. */
  async #archive(certificates: readonly TermNote[]): Promise<void> {
    this.#elections ??= await this.#begin(ELECTIONS_FILE, { number: 0, chain: CHAIN_START });
    const batch = { hardState: null, grants: null, logStart: null, entries: [], certificates };
    await this.#append(this.#elections, "batches", this.#encode([batch]));
    this.#electionRecords += 1;
  }
}
