/**
 * A node: the core, its stores, its connections and its clients, tied together by one loop.
 *
 * **One turn at a time.** A message, a client's request, the end of a snapshot's work: everything that happens
 * is an input that waits in `inbox.ts`, and no callback does more than put it there. A turn hands the
 * core all that has come, with the ticks that have passed, and `loop.ts` does what the core's output
 * says: send to followers, hand over what is to be written, tell clients. What has to wait for the disk is
 * kept until an input says that it is durable: then a snapshot is installed, entries are applied, and
 * messages leave. A turn never awaits, and none waits for a disk: heartbeats and reads go on while one is
 * slow. This is the only place where effects are ordered, and simulations run it as it is.
 *
 * **Time** is ticks of a clock that nobody sets (`inbox.ts`). A process that stood still gets few of
 * them at once, and so hears its peers before it concludes that they were silent.
 *
 * **The state machine** is in memory (`live_store.ts`). After entries were applied, its watchers hear of
 * what changed, in the same turn. A leader's snapshot puts another store in its place, and ends all watches:
 * what changed in between, nobody here knows.
 *
 * **Clients** see {@linkcode NodeApi}, which `client_service.ts` is for a running node. Their requests
 * (`requests.ts`), those to hand over included (`transfers.ts`), wait for one thing at a time, each to
 * its own deadline, and too many are refused. A refusal says whether the write may take effect all the
 * same. Reads are answered from memory, once the core has confirmed them.
 *
 * **Leases** (`leases.ts`) are counted by the leader alone. A node that does not lead passes what its
 * clients ask of them on, and the leader answers once it has confirmed that it leads. That a lease has run
 * out is an entry of the log, which does nothing if another node leads when it gets there.
 *
 * **Whoever watches the cluster** sees each node as it sees itself (`cluster_views.ts`): while somebody does, this
 * node asks its peers a few times a second. `candidacies.ts` remembers the elections that this node stood in.
 *
 * **The log stays short.** `table_keeper.ts` writes what the store holds to its tables, behind it, in large
 * batches; the core forgets entries that are there. `snapshots.ts` carries snapshots to and from followers
 * that would have needed them. What takes long is done off the loop, and its outcome is another input.
 *
 * **A failure stops the node.** After a write that failed, a row that cannot be trusted, a data folder
 * that was removed or replaced (`folder_watch.ts`) or a broken invariant, what the node believes is no longer certain. It answers the clients that wait, says
 * nothing more to anyone, and {@linkcode Node.closed} rejects.
 *
 * **Before there is a key**, the node makes one with the others (`key_generation/`), in the same process
 * and over the same connections (`network.ts`): only their user changes. Meanwhile the API
 * serves the progress alone (`http/app.ts`).
 *
 * **Who belongs to the cluster** the log says from the first change on (`cluster_members.ts`); `keyring.ts` opens
 * the node's keys for what its log begins with, and keeps new shares. Operators ask for a goal
 * (`member_service.ts`, `members_goal.ts`); a node joins by what it can verify (`join.ts`).
 *
 * **What all nodes know of each other** is `cluster.json` (`config/cluster_config.ts`), made of peer cards
 * (`config/peer_card.ts`). Nodes whose files differ notice it and say in what (`config/config_difference.ts`).
 *
 * **What a node alone knows** is in its data folder, which one process has at a time (`keys/private_file.ts`):
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
 * Secret files are refused where others can read them (`keys/secret_file.ts`), and are encrypted where there
 * is a passphrase (`keys/sealed_text.ts`). `keys/backup.ts` says what may be put back, and what may not.
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
