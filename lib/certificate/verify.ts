/**
 * Offline verification: whether a note is a cluster's certificate. Needs the group key and nothing
 * else.
 *
 * @module
 */

import { encodeUtf8, equalBytes } from "../bytes.ts";
import { verifySignature } from "../frost/mod.ts";
import type { ClusterName, NodeId, Term } from "../types.ts";
import type { Certificate } from "./certifier.ts";
import { CertificateError } from "./error.ts";
import { type GroupKey, keyId } from "./group_key.ts";
import { parseSignedNote, type SignedNote } from "./signed_note.ts";
import { parseStatement, type Statement } from "./statement.ts";

/** What a certificate is expected to say, where something is expected. */
export interface ExpectedElection {
  /** The term that is led. */
  readonly term: Term;
  /** Who leads it. */
  readonly leader: NodeId;
}

/** A verified certificate together with the cluster that it names. */
export type VerifiedCertificate = Certificate & Statement;

/** What a note is verified with. */
export interface NoteVerifier {
  /** The cluster that it must be of; null where the key is all that is known. */
  readonly cluster: ClusterName | null;
  /** The 4-byte id of the key under this name. */
  keyId(name: ClusterName): Uint8Array;
  /** Whether the signature is the key's over the message. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/**
 * Verifies a signed note as an election certificate: strict form, cluster, group key, and, where
 * given, term and leader. Any epoch is accepted: the group key never changes, so certificates of
 * earlier dealings stay valid.
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
 * As {@linkcode verifyCertificate}, for any way to check the signature.
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
    throw refused("bad-signature", "it is signed under another group key");
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
