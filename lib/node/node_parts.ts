/**
 * Makes the parts of a node when it starts, and checks that they fit together.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import { equalBytes } from "../bytes.ts";
import {
  type Certifier,
  type GrantKeys,
  type Group,
  parseGenesisStatement,
  verifyMembershipNote,
} from "../certificate/mod.ts";
import type { ClusterConfig, PeerKeys, PinnedClusterConfig, TimingConfig } from "../config/mod.ts";
import { InputError } from "../errors.ts";
import { IDENTITY_FILE } from "../keys/mod.ts";
import { isCommand, type Store } from "../kv/mod.ts";
import {
  type MembersConfig,
  Raft,
  type RaftConfig,
  type RaftView,
  type RoleReport,
} from "../raft/mod.ts";
import { CorruptionError, KEY_VALUE_FILE, type Stores } from "../storage/mod.ts";
import type { NodeId } from "../types.ts";
import { ClusterMembers } from "./cluster_members.ts";
import { Evidence } from "./evidence.ts";
import { toTicks } from "./inbox.ts";
import type { Keyring } from "./keyring.ts";
import type { Network } from "./network.ts";

/** What a node is started with. */
export interface NodeOptions {
  /** The cluster's configuration, with every node's public keys. */
  readonly config: PinnedClusterConfig;
  /** This node; one of the configuration's peers. */
  readonly self: NodeId;
  /** Its identity's public keys; absent if nothing is checked against them. */
  readonly ownKeys?: PeerKeys;
  /** Opens the connections, unless they are open already. They belong to the node from then on. */
  readonly openNetwork: (config: PinnedClusterConfig) => Network;
  /** The public description of the cluster's key, as it was made. */
  readonly group: Group;
  /** The genesis certificate; null if a dealer made the key. */
  readonly genesis: string | null;
  /** What it signs with, as of the beginning of its log. */
  readonly openKeys: (record: string | null) => Keyring;
  /** The node's own data folder. */
  readonly dataDir: string;
  /** Called at every change of role, term or leader, in order. Must not throw. */
  readonly onRole?: (report: RoleReport) => void;
}

/**
 * The parts of a node, which {@linkcode openParts} makes.
 *
 * @internal
 */
export interface NodeParts {
  readonly stores: Stores;
  readonly store: Store;
  readonly raft: Raft;
  readonly keyring: Keyring;
  readonly members: ClusterMembers;
  readonly evidence: Evidence;
  /** Checks that the members know this node by its keys. @throws {InputError} when they do not. */
  readonly checkKeys: () => void;
}

/** Opens the keys as of the log, and checks that this node can run with that log. */
export function openParts(options: NodeOptions, stores: Stores): NodeParts {
  const { self, dataDir: folder, config } = options;
  checkLostState(stores, { folder, peerCount: config.peers.length - 1 });
  const durable = stores.raft.load();
  const keyring = options.openKeys(durable.members);
  const store = stores.takeStore();
  const raft = new Raft(toRaftConfig({ self, config, ...keyring }), durable, store.appliedIndex);
  const { membership } = raft.state.members.inForce.configuration;
  const members = new ClusterMembers(options, membership);
  if (members.isFormer(self)) throw new RemovedError(self, folder);
  const checkKeys = () =>
    checkOwnKeys(members, options, { founding: keyring.founding, state: raft.state });
  checkKeys();
  warnOfShare(keyring, self);
  const { certifier } = keyring;
  const evidence = new Evidence({ folder, certificates: stores.raft, certifier });
  keyring.claim();
  return { stores, store, raft, keyring, members, evidence, checkKeys };
}

/**
 * Warns of a share that is missing or wrong, while the members count on it: it was lost, or the folder is an older
 * copy.
 */
function warnOfShare({ certifier, members }: Keyring, self: NodeId): void {
  if (members === null || certifier.canSign || !certifier.voters.includes(self)) return;
  const advice = "it has no share of this epoch and signs nothing; floe reshare gives it a new one";
  getLogger(["floe", "node"]).warn("share.lost", { epoch: certifier.epoch, advice });
}

/** What a node knows of the chain of memberships. */
interface KnownChain {
  readonly founding: string | null;
  readonly state: Pick<RaftView, "cluster">;
}

/**
 * A node with other keys than the members know could prove nothing to them. But its log may be behind: it was down
 * when the members took its new card. Then its cluster.json has these keys, and no statement of its log ever had
 * them.
 */
function checkOwnKeys(
  members: ClusterMembers,
  { self, ownKeys }: NodeOptions,
  chain: KnownChain,
): void {
  if (ownKeys === undefined || !members.hasOtherKeys(self, ownKeys)) return;
  if (members.isInFile(self, ownKeys) && !wereKnown(self, ownKeys, chain)) return;
  throw new InputError(
    `Cannot run ${self}: the members know it by other keys than those in its ${IDENTITY_FILE}. Put the ` +
      "identity back whose card was given to floe member (or floe init), or give the members this " +
      `one's card: floe member update ${self} --card CARD.`,
  );
}

/** Whether the genesis or any statement of the log had these keys for the node. */
function wereKnown(
  self: NodeId,
  { signingKey }: PeerKeys,
  { founding, state }: KnownChain,
): boolean {
  const genesis = founding === null ? null : parseGenesisStatement(founding);
  const statements = genesis === null
    ? []
    : state.cluster.certificates.map(({ byOld }) => verifyMembershipNote(byOld, genesis).statement);
  return [...genesis?.voters ?? [], ...statements.flatMap(({ members }) => members)]
    .some(({ id, identityKey }) => id === self && equalBytes(identityKey, signingKey));
}

/** This node was removed. The message is for its operator. */
export class RemovedError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "RemovedError";

  /** `folder` is the node's data folder. */
  constructor(self: NodeId, folder: string) {
    super(
      `${self} was removed from the cluster, and its id is never used again. Nothing in ${folder} is of ` +
        "use any more: delete the folder. To join again, make a new identity under another id: floe join.",
    );
  }
}

/** The configuration of the core in one process of a node: its times in ticks, and a new incarnation. */
export function toRaftConfig(
  { self, certifier, grants, members = null, config }: {
    readonly self: NodeId;
    readonly certifier: Certifier;
    readonly grants: GrantKeys;
    readonly members?: MembersConfig | null;
    readonly config: ClusterConfig;
  },
): RaftConfig {
  return {
    self,
    certifier,
    grants,
    ...(members === null ? {} : { members }),
    ...toTickCounts(config.timing),
    logLimits: config.log,
    isCommand,
    random: Math.random,
    incarnation: randomSafeInteger(),
  };
}

/** As many random bits as fit into the number in a message. */
function randomSafeInteger(): number {
  const [random = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return Number(BigInt.asUintN(53, random));
}

function toTickCounts(
  timing: TimingConfig,
): Pick<RaftConfig, "electionTimeoutTicks" | "heartbeatTicks" | "signingTimeoutTicks"> {
  return {
    electionTimeoutTicks: toTicks(timing.electionTimeoutMs),
    heartbeatTicks: toTicks(timing.heartbeatMs),
    signingTimeoutTicks: toTicks(timing.signingTimeoutMs),
  };
}

/**
 * Warns when the store was made anew and the log no longer reaches back to its beginning. Then the leader must
 * send a snapshot; until it is here, this node votes and keeps entries, but does not lead.
 *
 * @throws {CorruptionError} when there is no other node to send one.
 */
function checkLostState(
  stores: Stores,
  { folder, peerCount }: { readonly folder: string; readonly peerCount: number },
): void {
  if (!stores.lacksState) return;
  const { index } = stores.raft.logStart;
  if (peerCount > 0) {
    return getLogger(["floe", "node"]).warn("state.lost", { index, next: "snapshot of a leader" });
  }
  throw new CorruptionError({
    file: join(folder, KEY_VALUE_FILE),
    damage: `it was made anew, the log starts after entry ${index}, and there is no other node`,
    wayBack: "Put back every file whose name begins with kv.db that was moved out of this folder.",
  });
}
