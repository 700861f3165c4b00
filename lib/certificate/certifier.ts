/**
 * The seam between Raft and FROST: what the consensus core asks of the part that makes
 * and checks election certificates. `lib/raft` knows only this interface.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import type { ClusterName, Epoch, LogIndex, NodeId, Term } from "../types.ts";

/**
 * What an election certificate says, apart from the cluster's name, which every certifier adds from
 * its own knowledge. Voters build the statement from these typed fields and never sign bytes that
 * they were sent.
 */
export interface ElectionFields {
  /** The dealing of shares that signs. */
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

/** Most characters in a certificate's note; the longest one is shorter. */
export const NOTE_LENGTH_MAX = 1024;

/** A certificate that this node has verified against the cluster's group key. */
export interface Certificate extends ElectionFields {
  /** The signed note, the form in which a certificate travels and is stored. */
  readonly note: string;
}

/** One signer's entry in the list that a signing session is bound to. */
export interface SignerCommitment {
  /** The voter that issued the commitment. */
  readonly voter: NodeId;
  /** The encoded round-one commitment, as {@linkcode Certifier.commit} returned it. */
  readonly commitment: Uint8Array;
}

/** A request for one signature share: what to sign, and with whom. */
export interface SigningRequest {
  /** The fields of the statement. */
  readonly election: ElectionFields;
  /** One entry for each signer, in the order of {@linkcode Certifier.voters}, at least t of them. */
  readonly commitments: readonly SignerCommitment[];
}

/**
 * The right to make one signature share: a nonce that has left its pool for one particular request.
 * Opaque to the consensus core, which holds it only until the vote behind it is durable.
 */
export interface NonceTicket {
  /** The candidate that the share is for. */
  readonly candidate: NodeId;
  /** The term that the share is for. */
  readonly term: Term;
}

/** What came of combining signature shares. */
export type CombineResult =
  /** The shares make a certificate, already verified. */
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  /** The sum does not verify; these voters' shares, checked one by one, are wrong. */
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
 * Makes and checks election certificates for one node. All methods are synchronous; randomness is
 * handed in at construction. Secrets (the share, the nonces) never leave an implementation.
 *
 * Lifetime of a nonce: {@linkcode prepare} or {@linkcode commit} makes it and keeps it in memory only;
 * {@linkcode takeNonce} takes it out of the pool for good, for one request; {@linkcode sign} uses
 * and erases it; {@linkcode forgetBelow} erases what an ended term left behind.
 */
export interface Certifier extends Omit<Roster, "cluster"> {
  /** Whether this node holds a share of the epoch. Without one it checks what others sign. */
  readonly canSign: boolean;

  /**
   * Does a small part of the next election's work ahead: called in idle moments, it holds its caller
   * for milliseconds at first and for nothing once all is prepared.
   */
  prepare(): void;

  /**
   * FROST round one: a commitment for one candidate's election, to a fresh nonce or to the one
   * that was issued for this very election and is still unused. Called again after
   * {@linkcode takeNonce}, it issues the next.
   */
  commit(election: { readonly term: Term; readonly candidate: NodeId }): Uint8Array;

  /**
   * Checks another voter's commitment fully, as it arrives: length, canonical encoding, prime-order
   * group, not the identity.
   *
   * @throws {CertificateError} naming the refusal.
   */
  checkCommitment(voter: NodeId, commitment: Uint8Array): void;

  /**
   * Checks a signing request and takes the nonce that it names out of the pool. An exact repeat of
   * an earlier request yields a ticket for the cached share.
   *
   * @throws {CertificateError} when the list is not sorted, unique, at least t long, all of this
   * epoch's voters, with valid points and this node's own issued commitment; or when the nonce was
   * already taken for a different request; or when the candidate had more signing sessions than an
   * honest one can need.
   */
  takeNonce(request: SigningRequest): NonceTicket;

  /** FROST round two: the signature share for a ticket. Erases the nonce. */
  sign(ticket: NonceTicket): Uint8Array;

  /**
   * Combines one share from every signer of the request into a certificate and verifies it.
   * Only when that fails are the shares checked one by one.
   */
  combine(request: SigningRequest, shares: ReadonlyMap<NodeId, Uint8Array>): CombineResult;

  /**
   * Verifies a signed note from outside: group key, cluster, and, where given, term and leader. Any
   * epoch will do, as the group key outlives them; a follower of a leader checks that as well.
   *
   * @throws {CertificateError} naming the refusal.
   */
  verify(
    note: string,
    expected?: { readonly term: Term; readonly leader: NodeId },
  ): Certificate;

  /** Erases every nonce and cached share that belongs to a term below `term`. */
  forgetBelow(term: Term): void;

  /** The epoch is over: erases every nonce, every cached share and the node's own. It signs no more. */
  erase(): void;
}

/** A certificate, a commitment or a signing request is refused. */
export class CertificateError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "CertificateError";
  /** Which rule refused it. */
  readonly refusal: CertificateRefusal;
  /** The voter at fault, where one can be named. */
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
  /** Its FROST identifier, from 1 (RFC 9591 §3); voters are listed in this order. */
  readonly identifier: number;
  /** Its verifying share: a 32-byte Ed25519 point. For a single voter, the group key itself. */
  readonly verifyingShare: Uint8Array;
}

/** Who signs together, and how many of them must. `Voter` is what is known of each. */
export interface Roster<Voter = NodeId> {
  /** As every statement names it. */
  readonly cluster: ClusterName;
  /** Which dealing of shares this is. */
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
