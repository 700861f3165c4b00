/**
 * The chain of memberships, from the genesis on: which statement may follow which, and which epochs must
 * have signed it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { encodeUtf8, equalBytes } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { checkGroupPublicKeys, IDENTIFIER_MAX } from "../frost/mod.ts";
import type { NodeId } from "../types.ts";
import {
  CertificateError,
  type CertificateRefusal,
  type Group,
  type GroupVoter,
  NOTE_LENGTH_MAX,
} from "./certifier.ts";
import { toGroupPublicKeys } from "./frost_certifier.ts";
import { checkRoster, encodeGenesisStatement, type GenesisStatement } from "./genesis.ts";
import {
  encodeMembershipStatement,
  hashMembership,
  type Member,
  MEMBER_ADDRESS_LENGTH_MAX,
  MEMBERSHIP_LENGTH_MAX,
  type MembershipStatement,
  verifyMembershipNote,
} from "./membership.ts";

/** Most members, voters and learners together. */
export const MEMBERS_MAX = 1024;

/** What a chain says about a member. The genesis has no channel keys and no addresses. */
export type KnownMember =
  & Pick<Member, "id" | "role" | "identifier" | "identityKey" | "verifyingShare">
  & Partial<Pick<Member, "channelKey" | "peerAddress" | "apiAddress">>;

/** The membership after the last statement of a chain. The same chain gives the same membership. */
export interface Membership extends Omit<Group, "voters"> {
  /** How many statements followed the genesis. */
  readonly sequence: number;
  /** The hash that the next statement must name: 32 bytes. */
  readonly hash: Uint8Array;
  /** Every member, by rising identifier. */
  readonly members: readonly KnownMember[];
  /** The highest identifier that a member ever had. */
  readonly identifierMax: number;
  /** Nodes that are no longer members. Their ids are never used again. */
  readonly formerIds: ReadonlySet<NodeId>;
}

/** A membership statement as it is sent: one signed note of each epoch that must sign. */
export interface MembershipCertificate {
  /** Signed by the shares of the epoch before. */
  readonly byOld: string;
  /** Signed by the shares of the epoch that begins; null for a statement within an epoch. */
  readonly byNew: string | null;
}

/** A statement before its shares are known. */
export type PlannedMembership = Omit<MembershipStatement, "publicKey">;

/** The membership at the beginning of the chain. The caller has verified the genesis. */
export function toFirstMembership(genesis: GenesisStatement): Membership {
  const { cluster, epoch, threshold, publicKey, voters } = genesis;
  const text = encodeUtf8(encodeGenesisStatement(genesis));
  return {
    cluster,
    sequence: 0,
    epoch,
    threshold,
    publicKey,
    hash: new Uint8Array(createHash("sha256").update(text).digest()),
    members: voters.map((voter) => ({ ...voter, role: "voter" })),
    identifierMax: voters.length,
    formerIds: new Set(),
  };
}

/** The group of the voters that hold a share. */
export function toGroup(
  { cluster, epoch, threshold, publicKey, members }: Omit<Group, "voters"> & {
    readonly members: readonly KnownMember[];
  },
): Group {
  return { cluster, epoch, threshold, publicKey, voters: holdersOf(members) };
}

/**
 * Verifies a certificate as the next in the chain. Returns the membership after it.
 *
 * @throws {CertificateError} as {@linkcode verifyMembershipNote}, {@linkcode checkPlannedMembership} and
 * {@linkcode followMembership}; `wrong-epoch` when the wrong epoch signed a note; `wrong-chain` when the two
 * notes differ, or when there is one note too many or too few.
 */
export function verifyMembership(
  before: Membership,
  { byOld, byNew }: MembershipCertificate,
): Membership {
  const { statement, by } = verifyMembershipNote(byOld, before);
  if (by !== before.epoch) {
    throw refused("wrong-epoch", `it is by epoch ${by}, not ${before.epoch}`);
  }
  const after = followMembership(before, statement);
  if (after.epoch === before.epoch) {
    if (byNew !== null) throw refused("wrong-chain", "a statement within an epoch has one note");
    return after;
  }
  if (byNew === null) throw refused("wrong-chain", `the note by epoch ${after.epoch} is missing`);
  checkProof(after, byNew);
  return after;
}

/**
 * Verifies a whole chain offline.
 *
 * @throws {CertificateError} as {@linkcode verifyMembership}, for the first certificate that is wrong.
 */
export function verifyMembershipChain(
  genesis: GenesisStatement,
  certificates: readonly MembershipCertificate[],
): Membership {
  return certificates.reduce(verifyMembership, toFirstMembership(genesis));
}

/**
 * Begins in the middle of a chain, when the statements before are not available. The only authorization is
 * then the signature of the epoch before, with a group key that the caller trusts.
 *
 * @throws {CertificateError} as {@linkcode verifyMembershipNote}; `wrong-epoch` and `wrong-chain` as
 * {@linkcode verifyMembership}.
 */
export function beginMembershipChain(
  { byOld, byNew }: MembershipCertificate,
  key: Pick<Group, "cluster" | "publicKey">,
): Membership {
  const { statement, by } = verifyMembershipNote(byOld, key);
  const { cluster, sequence, epoch, threshold, publicKey, members } = statement;
  const begun = {
    ...{ cluster, sequence, epoch, threshold, publicKey, members },
    hash: hashMembership(statement),
    identifierMax: Math.max(...members.map(({ identifier }) => identifier)),
    formerIds: new Set<NodeId>(),
  };
  if (byNew !== null) checkProof(begun, byNew);
  const expected = byNew === null ? epoch : epoch - 1;
  if (by === expected) return begun;
  throw refused("wrong-epoch", `it is by epoch ${by}, not ${expected}`);
}

/** The notes of the old and of the new epoch must have the same statement. */
function checkProof(after: Membership, note: string): void {
  const { statement, by } = verifyMembershipNote(note, after);
  if (by !== after.epoch) throw refused("wrong-epoch", `it is by epoch ${by}, not ${after.epoch}`);
  if (equalBytes(hashMembership(statement), after.hash)) return;
  throw refused("wrong-chain", "the two notes have different statements");
}

/**
 * Checks whether an unsigned statement may follow, and returns the membership after it.
 *
 * @throws {CertificateError} as {@linkcode checkPlannedMembership}; `wrong-cluster` for another group key;
 * `bad-group` when the verifying shares do not make the group key, or change within an epoch.
 */
export function followMembership(before: Membership, statement: MembershipStatement): Membership {
  checkPlannedMembership(before, statement);
  const { cluster, sequence, epoch, threshold, publicKey, members } = statement;
  if (!equalBytes(publicKey, before.publicKey)) {
    throw refused("wrong-cluster", "it names another group key");
  }
  if (epoch === before.epoch) checkSameShares(before.members, members);
  else checkNewShares(statement);
  const present = new Set(members.map(({ id }) => id));
  const gone = before.members.map(({ id }) => id).filter((id) => !present.has(id));
  return {
    cluster,
    sequence,
    epoch,
    threshold,
    publicKey: before.publicKey,
    hash: hashMembership(statement),
    members,
    identifierMax: Math.max(before.identifierMax, ...members.map(({ identifier }) => identifier)),
    formerIds: new Set([...before.formerIds, ...gone]),
  };
}

/**
 * Checks a statement before its shares are known.
 *
 * @throws {CertificateError} `wrong-cluster`, `wrong-chain`, `wrong-epoch`, or `bad-roster`, naming the
 * member at fault if there is one.
 */
export function checkPlannedMembership(before: Membership, planned: PlannedMembership): void {
  if (planned.cluster !== before.cluster) {
    throw refused("wrong-cluster", `cluster ${planned.cluster} is not ${before.cluster}`);
  }
  if (
    planned.sequence !== before.sequence + 1 || !equalBytes(planned.previous, before.hash)
  ) {
    throw refused("wrong-chain", `it does not follow statement ${before.sequence}`);
  }
  checkEpoch(before, planned);
  checkSize(before, planned);
  const voters = planned.members.filter(({ role }) => role === "voter");
  checkRoster({ ...planned, voters });
  planned.members.forEach((member, at) => {
    checkMember(before, member);
    checkUnlike(member, planned.members.slice(0, at));
  });
}

/** The statement must be short enough that every node can read its notes, for any shares. */
function checkSize({ publicKey }: Membership, planned: PlannedMembership): void {
  const { length } = planned.members;
  if (length > MEMBERS_MAX) {
    throw refused("bad-roster", `it has ${length} members, above ${MEMBERS_MAX}`);
  }
  const members = planned.members.map((member) => {
    return member.role === "voter" ? { ...member, verifyingShare: publicKey } : member;
  });
  const text = encodeMembershipStatement({ ...planned, publicKey, members }, planned.epoch);
  // The signature is in a line of its own, which is shorter than a whole note of an election.
  if (text.length + NOTE_LENGTH_MAX <= MEMBERSHIP_LENGTH_MAX) return;
  throw refused("bad-roster", `its ${length} members take ${text.length} bytes: shorten addresses`);
}

function checkEpoch(before: Membership, { epoch, threshold, members }: PlannedMembership): void {
  if (epoch !== before.epoch && epoch !== before.epoch + 1) {
    throw refused("wrong-epoch", `epoch ${epoch} does not follow ${before.epoch}`);
  }
  if (epoch !== before.epoch) return;
  const isSame = threshold === before.threshold &&
    votersOf(members).join() === votersOf(before.members).join();
  if (!isSame) throw refused("wrong-epoch", "voters and threshold change only with the epoch");
}

/** A member that stays keeps its identifier. A new member gets one that no node ever had. */
function checkMember(before: Membership, member: Member): void {
  const { id: voter, identifier, peerAddress, apiAddress } = member;
  const known = before.members.find(({ id }) => id === voter);
  if (known === undefined && before.formerIds.has(voter)) {
    throw badMember(voter, "was removed, and its id is never used again");
  }
  const isGood = known === undefined
    ? identifier > before.identifierMax && identifier <= IDENTIFIER_MAX
    : identifier === known.identifier;
  if (!isGood) throw badMember(voter, `cannot have identifier ${identifier}`);
  for (const address of [peerAddress, apiAddress ?? "none"]) {
    if (
      /^[!-~]+$/.test(address) && address !== "-" && address.length <= MEMBER_ADDRESS_LENGTH_MAX
    ) {
      continue;
    }
    throw badMember(voter, "has an address that is not printable ASCII, or is too long");
  }
}

function checkUnlike(member: Member, others: readonly Member[]): void {
  const { id: voter, identifier, identityKey, channelKey } = member;
  for (const other of others) {
    if (other.id === voter) throw badMember(voter, "appears twice");
    if (other.identifier >= identifier) throw badMember(voter, "is out of order");
    if (equalBytes(other.identityKey, identityKey)) {
      throw badMember(voter, `has the identity key of ${other.id}`);
    }
    if (equalBytes(other.channelKey, channelKey)) {
      throw badMember(voter, `has the channel key of ${other.id}`);
    }
  }
}

function checkSameShares(before: readonly KnownMember[], after: readonly Member[]): void {
  for (const { id, verifyingShare } of after) {
    const known = before.find((member) => member.id === id)?.verifyingShare ?? null;
    const isSame = known === null || verifyingShare === null
      ? known === verifyingShare
      : equalBytes(known, verifyingShare);
    if (!isSame) throw refused("bad-group", `${id}'s share changes within an epoch`);
  }
}

/** The verifying shares must lie on one polynomial with the group key as its value at 0. */
function checkNewShares(statement: MembershipStatement): void {
  const { threshold, members } = statement;
  const voters = holdersOf(members);
  const stray = members.find(({ role, verifyingShare }) => role === "learner" && verifyingShare);
  if (stray !== undefined) throw refused("bad-group", `learner ${stray.id} has a share`);
  if (voters.length < threshold) {
    throw refused("bad-group", `${voters.length} voters with a share are fewer than ${threshold}`);
  }
  catching(
    InputError,
    () => checkGroupPublicKeys(toGroupPublicKeys({ ...statement, voters })),
    (cause) => {
      throw refused("bad-group", cause.message, cause);
    },
  );
}

function holdersOf(members: readonly KnownMember[]): GroupVoter[] {
  return members.flatMap(({ id, identifier, verifyingShare }) =>
    verifyingShare === null ? [] : [{ id, identifier, verifyingShare }]
  );
}

function votersOf(members: readonly KnownMember[]): NodeId[] {
  return members.filter(({ role }) => role === "voter").map(({ id }) => id);
}

function badMember(voter: NodeId, why: string): CertificateError {
  return new CertificateError("bad-roster", `Cannot accept membership: ${voter} ${why}`, { voter });
}

function refused(refusal: CertificateRefusal, why: string, cause?: Error): CertificateError {
  return new CertificateError(refusal, `Cannot accept membership: ${why}`, { cause });
}
