/**
 * Election statements, and their offline verification: whether a note is a cluster's election certificate.
 * It needs only the group key.
 *
 * @module
 */

import { encodeUtf8, equalBytes } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { verifySignature } from "../frost/mod.ts";
import {
  type ClusterName,
  type NodeId,
  type Term,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../types.ts";
import { type Certificate, CertificateError, type ElectionFields } from "./certifier.ts";
import { type GroupKey, keyId } from "./group_key.ts";
import { parseSignedNote, type SignedNote } from "./signed_note.ts";

/** The term and the leader that a certificate must name. */
export interface ExpectedElection {
  /** The term that the certificate must name. */
  readonly term: Term;
  /** The node that leads the term. */
  readonly leader: NodeId;
}

/** A verified certificate together with the cluster that it names. */
export type VerifiedCertificate = Certificate & Statement;

/** The key that a note is verified with. */
interface NoteVerifier {
  /** The cluster that the note must name; null when only the key is known. */
  readonly cluster: ClusterName | null;
  /** The 4-byte id of the key with this name. */
  keyId(name: ClusterName): Uint8Array;
  /** Whether the signature is the key's signature over the message. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/**
 * Verifies a signed note as an election certificate: strict form, cluster, group key, and, if given, term
 * and leader. Every epoch is accepted: the group key never changes, so certificates of earlier epochs stay
 * valid.
 *
 * @throws {CertificateError} `malformed`, `wrong-cluster`, `bad-signature`, `wrong-term` or
 * `wrong-leader`.
 */
export function verifyCertificate(
  note: string,
  key: GroupKey,
  expected?: ExpectedElection,
): VerifiedCertificate {
  const { cluster, publicKey } = key;
  return verifyNote(note, {
    cluster,
    keyId: (name) => keyId(name, publicKey),
    verify: (message, signature) => verifySignature(publicKey, message, signature),
  }, expected);
}

/**
 * As {@linkcode verifyCertificate}, with any verifier.
 *
 * @throws {CertificateError} as there.
 */
export function verifyNote(
  note: string,
  verifier: NoteVerifier,
  expected?: ExpectedElection,
): VerifiedCertificate {
  const parsed = parseSignedNote(note);
  const statement = parseStatement(parsed.text);
  checkCluster(parsed.name, statement.cluster, verifier.cluster);
  checkSignature(parsed, verifier);
  if (expected !== undefined) checkExpected(statement, expected);
  return { ...statement, note };
}

function checkExpected(statement: Statement, expected: ExpectedElection): void {
  if (statement.term !== expected.term) {
    throw refused("wrong-term", `term ${statement.term} is not ${expected.term}`);
  }
  if (statement.leader !== expected.leader) {
    throw refused("wrong-leader", `leader ${statement.leader} is not ${expected.leader}`);
  }
}

function checkCluster(
  signedBy: ClusterName,
  named: ClusterName,
  expected: ClusterName | null,
): void {
  if (signedBy !== named) {
    throw refused("wrong-cluster", `${signedBy} signs for cluster ${named}`);
  }
  if (expected !== null && named !== expected) {
    throw refused("wrong-cluster", `cluster ${named} is not ${expected}`);
  }
}

function checkSignature(
  { name, text, keyId, signature }: SignedNote,
  verifier: NoteVerifier,
): void {
  if (!equalBytes(keyId, verifier.keyId(name))) {
    throw refused("bad-signature", "it is signed with another group key");
  }
  if (!verifier.verify(encodeUtf8(text), signature)) {
    throw refused("bad-signature", "the signature is not the group key's");
  }
}

function refused(
  refusal: "wrong-cluster" | "wrong-term" | "wrong-leader" | "bad-signature",
  why: string,
): CertificateError {
  return new CertificateError(refusal, `Cannot accept certificate: ${why}`);
}

/** The first line, which names the kind of the statement. No other kind begins with it. */
export const STATEMENT_KIND = "floe/election/v1";
/** Most characters in a statement. The longest possible statement is shorter. */
export const STATEMENT_LENGTH_MAX = 512;

/** Everything that a statement says. */
export interface Statement extends ElectionFields {
  /** The cluster that elects. */
  readonly cluster: ClusterName;
}

const STATEMENT_PATTERN = new RegExp(
  `^${STATEMENT_KIND}\n` +
    "cluster (?<cluster>[^ \n]+)\n" +
    "epoch (?<epoch>[0-9]+)\n" +
    "term (?<term>[0-9]+)\n" +
    "leader (?<leader>[^ \n]+)\n" +
    "log (?<lastLogIndex>[0-9]+) (?<lastLogTerm>[0-9]+)\n$",
);

/** Writes a statement: ASCII text, six lines, each ending in a newline. */
export function encodeStatement(statement: Statement): string {
  const { cluster, epoch, term, leader, lastLogIndex, lastLogTerm } = statement;
  return `${STATEMENT_KIND}\n` +
    `cluster ${cluster}\n` +
    `epoch ${epoch}\n` +
    `term ${term}\n` +
    `leader ${leader}\n` +
    `log ${lastLogIndex} ${lastLogTerm}\n`;
}

/**
 * Reads a statement strictly: only a text that {@linkcode encodeStatement} can write.
 *
 * @throws {CertificateError} `malformed` for anything else.
 */
export function parseStatement(text: string): Statement {
  if (text.length > STATEMENT_LENGTH_MAX) {
    throw malformed(`length ${text.length} is above ${STATEMENT_LENGTH_MAX}`);
  }
  const fields = STATEMENT_PATTERN.exec(text)?.groups;
  if (fields === undefined) throw malformed(`not the six lines of ${STATEMENT_KIND}`);
  const statement = readFields(fields);
  // Refuses leading zeros and every other second way to write the same fields.
  if (encodeStatement(statement) !== text) throw malformed("not in its one exact form");
  return statement;
}

function readFields(fields: Readonly<Record<string, string>>): Statement {
  return catching(InputError, () => ({
    cluster: toClusterName(fields.cluster),
    epoch: toEpoch(Number(fields.epoch)),
    term: toTerm(Number(fields.term)),
    leader: toNodeId(fields.leader),
    lastLogIndex: toLogIndex(Number(fields.lastLogIndex)),
    lastLogTerm: toTerm(Number(fields.lastLogTerm)),
  }), (cause) => {
    throw malformed(cause.message, cause);
  });
}

function malformed(why: string, cause?: unknown): CertificateError {
  return new CertificateError("malformed", `Cannot read statement: ${why}`, { cause });
}
