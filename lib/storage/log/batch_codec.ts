/**
 * What a record of the log says: the core's batches, one after the other, as bytes.
 *
 * A record begins with the number of records that the elections file must have (8 bytes).
 *
 * Numbers are big-endian; an index, a term or a length of 8 bytes is below 2^53. A batch is one byte of
 * flags for the parts that it has, then these parts:
 *
 * | flag | part |
 * | ---: | --- |
 * | 1 | hard state: term (8), length of the vote (2, 0 for none) and the vote in UTF-8 |
 * | 2 | the log's start: index (8), term (8), whether the rest is kept (1) |
 * | 4 | entries: first index (8), count (4), and of each: term (8), kind (1), length (4), data |
 * | 8 | certificates: count (4), and of each: term (8), length (4), note in UTF-8 |
 * | 16 | grants: term (8), candidate, count (4), and of each: voter, signature (64); a name is its length (2) and its UTF-8 |
 *
 * | 32 | what is known of the members where the log starts: a text |
 * | 64 | before grants of another membership than the genesis': epoch (8), and two texts, the second for the note by the new epoch |
 *
 * A text is its length (4, 0 for none) and its UTF-8. A log that was written before members could change has
 * none of the last two parts, and is read as ever.
 *
 * @module
 */

import { decodeUtf8, encodeUtf8 } from "../../bytes.ts";
import { InputError } from "../../errors.ts";
import type {
  Entry,
  GrantsProof,
  HardState,
  LogStart,
  PersistBatch,
  SignedGrant,
} from "../../raft/mod.ts";
import {
  type LogIndex,
  type NodeId,
  type Term,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../types.ts";

/** A term's signed note. */
export interface TermNote {
  readonly term: Term;
  readonly note: string;
}

/** The part of a batch that the log keeps. The sequence number belongs to one process and is left out. */
export interface LoggedBatch
  extends Pick<PersistBatch, "hardState" | "logStart" | "entries" | "grants"> {
  /** Certificates are kept as notes. */
  readonly certificates: readonly TermNote[];
}

const HARD_STATE = 1;
const LOG_START = 2;
const ENTRIES = 4;
const CERTIFICATES = 8;
const GRANTS = 16;
const MEMBERS = 32;
const GRANTS_MEMBERSHIP = 64;
/** The epoch of the genesis. */
const FIRST_EPOCH = toEpoch(1);
/** Bytes of an Ed25519 signature. */
const SIGNATURE_BYTES = 64;
const KINDS = ["certificate", "command", "configuration", "resharing"] as const;

/** An upper bound of the bytes that a batch takes, close to the real number. */
export function measureBatch(batch: LoggedBatch): number {
  const { hardState, logStart, entries, certificates, grants } = batch;
  let bytes = 64 + 3 * (hardState?.votedFor?.length ?? 0) + 3 * (logStart?.members?.length ?? 0);
  for (const { data } of entries) bytes += 13 + data.length;
  for (const { note } of certificates) bytes += 12 + 3 * note.length;
  if (grants !== null) bytes += 256;
  const { byOld = "", byNew } = grants?.membership ?? {};
  bytes += 3 * (byOld.length + (byNew?.length ?? 0));
  for (const { voter } of grants?.grants ?? []) bytes += 2 + voter.length + SIGNATURE_BYTES;
  return bytes;
}

/** Writes a batch into `target` at `offset`. @returns the offset behind it. */
export function encodeBatch(batch: LoggedBatch, target: Uint8Array, offset: number): number {
  const writer = new Writer(target, offset);
  const { hardState, logStart, entries, certificates, grants } = batch;
  const later = grants === null || isOfGenesis(grants) ? null : grants;
  writer.byte(
    (hardState === null ? 0 : HARD_STATE) | (logStart === null ? 0 : LOG_START) |
      (entries.length === 0 ? 0 : ENTRIES) | (certificates.length === 0 ? 0 : CERTIFICATES) |
      (grants === null ? 0 : GRANTS) | (logStart?.members ? MEMBERS : 0) |
      (later === null ? 0 : GRANTS_MEMBERSHIP),
  );
  if (hardState !== null) writeHardState(writer, hardState);
  if (logStart !== null) writeLogStart(writer, logStart);
  if (logStart?.members) writeText(writer, logStart.members);
  if (entries.length > 0) writeEntries(writer, entries);
  if (certificates.length > 0) writeCertificates(writer, certificates);
  if (later !== null) writeGrantsMembership(writer, later);
  if (grants !== null) writeGrants(writer, grants);
  return writer.offset;
}

/** Bytes of a record before its batches. */
export const BATCHES_HEAD_BYTES = 8;

/** Writes a record's head: the number of records that the elections file must have. */
export function encodeBatchesHead(electionRecords: number, target: Uint8Array, at: number): number {
  const writer = new Writer(target, at);
  writer.number(electionRecords);
  return writer.offset;
}

/** Reads all batches of a record. @throws {InputError} when the bytes are not batches. */
export function decodeBatches(
  bytes: Uint8Array,
): { readonly electionRecords: number; readonly batches: readonly LoggedBatch[] } {
  const reader = new Reader(bytes);
  const electionRecords = reader.number();
  const batches: LoggedBatch[] = [];
  while (!reader.isAtEnd) {
    const flags = reader.byte();
    batches.push({
      hardState: flags & HARD_STATE ? readHardState(reader) : null,
      logStart: flags & LOG_START ? readLogStart(reader, flags) : null,
      entries: flags & ENTRIES ? readEntries(reader) : [],
      certificates: flags & CERTIFICATES ? readCertificates(reader) : [],
      grants: flags & GRANTS ? readGrants(reader, flags) : null,
    });
  }
  return { electionRecords, batches };
}

function writeHardState(writer: Writer, { currentTerm, votedFor }: HardState): void {
  const vote = encodeUtf8(votedFor ?? "");
  writer.number(currentTerm);
  writer.short(vote.length);
  writer.bytes(vote);
}

function readHardState(reader: Reader): HardState {
  const currentTerm = toTerm(reader.number());
  const vote = decodeUtf8(reader.bytes(reader.short()));
  return { currentTerm, votedFor: vote === "" ? null : toNodeId(vote) };
}

function writeLogStart(writer: Writer, { position, keepsRest }: LogStart): void {
  writer.number(position.index);
  writer.number(position.term);
  writer.byte(keepsRest ? 1 : 0);
}

function readLogStart(reader: Reader, flags: number): LogStart {
  const position = { index: toLogIndex(reader.number()), term: toTerm(reader.number()) };
  const keepsRest = reader.byte() === 1;
  return { position, keepsRest, members: flags & MEMBERS ? readText(reader) : null };
}

function writeEntries(writer: Writer, entries: readonly Entry[]): void {
  writer.number(entries[0]?.index ?? 0);
  writer.word(entries.length);
  for (const { term, kind, data } of entries) {
    writer.number(term);
    writer.byte(KINDS.indexOf(kind));
    writer.word(data.length);
    writer.bytes(data);
  }
}

function readEntries(reader: Reader): readonly Entry[] {
  const first = reader.number();
  const count = reader.word();
  const entries: Entry[] = [];
  for (let position = 0; position < count; position++) {
    entries.push(readEntry(reader, toLogIndex(first + position)));
  }
  return entries;
}

function readEntry(reader: Reader, index: LogIndex): Entry {
  const term = toTerm(reader.number());
  const kind = KINDS[reader.byte()];
  if (kind === undefined) throw new InputError(`the kind of entry ${index} is none`);
  // A copy: a view would keep the whole file in memory as long as the entry lives.
  return { index, term, kind, data: reader.bytes(reader.word()).slice() };
}

function writeCertificates(writer: Writer, certificates: readonly TermNote[]): void {
  writer.word(certificates.length);
  for (const { term, note } of certificates) {
    const text = encodeUtf8(note);
    writer.number(term);
    writer.word(text.length);
    writer.bytes(text);
  }
}

function readCertificates(reader: Reader): readonly TermNote[] {
  const count = reader.word();
  const notes: TermNote[] = [];
  for (let position = 0; position < count; position++) {
    const term = toTerm(reader.number());
    notes.push({ term, note: decodeUtf8(reader.bytes(reader.word())) });
  }
  return notes;
}

function writeGrants(writer: Writer, { term, candidate, grants }: GrantsProof): void {
  writer.number(term);
  writeName(writer, candidate);
  writer.word(grants.length);
  for (const { voter, signature } of grants) {
    writeName(writer, voter);
    writer.bytes(signature);
  }
}

/** Whether the grants are of the first epoch and its first membership. */
function isOfGenesis({ epoch, membership }: GrantsProof): boolean {
  return epoch === FIRST_EPOCH && membership === null;
}

function writeGrantsMembership(writer: Writer, { epoch, membership }: GrantsProof): void {
  writer.number(epoch);
  writeText(writer, membership?.byOld ?? null);
  writeText(writer, membership?.byNew ?? null);
}

function readGrantsMembership(reader: Reader): Pick<GrantsProof, "epoch" | "membership"> {
  const epoch = toEpoch(reader.number());
  const [byOld, byNew] = [readText(reader), readText(reader)];
  return { epoch, membership: byOld === null ? null : { byOld, byNew } };
}

function readGrants(reader: Reader, flags: number): GrantsProof {
  const of = flags & GRANTS_MEMBERSHIP
    ? readGrantsMembership(reader)
    : { epoch: FIRST_EPOCH, membership: null };
  const term = toTerm(reader.number());
  const candidate = readName(reader);
  const count = reader.word();
  const grants: SignedGrant[] = [];
  for (let position = 0; position < count; position++) {
    grants.push({ voter: readName(reader), signature: reader.bytes(SIGNATURE_BYTES).slice() });
  }
  return { kind: "grants", ...of, term, candidate, grants };
}

/** A text that is never empty, or none. */
function writeText(writer: Writer, text: string | null): void {
  const bytes = encodeUtf8(text ?? "");
  writer.word(bytes.length);
  writer.bytes(bytes);
}

function readText(reader: Reader): string | null {
  const text = decodeUtf8(reader.bytes(reader.word()));
  return text === "" ? null : text;
}

function writeName(writer: Writer, name: NodeId): void {
  const text = encodeUtf8(name);
  writer.short(text.length);
  writer.bytes(text);
}

function readName(reader: Reader): NodeId {
  return toNodeId(decodeUtf8(reader.bytes(reader.short())));
}

/** Writes numbers and byte strings in sequence. */
class Writer {
  offset: number;
  readonly #target: Uint8Array;
  readonly #view: DataView;

  constructor(target: Uint8Array, offset: number) {
    this.#target = target;
    this.#view = new DataView(target.buffer, target.byteOffset, target.length);
    this.offset = offset;
  }

  byte(value: number): void {
    this.#view.setUint8(this.offset, value);
    this.offset += 1;
  }

  short(value: number): void {
    this.#view.setUint16(this.offset, value);
    this.offset += 2;
  }

  word(value: number): void {
    this.#view.setUint32(this.offset, value);
    this.offset += 4;
  }

  number(value: number): void {
    this.word(Math.floor(value / 2 ** 32));
    this.word(value >>> 0);
  }

  bytes(value: Uint8Array): void {
    this.#target.set(value, this.offset);
    this.offset += value.length;
  }
}

/** Reads numbers and byte strings in sequence. The bytes passed their checksum, so an error is a fault of the writer. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  short(): number {
    return this.#view.getUint16(this.#take(2));
  }

  word(): number {
    return this.#view.getUint32(this.#take(4));
  }

  number(): number {
    return this.word() * 2 ** 32 + this.word();
  }

  bytes(length: number): Uint8Array {
    const offset = this.#take(length);
    return this.#bytes.subarray(offset, offset + length);
  }

  #take(length: number): number {
    const offset = this.#offset;
    if (length > this.#bytes.length - offset) throw new InputError("a record ends too early");
    this.#offset += length;
    return offset;
  }
}
