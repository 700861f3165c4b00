/**
 * What a node keeps on disk: `raft.db` (hard state, log, certificates) and `kv.db` (the state
 * machine's data), both SQLite, in one data folder of mode 0700. `snapshot/` makes and installs copies
 * of kv.db.
 *
 * A node that forgets what it has promised is worse than one that is down: it can vote twice in a
 * term, or take back an acknowledged entry. So everything here serves one rule: **what was durable
 * is either there, or its absence is noticed and the node does not start.** Nothing is ever repaired
 * silently. `openStores` is the way in.
 *
 * ## Writing
 *
 * `RaftStore.persist` is one transaction and, with `synchronous=FULL`, one fsync of the write-ahead
 * log. `kv.db` runs with `synchronous=NORMAL`: its transactions survive the death of the process, but
 * a power failure may undo the last of them, in order. The log replays those, as the applied
 * index is in the same transaction as the data.
 *
 * After any failed write a store refuses every further use. An fsync that failed has an unknown
 * outcome, and a second one may succeed without the data; so none is tried again, not even by
 * SQLite: checkpoints are run here, where their errors are seen, and not by its autocheckpoint.
 * `Deno.exit` then ends the process without SQLite's own last checkpoint; a normal end does not.
 *
 * ## When the process dies
 *
 * | at this moment | the next start finds |
 * | --- | --- |
 * | in `persist`, before the fsync | the batch entirely or not at all; nobody was told of it |
 * | after `persist`, before its messages leave | the batch; peers ask again |
 * | after `persist`, before `apply` | kv.db behind the log; it is applied once committed again |
 * | in `apply` | kv.db before or after the whole batch, with the applied index that goes with it |
 * | in a checkpoint | the write-ahead log still whole; SQLite reads it again |
 * | it ends by itself without `close` | everything: Deno closes the databases |
 * | while a database is made for the first time | its guard still empty; it is made again |
 * | between raft.db and a snapshot's swap | kv.db behind the log's start; the swap is completed |
 *
 * kv.db is never ahead of raft.db, because the node applies only what it has persisted. If it is,
 * the log has lost its end: `openStores` refuses. Nor is it behind the log's start: the log is only
 * compacted up to what `SqliteKeyValueStore.checkpoint` has made durable, or a snapshot is there. A
 * kv.db that has applied nothing at all is the exception: an operator has moved the old one away, and
 * a snapshot of the leader takes its place (`Stores.lacksState`).
 *
 * ## Compaction
 *
 * The log's start is part of the hard state's row, so it moves in one transaction with all else.
 * Entries before it are gone from that moment on. Their rows are deleted little by little in later
 * transactions: all at once, 100,000 rows of 1 KiB would block the node for 170 ms.
 *
 * ## What is checked at start
 *
 * 1. **The guard** (`raft.db.guard`, `kv.db.guard`): locked while in use, and not empty once the
 *    database was made. So a deleted database is not taken for a new node. A kv.db without a raft.db
 *    says the same.
 * 2. **The write-ahead log**, before SQLite reads it: SQLite would take a damaged frame for its end.
 * 3. **The owner**: cluster and node, as written when the database was made.
 * 4. **SQLite's own structure**: `integrity_check` up to 64 MiB, `quick_check` up to 512 MiB.
 * 5. **Each row** against its SHA-256: the hard state and the whole log at start, certificates
 *    whenever they are read. The log without gaps from its start on, its terms never falling, ending
 *    where the hard state says and not above its term. Key-value rows, remembered writes and tokens
 *    whenever they are read, and all of them at start in a kv.db of up to 16 MiB.
 *
 * ## What cannot be noticed
 *
 * * Damage inside the very last transaction of the write-ahead log, or the end of that file cut
 *   off: SQLite's format makes this look like a write that a power failure interrupted. Only if
 *   kv.db has already applied what was lost does it show.
 * * In a kv.db above 64 MiB, an index that no longer leads to its row: the key seems not to be there,
 *   or a remembered write or a token seems forgotten.
 * * Damage inside the write-ahead log of kv.db, where a power failure leaves holes by right: SQLite
 *   goes back to the state before, and the log is applied to it again.
 * * A whole folder replaced by an older copy of itself, or everything deleted but the key share.
 *   No file in a folder can witness against that. A node that lost its disk must not come back
 *   under its old share, and a backup of a folder is not a way to bring a voter back.
 *
 * ## Why these settings
 *
 * Exclusive locking keeps the index of the write-ahead log in memory and every other program out.
 * Keys are byte strings, because Deno cuts SQLite text at U+0000. Tables have row ids: measured with
 * 256-byte values, `WITHOUT ROWID` doubled the time of a put.
 *
 * @module
 */

export {
  createDataFolder,
  fileError,
  readFully,
  removeIfThere,
  syncFolder,
  writeFully,
} from "./folder.ts";
export { KEY_VALUE_FILE, openKeyValueStore, SqliteKeyValueStore } from "./key_value_store.ts";
export type { StoreOptions } from "./open_database.ts";
export { openRaftStore, RAFT_FILE, RaftStore } from "./raft_store.ts";
export type { Chunk } from "./snapshot/incoming.ts";
export { SNAPSHOT_BYTES_MAX, type SnapshotFile } from "./snapshot/snapshot_file.ts";
export { Snapshots } from "./snapshot/snapshots.ts";
export { CorruptionError } from "./storage_error.ts";
export { openStores, Stores } from "./stores.ts";
export type { Database, Row } from "./database.ts";
export type { RememberedTable } from "./remembered_table.ts";
export type { TokenTable } from "./token_table.ts";
