/**
 * Raft messages as bytes: one schema per kind, all in this file. A message is its kind's tag, then its
 * fields in the order below (see `field.ts`). Sender and receiver are not written: the connection knows
 * both. Tags and order are the wire format. To change either, or to add a field, takes a new protocol
 * version in `hello.ts`.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import {
  MEMBERSHIP_LENGTH_MAX,
  type MembershipCertificate,
  NOTE_LENGTH_MAX,
  type SignerCommitment,
} from "../certificate/mod.ts";
import { InputError } from "../errors.ts";
import { SIGNATURE_BYTES } from "../frost/mod.ts";
import {
  type AppendOutcome,
  type AppendRequest,
  type Entry,
  type ForwardedProposal,
  type Message,
  type ProposalOutcome,
  type RefusalReason,
  type SignedGrant,
  type Snapshot,
  SNAPSHOT_CHUNK_BYTES_MAX,
  type SnapshotOutcome,
  type TermProof,
} from "../raft/mod.ts";
import { type NodeId, toLogIndex } from "../types.ts";
import {
  atMost,
  boolean,
  bytes,
  count,
  decodePayload,
  encodePayload,
  epoch,
  type Field,
  fixedBytes,
  list,
  logIndex,
  nodeId,
  nullable,
  optional,
  record,
  tagged,
  term,
  text,
  word,
} from "./field.ts";

/** Most entries in one AppendEntries; the core sends no more (`APPEND_LIMITS`). */
export const ENTRY_COUNT_MAX = 16_384;
/** Most bytes in the payload of one entry, or in one forwarded command. */
export const ENTRY_BYTES_MAX = 2 * 1024 * 1024;
/** Most proposals, or outcomes of proposals, in one message; the core sends no more. */
export const PROPOSAL_COUNT_MAX = 16_384;
/** Most signers in one signing session, or grants in one term's proof. */
export const SIGNER_COUNT_MAX = 1024;
/** Most bytes in a round-one commitment; FROST(Ed25519) has 64. */
export const COMMITMENT_BYTES_MAX = 256;
/** Most bytes in a signature share; FROST(Ed25519) has 32. */
export const SHARE_BYTES_MAX = 128;
/** Most memberships that are shown at once. */
export const MEMBERSHIP_COUNT_MAX = 16;
/** Most bytes of what a snapshot says of the members; a frame has room for them and a chunk. */
export const MEMBERS_BYTES_MAX = 4 * 1024 * 1024;
/** A scalar of Ed25519. */
const SUB_SHARE_BYTES = 32;
/** Names a snapshot by its content; in hex, a change of the members. */
export const SHA256_BYTES = 32;

/** A payload is not a message, or exceeds a limit. */
export class MessageError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "MessageError";
}

/** The two ends of a connection, authenticated when it began. */
export interface Route {
  /** The sender. */
  readonly from: NodeId;
  /** The receiver. */
  readonly to: NodeId;
}

/**
 * The payload of a message, in a shared buffer: put it into a frame before the next call.
 *
 * @throws {MessageError} when the receiver would refuse it: a count or a length above its limit.
 */
export function encodeMessage(message: Message): Uint8Array {
  try {
    return encodePayload(messageField, message);
  } catch (cause) {
    throw toMessageError(`write ${message.kind}`, cause);
  }
}

/**
 * Reads and checks a payload. Byte strings in the message are views into `payload`, which must be
 * the message's own.
 *
 * @throws {MessageError} when a field does not fit. The message has the kind, the field, and the limit.
 */
export function decodeMessage(payload: Uint8Array, route: Route): Message {
  try {
    const body = decodePayload(messageField, payload);
    if (body.kind === "appendRequest") checkContiguous(body);
    return { ...body, from: route.from, to: route.to };
  } catch (cause) {
    throw toMessageError("read message", cause);
  }
}

/** A message without sender and receiver, which the connection knows. */
type Body<Kind> = Kind extends Message ? Omit<Kind, "from" | "to"> : never;

const change = text({ lengthMax: 2 * SHA256_BYTES });
const commitment = bytes({ bytesMax: COMMITMENT_BYTES_MAX });
const command = bytes({ bytesMax: ENTRY_BYTES_MAX });

const signerCommitment = record<SignerCommitment>({ voter: nodeId, commitment });
const forwardedProposal = record<ForwardedProposal>({ proposalId: count, command });

const refusalReason = word<RefusalReason>({
  notLeader: 0,
  noLeader: 1,
  overloaded: 2,
  leaderChanged: 3,
  transferring: 4,
  unreadable: 5,
});

const proposalOutcome = tagged<ProposalOutcome>({
  appended: { tag: 0, fields: { proposalId: count, index: logIndex } },
  refused: { tag: 1, fields: { proposalId: count, reason: refusalReason } },
  unknown: { tag: 2, fields: { proposalId: count } },
});

const note = text({ lengthMax: NOTE_LENGTH_MAX });

/** A text that is longer than the strings of a sequence may be: a byte string in UTF-8. */
function longText(limit: { readonly bytesMax: number }): Field<string> {
  const utf8 = bytes(limit);
  return {
    write: (value, sequence) => utf8.write(encodeUtf8(value), sequence),
    read: (reader) => decodeUtf8(utf8.read(reader)),
  };
}

const membershipNote = longText({ bytesMax: MEMBERSHIP_LENGTH_MAX });
/** A membership, with the notes of one epoch or of two. */
export const membershipCertificate: Field<MembershipCertificate> = record<MembershipCertificate>({
  byOld: membershipNote,
  byNew: optional(membershipNote),
});
const membership = optional(membershipCertificate);

const signedGrant = record<SignedGrant>({
  voter: nodeId,
  signature: fixedBytes(SIGNATURE_BYTES),
});
const termProof = tagged<TermProof>({
  grants: {
    tag: 0,
    fields: {
      term,
      epoch,
      membership,
      candidate: nodeId,
      grants: list(signedGrant, { countMax: SIGNER_COUNT_MAX }),
    },
  },
  certificate: { tag: 1, fields: { term, note } },
});
const proof = optional(termProof);

const appendOutcome = tagged<AppendOutcome>({
  accepted: { tag: 0, fields: { matchIndex: logIndex } },
  conflict: {
    tag: 1,
    fields: { previousLogIndex: logIndex, hintIndex: logIndex, hintTerm: term },
  },
  uncertified: { tag: 2, fields: {} },
  staleTerm: { tag: 3, fields: { proof: termProof } },
});

const snapshot = record<Snapshot>({
  index: logIndex,
  term,
  bytes: count,
  sha256: bytes({ bytesMax: SHA256_BYTES }),
  members: optional(longText({ bytesMax: MEMBERS_BYTES_MAX })),
});

const snapshotOutcome = tagged<SnapshotOutcome>({
  stored: { tag: 0, fields: { nextOffset: count } },
  installed: { tag: 1, fields: {} },
  refused: { tag: 2, fields: {} },
  wanted: { tag: 3, fields: {} },
});

const entryCount = atMost(ENTRY_COUNT_MAX);
const entryKind = word<Entry["kind"]>({
  certificate: 0,
  command: 1,
  configuration: 2,
  resharing: 3,
});

/** The count, the first entry's index if there is one, then each entry's term, kind and data. */
const entries: Field<readonly Entry[]> = {
  write: (log, sequence) => {
    entryCount.write(log.length, sequence);
    const [first] = log;
    if (first === undefined) return;
    sequence.push(first.index);
    log.forEach((entry, offset) => {
      assert(entry.index === first.index + offset, "entries of an AppendEntries are contiguous");
      term.write(entry.term, sequence);
      entryKind.write(entry.kind, sequence);
      command.write(entry.data, sequence);
    });
  },
  read: (reader) => {
    const log: Entry[] = [];
    const length = entryCount.read(reader);
    const firstIndex = length === 0 ? 0 : logIndex.read(reader);
    for (let offset = 0; offset < length; offset++) {
      log.push({
        index: toLogIndex(firstIndex + offset),
        term: term.read(reader),
        kind: entryKind.read(reader),
        data: command.read(reader),
      });
    }
    return log;
  },
};

const messageField = tagged<Body<Message>>({
  preVoteRequest: {
    tag: 1,
    fields: {
      term,
      lastLogIndex: logIndex,
      lastLogTerm: term,
      transfer: boolean,
      epoch,
      sequence: count,
      membership,
      proof,
    },
  },
  preVoteResponse: {
    tag: 2,
    fields: {
      term,
      granted: boolean,
      grant: nullable(fixedBytes(SIGNATURE_BYTES)),
      commitment: nullable(commitment),
      incarnation: count,
      proof,
      memberships: list(membershipCertificate, { countMax: MEMBERSHIP_COUNT_MAX }),
    },
  },
  voteRequest: {
    tag: 3,
    fields: {
      term,
      epoch,
      lastLogIndex: logIndex,
      lastLogTerm: term,
      transfer: boolean,
      proof,
      session: count,
      commitments: list(signerCommitment, { countMax: SIGNER_COUNT_MAX }),
    },
  },
  voteResponse: {
    tag: 4,
    fields: {
      term,
      requestTerm: term,
      granted: boolean,
      session: count,
      share: nullable(bytes({ bytesMax: SHARE_BYTES_MAX })),
      commitment: nullable(commitment),
      incarnation: count,
      proof,
    },
  },
  appendRequest: {
    tag: 5,
    fields: {
      term,
      previousLogIndex: logIndex,
      previousLogTerm: term,
      leaderCommit: logIndex,
      matchIndex: logIndex,
      round: count,
      certificate: nullable(note),
      transferTarget: nullable(nodeId),
      entries,
    },
  },
  appendResponse: {
    tag: 6,
    fields: { term, round: count, promiseTicks: count, outcome: appendOutcome },
  },
  proposeRequest: {
    tag: 7,
    fields: {
      term,
      incarnation: count,
      batchId: count,
      proposals: list(forwardedProposal, { countMax: PROPOSAL_COUNT_MAX }),
    },
  },
  proposeResponse: {
    tag: 8,
    fields: {
      term,
      incarnation: count,
      outcomes: list(proposalOutcome, { countMax: PROPOSAL_COUNT_MAX }),
    },
  },
  readIndexRequest: {
    tag: 9,
    fields: { term, incarnation: count, batchId: count, lease: boolean },
  },
  readIndexResponse: {
    tag: 10,
    fields: { term, incarnation: count, batchId: count, readIndex: nullable(logIndex) },
  },
  snapshotRequest: {
    tag: 11,
    fields: {
      term,
      round: count,
      certificate: nullable(note),
      snapshot,
      offset: count,
      data: bytes({ bytesMax: SNAPSHOT_CHUNK_BYTES_MAX }),
    },
  },
  snapshotResponse: { tag: 12, fields: { term, index: logIndex, outcome: snapshotOutcome } },
  subShare: { tag: 14, fields: { term, change, secret: fixedBytes(SUB_SHARE_BYTES) } },
  subShareRequest: { tag: 15, fields: { term, change } },
  memberEntryRequest: { tag: 16, fields: { term, data: bytes({ bytesMax: ENTRY_BYTES_MAX }) } },
  signatureRequest: {
    tag: 17,
    fields: {
      term,
      change,
      epoch,
      session: count,
      commitments: list(signerCommitment, { countMax: SIGNER_COUNT_MAX }),
    },
  },
  signatureResponse: {
    tag: 18,
    fields: {
      term,
      change,
      epoch,
      session: count,
      share: nullable(bytes({ bytesMax: SHARE_BYTES_MAX })),
      commitment,
    },
  },
  timeoutNowRequest: { tag: 13, fields: { term, round: count, certificate: nullable(note) } },
});

/** The one rule between fields: the entries follow the previous entry in the request. */
function checkContiguous(request: Body<AppendRequest>): void {
  const [first] = request.entries;
  if (first !== undefined && first.index !== request.previousLogIndex + 1) {
    throw new InputError(
      `appendRequest: entries: first index ${first.index} does not follow ` +
        `${request.previousLogIndex}`,
    );
  }
}

/** Turns a schema's refusal into a {@linkcode MessageError}. Other errors stay as they are. */
export function toMessageError(what: string, cause: unknown): unknown {
  return cause instanceof InputError
    ? new MessageError(`Cannot ${what}: ${cause.message}`, { cause })
    : cause;
}
