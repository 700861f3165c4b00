/**
 * The genesis statement: what the voters of a new cluster state about the key that they made.
 *
 * ```text
 * floe/genesis/v1
 * cluster <cluster name>
 * epoch <epoch>
 * threshold <t>
 * voter <node id> <identity key> <verifying share>
 * ... one line for each voter, in the order of their FROST identifiers
 * group <group key>
 * transcript <transcript hash>
 * ```
 *
 * Every line ends in a newline, numbers are decimal without leading zeros, keys and hashes are 64
 * lower-case hex digits. One set of fields has one text, and one text one set of fields.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { decodeHex, encodeHex } from "../bytes.ts";
import { InputError } from "../errors.ts";
import type { GroupPublicKeys } from "../frost/mod.ts";
import { toClusterName, toEpoch, toNodeId } from "../types.ts";
import { CertificateError } from "./error.ts";
import type { GenesisRoster, RosterVoter } from "./genesis_roster.ts";
import type { Group, GroupVoter } from "./group.ts";

/** The first line: which kind of statement this is. Nothing else is signed under it. */
export const GENESIS_KIND = "floe/genesis/v1";

/** One voter with the two keys that it is known by from now on. */
export interface GenesisVoter extends RosterVoter, GroupVoter {}

/** Everything that a genesis statement says. It is the cluster's {@linkcode Group}, and more. */
export interface GenesisStatement extends Group, GenesisRoster {
  /** Every voter, by rising identifier, from 1 without gaps. */
  readonly voters: readonly GenesisVoter[];
  /** SHA-256 over everything that was said publicly while the key was made: 32 bytes. */
  readonly transcriptHash: Uint8Array;
}

/** What the voters of a roster state about a group that they made. */
export function toGenesisStatement(
  roster: GenesisRoster,
  group: GroupPublicKeys,
  transcriptHash: Uint8Array,
): GenesisStatement {
  const voters = roster.voters.map((voter, at) => {
    const verifyingShare = group.verifyingShares.get(at + 1);
    assert(verifyingShare !== undefined, `The group has no share for ${voter.id}`);
    return { ...voter, identifier: at + 1, verifyingShare };
  });
  return { ...roster, voters, publicKey: group.groupPublicKey, transcriptHash };
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
 * Reads a genesis statement strictly: only a text that {@linkcode encodeGenesisStatement} can write.
 * Whether what it says makes a cluster is not checked here.
 *
 * @throws {CertificateError} `malformed` for anything else.
 */
export function parseGenesisStatement(text: string): GenesisStatement {
  const fields = STATEMENT_PATTERN.exec(text)?.groups;
  if (fields === undefined) throw malformed(`not the lines of ${GENESIS_KIND}`);
  const statement = readFields(fields);
  // Catches leading zeros, and any other second way to write the same fields.
  if (encodeGenesisStatement(statement) !== text) throw malformed("not in its one exact form");
  return statement;
}

function readFields(fields: Readonly<Record<string, string>>): GenesisStatement {
  try {
    return {
      cluster: toClusterName(fields.cluster),
      epoch: toEpoch(Number(fields.epoch)),
      threshold: Number(fields.threshold),
      voters: fieldOf(fields, "voters").trimEnd().split("\n").map(readVoter),
      publicKey: decodeHex(fieldOf(fields, "publicKey")),
      transcriptHash: decodeHex(fieldOf(fields, "transcriptHash")),
    };
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw malformed(cause.message, cause);
  }
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
  return assertDefined(fields[name], `The pattern has no ${name}`);
}

function malformed(why: string, cause?: unknown): CertificateError {
  return new CertificateError("malformed", `Cannot read genesis statement: ${why}`, { cause });
}
