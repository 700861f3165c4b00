/**
 * What proves a term: t voters granted it to one candidate, or elected its leader. Without proof, no term is
 * raised, no role left and no timer reset; see `mod.ts`.
 *
 * @module
 */

import {
  type Certificate,
  CertificateError,
  type CertificateRefusal,
  type Certifier,
  type Grant,
  type MembershipCertificate,
} from "../certificate/mod.ts";
import type { Epoch, NodeId, Term } from "../types.ts";

/** One voter's signed grant of a pre-vote. */
export interface SignedGrant {
  /** The voter that granted. */
  readonly voter: NodeId;
  /** Its signature: 64 bytes. */
  readonly signature: Uint8Array;
}

/** The grants of exactly t voters for one candidate and one term. */
export interface GrantsProof {
  /** The tag. */
  readonly kind: "grants";
  /** The proven term. */
  readonly term: Term;
  /** The epoch of the voters: each signature names it. */
  readonly epoch: Epoch;
  /**
   * What put that epoch's newest membership into force, for a voter that does not know it yet; null for that
   * of the genesis.
   */
  readonly membership: MembershipCertificate | null;
  /** The candidate that asked for the grants, and so opened the term. */
  readonly candidate: NodeId;
  /** One grant of each of t voters, in the order of {@linkcode Certifier.voters}. */
  readonly grants: readonly SignedGrant[];
}

/** The election certificate of the term's leader. */
export interface CertificateProof {
  /** The tag. */
  readonly kind: "certificate";
  /** What the proof is for. */
  readonly term: Term;
  /** The signed note. */
  readonly note: string;
}

/** What proves a term. */
export type TermProof = GrantsProof | CertificateProof;

/** The keys that check proofs. */
export interface ProofKeys {
  /** Knows the voters of an epoch and the threshold; null for an epoch that this node does not know. */
  readonly certifierOf: (epoch: Epoch) => Pick<Certifier, "voters" | "threshold"> | null;
  /** Checks certificates. @throws {CertificateError} when the note is none. */
  readonly verify: (note: string) => Certificate;
  /** Checks a grant. */
  readonly verifyGrant: (epoch: Epoch, given: SignedGrant & { readonly grant: Grant }) => boolean;
}

/** The opener of a term, and its membership. */
interface OpenedTerm extends Pick<GrantsProof, "term" | "candidate" | "membership"> {
  /** Knows the voters of the epoch. */
  readonly certifier: Pick<Certifier, "epoch" | "voters" | "threshold">;
}

/** Writes the grants of t voters as a proof, which has one form only. There must be t of them. */
export function toGrantsProof(
  { term, candidate, membership, certifier: { epoch, voters, threshold } }: OpenedTerm,
  received: ReadonlyMap<NodeId, { readonly signature: Uint8Array }>,
): GrantsProof {
  const grants = voters.flatMap((voter) => {
    const signature = received.get(voter)?.signature;
    return signature === undefined ? [] : [{ voter, signature }];
  });
  const given = grants.slice(0, threshold);
  return { kind: "grants", term, epoch, membership, candidate, grants: given };
}

/**
 * Checks a proof, and returns its grants or its certificate. Stops at the first wrong signature, so a false
 * proof costs little time.
 *
 * @throws {CertificateError} when the proof does not hold.
 */
export function verifyTermProof(keys: ProofKeys, proof: TermProof): GrantsProof | Certificate {
  if (proof.kind === "certificate") return verifyNote(keys, proof);
  checkGrants(keys, proof);
  return proof;
}

function checkGrants(keys: ProofKeys, proof: GrantsProof): void {
  const { term, epoch, candidate, grants } = proof;
  const certifier = keys.certifierOf(epoch);
  if (certifier === null) throw refused("wrong-epoch", `epoch ${epoch} is not known here`);
  const { voters, threshold } = certifier;
  if (grants.length !== threshold) throw malformed(`${grants.length} grants are not ${threshold}`);
  if (!voters.includes(candidate)) throw malformed(`${candidate} is no voter`);
  // The form first, because that check is cheap. One order, so that no voter counts twice.
  let last = -1;
  for (const { voter } of grants) {
    const position = voters.indexOf(voter);
    if (position <= last) throw malformed(`${voter} is no voter or out of order`);
    last = position;
  }
  for (const { voter, signature } of grants) {
    const grant = { term, candidate };
    if (keys.verifyGrant(epoch, { voter, grant, signature })) continue;
    throw refused("bad-signature", `the grant is not ${voter}'s`);
  }
}

function verifyNote(keys: ProofKeys, { term, note }: CertificateProof): Certificate {
  const certificate = keys.verify(note);
  if (certificate.term === term) return certificate;
  throw refused("wrong-term", `its certificate is of term ${certificate.term}`);
}

function malformed(why: string): CertificateError {
  return refused("malformed", why);
}

function refused(refusal: CertificateRefusal, why: string): CertificateError {
  return new CertificateError(refusal, `Cannot accept the proof of a term: ${why}`);
}

/** A certificate as the proof of its term. */
export function toCertificateProof({ term, note }: Certificate): TermProof {
  return { kind: "certificate", term, note };
}
