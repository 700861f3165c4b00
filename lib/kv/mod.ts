/**
 * The state machine: keys with revisions, ranges, transactions, leases, locks, history and watches, as in
 * etcd.
 *
 * A client's write becomes a {@linkcode Command}, is encoded by `command_codec.ts`, travels as the
 * opaque data of a log entry, and comes back on every node, committed, to `store.ts`. Nothing here reads a
 * clock, the environment or a random number, and nothing awaits: what an entry does follows from the entry
 * and the state before it.
 *
 * **Where to begin.** `transaction.ts` and `command.ts` say what can be asked, `store.ts` what an entry
 * does, `run_transaction.ts` what a transaction does. `multi_version_store.ts` has keys with their versions
 * and history; below it `record.ts`, `arena.ts` and `ordered_index.ts` say where it all lies: there is no object
 * a key, so a million keys cost the garbage collector nothing. `store_view.ts` is what readers see.
 * `range_reader.ts` and `watch_hub.ts` read in slices that never hold the loop; `lessor.ts` is the
 * leader's part of leases; `store_tables.ts` leads to the disk and back; `store_invariants.ts` says what
 * must hold of it all.
 *
 * **Revisions.** A revision is the log index of the write that made it; there is no other counter. What
 * changes nothing takes no revision, so they have gaps. A key remembers the revision that created it, the
 * one that last changed it, and how many writes it has seen. Deleted and written again, it starts afresh.
 *
 * **The applied index** says which entries a store has seen. That is what makes replay after a crash exact:
 * entries at or below it are skipped, the next one is applied, and a gap stops the node. Entries that carry
 * a certificate, or bytes that are no command, change nothing else.
 *
 * **Exactly once.** A client that gives a write an idempotency key may send it again, to any node,
 * for as long as it does not know the outcome: one attempt takes effect, and all are answered as
 * that one was, but for what it read. What was answered is part of the state (`write_memory.ts`): key, digest
 * of the command and result, for {@linkcode REMEMBERED_ENTRIES} entries of the log from its own on.
 * No clock decides, so all nodes forget at the same entry. A
 * failed condition is remembered like a success. The same key with another command is refused:
 * whichever stands first in the log has the key. A key belongs to the token that it came with:
 * another token's write under the same key is another write. A client that waits longer than the
 * window may have its write done twice.
 *
 * **Tokens.** Who may use the API is part of the state too, beside the keys and out of their reach:
 * at most {@linkcode TOKENS_MAX} tokens, each with the digest of its secret, what it allows and for
 * which keys. Secrets never come here. `lib/http` asks; nothing here knows what a request is.
 *
 * **Limits** are checked where a command is encoded and again where it is decoded: a command
 * reaches the log of a follower without passing that follower's HTTP API.
 *
 * @example A command on its way through the log
 * ```ts
 * const key = new TextEncoder().encode("greeting");
 * const value = new TextEncoder().encode("hello");
 * const put = { kind: "put", key, value, lease: 0, isPreviousWanted: false } as const;
 * const bytes = encodeCommand({ kind: "transaction", conditions: [], success: [put], failure: [] });
 * const command = decodeCommand(bytes);
 * if (command.kind !== "transaction" || command.success.length !== 1) throw new Error("not itself");
 * ```
 *
 * @module
 */

export {
  checkNewToken,
  checkTokenId,
  fromScopeBits,
  hasScope,
  type NewToken,
  SECRET_DIGEST_BYTES,
  type Token,
  TOKEN_ID_LENGTH,
  TOKEN_SCOPES,
  TOKENS_MAX,
  type TokenScope,
  toScopeBits,
} from "./token.ts";
export { accessOf, coversRange, type KeyAccess } from "./access.ts";
export { ByteReader, ByteWriter } from "./byte_fields.ts";
export { HISTORY_LIMITS, type HistoryLimits, type RevisionQueue } from "./history.ts";
export {
  ALL_KEYS,
  checkKeyBytes,
  checkRange,
  compareKeys,
  KEY_BYTES_MAX,
  type KeyRange,
  keysWithPrefix,
  prefixEnd,
  singleKey,
  singleKeyOf,
} from "./key_range.ts";
export {
  checkLeaseId,
  checkLeaseTtl,
  LEASE_KEYS_PER_ENTRY,
  type LeaseEnd,
  type LeaseRow,
  LEASES_MAX,
  type LeaseTable,
} from "./lease_table.ts";
export type { LeaseEnvelope, LeaseMessage, LeaseReply } from "./lease_message.ts";
export { Lessor } from "./lessor.ts";
export {
  acquireTransaction,
  checkLockName,
  isClaim,
  LOCK_NAME_BYTES_MAX,
  lockKey,
  lockKeys,
  releaseTransaction,
} from "./lock.ts";
export type { MultiVersionStore, PutChange, Unreadable } from "./multi_version_store.ts";
export type { Cursor, KeySource, OrderedIndex } from "./ordered_index.ts";
export {
  type KeyOrder,
  type RangeItem,
  type RangeQuery,
  RangeReader,
  type RangeSlice,
  type RevisionFilter,
  type SliceLimits,
} from "./range_reader.ts";
export type { ChangeKind, KeyValueRow, NewVersion, Records } from "./record.ts";
export type { JournaledChange, RowChange, RowJournal } from "./row_journal.ts";
export { type AppliedEntry, type CommittedEntry, Store, type StoreLimits } from "./store.ts";
export {
  type OperationAnswer,
  readTransaction,
  type TransactionAnswer,
  type TransactionOutcome,
  type TransactionRefusal,
} from "./run_transaction.ts";
export {
  COMMAND_BYTES_MAX,
  COMMAND_VERSION,
  CommandVersionError,
  decodeCommand,
  encodeCommand,
  isCommand,
} from "./command_codec.ts";
export {
  checkIdempotencyKey,
  type Command,
  type CommandOptions,
  type CommandOutcome,
  type CommandResult,
  type CompactCommand,
  type CreateTokenCommand,
  EXPIRED_LEASES_MAX,
  type ExpireLeasesCommand,
  type GrantLeaseCommand,
  type Idempotency,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  type LeaseResult,
  type RevokeLeaseCommand,
  type RevokeTokenCommand,
  type TokenOutcome,
  type TransactionCommand,
  type WithoutRevision,
} from "./command.ts";
export { type RangeRead, type RangeRequest, StoreView } from "./store_view.ts";
export { digestStore } from "./store_digest.ts";
export { checkStore } from "./store_invariants.ts";
export {
  BATCH_LIMITS,
  type BatchLimits,
  type HistoryRow,
  StoreLoader,
  type TableBatch,
  TableWriter,
} from "./store_tables.ts";
export {
  checkTransaction,
  type Condition,
  type DeleteOperation,
  isReadOnly,
  type NestedOperation,
  NUMBER_TARGETS,
  type NumberTarget,
  type Operation,
  OPERATIONS_MAX,
  type PutOperation,
  RANGE_SHOWS,
  type RangeOperation,
  type RangeShow,
  type Relation,
  RELATIONS,
  SORT_TARGETS,
  type SortTarget,
  type Transaction,
  TRANSACTION_BYTES_MAX,
  TRANSACTION_KEYS_MAX,
  VALUE_BYTES_MAX,
} from "./transaction.ts";
export {
  type TakeLimits,
  type Taken,
  WATCH_QUEUE_MAX,
  type WatchEnd,
  type Watcher,
  WATCHERS_MAX,
  type WatchEvent,
  WatchHub,
  type WatchPlace,
  type WatchQuery,
} from "./watch_hub.ts";
export {
  decodeRememberedResult,
  encodeRememberedResult,
  idempotencyText,
  type MemoryLimits,
  REMEMBERED_ENTRIES,
  type RememberedResult,
  type RememberedRow,
  type WriteMemory,
} from "./write_memory.ts";
