/**
 * The messages of key generation.
 *
 * Messages may be lost, doubled and reordered. They travel on channels that authenticate the sender and
 * encrypt the content: `share` is a secret, and `from` is trusted.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { FaultRule } from "./configuration.ts";

/** What every message carries. */
export interface Envelope {
  /** The sender, authenticated by the channel. */
  readonly from: NodeId;
  /** The receiver. */
  readonly to: NodeId;
  /** SHA-256 of the sender's configuration, in hex. */
  readonly configuration: string;
  /** The attempt that the message is about, from 1. */
  readonly attempt: number;
}

/** The hash of a voter's commitment, signed by that voter. */
export interface SignedHash {
  /** `hashPolynomialCommitment` of the voter's commitment: 64 bytes. */
  readonly hash: Uint8Array;
  /** The voter's identity signature over attempt and hash: 64 bytes. */
  readonly signature: Uint8Array;
}

/** Round one, first half: the hash of the sender's commitment. */
export interface HashBody extends SignedHash {
  /** The tag. */
  readonly kind: "hash";
}

/** Round one, second half: the commitment, once the sender has every voter's hash. */
export interface RevealBody {
  /** The tag. */
  readonly kind: "reveal";
  /** The commitment: t encoded elements. */
  readonly vssCommitment: readonly Uint8Array[];
  /** The proof of possession: 64 bytes. */
  readonly proofOfKnowledge: Uint8Array;
  /** The hashes that the sender has, its own included, in the roster's order. */
  readonly hashes: readonly SignedHash[];
}

/** Round two: the sender's share for the receiver, once the sender has checked all commitments. */
export interface ShareBody {
  /** The tag. */
  readonly kind: "share";
  /** A 32-byte scalar. SECRET: only for the receiver. The driver erases this copy. */
  readonly share: Uint8Array;
}

/** The sender's own share is durable. */
export interface ReadyBody {
  /** The tag. */
  readonly kind: "ready";
  /** The transcript that the sender saw: 32 bytes. */
  readonly transcriptHash: Uint8Array;
}

/** The sender has signed the genesis statement, and never signs another. */
export interface SignedBody {
  /** The tag. */
  readonly kind: "signed";
  /** Its identity signature over the statement: 64 bytes. */
  readonly signature: Uint8Array;
}

/** The sender has the certificate. It is the answer to a peer that has not. */
export interface GenesisBody {
  /** The tag. */
  readonly kind: "genesis";
  /** The genesis certificate. */
  readonly note: string;
}

/** The sender gives the attempt up and says why; a new one begins soon. */
export interface AbortBody {
  /** The tag. */
  readonly kind: "abort";
  /** The voter that the sender accuses, where it can name one. */
  readonly voter: NodeId | null;
  /** The rule that was broken. */
  readonly rule: FaultRule;
}

/** The messages of one attempt, before the signatures. */
export type AttemptBody = HashBody | RevealBody | ShareBody | ReadyBody;

/** The content of any message. */
export type MessageBody = AttemptBody | SignedBody | GenesisBody | AbortBody;

/** Everything that nodes send each other during key generation. */
export type Message = Envelope & MessageBody;
