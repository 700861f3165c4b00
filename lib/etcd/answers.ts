/**
 * The bytes of answers that clients have not read yet.
 *
 * @module
 */

import { refuse } from "./errors.ts";

/** Most bytes of keys and values in the answers to ranges that are under way at once, for each way in. */
const ANSWER_BYTES_ACTIVE_MAX = 128 * 1024 * 1024;

/** Counts the bytes of answers under way, and refuses those above the limit. */
export class AnswerGate {
  readonly #bytesMax: number;
  #bytes = 0;

  /** At most `bytesMax`, by default {@linkcode ANSWER_BYTES_ACTIVE_MAX}. */
  constructor(bytesMax: number = ANSWER_BYTES_ACTIVE_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** How many bytes are under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins an answer without bytes. */
  open(): AnswerHold {
    return new AnswerHold((bytes) => this.#add(bytes));
  }

  #add(bytes: number): void {
    if (bytes > 0 && this.#bytes + bytes > this.#bytesMax) throw refuse("tooManyRequests");
    this.#bytes += bytes;
  }
}

/** The bytes of one answer. */
export class AnswerHold {
  readonly #add: (bytes: number) => void;
  #bytes = 0;

  /** Use {@linkcode AnswerGate.open}. */
  constructor(add: (bytes: number) => void) {
    this.#add = add;
  }

  /** How many they are. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts more of them. @throws {EtcdError} when too many are under way. */
  add(bytes: number): void {
    this.#add(bytes);
    this.#bytes += bytes;
  }

  /** The answer was sent, or is given up. */
  release(): void {
    this.#add(-this.#bytes);
    this.#bytes = 0;
  }
}
