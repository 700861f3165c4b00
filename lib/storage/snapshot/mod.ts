/**
 * Snapshots: a copy of `kv.db` at one applied index, as one file, for a follower whose next entry the
 * leader's log no longer has (Raft §7).
 *
 * What takes long is done by a worker (`jobs.ts`, behind `job_queue.ts`); in the loop there is only
 * what takes milliseconds, whatever the size. Measured with a kv.db of 1 GB on two cores, idle and
 * under 10,000 writes a second to any of its keys, as the longest pause of the loop:
 *
 * | step | takes | idle | writing |
 * | --- | --- | --- | --- |
 * | make | 7 s | 25 ms | 39 ms |
 * | store, by chunks of 1 MiB | 4 s | 17 ms | 27 ms |
 * | finish | 6 s | 9 ms | 63 ms |
 * | install | 5 ms | 5 ms | 6 ms |
 *
 * ## Making
 *
 * Only a checkpoint changes the file `kv.db`, and checkpoints are ours to make. So the worker copies
 * the file while the node goes on, and each checkpoint notes which pages it writes; these are copied
 * again, in rounds that grow shorter, and only during the last one, of at most 16 MiB, is there no
 * checkpoint. The copy is then what the file was at one moment. A second connection would cost more:
 * SQLite's exclusive lock, and a write-ahead log that grows for as long as the copying takes.
 *
 * The copy is read through before it is offered, so that damage to one node's disk is not sent to
 * others. Nobody asks for it after a restart, so it need not be durable; it is synced as it grows all
 * the same, and so is what arrives, as an fsync of the log would otherwise wait for all of it.
 *
 * ## Receiving
 *
 * Chunks are kept in order in one file, beside the snapshot's name (index, length, SHA-256), so that a
 * restart goes on where it was. When all is there, the worker checks the SHA-256, and that the file
 * is nothing else than kv.db of this cluster: the same tables and no view or trigger, SQLite's own
 * structure, each row against its SHA-256, the applied index. A leader is trusted with none of this;
 * what it could still do is send the state of a cluster that went another way, as it could send
 * other entries. Then the file is made this node's own, synced, and named `ready-<index>`.
 *
 * A snapshot that became ready too late, as the log has gone beyond it or its receiver leads, is
 * discarded. The one that a node has made is removed as soon as no log can go on from it.
 *
 * ## Installing
 *
 * First the log says durably that the log starts at the snapshot; then `ready-<index>` takes the
 * place of kv.db by one rename. When the process dies
 *
 * | at this moment | the next start finds | and |
 * | --- | --- | --- |
 * | while chunks arrive | what arrived | goes on from there |
 * | in the check | a file without a use | removes it; the leader sends it again |
 * | before the log says it | a ready file that nothing needs | removes it |
 * | before or within the swap | kv.db behind the log's start, and the ready file | completes the swap |
 * | after the rename | kv.db as it should be | removes the file that was replaced |
 *
 * A kv.db that is behind the log's start without a ready file is damage, and stops the node, unless it
 * is empty: then it was made anew, and the leader is asked for a snapshot.
 *
 * @module
 */

export type { Chunk } from "./incoming.ts";
export { SNAPSHOT_BYTES_MAX, type SnapshotFile } from "./snapshot_file.ts";
export { Snapshots } from "./snapshots.ts";
