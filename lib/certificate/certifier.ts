/**
 * The interface between Raft and FROST: the consensus core uses it to make and check election
 * certificates. `lib/raft` depends only on this interface.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import type { ClusterName, Epoch, LogIndex, NodeId, Term } from "../types.ts";

/**
 * The fields of an election certificate, without the cluster's name, which every certifier adds itself.
 * Voters build the statement from these typed fields. They never sign bytes that another node sent.
 */
export interface ElectionFields {
  /** The epoch of the shares that sign. */
  readonly epoch: Epoch;
  /** The term that the leader will lead. */
  readonly term: Term;
  /** The candidate. */
  readonly leader: NodeId;
  /** Index of the last entry in the candidate's log; 0 when it is empty. */
  readonly lastLogIndex: LogIndex;
  /** Term of the last entry in the candidate's log; 0 when it is empty. */
  readonly lastLogTerm: Term;
}

/** Most characters in a certificate's note. The longest possible note is shorter. */
export const NOTE_LENGTH_MAX = 1024;

/** A certificate that this node has verified against the cluster's group key. */
export interface Certificate extends ElectionFields {
  /** The signed note. Certificates are sent and stored in this form. */
  readonly note: string;
}

/** One signer's entry in the commitment list of a signing session. */
export interface SignerCommitment {
  /** The voter that issued the commitment. */
  readonly voter: NodeId;
  /** The encoded round-one commitment, as {@linkcode Certifier.commit} returned it. */
  readonly commitment: Uint8Array;
}

/** A request for one signature share: the statement, and the signers' commitments. */
export interface SigningRequest {
  /** The fields of the statement. */
  readonly election: ElectionFields;
  /** One entry for each signer, in the order of {@linkcode Certifier.voters}, at least t of them. */
  readonly commitments: readonly SignerCommitment[];
}

/**
 * The right to make one signature share: a nonce that was taken from its pool for one request. It is
 * opaque to the consensus core, which keeps it only until the vote is durable.
 */
export interface NonceTicket {
  /** The candidate that the share is for. */
  readonly candidate: NodeId;
  /** The term that the share is for. */
  readonly term: Term;
}

/** The result of combining signature shares. */
export type CombineResult =
  /** The certificate, already verified. */
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  /** The signature does not verify. The shares of these voters were checked one by one and are wrong. */
  | { readonly kind: "cheaters"; readonly voters: readonly NodeId[] };

/** Why a certificate, a commitment or a signing request is refused. */
export type CertificateRefusal =
  | "malformed"
  | "wrong-cluster"
  | "wrong-epoch"
  | "wrong-term"
  | "wrong-leader"
  | "bad-signature"
  | "bad-commitment"
  | "foreign-signer"
  | "too-few-signers"
  | "unsorted-signers"
  | "not-a-signer"
  | "unknown-nonce"
  | "nonce-reused"
  | "too-many-sessions"
  | "wrong-chain"
  | "bad-roster"
  | "wrong-roster"
  | "bad-group";

/**
 * Makes and checks election certificates for one node. All methods are synchronous. The constructor gets
 * the source of randomness. Secrets (the share, the nonces) never leave an implementation.
 *
 * Lifetime of a nonce: {@linkcode prepare} or {@linkcode commit} makes it and keeps it in memory only.
 * {@linkcode takeNonce} takes it out of the pool for ever, for one request. {@linkcode sign} uses and
 * erases it. {@linkcode forgetBelow} erases the nonces that an ended term did not use.
 */
export interface Certifier extends Omit<Roster, "cluster"> {
  /** Whether this node holds a share of the epoch. Without one it only checks what others sign. */
  readonly canSign: boolean;
  /** How many nonces are drawn in advance, for later elections. */
  readonly spareNonces: number;

  /**
   * Does a small part of the next election's work in advance. The caller calls it in idle moments. A call
   * takes milliseconds at first, and no time once everything is prepared.
   */
  prepare(): void;

  /**
   * FROST round one: a commitment for one candidate's election. If a nonce was issued for this election
   * and is still unused, it is the commitment to that nonce. Otherwise, as after {@linkcode takeNonce}, it
   * is the commitment to a fresh nonce.
   */
  commit(election: { readonly term: Term; readonly candidate: NodeId }): Uint8Array;

  /**
   * Checks another voter's commitment fully when it arrives: length, canonical encoding, prime-order
   * group, not the identity.
   *
   * @throws {CertificateError} `foreign-signer` or `bad-commitment`.
   */
  checkCommitment(voter: NodeId, commitment: Uint8Array): void;

  /**
   * Checks a signing request, and takes the nonce that it names out of the pool. For an exact repeat of
   * an earlier request it returns a ticket for the cached share.
   *
   * @throws {CertificateError} when the list is not sorted, not unique, or shorter than t; when a signer is
   * not a voter of this epoch, or a point is invalid; when this node's own entry is not a commitment that
   * it issued; when the nonce was already taken for a different request; or when the candidate had more
   * signing sessions than an honest candidate can need.
   */
  takeNonce(request: SigningRequest): NonceTicket;

  /** FROST round two: the signature share for a ticket. Erases the nonce. */
  sign(ticket: NonceTicket): Uint8Array;

  /**
   * Combines one share from each signer of the request into a certificate, and verifies it. If that fails,
   * it checks each share.
   */
  combine(request: SigningRequest, shares: ReadonlyMap<NodeId, Uint8Array>): CombineResult;

  /**
   * Verifies a signed note from outside: group key, cluster, and, if given, term and leader. It accepts
   * every epoch, because the group key is the same in all of them. A follower also checks the epoch itself.
   *
   * @throws {CertificateError} as `verifyCertificate`.
   */
  verify(
    note: string,
    expected?: { readonly term: Term; readonly leader: NodeId },
  ): Certificate;

  /** Erases every nonce and cached share that belongs to a term below `term`. */
  forgetBelow(term: Term): void;

  /** Ends the epoch: erases every nonce, every cached share, and this node's own share. */
  erase(): void;
}

/** A certificate, a commitment or a signing request is refused. */
export class CertificateError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "CertificateError";
  /** Which rule refused it. */
  readonly refusal: CertificateRefusal;
  /** The voter at fault; null when the error cannot name one. */
  readonly voter: NodeId | null;

  /** `message` says what was refused, the value and what was expected. */
  constructor(
    refusal: CertificateRefusal,
    message: string,
    options: { readonly voter?: NodeId; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.refusal = refusal;
    this.voter = options.voter ?? null;
  }
}

/** One voter's public part of the key. */
export interface GroupVoter {
  /** The node. */
  readonly id: NodeId;
  /** Its FROST identifier, from 1 (RFC 9591 §3). Voters are listed in this order. */
  readonly identifier: number;
  /** Its verifying share: a 32-byte Ed25519 point. For a single voter, the group key itself. */
  readonly verifyingShare: Uint8Array;
}

/** The voters that sign together, and how many of them must sign. `Voter` says what is known of each. */
export interface Roster<Voter = NodeId> {
  /** The name in every statement. */
  readonly cluster: ClusterName;
  /** The number of this dealing of shares. */
  readonly epoch: Epoch;
  /** How many voters must sign: n/2 < threshold <= n. */
  readonly threshold: number;
  /** Every voter, by rising FROST identifier. */
  readonly voters: readonly Voter[];
}

/** The public key of a cluster and of each of its voters. The same on every node. */
export interface Group<Voter extends GroupVoter = GroupVoter> extends Roster<Voter> {
  /** The group key: a 32-byte Ed25519 public key. */
  readonly publicKey: Uint8Array;
}
