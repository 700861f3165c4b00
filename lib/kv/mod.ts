/**
 * The state machine: keys with revisions, ranges, transactions, leases, locks, history and watches, as in
 * etcd.
 *
 * A client's write becomes a {@linkcode Command}, which `command_codec.ts` encodes. It is the opaque data
 * of a log entry. On every node, `store.ts` applies the entry once it is committed. Nothing here reads a
 * clock, the environment or a random number, and nothing awaits: the effect of an entry depends only on the
 * entry and on the state before it.
 *
 * **Where to begin.** `transaction.ts` and `command.ts` have the requests, `store.ts` the effect of an entry,
 * `run_transaction.ts` the effect of a transaction. `multi_version_store.ts` has keys with their versions and
 * history. Below it, `record.ts`, `arena.ts` and `ordered_index.ts` lay them out in memory: there is no
 * object for each key, so a million keys cost the garbage collector nothing. Readers use `store_view.ts`.
 * `range_reader.ts` and `watch_hub.ts` read in slices, which never block the loop. `lessor.ts` is the leader's
 * part of leases. `store_tables.ts` converts the store to rows on disk and back. `store_invariants.ts` checks
 * the whole store.
 *
 * **Revisions.** A revision is the log index of the write that made it; there is no other counter. A
 * command that changes nothing takes no revision, so revisions have gaps. A key has the revision that
 * created it, the revision that last changed it, and the number of its writes. If it is deleted and written
 * again, these start again.
 *
 * **The applied index** is the index of the last entry that a store has applied. It makes replay after a
 * crash exact: entries at or below it are skipped, the next one is applied, and a gap stops the node. An
 * entry with a certificate, or with bytes that are no command, changes only this index.
 *
 * **Exactly once.** A client that gives a write an idempotency key may send the write again, to any node,
 * as long as it does not know the outcome. One attempt takes effect. All attempts get the same answer,
 * except for what the first one read. The answer is part of the state (`write_memory.ts`): key, digest of
 * the command, and result. It is kept for {@linkcode REMEMBERED_ENTRIES} entries of the log, counted from
 * the write's own. No clock decides, so all nodes forget it at the same entry. A failed condition is
 * remembered like a success. The same key with another command is refused: the key belongs to the command
 * that comes first in the log. A key also belongs to its token: the same key with another token is another
 * write. A client that retries after the window can cause its write to take effect twice.
 *
 * **Tokens.** The tokens of the API are part of the state too, separate from the keys: at most
 * {@linkcode TOKENS_MAX} tokens, each with the digest of its secret, its rights and its prefixes. Secrets never come
 * here. `lib/http` checks requests; nothing here knows about requests.
 *
 * **Limits** are checked when a command is encoded, and again when it is decoded: a command reaches the log
 * of a follower without passing that follower's HTTP API.
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
  EXPIRES_BIT,
  expiresBit,
  fromScopeBits,
  hasScope,
  isExpired,
  type NewToken,
  SECRET_DIGEST_BYTES,
  type Token,
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
  checkRange,
  compareKeys,
  compareValues,
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
  type LeaseTerms,
} from "./lease_table.ts";
export type { LeaseEnvelope, LeaseMessage, LeaseReply } from "./lease_message.ts";
export { Lessor } from "./lessor.ts";
export {
  checkIdempotencyKey,
  checkKeyBytes,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  KEY_BYTES_MAX,
  LEASE_TTL_SECONDS_MAX,
  TOKEN_ID_LENGTH,
  TRANSACTION_BYTES_MAX,
  VALUE_BYTES_MAX,
} from "../limits.ts";
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
  TRANSACTION_KEYS_MAX,
  TRANSACTION_PARTS_MAX,
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
