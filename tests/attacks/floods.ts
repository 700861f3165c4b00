/**
 * What a member can flood others with: messages that make them work, as fast as the network takes
 * them.
 *
 * @module
 */

import { encodeCommand } from "../../lib/kv/mod.ts";
import type { AppendRequest, Message, TermProof } from "../../lib/raft/mod.ts";
import { encodeFrame } from "../../lib/transport/frame.ts";
import { encodeMessage } from "../../lib/transport/message_codec.ts";
import { type NodeId, toEpoch, toLogIndex, toTerm } from "../../lib/types.ts";
import { GOOD_POINT } from "../frost/weak_points.ts";
import { putCommand } from "../kv/support.ts";

/** Who floods whom, and when. */
export interface FloodTarget {
  /** The member that floods. */
  readonly from: NodeId;
  /** Whom. */
  readonly to: NodeId;
  /** Everybody who votes. */
  readonly voters: readonly NodeId[];
  /** The term that is led. */
  readonly term: number;
}

/** A flood to one target: its `number`th frame. */
export type Flood = (target: FloodTarget) => (number: number) => Uint8Array;

/** What is refused in a message of which one small proposal is taken. */
const BALLAST = new Uint8Array(2 * 1024 * 1024);
/** Proposals in one frame, and entries in one of those that append. */
const PROPOSALS = 1_000;
const ENTRIES = 16_000;
const EPOCH = toEpoch(1);
const READABLE = encodeCommand(putCommand("flood", "x"));
const UNREADABLE = new Uint8Array(1);

/** Every kind of flood, by its name. */
export const FLOODS: Readonly<Record<string, Flood>> = {
  "keepalives": () => same(encodeFrame(new Uint8Array(0))),
  "requests for pre-votes": (target) =>
    same(frameOf({
      ...envelope(target, 1),
      kind: "preVoteRequest",
      lastLogIndex: toLogIndex(1_000_000),
      lastLogTerm: toTerm(target.term),
      transfer: false,
      epoch: EPOCH,
      sequence: 0,
      membership: null,
      proof: null,
    })),
  "requests for votes": (target) => (number) => voteRequest(target, number),
  "terms with wrong proofs": (target) => same(staleTerm(target)),
  "grants that nobody asked for": (target) => (number) => grant(target, number),
  "claims to lead": (target) =>
    same(frameOf({ ...append(target, 1), certificate: "floe/election/v1\n\n\u2014 a b\n" })),
  "entries of nobody's log": (target) =>
    same(frameOf({
      ...append(target, 0),
      entries: Array.from({ length: ENTRIES }, (_, at) => ({
        index: toLogIndex(1 + at),
        term: toTerm(1),
        kind: "command",
        data: UNREADABLE,
      })),
    })),
  "conflicts with the log": (target) =>
    same(frameOf({
      ...envelope(target),
      kind: "appendResponse",
      round: 1,
      promiseTicks: 50,
      outcome: {
        kind: "conflict",
        previousLogIndex: toLogIndex(1),
        hintIndex: toLogIndex(1_000_000),
        hintTerm: toTerm(0),
      },
    })),
  "reads": (target) => (number) =>
    frameOf({
      ...envelope(target),
      kind: "readIndexRequest",
      incarnation: 1,
      batchId: number,
      lease: number % 2 === 0,
    }),
  "proposals": (target) => (number) =>
    proposeRequest(target, number, new Array(PROPOSALS).fill(READABLE)),
  "little in large messages": (target) => (number) =>
    proposeRequest(target, number, [BALLAST, BALLAST, BALLAST, READABLE]),
  "proposals that nobody can read": (target) => (number) =>
    proposeRequest(target, number, new Array(PROPOSALS).fill(UNREADABLE)),
};

function same(frame: Uint8Array): () => Uint8Array {
  return () => frame;
}

function frameOf(message: Message): Uint8Array {
  return encodeFrame(encodeMessage(message));
}

function envelope({ from, to, term }: FloodTarget, more = 0) {
  return { from, to, term: toTerm(term + more) };
}

function append(target: FloodTarget, more: number): AppendRequest {
  return {
    ...envelope(target, more),
    kind: "appendRequest",
    previousLogIndex: toLogIndex(0),
    previousLogTerm: toTerm(0),
    entries: [],
    leaderCommit: toLogIndex(0),
    matchIndex: toLogIndex(0),
    round: 1,
    certificate: null,
    transferTarget: null,
  };
}

/** Each names another list of commitments. */
function voteRequest(target: FloodTarget, number: number): Uint8Array {
  return frameOf({
    ...envelope(target, 1),
    kind: "voteRequest",
    epoch: toEpoch(1),
    lastLogIndex: toLogIndex(1_000_000),
    lastLogTerm: toTerm(target.term),
    transfer: false,
    proof: wrongProof(target),
    session: number,
    commitments: target.voters.map((voter) => ({ voter, commitment: commitment(number) })),
  });
}

function grant(target: FloodTarget, number: number): Uint8Array {
  const granted = {
    ...envelope(target, 1),
    granted: true,
    commitment: commitment(number),
    incarnation: 1,
    proof: null,
  };
  const { term: requestTerm } = granted;
  const share = new Uint8Array(32);
  return number % 2 === 0
    ? frameOf({ ...granted, kind: "preVoteResponse", grant: new Uint8Array(64), memberships: [] })
    : frameOf({ ...granted, kind: "voteResponse", requestTerm, session: 1, share });
}

/** A leader is told that a higher term has begun. */
function staleTerm(target: FloodTarget): Uint8Array {
  const proof = wrongProof(target);
  const outcome = { kind: "staleTerm", proof } as const;
  return frameOf({
    ...envelope(target, 1),
    kind: "appendResponse",
    round: 1,
    promiseTicks: 50,
    outcome,
  });
}

/** Right in everything but its signatures. */
function wrongProof({ from, term, voters }: FloodTarget): TermProof {
  const grants = voters.slice(0, Math.floor(voters.length / 2) + 1).map((voter) => {
    return { voter, signature: new Uint8Array(64) };
  });
  const opened = { term: toTerm(term + 1), epoch: EPOCH, membership: null, candidate: from };
  return { kind: "grants", ...opened, grants };
}

/** A good point, and then one that must be looked at to see whether it is. */
function commitment(number: number): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(GOOD_POINT);
  new DataView(bytes.buffer).setUint32(32, number);
  return bytes;
}

function proposeRequest(
  target: FloodTarget,
  batchId: number,
  commands: readonly Uint8Array[],
): Uint8Array {
  return frameOf({
    ...envelope(target),
    kind: "proposeRequest",
    incarnation: 1,
    batchId,
    proposals: commands.map((command, proposalId) => ({ proposalId, command })),
  });
}
