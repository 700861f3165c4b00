/**
 * Memberships: what the voters of a cluster state together about which nodes belong to it. A membership
 * statement contains every member with its keys, the threshold, and the hash of the statement before it.
 * The first one contains the hash of the genesis. So a chain of statements leads from the genesis to the
 * present members. One group key, which never changes, verifies the whole chain offline.
 *
 * ```text
 * floe/membership/v1
 * cluster floe-demo
 * sequence 1
 * epoch 2
 * threshold 3
 * previous <SHA-256 of the statement before>
 * voter server_1 1 <identity key> <channel key> <verifying share> 10.0.0.1:7101 10.0.0.1:7201
 * learner server_6 6 <identity key> <channel key> - 10.0.0.6:7101 -
 * group <group key>
 * by 1
 * ```
 *
 * The last line names the epoch whose shares sign. The hash does not cover this line. A statement that
 * begins a new epoch has two signatures. The epoch before signs it, which authorizes the change. The new
 * epoch signs it too, which proves that the new shares work. A statement within an epoch (a learner, an
 * address, another identity key) needs only the first signature. It must not change the threshold or any
 * voter's share.
 *
 * A voter without a verifying share (`-`) counts as a voter, but has no share in this epoch: it was down
 * when the shares were dealt.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { decodeHex, encodeHex, encodeUtf8, equalBytes } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { verifySignature } from "../frost/mod.ts";
import { type Epoch, type NodeId, toClusterName, toEpoch, toNodeId } from "../types.ts";
import { CertificateError, type CertificateRefusal, type Group } from "./certifier.ts";
import { keyId } from "./group_key.ts";
import { encodeSignatureLine, parseSignatureLine, splitNote } from "./signed_note.ts";

/** The first line, which names the kind of the statement. No other kind begins with it. */
export const MEMBERSHIP_KIND = "floe/membership/v1";
/** Most characters in a membership's note: more than twice the length for 101 members with long names. */
export const MEMBERSHIP_LENGTH_MAX = 262_144;
/** Most characters in a member's address. */
export const MEMBER_ADDRESS_LENGTH_MAX = 262;

/** One member of the cluster. All fields are public. */
export interface Member {
  /** The node. */
  readonly id: NodeId;
  /** Whether it votes, or only replicates. */
  readonly role: "voter" | "learner";
  /** Its FROST identifier as long as it is a member. No other node ever has the same identifier. */
  readonly identifier: number;
  /** The node's own Ed25519 public key: 32 bytes. */
  readonly identityKey: Uint8Array;
  /** The X25519 public key of its channels: 32 bytes. */
  readonly channelKey: Uint8Array;
  /** The address for its peers: printable ASCII without spaces. */
  readonly peerAddress: string;
  /** The address for clients; null when the statement has none. */
  readonly apiAddress: string | null;
  /** The public side of its share, 32 bytes; null for a learner, and for a voter without a share. */
  readonly verifyingShare: Uint8Array | null;
}

/** The fields of a membership statement. */
export interface MembershipStatement extends Omit<Group, "voters"> {
  /** The position in the chain, from 1; the genesis is 0. */
  readonly sequence: number;
  /** The hash of the statement before: 32 bytes. */
  readonly previous: Uint8Array;
  /** Every member, by rising identifier. */
  readonly members: readonly Member[];
}

const KEY = "[0-9a-f]{64}";
const ADDRESS = `[!-~]{1,${MEMBER_ADDRESS_LENGTH_MAX}}`;
const MEMBER =
  `(?:voter|learner) [^ \n]+ [0-9]+ ${KEY} ${KEY} (?:${KEY}|-) ${ADDRESS} ${ADDRESS}\n`;
const STATEMENT_PATTERN = new RegExp(
  `^${MEMBERSHIP_KIND}\n` +
    "cluster (?<cluster>[^ \n]+)\n" +
    "sequence (?<sequence>[0-9]{1,15})\n" +
    "epoch (?<epoch>[0-9]{1,15})\n" +
    "threshold (?<threshold>[0-9]{1,5})\n" +
    `previous (?<previous>${KEY})\n` +
    `(?<members>(?:${MEMBER})+)` +
    `group (?<publicKey>${KEY})\n` +
    "by (?<by>[0-9]{1,15})\n$",
);

/** Writes the text that the shares of an epoch sign: ASCII, eight lines and one for each member. */
export function encodeMembershipStatement(statement: MembershipStatement, by: Epoch): string {
  return `${encodeBody(statement)}by ${by}\n`;
}

/** SHA-256 of a statement without its last line, 32 bytes. The next statement contains it. */
export function hashMembership(statement: MembershipStatement): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash("sha256").update(encodeBody(statement)).digest());
}

/**
 * Reads a statement strictly: only a text that {@linkcode encodeMembershipStatement} can write. Does not
 * check whether the fields describe a valid cluster.
 *
 * @throws {CertificateError} `malformed` for anything else.
 */
export function parseMembershipStatement(
  text: string,
): { readonly statement: MembershipStatement; readonly by: Epoch } {
  if (text.length > MEMBERSHIP_LENGTH_MAX) {
    throw malformed(`length ${text.length} is above ${MEMBERSHIP_LENGTH_MAX}`);
  }
  const fields = STATEMENT_PATTERN.exec(text)?.groups;
  if (fields === undefined) throw malformed(`not the lines of ${MEMBERSHIP_KIND}`);
  const read = readFields(fields);
  // Refuses leading zeros and every other second way to write the same fields.
  if (encodeMembershipStatement(read.statement, read.by) !== text) {
    throw malformed("not in its one exact form");
  }
  return read;
}

/** A statement with the signature of one epoch's shares, as a C2SP signed note. */
export function encodeMembershipNote(
  statement: MembershipStatement,
  { by, signature }: { readonly by: Epoch; readonly signature: Uint8Array },
): string {
  const { cluster: name, publicKey } = statement;
  const line = encodeSignatureLine({ name, keyId: keyId(name, publicKey), signature });
  return `${encodeMembershipStatement(statement, by)}\n${line}`;
}

/**
 * Reads one note and verifies its signature with the group key, which the caller already knows.
 * {@linkcode verifyMembership} checks whether it follows the statement before.
 *
 * @throws {CertificateError} `malformed`, `wrong-cluster` or `bad-signature`.
 */
export function verifyMembershipNote(
  note: string,
  { cluster, publicKey }: Pick<MembershipStatement, "cluster" | "publicKey">,
): { readonly statement: MembershipStatement; readonly by: Epoch } {
  if (note.length > MEMBERSHIP_LENGTH_MAX) {
    throw malformed(`length ${note.length} is above ${MEMBERSHIP_LENGTH_MAX}`);
  }
  const { text, signatures } = splitNote(note);
  const line = parseSignatureLine(signatures);
  const read = parseMembershipStatement(text);
  if (line.name !== cluster || read.statement.cluster !== cluster) {
    throw refused("wrong-cluster", `cluster ${read.statement.cluster} is not ${cluster}`);
  }
  const isUnderKey = equalBytes(line.keyId, keyId(cluster, publicKey)) &&
    equalBytes(read.statement.publicKey, publicKey);
  if (!isUnderKey) throw refused("bad-signature", "it is signed with another group key");
  if (!verifySignature(publicKey, encodeUtf8(text), line.signature)) {
    throw refused("bad-signature", "the signature is not the group key's");
  }
  return read;
}

function encodeBody(statement: MembershipStatement): string {
  const { cluster, sequence, epoch, threshold, previous, members, publicKey } = statement;
  return `${MEMBERSHIP_KIND}\n` +
    `cluster ${cluster}\n` +
    `sequence ${sequence}\n` +
    `epoch ${epoch}\n` +
    `threshold ${threshold}\n` +
    `previous ${encodeHex(previous)}\n` +
    members.map(encodeMember).join("") +
    `group ${encodeHex(publicKey)}\n`;
}

function encodeMember(member: Member): string {
  const { id, role, identifier, identityKey, channelKey, verifyingShare } = member;
  const share = verifyingShare === null ? "-" : encodeHex(verifyingShare);
  return `${role} ${id} ${identifier} ${encodeHex(identityKey)} ${encodeHex(channelKey)} ` +
    `${share} ${member.peerAddress} ${member.apiAddress ?? "-"}\n`;
}

function readFields(
  fields: Readonly<Record<string, string>>,
): { readonly statement: MembershipStatement; readonly by: Epoch } {
  const { members = "", previous = "", publicKey = "" } = fields;
  return catching(InputError, () => {
    const statement = {
      cluster: toClusterName(fields.cluster),
      sequence: Number(fields.sequence),
      epoch: toEpoch(Number(fields.epoch)),
      threshold: Number(fields.threshold),
      previous: decodeHex(previous),
      members: members.trimEnd().split("\n").map(readMember),
      publicKey: decodeHex(publicKey),
    };
    return { statement, by: toEpoch(Number(fields.by)) };
  }, (cause) => {
    throw malformed(cause.message, cause);
  });
}

function readMember(line: string): Member {
  const [role, id, identifier, identityKey = "", channelKey = "", share = "", peer = "", api = ""] =
    line.split(" ");
  return {
    id: toNodeId(id),
    role: role === "voter" ? "voter" : "learner",
    identifier: Number(identifier),
    identityKey: decodeHex(identityKey),
    channelKey: decodeHex(channelKey),
    peerAddress: peer,
    apiAddress: api === "-" ? null : api,
    verifyingShare: share === "-" ? null : decodeHex(share),
  };
}

function malformed(why: string, cause?: unknown): CertificateError {
  return new CertificateError("malformed", `Cannot read membership: ${why}`, { cause });
}

function refused(refusal: CertificateRefusal, why: string): CertificateError {
  return new CertificateError(refusal, `Cannot accept membership: ${why}`);
}
