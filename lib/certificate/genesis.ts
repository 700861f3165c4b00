/**
 * The genesis certificate, which proves how a cluster's key was made. It is a genesis statement with the
 * identity signatures of all n voters, as a C2SP signed note with n signature lines, in the order of the
 * voters.
 *
 * Each voter signs only what it computed itself. It signs after its own share is durable and matches its
 * verifying share in the statement. So a genesis certificate says: all n voters agree on the group key, and
 * every honest voter has stored its share.
 *
 * A voter's key name is `<cluster>/<id>`. No cluster can have such a name. Every such note is a C2SP note.
 * Go's `sumdb/note` reads at most 100 signatures.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { decodeHex, encodeHex, encodeUtf8, equalBytes } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import {
  checkEd25519Key,
  checkGroupPublicKeys,
  type GroupPublicKeys,
  verifySignature,
} from "../frost/mod.ts";
import { type ClusterName, type NodeId, toClusterName, toEpoch, toNodeId } from "../types.ts";
import {
  CertificateError,
  type CertificateRefusal,
  type Group,
  type GroupVoter,
  type Roster,
} from "./certifier.ts";
import { toGroupPublicKeys } from "./frost_certifier.ts";
import { keyId } from "./group_key.ts";
import {
  encodeSignatureLine,
  type NoteSignature,
  parseSignatureLine,
  splitNote,
} from "./signed_note.ts";

/** Most characters in a genesis certificate: more than twice the length for 101 voters with long names. */
export const GENESIS_LENGTH_MAX = 131_072;

/** A verified genesis certificate: the cluster's group, and the note that proves it. */
export interface Genesis extends GenesisStatement {
  /** The signed note. It is sent and stored in this form. */
  readonly note: string;
}

/** Writes a genesis certificate. `signatures` has one of each voter, 64 bytes, which is not checked. */
export function encodeGenesis(
  statement: GenesisStatement,
  signatures: ReadonlyMap<NodeId, Uint8Array>,
): string {
  const lines = statement.voters.map(({ id, identityKey }) => {
    const name = voterKeyName(statement.cluster, id);
    const signature = assertDefined(signatures.get(id), `${id}'s signature is missing`);
    return encodeSignatureLine({ name, keyId: keyId(name, identityKey), signature });
  });
  return `${encodeGenesisStatement(statement)}\n${lines.join("")}`;
}

/** Whether a signature over a genesis statement is the voter's. Invalid bytes give false, never an error. */
export function verifyGenesisSignature(
  statement: GenesisStatement,
  { identityKey }: GenesisVoter,
  signature: Uint8Array,
): boolean {
  return verifySignature(identityKey, encodeUtf8(encodeGenesisStatement(statement)), signature);
}

/**
 * Verifies a genesis certificate: its exact form, a roster that can found a cluster, verifying shares that
 * make the group key, and all n signatures. Without `expected` the result shows only that the certificate
 * is consistent. The caller must then know by other means whose identity keys these are.
 *
 * @throws {CertificateError} `malformed`, `bad-roster`, `wrong-roster`, `bad-group`, or
 * `bad-signature` naming the voter.
 */
export function verifyGenesis(note: string, expected?: GenesisRoster): Genesis {
  if (note.length > GENESIS_LENGTH_MAX) {
    throw refused("malformed", `length ${note.length} is above ${GENESIS_LENGTH_MAX}`);
  }
  const { text, signatures } = splitNote(note);
  const statement = parseGenesisStatement(text);
  checkRoster(statement);
  const difference = expected === undefined ? null : describeRosterDifference(statement, expected);
  if (difference !== null) throw refused("wrong-roster", difference);
  // Before the points, which take milliseconds each: no node spends that on a statement without all
  // signatures.
  checkSignatures(statement, signatures);
  checkGroup(statement);
  return { ...statement, note };
}

/** The verifying shares must make the group key (RFC 9591 Appendix C.2). */
function checkGroup(statement: GenesisStatement): void {
  catching(InputError, () => checkGroupPublicKeys(toGroupPublicKeys(statement)), (cause) => {
    throw refused("bad-group", cause.message, { cause });
  });
}

function checkSignatures(statement: GenesisStatement, lines: string): void {
  const signatures = lines.split(/(?<=\n)/).map(parseSignatureLine);
  const { cluster, voters } = statement;
  const names = new Set(signatures.map(({ name }) => name));
  const missing = voters.find(({ id }) => !names.has(voterKeyName(cluster, id)));
  if (missing !== undefined) {
    throw refused("malformed", `${missing.id} has not signed it`, { voter: missing.id });
  }
  if (signatures.length !== voters.length) {
    throw refused(
      "malformed",
      `${signatures.length} signatures are not one of each of ${voters.length} voters`,
    );
  }
  voters.forEach((voter, at) => {
    checkSignature(statement, voter, assertDefined(signatures[at], "a voter has no signature"));
  });
}

function checkSignature(
  statement: GenesisStatement,
  voter: GenesisVoter,
  line: NoteSignature,
): void {
  const { id, identityKey } = voter;
  const name = voterKeyName(statement.cluster, id);
  if (line.name !== name) {
    throw refused("malformed", `${line.name} signed in the place of ${name}`, { voter: id });
  }
  if (!equalBytes(line.keyId, keyId(name, identityKey))) {
    throw refused("bad-signature", `${id} signed with another key`, { voter: id });
  }
  if (!verifyGenesisSignature(statement, voter, line.signature)) {
    throw refused("bad-signature", `the signature is not ${id}'s`, { voter: id });
  }
}

function refused(
  refusal: CertificateRefusal,
  why: string,
  options?: { readonly voter?: NodeId; readonly cause?: unknown },
): CertificateError {
  return new CertificateError(refusal, `Cannot accept genesis certificate: ${why}`, options);
}

/** The first line, which names the kind of the statement. No other kind begins with it. */
export const GENESIS_KIND = "floe/genesis/v1";

/** One voter with its identity key and its verifying share. */
export interface GenesisVoter extends RosterVoter, GroupVoter {}

/** The fields of a genesis statement. Its voters' identifiers are 1, 2, 3 and so on, without gaps. */
export interface GenesisStatement extends Group<GenesisVoter> {
  /** SHA-256 over all public messages of the key generation: 32 bytes. */
  readonly transcriptHash: Uint8Array;
}

/** The statement of a roster's voters about the group that they made. */
export function toGenesisStatement(
  roster: GenesisRoster,
  group: GroupPublicKeys,
  transcriptHash: Uint8Array,
): GenesisStatement {
  const voters = roster.voters.map((voter, at) => {
    const verifyingShare = group.verifyingShares.get(at + 1);
    assert(verifyingShare !== undefined, `the group has no share for ${voter.id}`);
    return { ...voter, identifier: at + 1, verifyingShare };
  });
  return { ...roster, voters, publicKey: group.groupPublicKey, transcriptHash };
}

/**
 * The genesis statement for a key that a dealer made. The voters have not signed it. The first membership
 * contains its hash, and so proves it. There was no transcript, so the transcript's hash is all zeros.
 */
export function toDealtStatement(roster: GenesisRoster, group: Group): GenesisStatement {
  const voters = roster.voters.map(({ id, identityKey }, at) => {
    const voter = group.voters[at];
    assert(voter?.id === id, `the group has another voter than ${id}`);
    return { ...voter, identityKey };
  });
  const { publicKey, epoch } = group;
  return { ...roster, epoch, voters, publicKey, transcriptHash: new Uint8Array(32) };
}

const KEY = "[0-9a-f]{64}";
const STATEMENT_PATTERN = new RegExp(
  `^${GENESIS_KIND}\n` +
    "cluster (?<cluster>[^ \n]+)\n" +
    "epoch (?<epoch>[0-9]+)\n" +
    "threshold (?<threshold>[0-9]+)\n" +
    `(?<voters>(?:voter [^ \n]+ ${KEY} ${KEY}\n)+)` +
    `group (?<publicKey>${KEY})\n` +
    `transcript (?<transcriptHash>${KEY})\n$`,
);

/** Writes a genesis statement: ASCII text, six lines and one for each voter. */
export function encodeGenesisStatement(statement: GenesisStatement): string {
  const { cluster, epoch, threshold, voters, publicKey, transcriptHash } = statement;
  const voterLines = voters.map(({ id, identityKey, verifyingShare }) =>
    `voter ${id} ${encodeHex(identityKey)} ${encodeHex(verifyingShare)}\n`
  );
  return `${GENESIS_KIND}\n` +
    `cluster ${cluster}\n` +
    `epoch ${epoch}\n` +
    `threshold ${threshold}\n` +
    voterLines.join("") +
    `group ${encodeHex(publicKey)}\n` +
    `transcript ${encodeHex(transcriptHash)}\n`;
}

/**
 * Reads a genesis statement strictly: only a text that {@linkcode encodeGenesisStatement} can write. Does
 * not check whether the fields describe a valid cluster.
 *
 * @throws {CertificateError} `malformed` for anything else.
 */
export function parseGenesisStatement(text: string): GenesisStatement {
  const fields = STATEMENT_PATTERN.exec(text)?.groups;
  if (fields === undefined) throw malformed(`not the lines of ${GENESIS_KIND}`);
  const statement = readFields(fields);
  // Refuses leading zeros and every other second way to write the same fields.
  if (encodeGenesisStatement(statement) !== text) throw malformed("not in its one exact form");
  return statement;
}

function readFields(fields: Readonly<Record<string, string>>): GenesisStatement {
  return catching(InputError, () => ({
    cluster: toClusterName(fields.cluster),
    epoch: toEpoch(Number(fields.epoch)),
    threshold: Number(fields.threshold),
    voters: fieldOf(fields, "voters").trimEnd().split("\n").map(readVoter),
    publicKey: decodeHex(fieldOf(fields, "publicKey")),
    transcriptHash: decodeHex(fieldOf(fields, "transcriptHash")),
  }), (cause) => {
    throw malformed(cause.message, cause);
  });
}

function readVoter(line: string, at: number): GenesisVoter {
  const [, id, identityKey = "", verifyingShare = ""] = line.split(" ");
  return {
    id: toNodeId(id),
    identifier: at + 1,
    identityKey: decodeHex(identityKey),
    verifyingShare: decodeHex(verifyingShare),
  };
}

function fieldOf(fields: Readonly<Record<string, string>>, name: string): string {
  return assertDefined(fields[name], `the pattern has no ${name}`);
}

function malformed(why: string, cause?: unknown): CertificateError {
  return new CertificateError("malformed", `Cannot read genesis statement: ${why}`, { cause });
}

/** One voter, as its peers know it before it has a share. */
export interface RosterVoter {
  /** The node. */
  readonly id: NodeId;
  /** The node's own Ed25519 public key: 32 bytes. */
  readonly identityKey: Uint8Array;
}

/** What all voters must agree on before they generate a key together. */
export type GenesisRoster = Roster<RosterVoter>;

/** Fewest voters that can share a key. A cluster with one voter has an ordinary key. */
const ROSTER_VOTERS_MIN = 2;

/** The name of a voter's identity key in signed notes: `<cluster>/<id>`. */
export function voterKeyName(cluster: ClusterName, voter: NodeId): string {
  return `${cluster}/${voter}`;
}

/**
 * Checks that a roster can found a cluster: two voters or more, a threshold of more than half, no id and no
 * identity key twice, and every identity key a valid point of prime order.
 *
 * @throws {CertificateError} `bad-roster`, naming the voter at fault if there is one.
 */
export function checkRoster({ threshold, voters }: GenesisRoster): void {
  const count = voters.length;
  if (count < ROSTER_VOTERS_MIN) {
    throw badRoster(`${count} voters are fewer than ${ROSTER_VOTERS_MIN}`);
  }
  if (!Number.isInteger(threshold) || threshold > count || 2 * threshold <= count) {
    throw badRoster(`${threshold} of ${count} voters is not more than half and at most all`);
  }
  voters.forEach((voter, at) => {
    checkIdentityKey(voter);
    checkUnlike(voter, voters.slice(0, at));
  });
}

/**
 * Describes the first difference between a roster and the expected one, in the order of the fields; null
 * when they are the same.
 */
export function describeRosterDifference(
  found: GenesisRoster,
  expected: GenesisRoster,
): string | null {
  for (const field of ["cluster", "epoch", "threshold"] as const) {
    if (found[field] !== expected[field]) {
      return `its ${field} is ${found[field]}, not ${expected[field]}`;
    }
  }
  if (found.voters.length !== expected.voters.length) {
    return `it has ${found.voters.length} voters, not ${expected.voters.length}`;
  }
  for (const [at, { id, identityKey }] of expected.voters.entries()) {
    const voter = assertDefined(found.voters[at], "the roster is too short");
    if (voter.id !== id) return `voter ${at + 1} is ${voter.id}, not ${id}`;
    if (!equalBytes(voter.identityKey, identityKey)) return `${id} has another identity key in it`;
  }
  return null;
}

function checkIdentityKey({ id, identityKey }: RosterVoter): void {
  catching(InputError, () => checkEd25519Key(identityKey), (cause) => {
    throw badRoster(`${id}'s identity key is invalid: ${cause.message}`, { voter: id, cause });
  });
}

function checkUnlike({ id, identityKey }: RosterVoter, others: readonly RosterVoter[]): void {
  for (const other of others) {
    if (other.id === id) throw badRoster(`${id} appears twice`, { voter: id });
    if (equalBytes(other.identityKey, identityKey)) {
      throw badRoster(`${id} has the identity key of ${other.id}`, { voter: id });
    }
  }
}

function badRoster(
  why: string,
  options?: { readonly voter: NodeId; readonly cause?: unknown },
): CertificateError {
  return new CertificateError("bad-roster", `Cannot use roster: ${why}`, options);
}
