/**
 * The genesis certificate: the birth certificate of a cluster's key. A genesis statement with the
 * identity signature of every one of the n voters, as a C2SP signed note with n signature lines, in
 * the voters' order.
 *
 * Each voter signs only what it computed itself, after its own share is durable and fits the verifying
 * share that the statement gives it. So a genesis certificate says: all n agree on the group key, and
 * every honest one of them has its share of it for good.
 *
 * A voter's key name is `<cluster>/<id>`, which no cluster's own name can be. Every such note is a
 * C2SP note; Go's `sumdb/note` reads no more than 100 signatures.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { encodeUtf8, equalBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { checkGroupPublicKeys, verifySignature } from "../frost/mod.ts";
import type { NodeId } from "../types.ts";
import type { CertificateRefusal } from "./certifier.ts";
import { CertificateError } from "./error.ts";
import { toGroupPublicKeys } from "./frost_certifier.ts";
import {
  checkRoster,
  describeRosterDifference,
  type GenesisRoster,
  voterKeyName,
} from "./genesis_roster.ts";
import {
  encodeGenesisStatement,
  type GenesisStatement,
  type GenesisVoter,
  parseGenesisStatement,
} from "./genesis_statement.ts";
import { keyId } from "./group_key.ts";
import {
  encodeSignatureLine,
  type NoteSignature,
  parseSignatureLine,
  splitNote,
} from "./signed_note.ts";

/** Most characters in a genesis certificate: more than twice what 101 voters of long names take. */
export const GENESIS_LENGTH_MAX = 131_072;

/** A verified genesis certificate: the cluster's group, and the note that proves it. */
export interface Genesis extends GenesisStatement {
  /** The signed note, the form in which it travels and is stored. */
  readonly note: string;
}

/** Writes a genesis certificate; `signatures` has one of every voter, 64 bytes, unchecked. */
export function encodeGenesis(
  statement: GenesisStatement,
  signatures: ReadonlyMap<NodeId, Uint8Array>,
): string {
  const lines = statement.voters.map(({ id, identityKey }) => {
    const name = voterKeyName(statement.cluster, id);
    const signature = assertDefined(signatures.get(id), `Genesis without ${id}'s signature`);
    return encodeSignatureLine({ name, keyId: keyId(name, identityKey), signature });
  });
  return `${encodeGenesisStatement(statement)}\n${lines.join("")}`;
}

/** Whether a signature over a genesis statement is the voter's. Never throws on foreign bytes. */
export function verifyGenesisSignature(
  statement: GenesisStatement,
  { identityKey }: GenesisVoter,
  signature: Uint8Array,
): boolean {
  return verifySignature(identityKey, encodeUtf8(encodeGenesisStatement(statement)), signature);
}

/**
 * Verifies a genesis certificate: its one form, a roster that can found a cluster, verifying shares
 * that make the group key, and all n signatures. Without `expected` it is only shown to be whole: that
 * these identity keys belong to anybody in particular is then for the reader to know.
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
  // Before the points, which take milliseconds each: nobody makes others compute on what few have signed.
  checkSignatures(statement, signatures);
  checkGroup(statement);
  return { ...statement, note };
}

/** The group key is what the verifying shares make (RFC 9591 Appendix C.2). */
function checkGroup(statement: GenesisStatement): void {
  try {
    checkGroupPublicKeys(toGroupPublicKeys(statement));
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw refused("bad-group", cause.message, { cause });
  }
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
    throw refused("malformed", `${signatures.length} signatures are not one of each voter`);
  }
  voters.forEach((voter, at) => {
    checkSignature(statement, voter, assertDefined(signatures[at], "A voter has no signature"));
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
    throw refused("malformed", `${line.name} signs where ${name} belongs`, { voter: id });
  }
  if (!equalBytes(line.keyId, keyId(name, identityKey))) {
    throw refused("bad-signature", `${id} signs under another key`, { voter: id });
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
