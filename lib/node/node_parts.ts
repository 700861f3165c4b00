/**
 * What a node is made of when it starts, and what must fit together for it to run.
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
  /** Its identity's public keys; absent where nothing is to be checked against them. */
  readonly ownKeys?: PeerKeys;
  /** Opens its connections to these nodes, from then on the node's own, unless they are there already. */
  readonly openNetwork: (config: PinnedClusterConfig) => Network;
  /** The public description of the cluster's key, as it was made. */
  readonly group: Group;
  /** The genesis certificate; null where a dealer made the key. */
  readonly genesis: string | null;
  /** What it signs with, for what its log begins with. */
  readonly openKeys: (record: string | null) => Keyring;
  /** The node's own data folder. */
  readonly dataDir: string;
  /** Told whenever role, term or leader changed, in order. Must not throw. */
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

/** Opens the keys for what the log has, and checks that this node may run with it. */
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

/** The members count on a share that is not here, or not the right one: it was lost, or the folder is older. */
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
 * A node that goes on under other keys than the members know could prove nothing to them. But its log may be
 * behind: it was down when the members took its new card. Then its cluster.json has these keys, and no statement
 * of its log ever had them.
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

/** This node is no member any more. The message is for its operator. */
export class RemovedError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "RemovedError";

  /** `folder` has the node's data. */
  constructor(self: NodeId, folder: string) {
    super(
      `${self} was removed from the cluster, and its id is never used again. Nothing in ${folder} is of ` +
        "use any more: delete the folder. To join again, make a new identity under another id: floe join.",
    );
  }
}

/** What the core of one process of a node is told: its times in ticks, and an incarnation of its own. */
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

/** As many random bits as a message's count can carry. */
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
 * Says so when the store was made anew and the log no longer reaches back to its beginning: the leader
 * must send a snapshot, and until it is here this node votes and keeps entries, but does not lead.
 *
 * @throws {CorruptionError} when there is no other node that could.
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
