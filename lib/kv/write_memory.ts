/**
 * The memory of writes with an idempotency key, which makes their retries harmless.
 *
 * A write is remembered for a fixed number of log entries, including its own. It is forgotten earlier only
 * when all remembered writes together exceed a number of bytes; then the oldest go first. No clock decides,
 * so all nodes forget a write at the same entry. The answer is remembered without what was read.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { toLogIndex } from "../types.ts";
import { Arena } from "./arena.ts";
import { ByteReader, ByteWriter } from "./byte_fields.ts";
import { RevisionQueue } from "./history.ts";
import type { OperationAnswer, TransactionAnswer } from "./run_transaction.ts";
import type { CommandResult, Idempotency, WithoutRevision } from "./command.ts";
import { OPERATIONS_MAX } from "./transaction.ts";

/** The limits of the memory. They must be the same on all nodes, because they change the state. */
export interface MemoryLimits {
  /** Most entries of the log, including the write's own. */
  readonly entriesMax: number;
  /** Most bytes of all remembered writes. */
  readonly bytesMax: number;
}

/**
 * For how many log entries a write is remembered, including its own. A retry that reaches the log within them
 * gets the answer of the first attempt.
 */
export const REMEMBERED_ENTRIES = 250_000;

/** The limits of every cluster. Only tests have others. */
const MEMORY_LIMITS: MemoryLimits = {
  entriesMax: REMEMBERED_ENTRIES,
  bytesMax: 64 * 1024 * 1024,
};

/** The results that are remembered: all except those of a reused key and of expired leases. */
export type RememberedResult = Exclude<
  CommandResult,
  { readonly kind: "idempotencyKeyReused" | "leasesExpired" }
>;

/** A remembered write. */
export interface RememberedRow {
  /** The index of its entry. */
  readonly index: number;
  /** The token and the idempotency key: see {@linkcode idempotencyText}. */
  readonly text: string;
  /** SHA-256 of the encoded command, 32 bytes. It distinguishes a retry from another command. */
  readonly digest: Uint8Array;
  /** The result, as {@linkcode encodeRememberedResult} writes it. */
  readonly result: Uint8Array;
}

const DIGEST_BYTES = 32;
/**
 * The index as a 64-bit number, and the length of the text as a 32-bit word, with padding.
 */
const HEAD_BYTES = 16;
/** Approximate bytes of one entry of the map. */
const ENTRY_BYTES = 120;

/** The remembered writes. */
export class WriteMemory {
  readonly #limits: MemoryLimits;
  readonly #arena = new Arena();
  readonly #byText = new Map<string, number>();
  readonly #queue = new RevisionQueue();
  #bytes = 0;

  /** Remembers nothing yet. */
  constructor(limits: MemoryLimits = MEMORY_LIMITS) {
    this.#limits = limits;
  }

  /** How many writes are remembered. */
  get count(): number {
    return this.#byText.size;
  }

  /** Bytes of memory that they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The write of this text, or null. Its bytes are views, valid until the next write is added. */
  get(text: string): RememberedRow | null {
    const handle = this.#byText.get(text);
    return handle === undefined ? null : this.#read(handle, text);
  }

  /** Remembers a write. Its text must be new, and its index must be above all others. */
  add({ index, text, digest, result }: RememberedRow): void {
    assert(!this.#byText.has(text), "the idempotency key is already remembered");
    assert(digest.length === DIGEST_BYTES, "A digest is 32 bytes");
    const textBytes = encodeUtf8(text);
    const length = HEAD_BYTES + DIGEST_BYTES + textBytes.length + result.length;
    const handle = this.#arena.allocate(length);
    const { numbers, words, bytes } = this.#arena.slab(handle);
    const offset = this.#arena.offset(handle);
    numbers[offset >>> 3] = index;
    words[(offset >>> 2) + 2] = textBytes.length;
    words[(offset >>> 2) + 3] = result.length;
    bytes.set(digest, offset + HEAD_BYTES);
    bytes.set(textBytes, offset + HEAD_BYTES + DIGEST_BYTES);
    bytes.set(result, offset + HEAD_BYTES + DIGEST_BYTES + textBytes.length);
    this.#byText.set(text, handle);
    this.#queue.push(index, handle);
    this.#bytes += costOf(length);
  }

  /**
   * Forgets the writes that are due when the entry at `index` is applied. They are few, because each entry
   * adds at most one.
   *
   * @returns the index of the last write that was forgotten, or 0.
   */
  forget(index: number): number {
    const { entriesMax, bytesMax } = this.#limits;
    let forgotten = 0;
    while (this.#queue.count > 0) {
      const oldest = this.#queue.revision(this.#queue.first);
      if (oldest > index - entriesMax && this.#bytes <= bytesMax) break;
      this.#drop(this.#queue.shift());
      forgotten = oldest;
    }
    return forgotten;
  }

  /** Every remembered write, by rising index, copied. The memory must not change meanwhile. */
  *rows(): Generator<RememberedRow, void> {
    for (let sequence = this.#queue.first; sequence < this.#queue.end; sequence++) {
      const handle = this.#queue.handle(sequence);
      const { digest, result, ...row } = this.#read(handle, this.#textOf(handle));
      yield { ...row, digest: digest.slice(), result: result.slice() };
    }
  }

  #drop(handle: number): void {
    const text = this.#textOf(handle);
    const { result } = this.#read(handle, text);
    this.#bytes -= costOf(HEAD_BYTES + DIGEST_BYTES + encodeUtf8(text).length + result.length);
    this.#byText.delete(text);
    this.#arena.free(handle);
  }

  #textOf(handle: number): string {
    const { words, bytes } = this.#arena.slab(handle);
    const offset = this.#arena.offset(handle);
    const start = offset + HEAD_BYTES + DIGEST_BYTES;
    return decodeUtf8(bytes.subarray(start, start + (words[(offset >>> 2) + 2] ?? 0)));
  }

  #read(handle: number, text: string): RememberedRow {
    const { numbers, words, bytes } = this.#arena.slab(handle);
    const offset = this.#arena.offset(handle);
    const digestEnd = offset + HEAD_BYTES + DIGEST_BYTES;
    const start = digestEnd + (words[(offset >>> 2) + 2] ?? 0);
    return {
      index: numbers[offset >>> 3] ?? 0,
      text,
      digest: bytes.subarray(offset + HEAD_BYTES, digestEnd),
      result: bytes.subarray(start, start + (words[(offset >>> 2) + 3] ?? 0)),
    };
  }
}

function costOf(bytes: number): number {
  return Arena.slotBytes(bytes) + ENTRY_BYTES;
}

/** The text that identifies a remembered write: the id of the token, if there is one, and the key. */
export function idempotencyText({ token, key }: Idempotency): string {
  return `${token ?? "-"}/${key}`;
}

const RESULT_KINDS = [
  "transaction",
  "transactionRefused",
  "leaseGranted",
  "leaseRefused",
  "leaseRevoked",
  "compacted",
  "tokenCreated",
  "tokenRefused",
  "tokenRevoked",
] as const satisfies readonly RememberedResult["kind"][];
const REFUSAL_REASONS = ["leaseNotFound", "keyNotFound", "tooManyKeys", "tooManyBytes"] as const;
const TABLE_REFUSALS = ["exists", "tooMany"] as const;
const ANSWER_KINDS = ["put", "delete", "notRemembered", "transaction"] as const;

const writer = new ByteWriter();

/** Writes a result for the memory: everything except what was read. */
export function encodeRememberedResult(result: RememberedResult): Uint8Array<ArrayBuffer> {
  writer.begin().byte(RESULT_KINDS.indexOf(result.kind)).number(result.revision);
  switch (result.kind) {
    case "transaction":
      writeAnswer(result);
      break;
    case "transactionRefused":
      writer.byte(REFUSAL_REASONS.indexOf(result.reason));
      break;
    case "leaseGranted":
      writer.number(result.id).number(result.ttlSeconds);
      break;
    case "leaseRefused":
    case "tokenRefused":
      writer.byte(TABLE_REFUSALS.indexOf(result.reason));
      break;
    case "leaseRevoked":
      writer.byte(result.wasThere ? 1 : 0).number(result.keysDeleted).number(result.keysLeft);
      break;
    case "compacted":
      writer.number(result.compactedRevision);
      break;
    case "tokenCreated":
      writer.number(result.createRevision);
      break;
    case "tokenRevoked":
      writer.byte(result.revoked ? 1 : 0);
      break;
    default:
      return result satisfies never;
  }
  return writer.finish();
}

/**
 * Reads what {@linkcode encodeRememberedResult} wrote.
 *
 * @throws {InputError} for anything else.
 */
export function decodeRememberedResult(bytes: Uint8Array): RememberedResult {
  const reader = new ByteReader(bytes, "remembered result");
  const kind = RESULT_KINDS[reader.choice(RESULT_KINDS.length)] ?? reader.refuse("no kind");
  const revision = toLogIndex(reader.number());
  const result: RememberedResult = { ...readResult(reader, kind), revision };
  reader.end();
  return result;
}

function readResult(
  reader: ByteReader,
  kind: RememberedResult["kind"],
): WithoutRevision<RememberedResult> {
  switch (kind) {
    case "transaction":
      return { kind, ...readAnswer(reader) };
    case "transactionRefused":
      return { kind, reason: choose(reader, REFUSAL_REASONS) };
    case "leaseGranted":
      return { kind, id: reader.number(), ttlSeconds: reader.number() };
    case "leaseRefused":
    case "tokenRefused":
      return { kind, reason: choose(reader, TABLE_REFUSALS) };
    case "leaseRevoked":
      return {
        kind,
        wasThere: reader.flag(),
        keysDeleted: reader.number(),
        keysLeft: reader.number(),
      };
    case "compacted":
      return { kind, compactedRevision: toLogIndex(reader.number()) };
    case "tokenCreated":
      return { kind, createRevision: toLogIndex(reader.number()) };
    case "tokenRevoked":
      return { kind, revoked: reader.flag() };
    default:
      return kind satisfies never;
  }
}

function writeAnswer({ succeeded, answers }: TransactionAnswer): void {
  writer.byte(succeeded ? 1 : 0).list(answers, (answer) => {
    const kind = answer.kind === "range" ? "notRemembered" : answer.kind;
    writer.byte(ANSWER_KINDS.indexOf(kind));
    if (answer.kind === "put") writer.number(answer.createRevision).number(answer.version);
    if (answer.kind === "delete") writer.number(answer.deleted);
    if (answer.kind === "transaction") writeAnswer(answer);
  });
}

function readAnswer(reader: ByteReader): TransactionAnswer {
  const succeeded = reader.flag();
  return { succeeded, answers: reader.list(OPERATIONS_MAX, () => readOperationAnswer(reader)) };
}

function readOperationAnswer(reader: ByteReader): OperationAnswer {
  const kind = choose(reader, ANSWER_KINDS);
  switch (kind) {
    case "put":
      return { kind, createRevision: toLogIndex(reader.number()), version: reader.number() };
    case "delete":
      return { kind, deleted: reader.number() };
    case "notRemembered":
      return { kind };
    case "transaction":
      return { kind, ...readAnswer(reader) };
    default:
      return kind satisfies never;
  }
}

function choose<Choice>(reader: ByteReader, choices: readonly Choice[]): Choice {
  return choices[reader.choice(choices.length)] ?? reader.refuse("no choice");
}
