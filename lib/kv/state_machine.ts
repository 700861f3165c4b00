/**
 * The replicated state machine (Raft §2): committed entries in, results out, the same on every node.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { EnvironmentError, InputError } from "../errors.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import {
  applyOnce,
  type PlacedCommand,
  REMEMBERED_ENTRIES,
  type RememberedWrite,
} from "./apply_command.ts";
import type { CommandResult, KeyValue, WriteResult } from "./command.ts";
import { CommandVersionError, decodeCommand } from "./command_codec.ts";
import type { Token } from "./token.ts";

/** What the state machine needs of a committed log entry (`lib/raft/entry.ts` has the whole). */
export interface CommittedEntry {
  /** Its place in the log, from 1. */
  readonly index: LogIndex;
  /** `command` is for the state machine; anything else only takes up its place. */
  readonly kind: "certificate" | "command" | "configuration" | "resharing";
  /** The command, as `command_codec.ts` writes it. */
  readonly data: Uint8Array;
}

/** What became of one committed entry. */
export type AppliedEntry =
  /** Its command was applied, or refused for a reason that its client is told. */
  | { readonly kind: "command"; readonly index: LogIndex; readonly result: CommandResult }
  /** Another attempt at its write came first. Only the applied index moved; this is its answer. */
  | { readonly kind: "replayed"; readonly index: LogIndex; readonly result: WriteResult }
  /** A leader's first entry, or one about the members; nothing but the applied index moved. */
  | { readonly kind: "certificate"; readonly index: LogIndex }
  /** Its bytes are no command; nothing but the applied index moved. */
  | { readonly kind: "refused"; readonly index: LogIndex; readonly reason: string }
  /** It was in the store already: a replay after a restart. Its result is not known any more. */
  | { readonly kind: "skipped"; readonly index: LogIndex };

/** An entry with its command already read, so that the transaction only writes. */
type ReadEntry =
  | { readonly kind: "command" } & PlacedCommand
  | Exclude<AppliedEntry, { readonly kind: "command" | "replayed" }>;

/**
 * Applies committed entries to a store. Its state is the store's: two state machines whose stores
 * have the same applied index hold the same rows, whatever batches they came in.
 */
export class StateMachine {
  readonly #store: KeyValueStore;
  readonly #rememberedEntries: number;

  /**
   * Goes on where `store` stands. `rememberedEntries` is {@linkcode REMEMBERED_ENTRIES} but in tests:
   * it must be the same on every node, and at every start.
   */
  constructor(store: KeyValueStore, options: { readonly rememberedEntries?: number } = {}) {
    this.#store = store;
    this.#rememberedEntries = options.rememberedEntries ?? REMEMBERED_ENTRIES;
  }

  /** Index of the last entry whose effects are in the store; 0 in a new one. */
  get appliedIndex(): LogIndex {
    return this.#store.appliedIndex;
  }

  /** The key's current value, or null. */
  get(key: string): KeyValue | null {
    return this.#store.get(key);
  }

  /** The API's token of this id, or null. */
  token(id: string): Token | null {
    return this.#store.tokens.get(id);
  }

  /** Every token of the API, by rising id. */
  tokens(): readonly Token[] {
    return [...this.#store.tokens.rows()];
  }

  /**
   * Applies committed entries, contiguous and in order, in one transaction. Entries that the store
   * has already are skipped: after a restart the log is replayed from wherever the caller likes.
   *
   * @returns one outcome for each entry, in the same order.
   * @throws {InvariantError} when an entry is missing before or between them.
   * @throws {EnvironmentError} when a command needs a newer Floe, or the store fails; then none of
   * them is applied.
   */
  apply(entries: readonly CommittedEntry[]): readonly AppliedEntry[] {
    checkContiguous(entries, this.appliedIndex);
    const last = entries.at(-1);
    if (last === undefined || last.index <= this.appliedIndex) return entries.map(skip);
    const read = entries.map((entry) => readEntry(entry, this.appliedIndex));
    return this.#store.transaction(
      last.index,
      () => read.map((entry) => this.#applyEntry(entry)),
    );
  }

  #applyEntry(entry: ReadEntry): AppliedEntry {
    if (entry.kind === "skipped") return entry;
    this.#forgetBefore(entry.index);
    if (entry.kind !== "command") return entry;
    const { index } = entry;
    return { index, ...applyOnce(this.#store, entry) };
  }

  /**
   * Forgets the one write, if there is one, whose window ends where this entry stands: every entry
   * does it, so the work is bounded and what is remembered follows from the applied index alone.
   */
  #forgetBefore(index: LogIndex): void {
    const revision = index - this.#rememberedEntries;
    if (revision > 0) this.#store.remembered.delete(toLogIndex(revision));
  }
}

function checkContiguous(entries: readonly CommittedEntry[], appliedIndex: LogIndex): void {
  const first = entries[0]?.index ?? 0;
  assert(
    first <= appliedIndex + 1,
    `Cannot apply entry ${first}: the last one applied is ${appliedIndex}`,
  );
  entries.forEach(({ index }, position) => {
    assert(index === first + position, `Cannot apply entry ${index}: ${first + position} is next`);
  });
}

function skip({ index }: CommittedEntry): AppliedEntry {
  return { kind: "skipped", index };
}

function readEntry(entry: CommittedEntry, appliedIndex: LogIndex): ReadEntry {
  const { index, kind } = entry;
  if (index <= appliedIndex) return { kind: "skipped", index };
  if (kind !== "command") return { kind: "certificate", index };
  return readCommand(entry);
}

/**
 * Reads a committed command. Bytes that are no command can only be in the log because a leader put
 * them there, by a bug or on purpose. Every node sees the same bytes and version 1 is read the same
 * way for ever, so all of them refuse the entry alike and go on: stopping would let one entry take
 * down the whole cluster, again at every start.
 *
 * A version that this Floe does not know is different: a newer Floe would apply it, so
 * refusing it here would make two nodes' states differ. This node stops instead.
 */
function readCommand({ index, data }: CommittedEntry): ReadEntry {
  try {
    return { kind: "command", index, command: decodeCommand(data), data };
  } catch (cause) {
    if (cause instanceof CommandVersionError) {
      throw new EnvironmentError(
        `Cannot apply entry ${index}: its command is in format ${data[0]}, which this version of ` +
          `Floe does not know. Start the node with the version that the rest of the cluster runs.`,
        { cause },
      );
    }
    if (cause instanceof InputError) return { kind: "refused", index, reason: cause.message };
    throw cause;
  }
}

/** The data of the state machine, and how far the log has been applied to it. */
export interface KeyValueStore {
  /** Index of the last log entry whose effects are in the store; 0 in a new one. */
  readonly appliedIndex: LogIndex;
  /** The writes that are remembered for their retries. */
  readonly remembered: RememberedWrites;
  /** Who may use the API. */
  readonly tokens: Tokens;
  /** The key's current value, or null. Inside a transaction it sees that transaction's writes. */
  get(key: string): KeyValue | null;
  /** Sets a key. Only inside {@linkcode transaction}. */
  put(row: KeyValue): void;
  /** Removes a key. Only inside {@linkcode transaction}. */
  delete(key: string): void;
  /** Every key with its value, in the order of the keys' UTF-8 bytes. Never during a write. */
  rows(): Iterable<KeyValue>;
  /**
   * Runs `work` and moves the applied index to `appliedIndex`, both or neither.
   *
   * @throws whatever `work` throws, after undoing it.
   */
  transaction<Result>(appliedIndex: LogIndex, work: () => Result): Result;
}

/** The part of a {@linkcode KeyValueStore} that makes retries harmless; its transactions cover it. */
export interface RememberedWrites {
  /** The write that this idempotency key stands for, or null. */
  get(idempotencyKey: string): RememberedWrite | null;
  /** Adds a write under a key and a revision that are not there yet. Only inside a transaction. */
  add(write: RememberedWrite): void;
  /** Forgets the write of this revision, if it is there. Only inside a transaction. */
  delete(revision: LogIndex): void;
  /** Every remembered write, by rising revision. Never during a write. */
  rows(): Iterable<RememberedWrite>;
}

/** The part of a {@linkcode KeyValueStore} that holds the API's tokens; its transactions cover it. */
export interface Tokens {
  /** How many there are. */
  readonly count: number;
  /** The token of this id, or null. */
  get(id: string): Token | null;
  /** Adds a token under an id that is not there yet. Only inside a transaction. */
  add(token: Token): void;
  /** Removes a token, if it is there. Only inside a transaction. */
  delete(id: string): void;
  /** Every token, by rising id. Never during a write. */
  rows(): Iterable<Token>;
}
