/**
 * What a node signs with: its identity, and its shares of the epochs that its log knows.
 *
 * @module
 */

import { type KeyObject, sign } from "node:crypto";
import { assertDefined } from "../assert.ts";
import {
  type Certifier,
  createCertifier,
  createGrantKeys,
  createMembershipSigner,
  encodeGenesisStatement,
  type GenesisStatement,
  type GrantKeys,
  type Membership,
  parseGenesisStatement,
  toDealtStatement,
  toFirstMembership,
  toGroup,
  verifyGenesis,
  verifyMembership,
} from "../certificate/mod.ts";
import { type PinnedClusterConfig, toGenesisRoster } from "../config/mod.ts";
import { catching, InputError } from "../errors.ts";
import {
  checkFounders,
  claimShare,
  type KeyFolder,
  type NodeIdentity,
  type NodeKeys,
  writeShares,
} from "../keys/mod.ts";
import type { MembersConfig, RaftConfig } from "../raft/mod.ts";
import { decodeMembersRecord, type DurableShares } from "../reshare/mod.ts";
import type { NodeId } from "../types.ts";

/** A node's secrets, and the folder that they are in. */
export interface KeyringParts {
  /** The cluster's configuration, with every node's public keys. */
  readonly config: PinnedClusterConfig;
  /** The node's folder. Its passphrase is needed for as long as the node runs, as shares change. */
  readonly folder: KeyFolder;
  /** Its key files. The keyring takes them over, and erases their secrets when it is claimed. */
  readonly keys: NodeKeys;
  /** Signs in its name. */
  readonly identity: Pick<NodeIdentity, "signingKey">;
}

/** A node's keys, as of the beginning of its log. */
export interface Keyring extends Pick<RaftConfig, "certifier" | "grants"> {
  /** What changes of the members need; null in a cluster whose members never change. */
  readonly members: MembersConfig | null;
  /** The text that the genesis states; null for a cluster of one. */
  readonly founding: string | null;
  /** Marks the keys as used, and erases the copies of the shares that the core has taken. */
  claim(): void;
  /** Makes shares durable in place of those on the disk, and erases the given copies. */
  persistShares(shares: DurableShares): void;
}

/**
 * Opens a node's keys. `record` is what its log begins with: see `LogStart.members` of `lib/raft`.
 *
 * @throws {InputError} when keys, configuration and record do not fit together.
 */
export function openKeyring(parts: KeyringParts, record: string | null): Keyring {
  return parts.keys.group.voters.length === 1 ? openSingle(parts) : openShared(parts, record);
}

const randomBytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

function openShared(parts: KeyringParts, record: string | null): Keyring {
  const { folder: { self, dataDir }, keys, identity: { signingKey }, config } = parts;
  const genesis = toFounding(parts);
  const certificates = record === null ? [] : decodeMembersRecord(record).certificates;
  const membership = certificates.reduce(verifyMembership, toFirstMembership(genesis));
  const shares = keys.shares.reveal();
  // Only a node that has had a share from the beginning relies on its cluster.json alone.
  if (membership.sequence === 0 && shares.current?.epoch === membership.epoch) {
    checkFounders(dataDir, keys.group, config);
  }
  const members: MembersConfig = {
    membership,
    shares,
    openShare: (opened, share) => openShare(opened, self, share),
    openGrants: (opened) => openGrants(parts, opened),
    openSigner: (group, share) => createMembershipSigner({ group, self, share, randomBytes }),
    sign: (message) => signAs(signingKey, message),
    randomBytes,
  };
  const founding = encodeGenesisStatement(genesis);
  return {
    certifier: openShare(membership, self, ownShare(membership, shares)),
    grants: openGrants(parts, membership),
    members,
    founding,
    claim: () => claim(parts, keys.genesis === null ? founding : null),
    persistShares: (changed) => writeShares(parts.folder, keys.group, changed),
  };
}

/** A cluster of one has a key, and no shares that could be reshared. */
function openSingle(parts: KeyringParts): Keyring {
  const { folder: { self }, keys, config, identity: { signingKey } } = parts;
  const { group } = keys;
  const { secret } = assertDefined(keys.shares.reveal().current ?? undefined, "A key of its own");
  const voters = config.peers.map(({ id, keys: { signingKey: identityKey } }) => ({
    id,
    identityKey,
  }));
  const { cluster, epoch } = group;
  return {
    certifier: createCertifier({ group, self, share: secret, randomBytes }),
    grants: createGrantKeys({ cluster, epoch, self, signingKey, voters }),
    members: null,
    founding: null,
    claim: () => claim(parts, null),
    persistShares: (changed) => writeShares(parts.folder, group, changed),
  };
}

function claim({ folder, keys }: KeyringParts, founding: string | null): void {
  claimShare(folder, keys, founding);
  keys.shares.erase();
  folder.passphrase?.keepOwnKey();
}

/** What the genesis states. If a dealer made the key, cluster.json has the rest, the first time. */
function toFounding({ keys, config, folder }: KeyringParts): GenesisStatement {
  const { group, genesis, founding } = keys;
  if (genesis !== null) return verifyGenesis(genesis);
  if (founding !== null) return parseGenesisStatement(founding);
  checkFounders(folder.dataDir, group, config);
  return toDealtStatement(toGenesisRoster(config), group);
}

/** A share of a failed attempt does not belong to the membership. */
function openShare(membership: Membership, self: NodeId, share: Uint8Array | null): Certifier {
  const group = toGroup(membership);
  return catching(
    InputError,
    () => createCertifier({ group, self, share, randomBytes }),
    () => createCertifier({ group, self, share: null, randomBytes }),
  );
}

function ownShare({ epoch }: Membership, { current, next }: DurableShares): Uint8Array | null {
  return [current, next].find((share) => share?.epoch === epoch)?.secret ?? null;
}

/** Until the first membership, an identity can differ from the one in the genesis: then cluster.json has it. */
function openGrants(
  { config, folder: { self }, identity: { signingKey } }: KeyringParts,
  { cluster, epoch, sequence, members }: Membership,
): GrantKeys {
  const voters = members.map(({ id, identityKey }) => {
    const pinned = config.peers.find((peer) => peer.id === id)?.keys.signingKey;
    return { id, identityKey: sequence === 0 ? pinned ?? identityKey : identityKey };
  });
  return createGrantKeys({ cluster, epoch, self, signingKey, voters });
}

function signAs(signingKey: KeyObject, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, signingKey));
}
