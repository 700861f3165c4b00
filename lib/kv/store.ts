/**
 * The state machine: committed entries in, results out, the same on every node (Raft §2). It has keys with
 * their versions, leases, remembered writes and tokens.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assert } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { EnvironmentError, InputError } from "../errors.ts";
import { type LogIndex, type Term, toLogIndex } from "../types.ts";
import type { HistoryLimits } from "./history.ts";
import { LEASE_KEYS_PER_ENTRY, type LeaseEnd, type LeaseRow, LEASES_MAX } from "./lease_table.ts";
import { MultiVersionStore } from "./multi_version_store.ts";
import { RowJournal } from "./row_journal.ts";
import { runTransaction } from "./run_transaction.ts";
import { CommandVersionError, decodeCommand } from "./command_codec.ts";
import type {
  Command,
  CommandOutcome,
  CommandResult,
  ExpireLeasesCommand,
  LeaseResult,
} from "./command.ts";
import { type Token, TOKENS_MAX } from "./token.ts";
import {
  decodeRememberedResult,
  encodeRememberedResult,
  idempotencyText,
  type MemoryLimits,
  type RememberedResult,
  WriteMemory,
} from "./write_memory.ts";

/** A committed log entry, as far as the store needs it. */
export interface CommittedEntry {
  /** Its place in the log, from 1. */
  readonly index: LogIndex;
  /** The term of the leader that put it into the log. */
  readonly term: Term;
  /** Only `command` is for the store. The other kinds change only the applied index. */
  readonly kind: "certificate" | "command" | "configuration" | "resharing";
  /** The command, as `command_codec.ts` writes it. */
  readonly data: Uint8Array;
  /** SHA-256 of `data`, if the log has already computed it. */
  readonly hash?: Uint8Array;
}

/** The result of applying one committed entry. */
export type AppliedEntry =
  /** Its command was applied, or was refused for a reason that the client gets. */
  | { readonly kind: "command"; readonly index: LogIndex; readonly result: CommandResult }
  /** Another attempt of the same write came first. Nothing changed; the answer is that attempt's. */
  | { readonly kind: "replayed"; readonly index: LogIndex; readonly result: RememberedResult }
  /** A leader's first entry, or an entry about members. Only the applied index changed. */
  | { readonly kind: "certificate"; readonly index: LogIndex }
  /** Its bytes are no command. Only the applied index changed. */
  | { readonly kind: "refused"; readonly index: LogIndex; readonly reason: string }
  /** The store has already applied it, before a restart. Its result is no longer known. */
  | { readonly kind: "skipped"; readonly index: LogIndex };

/** An entry with its decoded command. A whole batch is decoded before any entry in it is applied. */
type ReadEntry =
  | {
    readonly kind: "command";
    readonly index: LogIndex;
    readonly command: Command;
    readonly entry: CommittedEntry;
  }
  | Exclude<AppliedEntry, { readonly kind: "command" | "replayed" }>;

/** How much a store keeps of history, and of writes for their retries. */
export interface StoreLimits {
  /** The limits of history. Each node may have its own. */
  readonly history?: HistoryLimits;
  /** The limits of remembered writes: the same on every node, and at every start. */
  readonly memory?: MemoryLimits;
}

/**
 * The state machine. Two stores that have applied the same entries have the same state, however the entries
 * were divided into batches. Only their histories can begin at different revisions.
 */
export class Store {
  /** The keys, their history and the leases. Only {@linkcode apply} changes them. */
  readonly keys: MultiVersionStore;
  /** The writes that are remembered for retries. */
  readonly memory: WriteMemory;
  /** The tokens of the API, by id. */
  readonly tokens: Map<string, Token> = new Map();
  /** The changed rows, except keys, that are not written to the tables yet. */
  readonly journal: RowJournal = new RowJournal();
  #appliedIndex = toLogIndex(0);
  #touchedLeases = new Set<number>();

  /** An empty store. */
  constructor(limits: StoreLimits = {}) {
    this.keys = new MultiVersionStore(limits.history);
    this.memory = new WriteMemory(limits.memory);
  }

  /** Index of the last entry whose effects are in the store; 0 in a new one. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** Every token, by rising id. */
  tokenRows(): readonly Token[] {
    return [...this.tokens.values()].toSorted((left, right) => left.id < right.id ? -1 : 1);
  }

  /** The leases that were granted, changed or removed since the last call, for the leader's lessor. */
  takeTouchedLeases(): Iterable<number> {
    const touched = this.#touchedLeases;
    if (touched.size > 0) this.#touchedLeases = new Set();
    return touched;
  }

  /**
   * Applies committed entries, which are contiguous and in order. It skips entries that it has already
   * applied, so after a restart the caller may replay the log from any index.
   *
   * @returns one outcome for each entry, in the same order.
   * @throws {InvariantError} when an entry is missing before or between them.
   * @throws {EnvironmentError} when a command needs a newer Floe. Then no entry is applied.
   */
  apply(entries: readonly CommittedEntry[]): readonly AppliedEntry[] {
    checkContiguous(entries, this.#appliedIndex);
    const read = entries.map((entry) => readEntry(entry, this.#appliedIndex));
    return read.map((entry) => this.#applyEntry(entry));
  }

  /** Sets the applied index of a store that was loaded from rows. */
  loaded(appliedIndex: LogIndex): void {
    assert(this.#appliedIndex === 0, "the store is already in use");
    this.#appliedIndex = appliedIndex;
  }

  #applyEntry(entry: ReadEntry): AppliedEntry {
    if (entry.kind === "skipped") return entry;
    const { index } = entry;
    this.#appliedIndex = index;
    const forgotten = this.memory.forget(index);
    if (forgotten > 0) this.journal.add(index, { table: "forgotten", index: forgotten });
    return entry.kind === "command" ? this.#applyOnce(entry) : entry;
  }

  /**
   * Applies a command, unless its idempotency key is remembered. In that case nothing changes, and the same
   * command gets the first answer again. Failed writes are remembered too: if a write failed once, a later
   * copy must not take effect.
   */
  #applyOnce(
    { index, command, entry }: Extract<ReadEntry, { readonly kind: "command" }>,
  ): AppliedEntry {
    if (command.kind === "expireLeases" || command.idempotency === undefined) {
      return { kind: "command", index, result: this.#applyCommand(command, entry) };
    }
    const text = idempotencyText(command.idempotency);
    const digest = entry.hash ?? sha256(entry.data);
    const remembered = this.memory.get(text);
    if (remembered !== null) {
      const { revision } = this.keys;
      if (equalBytes(remembered.digest, digest)) {
        return { kind: "replayed", index, result: decodeRememberedResult(remembered.result) };
      }
      const firstIndex = toLogIndex(remembered.index);
      return {
        kind: "command",
        index,
        result: { kind: "idempotencyKeyReused", revision, firstIndex },
      };
    }
    const result = this.#applyCommand(command, entry);
    this.#rememberWrite({ index, text, digest, result });
    return { kind: "command", index, result };
  }

  #rememberWrite(
    { index, text, digest, result }: {
      readonly index: LogIndex;
      readonly text: string;
      readonly digest: Uint8Array;
      readonly result: CommandResult;
    },
  ): void {
    if (result.kind === "idempotencyKeyReused" || result.kind === "leasesExpired") return;
    const row = { index, text, digest: digest.slice(), result: encodeRememberedResult(result) };
    this.memory.add(row);
    this.journal.add(index, { table: "remembered", row });
  }

  #applyCommand(command: Command, entry: CommittedEntry): CommandResult {
    const outcome = this.#outcomeOf(command, entry);
    return { ...outcome, revision: this.keys.revision };
  }

  #outcomeOf(command: Command, { index, term }: CommittedEntry): CommandOutcome {
    switch (command.kind) {
      case "transaction":
        return runTransaction(this.keys, { transaction: command, revision: index });
      case "grantLease":
        return this.#grant(command, index);
      case "revokeLease":
        return this.#revoke(command.id, index);
      case "expireLeases":
        return this.#expire(command.term === term ? this.#meant(command) : [], index);
      case "compact": {
        this.keys.compact(command.revision);
        const compactedRevision = Math.min(command.revision, this.keys.revision);
        return { kind: "compacted", compactedRevision: toLogIndex(compactedRevision) };
      }
      case "createToken":
        return this.#createToken(command, index);
      case "revokeToken": {
        const revoked = this.tokens.delete(command.id);
        if (revoked) this.journal.add(index, { table: "token", id: command.id, row: null });
        return { kind: "tokenRevoked", revoked };
      }
      default:
        return command satisfies never;
    }
  }

  #grant({ id, ttlSeconds }: Pick<LeaseRow, "id" | "ttlSeconds">, index: LogIndex): LeaseResult {
    const { leases } = this.keys;
    if (leases.get(id) !== null) return { kind: "leaseRefused", reason: "exists" };
    if (leases.count >= LEASES_MAX) return { kind: "leaseRefused", reason: "tooMany" };
    this.#setLease({ id, ttlSeconds, ending: null, grantedIndex: index }, index);
    return { kind: "leaseGranted", id, ttlSeconds };
  }

  #revoke(id: number, index: LogIndex): LeaseResult {
    const wasThere = this.keys.leases.get(id) !== null;
    const keysDeleted = this.#endLeases([id], { index, ending: "revoked" });
    const keysLeft = this.keys.leases.keyCount(id);
    return { kind: "leaseRevoked", wasThere, keysDeleted, keysLeft };
  }

  /** The leases that the leader meant: none that was granted after what it had applied. */
  #meant({ ids, appliedIndex }: ExpireLeasesCommand): readonly number[] {
    const { leases } = this.keys;
    return ids.filter((id) => (leases.get(id)?.grantedIndex ?? Infinity) <= appliedIndex);
  }

  #expire(ids: readonly number[], index: LogIndex): LeaseResult {
    const keysDeleted = this.#endLeases(ids, { index, ending: "expired" });
    const unfinished = ids.filter((id) => this.keys.leases.get(id) !== null);
    return { kind: "leasesExpired", keysDeleted, unfinished };
  }

  /** Ends leases, within the limits of one entry. A lease that is already ending keeps its reason. */
  #endLeases(
    ids: readonly number[],
    { index, ending }: { readonly index: LogIndex; readonly ending: LeaseEnd },
  ): number {
    let keysDeleted = 0;
    this.keys.begin(index);
    for (const id of ids) {
      const row = this.keys.leases.get(id);
      if (row === null) continue;
      if (row.ending === null) this.#setLease({ ...row, ending }, index);
      this.#touchedLeases.add(id);
      keysDeleted += this.#removeKeysOf(id, LEASE_KEYS_PER_ENTRY - keysDeleted);
      if (this.keys.leases.keyCount(id) === 0) this.#removeLease(id, index);
    }
    this.keys.commit();
    return keysDeleted;
  }

  #removeKeysOf(id: number, max: number): number {
    const { leases, records } = this.keys;
    const kind = leases.get(id)?.ending === "expired" ? "expire" : "delete";
    const handles = leases.keys(id, max);
    for (const handle of handles) this.keys.remove(records.key(handle), kind);
    return handles.length;
  }

  #setLease(row: LeaseRow, index: LogIndex): void {
    this.keys.leases.set(row);
    this.#touchedLeases.add(row.id);
    this.journal.add(index, { table: "lease", id: row.id, row });
  }

  #removeLease(id: number, index: LogIndex): void {
    this.keys.leases.delete(id);
    this.#touchedLeases.add(id);
    this.journal.add(index, { table: "lease", id, row: null });
  }

  #createToken(
    command: Extract<Command, { readonly kind: "createToken" }>,
    index: LogIndex,
  ): CommandOutcome {
    const { id, secretDigest, name, scopes, prefixes, expiresAtMs } = command;
    if (this.tokens.has(id)) return { kind: "tokenRefused", reason: "exists" };
    if (this.tokens.size >= TOKENS_MAX) return { kind: "tokenRefused", reason: "tooMany" };
    // A copy, because the digest is a view that would keep the whole log entry in memory.
    const digest = secretDigest.slice();
    const rights = { scopes, prefixes, expiresAtMs };
    const row = { id, secretDigest: digest, name, ...rights, createRevision: index };
    this.tokens.set(id, row);
    this.journal.add(index, { table: "token", id, row });
    return { kind: "tokenCreated", createRevision: index };
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

/**
 * Reads a committed entry. Bytes that are no command are in the log only if a leader put them there, by a
 * bug or on purpose: all nodes refuse the entry and continue. A newer Floe would apply a command in a
 * version that this Floe does not know, so this node stops.
 */
function readEntry(entry: CommittedEntry, appliedIndex: LogIndex): ReadEntry {
  const { index, kind, data } = entry;
  if (index <= appliedIndex) return { kind: "skipped", index };
  if (kind !== "command") return { kind: "certificate", index };
  try {
    return { kind: "command", index, command: decodeCommand(data), entry };
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

function sha256(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(data).digest());
}
