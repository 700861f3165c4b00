/**
 * Verifies what a Floe cluster has signed: who leads a term, and who belongs to the cluster. For browsers, Deno
 * and Node; nothing here makes a signature, opens a connection or reads a file.
 *
 * **The key comes from you.** Whoever forges a certificate also forges the key beside it. Take the group key
 * from an operator, never from the node that shows the certificate.
 *
 * The same rules hold in `lib/certificate`, which nodes use: it is synchronous and signs as well. One test
 * holds both to the same cases (`tests/ui/verify_test.ts`).
 *
 * @example
 * ```ts
 * import { parseGroupKey, verifyCertificate } from "@floe/verify";
 *
 * const key = parseGroupKey("floe-test+64322cac+AYHv+nFR9CRp970/XSNFLj+K41XPlEdiYfuJlnCIyKAQ");
 * const { leader, term } = await verifyCertificate(note, key);
 * ```
 *
 * @module
 */

/** Why something is refused. `uncheckable`: this environment has no Ed25519 and no `@noble/curves`. */
export type Refusal =
  | "malformed"
  | "wrong-cluster"
  | "wrong-term"
  | "wrong-leader"
  | "wrong-epoch"
  | "wrong-chain"
  | "bad-roster"
  | "bad-group"
  | "bad-signature"
  | "uncheckable";

/** What is thrown for everything that does not verify. */
export class VerificationError extends Error {
  /** An error with its reason. */
  constructor(refusal: Refusal, message: string);
  /** Distinguishes this error in logs and in `catch` clauses. */
  override name: string;
  /** The reason, for programs. */
  readonly refusal: Refusal;
}

/** A cluster's public key. It never changes. */
export interface GroupKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** The cluster that the text names; null for hex and PEM, which name none. */
  readonly cluster: string | null;
  /** The id that a verifier key carries, 8 hex digits; checked with the first signature. */
  readonly id: string | null;
}

/** A note with one signature, taken apart. Nothing in it is verified. */
export interface SignedNote {
  /** What was signed, with its last line break. */
  readonly text: string;
  /** The cluster that signed. */
  readonly name: string;
  /** The first four bytes of the hash of name and key. */
  readonly keyId: Uint8Array<ArrayBuffer>;
  /** 64 bytes. */
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** What became of a signature. */
export type Verdict = "valid" | "invalid" | "otherKey" | "uncheckable";

/** What an election certificate states. */
export interface Election {
  /** The cluster that elects. */
  readonly cluster: string;
  /** The epoch of the shares that signed. */
  readonly epoch: number;
  /** The term that the voters elected for. */
  readonly term: number;
  /** The node that leads the term. */
  readonly leader: string;
  /** The index of the last entry in the leader's log when it stood. */
  readonly lastLogIndex: number;
  /** The term of that entry. */
  readonly lastLogTerm: number;
}

/** A member of the cluster. Keys are lower-case hex. */
export interface Member {
  /** The node. */
  readonly id: string;
  /** Whether it votes, or only replicates. */
  readonly role: "voter" | "learner";
  /** Its number. No other node ever has the same one. */
  readonly identifier: number;
  /** Its own Ed25519 public key. */
  readonly identityKey: string;
  /** The X25519 public key of its channels; null in the founding text, which has none. */
  readonly channelKey: string | null;
  /** The public side of its share; null for a learner, and for a voter without a share. */
  readonly verifyingShare: string | null;
  /** The address for its peers; null in the founding text. */
  readonly peerAddress: string | null;
  /** The address for clients; null where none is stated. */
  readonly apiAddress: string | null;
}

/** Who belongs to the cluster after a statement. */
export interface Membership {
  /** The name that every statement has. */
  readonly cluster: string;
  /** How many statements followed the founding text. */
  readonly sequence: number;
  /** The epoch of the shares in force. */
  readonly epoch: number;
  /** How many voters must sign. */
  readonly threshold: number;
  /** Every member, by rising identifier. */
  readonly members: readonly Member[];
}

/** What `GET /v1/members/chain` answers with. */
export interface MembershipChain {
  /** The text that the first membership names by its hash. */
  readonly founding: string;
  /** One note of each epoch that must sign, for each change. */
  readonly memberships: readonly {
    readonly byOld: string;
    readonly byNew: string | null;
  }[];
}

/**
 * Reads a group key: 64 hex digits, PEM, or a verifier key `name+id+base64`.
 *
 * @throws {VerificationError} `malformed`.
 */
export function parseGroupKey(text: string): GroupKey;

/**
 * Takes a note apart. Verifies nothing.
 *
 * @throws {VerificationError} `malformed` unless it is a text, an empty line and exactly one signature line.
 */
export function parseSignedNote(note: string): SignedNote;

/** Whether the key's owner signed exactly this text. Says nothing about what the text means. */
export function judgeSignature(note: SignedNote, key: GroupKey): Promise<Verdict>;

/**
 * Verifies an election certificate: its one exact form, its cluster, its signature, and, where given, its term
 * and leader.
 *
 * @throws {VerificationError} for anything else.
 */
export function verifyCertificate(
  note: string,
  key: GroupKey,
  expected?: { readonly term: number; readonly leader: string },
): Promise<Election>;

/**
 * Verifies the memberships of a cluster from its founding text to today. Returns each in order, the founding
 * one first. Does not repeat the arithmetic of the verifying shares: that the new shares work is what the
 * second signature of a new epoch shows.
 *
 * @throws {VerificationError} for the first that is wrong, and `wrong-chain` where there is none: only a
 * signed membership vouches for the founding text.
 */
export function verifyMembershipChain(
  chain: MembershipChain,
  key: GroupKey,
): Promise<readonly Membership[]>;

/** Lower-case hex, two digits a byte. */
export function toHex(bytes: Uint8Array): string;
