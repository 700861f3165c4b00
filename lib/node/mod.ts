/**
 * A node: one loop connects the core, its stores, its connections and its clients.
 *
 * **One turn at a time.** A message, a client's request, the end of a snapshot's work: every event is an input
 * that waits in `inbox.ts`, and no callback does more than put it there. A turn hands the core all inputs that
 * have come, with the ticks that have passed, and `loop.ts` does what the core's output says: it sends to
 * followers, hands batches to the log, and answers clients. What has to wait for the disk is kept until an
 * input says that the batch is durable: then a snapshot is installed, entries are applied, and messages leave.
 * A turn never awaits, and never waits for a disk: heartbeats and reads go on while a disk is slow. This is
 * the only place where effects are ordered, and simulations run this same code.
 *
 * **Time** is counted in ticks of a monotonic clock (`inbox.ts`). A process that stood still gets only a few
 * ticks at once, so it hears its peers before it concludes that they were silent.
 *
 * **The state machine** is in memory (`live_store.ts`). After entries were applied, its watchers learn of the
 * changes in the same turn. A leader's snapshot replaces the store, and ends all watches: this node does not
 * know what changed in between.
 *
 * **Clients** see {@linkcode NodeApi}, which `client_service.ts` implements for a running node. Each of their
 * requests (`requests.ts`, `transfers.ts`) waits for one thing at a time, until its own deadline; there is a
 * limit to how many can wait. A refusal says whether the write may nevertheless take effect. Reads are
 * answered from memory, once the core has confirmed them.
 *
 * **Leases** (`leases.ts`) are counted by the leader alone. A follower passes its clients' questions about
 * leases on, and the leader answers after it has confirmed that it leads. The end of a lease is an entry of
 * the log; the entry does nothing if another node leads by the time it is applied.
 *
 * **A watch of the cluster** shows each node as it sees itself (`cluster_views.ts`): while there is a watch,
 * this node asks its peers a few times a second. `candidacies.ts` records the elections in which this node was
 * a candidate.
 *
 * **The log stays short.** `table_keeper.ts` writes the store's contents to its tables, in the background and
 * in large batches; the core forgets entries that the tables have. `snapshots.ts` sends snapshots to followers
 * that need forgotten entries, and receives them. Long work is done off the loop, and its outcome is another
 * input.
 *
 * **A failure stops the node.** After a failed write, a damaged row, a data folder that was removed or
 * replaced (`folder_watch.ts`) or a broken invariant, the node's state is no longer certain. It answers the
 * waiting clients, sends nothing more to any node, and {@linkcode Node.closed} rejects.
 *
 * **Before there is a key**, the node makes one together with the others (`key_generation/`), in the same
 * process and over the same connections (`network.ts`); only the user of the connections changes. Meanwhile
 * the API serves nothing but the progress (`http/app.ts`).
 *
 * **The members** stand in the log from the first change on (`cluster_members.ts`). `keyring.ts` opens the
 * node's keys as of the beginning of its log, and keeps new shares. Operators ask for a goal
 * (`member_service.ts`, `members_goal.ts`); a node that joins verifies everything under the group key
 * (`join.ts`).
 *
 * **What all nodes know of each other** is `cluster.json` (`config/cluster_config.ts`), made of peer cards
 * (`config/peer_card.ts`). Nodes whose files differ notice it and report the difference
 * (`config/config_difference.ts`).
 *
 * **What a node alone knows** is in its data folder, which only one process uses at a time
 * (`keys/private_file.ts`):
 *
 * | file | what | secret |
 * | --- | --- | --- |
 * | `identity.json` | the node's own two key pairs (`keys/identity.ts`) | yes |
 * | `keygen.json` | a key generation that is not done (`keys/record_file.ts`) | yes |
 * | `share.json` | its shares of the cluster's key: that in force, and the next (`keys/node_keys.ts`) | yes |
 * | `group.json` | the cluster's public key as it was made, and its genesis (`keys/group_file.ts`) | no |
 * | `evidence.json` | two leaders of one term, if that was ever seen (`evidence.ts`) | no |
 * | `raft`, `kv.db` | what it voted, its log, its data (`lib/storage`) | no key is in them |
 *
 * A secret file that other users can read is refused (`keys/secret_file.ts`). With a passphrase, secret files
 * are encrypted (`keys/sealed_text.ts`). `keys/backup.ts` says which files can safely be put back, and which
 * cannot.
 *
 * @module
 */

export {
  type Consistency,
  type LeaderAnswer,
  type LeaseAnswer,
  type NodeApi,
  type NodeStatus,
  type PeerStatus,
  RequestError,
  type RequestFailure,
  type SnapshotInMaking,
  type WatchRefusal,
  type WriteAnswer,
} from "./api.ts";
export type {
  EndedMembersChange,
  MemberCard,
  MembersChange,
  MembershipChain,
  MembersPlan,
  MembersRequest,
  MembersStatus,
  MembersStep,
  MemberStatus,
  Timeout,
} from "./members_api.ts";
export { type ClusterWatch, VIEW_INTERVAL_MS, type WriteTimes } from "./cluster_views.ts";
export type { EvidenceReport } from "./evidence.ts";
export {
  type KeyGenerationOptions,
  KeyGenerationRun,
} from "./key_generation/key_generation_run.ts";
export { openOwnKeys, prepareKeyGeneration } from "./key_generation/own_keys.ts";
export type {
  Awaited,
  AwaitedStep,
  KeyGenerationPeer,
  KeyGenerationReport,
  KeyPhase,
} from "./key_generation/report.ts";
export { toVerifiedConfig, type VerifiedCluster, verifyCluster, writeJoiner } from "./join.ts";
export { type Keyring, type KeyringParts, openKeyring } from "./keyring.ts";
export {
  type KeyGenerationNetwork,
  Network,
  type NetworkUser,
  type ShownChain,
} from "./network.ts";
export type { NodeFigures, SigningFailure, SigningFault, TimingCounts } from "./observer.ts";
export { Node, startNode } from "./node.ts";
export { type NodeOptions, type NodeParts, RemovedError } from "./node_parts.ts";
