/**
 * The replicated state machine: a key-value store with revisions.
 *
 * A client's write becomes a {@linkcode Command}, is encoded by `command_codec.ts`, travels as the
 * opaque data of a log entry, and comes back on every node, committed, to `state_machine.ts`, which
 * applies it to a {@linkcode KeyValueStore}. Nothing here reads a clock, the environment or a
 * random number, and nothing awaits: what an entry does follows from the entry and the state before
 * it.
 *
 * **Revisions.** A revision is the log index of the write that made it; there is no other counter.
 * A key remembers the revision that created it, the one that last changed it, and how many writes
 * it has seen. Deleted and written again, it starts afresh.
 *
 * **The applied index** lives in the store, in the same transaction as the data, so a store says
 * by itself which entries it has seen. That is what makes replay after a crash exact: entries at or
 * below it are skipped, the next one is applied, and a gap stops the node. Entries that carry a
 * certificate, or bytes that are no command, change nothing else.
 *
 * **Conditions.** A write may name the modRevision that the key must have. The condition is looked
 * at where the command stands in the log, so of two that name the same revision at most one
 * succeeds.
 *
 * **Exactly once.** A client that gives a write an idempotency key may send it again, to any node,
 * for as long as it does not know the outcome: one attempt takes effect, and all are answered as
 * that one was. What was answered is part of the state ({@linkcode RememberedWrite}): key, digest
 * of the command and result, for {@linkcode REMEMBERED_ENTRIES} entries of the log from its own on.
 * No clock decides, so all nodes forget at the same entry; one entry forgets at most one write. A
 * failed condition is remembered like a success. The same key with another command is refused:
 * whichever stands first in the log has the key. A key belongs to the token that it came with:
 * another token's write under the same key is another write. A client that waits longer than the
 * window may have its write done twice.
 *
 * **Tokens.** Who may use the API is part of the state too, beside the keys and out of their reach:
 * at most {@linkcode TOKENS_MAX} tokens, each with the digest of its secret, what it allows and for
 * which keys. Secrets never come here. `lib/http` asks; nothing here knows what a request is.
 *
 * **The model that comes next** stands beside all this and is complete, but nothing applies to it
 * yet: keys as bytes, ranges, transactions, leases, locks, history and watches, as in etcd. To read
 * it, begin with `transaction.ts` and `store_command.ts` (what can be asked), then
 * `replicated_store.ts` (what an entry does), `run_transaction.ts`, `multi_version_store.ts`
 * (versions and history) and, below it, `record.ts`, `arena.ts` and `ordered_index.ts` (where it
 * all lies: no object a key, so a million keys cost the garbage collector nothing).
 * `range_reader.ts` and `watch_hub.ts` read it in slices that never hold the loop; `lessor.ts` is
 * the leader's part of leases; `store_tables.ts` leads to the disk and back; `store_codec.ts` has
 * the commands as bytes; `store_invariants.ts` says what must hold of it all. A revision is a log
 * index there, too: what changes nothing takes none, so they have gaps.
 *
 * **Limits** are checked where a command is encoded and again where it is decoded: a command
 * reaches the log of a follower without passing that follower's HTTP API.
 *
 * @example A command on its way through the log
 * ```ts
 * const value = new TextEncoder().encode("hello");
 * const bytes = encodeCommand({ kind: "put", key: "greeting", value });
 * const command = decodeCommand(bytes);
 * if (command.kind !== "put" || command.key !== "greeting") throw new Error("it came back changed");
 * ```
 *
 * @module
 */

export {
  decodeResult,
  encodeResult,
  REMEMBERED_BYTES_MAX,
  REMEMBERED_ENTRIES,
  type RememberedWrite,
} from "./apply_command.ts";
export {
  type Command,
  type CommandResult,
  type CreateTokenCommand,
  type DeleteCommand,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  type IdempotencyOptions,
  KEY_BYTES_MAX,
  type KeyCommand,
  type KeyResult,
  type KeyValue,
  type PutCommand,
  type RevokeTokenCommand,
  type TokenCommand,
  type TokenResult,
  VALUE_BYTES_MAX,
  type WriteOptions,
  type WriteResult,
} from "./command.ts";
export {
  checkIdempotencyKey,
  checkKey,
  COMMAND_BYTES_MAX,
  COMMAND_VERSION,
  CommandVersionError,
  decodeCommand,
  encodeCommand,
  isCommand,
} from "./command_codec.ts";
export {
  type AppliedEntry,
  type CommittedEntry,
  type KeyValueStore,
  type RememberedWrites,
  StateMachine,
  type Tokens,
} from "./state_machine.ts";
export {
  checkNewToken,
  checkTokenId,
  coversKey,
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
export { HISTORY_LIMITS, type HistoryLimits, type RevisionQueue } from "./history.ts";
export {
  ALL_KEYS,
  checkKeyBytes,
  checkRange,
  type KeyRange,
  keysWithPrefix,
  prefixEnd,
  singleKey,
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
export {
  type AppliedStoreEntry,
  ReplicatedStore,
  type StoreEntry,
  type StoreLimits,
} from "./replicated_store.ts";
export {
  type OperationAnswer,
  readTransaction,
  type TransactionAnswer,
  type TransactionOutcome,
  type TransactionRefusal,
} from "./run_transaction.ts";
export {
  decodeStoreCommand,
  encodeStoreCommand,
  isStoreCommand,
  STORE_COMMAND_BYTES_MAX,
  STORE_COMMAND_VERSION,
} from "./store_codec.ts";
export {
  type CommandOptions,
  type CompactCommand,
  EXPIRED_LEASES_MAX,
  type ExpireLeasesCommand,
  type GrantLeaseCommand,
  type Idempotency,
  type LeaseResult,
  type NewTokenCommand,
  type RemoveTokenCommand,
  type RevokeLeaseCommand,
  type StoreCommand,
  type StoreOutcome,
  type StoreResult,
  type TransactionCommand,
  type WithoutRevision,
} from "./store_command.ts";
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
} from "./transaction.ts";
export {
  type TakeLimits,
  type Taken,
  WATCH_QUEUE_MAX,
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
  type RememberedResult,
  type RememberedRow,
  type WriteMemory,
} from "./write_memory.ts";
