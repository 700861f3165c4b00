/**
 * What a node keeps on disk: `raft` (hard state, log, certificates), a folder of append-only files, and
 * `kv.db` (the state machine's data), SQLite, in one data folder of mode 0700. `log/` writes and reads the
 * log's files; `tables/` follows the state machine, which is in memory, to kv.db; `snapshot/` makes and
 * installs copies of kv.db.
 *
 * A node that forgets what it has promised is worse than one that is down: it can vote twice in a
 * term, or take back an acknowledged entry. So everything here serves one rule: **what was durable
 * is either there, or its absence is noticed and the node does not start.** Nothing is ever repaired
 * silently. `openStores` is the way in.
 *
 * ## Writing
 *
 * `RaftStore.persist` takes a batch and returns at once. The log writes it as one record, syncs the file
 * off the loop, and says so; batches that come meanwhile are the next record. There is never more than one
 * record on its way. With records of 6 KB the loop is held 0.03 ms, and a batch is durable after 0.2 ms; a
 * worker thread that syncs took 0.3 ms and held the loop as long. A file that grows takes 0.5 ms to sync,
 * so it is made longer 256 KiB at a time before it needs to be.
 *
 * The state machine is in the loop's memory, and its tables follow it: the loop never reads or writes
 * `kv.db`. `Tables.write` takes a batch (`TableWriter` in `lib/kv`), encodes it, and hands it to a worker
 * thread, which alone has kv.db open. A batch leads the tables from one applied index to a later one, in one
 * transaction with its fsync (`synchronous=FULL`). So what is written is durable, and the log may forget it.
 * A batch that would hold the loop crosses in parts of half a MiB.
 *
 * All tables are alike: a key, and beside it a row that ends in a CRC-32 over table, key and row
 * (`tables/rows.ts` says what rows say), against damage; a snapshot has a SHA-256 over all of the file. A key of the store has a row; history and remembered writes,
 * which are only added at one end and removed at the other, lie in rows of many.
 *
 * After any failed write a store refuses every further use. An fsync that failed has an unknown
 * outcome, and a second one may succeed without the data; so none is tried again, not even by
 * SQLite: checkpoints are run here, where their errors are seen, and not by its autocheckpoint.
 * `Deno.exit` then ends the process without SQLite's own last checkpoint; a normal end does not. For the
 * same reason the worker is not terminated after a failure: that would close the database.
 *
 * ## The log's files
 *
 * Segments follow each other, each of 8 MiB and a record at most. The first record of a segment says whose
 * log it is and all that is needed of the segments before: term and vote, where the log starts and ends.
 * So a segment is removed as a whole once all of its entries are compacted. Its certificates are copied to
 * the file `elections` first, and a record of the log says how long that file must be.
 *
 * A record has a SHA-256 over itself and that of the record before (`log/record.ts`). One that is not as it
 * was written is a write that was cut short if no record follows it: nobody was told of it, and it is cut
 * off. If one does follow, it was durable and is damaged: the node does not start. The last record of a
 * segment says that the log goes on in the next one, which is made before that is written; so a lost segment
 * is missed. Entries that replace others, and a snapshot that replaces the log, are records like all others.
 *
 * ## When the process dies
 *
 * | at this moment | the next start finds |
 * | --- | --- |
 * | while a record is written or synced | all of its batches or none; nobody was told of them |
 * | after the sync, before its messages leave | the batches; peers ask again |
 * | after the sync, before `apply` | kv.db behind the log; it is applied once committed again |
 * | between two segments | the next one, empty, without a word of it in the last one: it is removed |
 * | while segments are removed | those that are left, behind a gap perhaps: they are removed |
 * | while a batch of rows is written | kv.db before or after the whole batch, with its applied index |
 * | in a checkpoint of kv.db | the write-ahead log still whole; SQLite reads it again |
 * | it ends by itself without `close` | everything that was written |
 * | while a file is made for the first time | its guard still empty; it is made again |
 * | between the log and a snapshot's swap | kv.db behind the log's start; the swap is completed |
 *
 * `floe snapshot restore` makes a folder whose log begins behind a snapshot, in term 0 (`snapshot/restore.ts`).
 *
 * kv.db is never ahead of the log, because the node applies only what is durable there. If it is,
 * the log has lost its end: `openStores` refuses. Nor is it behind the log's start: the log is only
 * compacted up to what `Tables` has written, or a snapshot is there. A
 * kv.db that has applied nothing at all is the exception: an operator has moved the old one away, and
 * a snapshot of the leader takes its place (`Stores.lacksState`).
 *
 * ## What is checked at start
 *
 * 1. **The guards** (`raft.guard`, `kv.db.guard`): locked while in use, and not empty once what they stand
 *    beside was made. So a deleted log is not taken for a new node. A kv.db without a log says the same.
 * 2. **The owner**: cluster and node, as written when the files were made.
 * 3. **The log**: each record against its SHA-256 and the one before; no segment missing; batches that
 *    follow each other as they may; the log without gaps from its start on, its terms never falling.
 * 4. **The head of SQLite's write-ahead log**: of one that is damaged or gone SQLite would read nothing.
 * 5. **SQLite's own structure**: `integrity_check` up to 64 MiB, `quick_check` up to 512 MiB.
 * 6. **Each row of kv.db** against its CRC-32, as all of them are read into memory, and that there are as
 *    many as its index has. History must fit the keys, and every key's lease must be there.
 *
 * ## What cannot be noticed
 *
 * * Damage inside the log's very last record, or that record cut off: it looks like a write that was
 *   interrupted. A node that stops in order writes one more record, so that nothing of the log is the last.
 *   After a kill it shows only if kv.db has already applied what was lost.
 * * A whole row of kv.db that is gone together with its entry in the index, unless history or a key needs
 *   it. In a kv.db above 64 MiB, an index that leads from one key to another's row: the next start finds
 *   the row that was then overwritten.
 * * Damage inside the write-ahead log of kv.db, which SQLite takes for a commit that was cut short: it goes
 *   back to the batch before, and the log is applied to it again. If the log no longer reaches back so far,
 *   it is noticed.
 * * A whole folder replaced by an older copy of itself, or everything deleted but the key share.
 *   No file in a folder can witness against that. A node that lost its disk must not come back
 *   under its old share, and a backup of a folder is not a way to bring a voter back.
 *
 * A data folder of the version that kept the log in SQLite (`raft.db`), or of one whose kv.db had other
 * tables, is refused with that reason, and with how to move its data.
 *
 * ## Why these settings
 *
 * Exclusive locking keeps the index of the write-ahead log in memory and every other program out.
 * Keys are byte strings, because Deno cuts SQLite text at U+0000. Tables have row ids: measured with
 * 256-byte values, `WITHOUT ROWID` doubled the time of a put. A start reads them in the order of their
 * row ids, which is that of the file.
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
export type { StoreOptions } from "./open_database.ts";
export {
  checkRaftStore,
  hasRaftStore,
  openRaftStore,
  RAFT_FOLDER,
  RaftStore,
  type RaftStoreUser,
} from "./raft_store.ts";
export type { Chunk } from "./snapshot/incoming.ts";
export { isOnlyRestored, type Restored, restoreSnapshot } from "./snapshot/restore.ts";
export {
  readSavedFile,
  type SavedFile,
  type SavedHead,
  SavedSnapshot,
} from "./snapshot/saved_file.ts";
export { SNAPSHOT_BYTES_MAX, type SnapshotFile } from "./snapshot/snapshot_file.ts";
export { Snapshots } from "./snapshot/snapshots.ts";
export { CorruptionError } from "./storage_error.ts";
export { openStores, Stores } from "./stores.ts";
export { KEY_VALUE_FILE } from "./tables/table_file.ts";
export type { Installation, Tables, TablesUser } from "./tables/tables.ts";
export type { LogFile, LogFiles } from "./log/files.ts";
