/**
 * Messages of Raft of every kind, at random, for the tests of their encoding.
 *
 * @module
 */

import fc from "fast-check";
import type { Entry } from "../../lib/raft/entry.ts";
import type { Message } from "../../lib/raft/message.ts";
import type { TermProof } from "../../lib/raft/term_proof.ts";
import {
  COMMITMENT_BYTES_MAX,
  MEMBERSHIP_COUNT_MAX,
  SHA256_BYTES,
  SHARE_BYTES_MAX,
} from "../../lib/transport/message_codec.ts";
import { toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { ALPHA, BETA } from "./harness.ts";

/** A record with the usual prototype, as Floe's own messages have. */
function record<Value>(model: { [Name in keyof Value]: fc.Arbitrary<Value[Name]> }) {
  return fc.record<Value>(model, { noNullPrototype: true });
}

const term = fc.maxSafeNat().map(toTerm);
const logIndex = fc.maxSafeNat().map(toLogIndex);
const count = fc.maxSafeNat();
const nodeId = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/).map(toNodeId);
const data = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => new Uint8Array(bytes));
const commitment = data(COMMITMENT_BYTES_MAX);
const refusalReason = fc.constantFrom(
  ...([
    "notLeader",
    "noLeader",
    "overloaded",
    "leaderChanged",
    "transferring",
    "unreadable",
  ] as const),
);

const entriesFrom = (previousLogIndex: number) =>
  fc.array(
    record({
      term,
      kind: fc.constantFrom(...(["certificate", "command", "configuration", "resharing"] as const)),
      data: data(400),
    }),
    { maxLength: 30 },
  ).map((list): Entry[] =>
    list.map((entry, offset) => ({ ...entry, index: toLogIndex(previousLogIndex + 1 + offset) }))
  );

const change = fc.stringMatching(/^[0-9a-f]{64}$/);
const members = fc.option(fc.string({ maxLength: 9000 }));
const signature = fc.uint8Array({ minLength: 64, maxLength: 64 }).map((bytes) =>
  new Uint8Array(bytes)
);
const epoch = fc.integer({ min: 1 }).map(toEpoch);
const membership = record({
  byOld: fc.string({ maxLength: 400 }),
  byNew: fc.option(fc.string({ maxLength: 400 })),
});
const proof: fc.Arbitrary<TermProof> = fc.oneof(
  record({
    kind: fc.constant("grants" as const),
    term,
    epoch,
    membership: fc.option(membership),
    candidate: nodeId,
    grants: fc.array(record({ voter: nodeId, signature }), { maxLength: 101 }),
  }),
  record({ kind: fc.constant("certificate" as const), term, note: fc.string({ maxLength: 400 }) }),
);

const envelope = { from: fc.constant(ALPHA), to: fc.constant(BETA), term };

/** One arbitrary for each kind; the compiler sees to it that none is forgotten. */
export const arbitraries: {
  [Kind in Message["kind"]]: fc.Arbitrary<Extract<Message, { kind: Kind }>>;
} = {
  preVoteRequest: record({
    ...envelope,
    kind: fc.constant("preVoteRequest"),
    lastLogIndex: logIndex,
    lastLogTerm: term,
    transfer: fc.boolean(),
    epoch,
    sequence: count,
    membership: fc.option(membership),
    proof: fc.option(proof),
  }),
  preVoteResponse: record({
    ...envelope,
    kind: fc.constant("preVoteResponse"),
    granted: fc.boolean(),
    grant: fc.option(signature),
    commitment: fc.option(commitment),
    incarnation: count,
    proof: fc.option(proof),
    memberships: fc.array(membership, { maxLength: MEMBERSHIP_COUNT_MAX }),
  }),
  voteRequest: record({
    ...envelope,
    kind: fc.constant("voteRequest"),
    epoch,
    lastLogIndex: logIndex,
    lastLogTerm: term,
    transfer: fc.boolean(),
    proof: fc.option(proof),
    session: count,
    commitments: fc.array(record({ voter: nodeId, commitment }), { maxLength: 10 }),
  }),
  voteResponse: record({
    ...envelope,
    kind: fc.constant("voteResponse"),
    requestTerm: term,
    granted: fc.boolean(),
    session: count,
    share: fc.option(data(SHARE_BYTES_MAX)),
    commitment: fc.option(commitment),
    incarnation: count,
    proof: fc.option(proof),
  }),
  appendRequest: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 100 }).chain((previous) =>
    record({
      ...envelope,
      kind: fc.constant("appendRequest"),
      previousLogIndex: fc.constant(toLogIndex(previous)),
      previousLogTerm: term,
      entries: entriesFrom(previous),
      leaderCommit: logIndex,
      matchIndex: logIndex,
      round: count,
      certificate: fc.option(fc.string({ maxLength: 400 })),
      transferTarget: fc.option(nodeId),
    })
  ),
  appendResponse: record({
    ...envelope,
    kind: fc.constant("appendResponse"),
    round: count,
    promiseTicks: count,
    outcome: fc.oneof(
      record({ kind: fc.constant("accepted"), matchIndex: logIndex }),
      record({
        kind: fc.constant("conflict"),
        previousLogIndex: logIndex,
        hintIndex: logIndex,
        hintTerm: term,
      }),
      record({ kind: fc.constant("uncertified") }),
      record({ kind: fc.constant("staleTerm"), proof }),
    ),
  }),
  proposeRequest: record({
    ...envelope,
    kind: fc.constant("proposeRequest"),
    incarnation: count,
    batchId: count,
    proposals: fc.array(record({ proposalId: count, command: data(400) }), { maxLength: 30 }),
  }),
  proposeResponse: record({
    ...envelope,
    kind: fc.constant("proposeResponse"),
    incarnation: count,
    outcomes: fc.array(
      fc.oneof(
        record({ kind: fc.constant("appended"), proposalId: count, index: logIndex }),
        record({ kind: fc.constant("refused"), proposalId: count, reason: refusalReason }),
        record({ kind: fc.constant("unknown"), proposalId: count }),
      ),
      { maxLength: 30 },
    ),
  }),
  readIndexRequest: record({
    ...envelope,
    kind: fc.constant("readIndexRequest"),
    incarnation: count,
    batchId: count,
    lease: fc.boolean(),
  }),
  readIndexResponse: record({
    ...envelope,
    kind: fc.constant("readIndexResponse"),
    incarnation: count,
    batchId: count,
    readIndex: fc.option(logIndex),
  }),
  snapshotRequest: record({
    ...envelope,
    kind: fc.constant("snapshotRequest"),
    round: count,
    certificate: fc.option(fc.string({ maxLength: 400 })),
    snapshot: record({ index: logIndex, term, bytes: count, sha256: data(SHA256_BYTES), members }),
    offset: count,
    data: data(400),
  }),
  snapshotResponse: record({
    ...envelope,
    kind: fc.constant("snapshotResponse"),
    index: logIndex,
    outcome: fc.oneof(
      record({ kind: fc.constant("stored"), nextOffset: count }),
      record({ kind: fc.constant("installed") }),
      record({ kind: fc.constant("refused") }),
      record({ kind: fc.constant("wanted") }),
    ),
  }),
  subShare: record({
    ...envelope,
    kind: fc.constant("subShare"),
    change,
    secret: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes)),
  }),
  subShareRequest: record({ ...envelope, kind: fc.constant("subShareRequest"), change }),
  memberEntryRequest: record({
    ...envelope,
    kind: fc.constant("memberEntryRequest"),
    data: data(400),
  }),
  signatureRequest: record({
    ...envelope,
    kind: fc.constant("signatureRequest"),
    change,
    epoch,
    session: count,
    commitments: fc.array(record({ voter: nodeId, commitment }), { maxLength: 10 }),
  }),
  signatureResponse: record({
    ...envelope,
    kind: fc.constant("signatureResponse"),
    change,
    epoch,
    session: count,
    share: fc.option(data(SHARE_BYTES_MAX)),
    commitment,
  }),
  timeoutNowRequest: record({
    ...envelope,
    kind: fc.constant("timeoutNowRequest"),
    round: count,
    certificate: fc.option(fc.string({ maxLength: 400 })),
  }),
};

/** Any message of Raft. */
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(...Object.values(arbitraries));
