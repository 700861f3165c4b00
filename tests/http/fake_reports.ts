/**
 * What a fake node says of itself, of its cluster and of its members, unless a test changes it.
 *
 * @module
 */

import type { NodeFigures, TimingCounts } from "../../lib/node/observer.ts";
import type { Certificate, Group } from "../../lib/certificate/certifier.ts";
import { marginsOf } from "../../lib/margins.ts";
import type { NodeStatus } from "../../lib/node/api.ts";
import type {
  MembersChange,
  MembersStatus,
  MembersStep,
  MemberStatus,
} from "../../lib/node/members_api.ts";
import { MESSAGE_KINDS, type NodeView } from "../../lib/node_view.ts";
import type { KeyGenerationReport } from "../../lib/node/key_generation/report.ts";
import { toClusterName, toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";

/** RFC 8032 §7.1, test 1: a real Ed25519 public key. */
const PUBLIC_KEY = Uint8Array.fromHex(
  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
);

export const fakeGroup: Group = {
  cluster: toClusterName("floe-test"),
  epoch: toEpoch(1),
  threshold: 4,
  publicKey: PUBLIC_KEY,
  voters: [1, 2, 3, 4, 5].map((identifier) => ({
    id: toNodeId(`server_${identifier}`),
    identifier,
    verifyingShare: PUBLIC_KEY,
  })),
};

export function fakeCertificate(term: number): Certificate {
  return {
    epoch: toEpoch(1),
    term: toTerm(term),
    leader: toNodeId("server_1"),
    lastLogIndex: toLogIndex(term * 10),
    lastLogTerm: toTerm(term - 1),
    note: `floe/election/v1\nterm ${term}\n\n— floe-test AAAA\n`,
  };
}

export const STATUS: NodeStatus = {
  id: toNodeId("server_1"),
  role: "leader",
  term: toTerm(7),
  leader: toNodeId("server_1"),
  commitIndex: toLogIndex(70),
  leaderCommitIndex: toLogIndex(70),
  appliedIndex: toLogIndex(70),
  revision: toLogIndex(69),
  compactedRevision: toLogIndex(0),
  lastLogIndex: toLogIndex(71),
  trouble: null,
  uptimeMs: 61_000,
  peers: [2, 3, 4, 5].map((number) => ({
    id: toNodeId(`server_${number}`),
    connected: number !== 5,
    matchIndex: number === 5 ? null : toLogIndex(70),
  })),
  counters: { "frame.refused": 2 },
};

export const VIEW: NodeView = {
  id: STATUS.id,
  role: STATUS.role,
  term: STATUS.term,
  leader: STATUS.leader,
  votedFor: STATUS.id,
  timer: { elapsedMs: 20, timeoutMs: 640 },
  canSign: true,
  commitIndex: STATUS.commitIndex,
  appliedIndex: STATUS.appliedIndex,
  durableIndex: STATUS.lastLogIndex,
  lastLogIndex: STATUS.lastLogIndex,
  revision: STATUS.revision,
  runs: [{ term: 7, from: 60, to: 71 }],
  peers: STATUS.peers,
  sent: [{ to: "server_2", counts: MESSAGE_KINDS.map(() => 1) }],
  candidacies: [{
    term: 7,
    candidate: "server_1",
    startedAt: 1_700_000_000_000,
    attempts: 1,
    granted: [{ id: "server_2", ms: 1.5 }],
    signers: ["server_1", "server_2"],
    voted: [{ id: "server_2", ms: 3 }],
    refused: [{ id: "server_5", ms: 2 }],
    sessions: 1,
    cheaters: [],
    roundOneMs: 1.5,
    roundTwoMs: 1.5,
    outcome: "won",
  }],
  writes: { count: 2, totalMs: 8.5 },
  trouble: null,
  uptimeMs: STATUS.uptimeMs,
};

export const KEY_GENERATION: KeyGenerationReport = {
  cluster: fakeGroup.cluster,
  id: toNodeId("server_1"),
  fingerprint: "0123 4567 89ab cdef 0123 4567 89ab cdef",
  phase: "dealt",
  attempt: null,
  threshold: fakeGroup.threshold,
  voters: fakeGroup.voters.map(({ id }) => id),
  peers: STATUS.peers.map(({ id, connected }) => ({
    id,
    connected,
    configuration: connected ? "equal" : "unknown",
    roundOne: false,
    roundTwo: false,
    ready: false,
    signed: false,
  })),
  waitingFor: [],
  genesis: null,
};

export const STEP: MembersStep = {
  kind: "resharing",
  voters: fakeGroup.voters.map(({ id }) => id),
  learners: [toNodeId("server_6")],
  threshold: 4,
  absent: [],
  margins: marginsOf({ n: 5, threshold: 4 }),
  sparesDuring: 1,
  text: "new shares for everybody",
};

export const CHANGE: MembersChange = {
  id: toLogIndex(101),
  stepsDone: 0,
  steps: [STEP],
  stage: "dealing",
  waitingFor: [toNodeId("server_5")],
  attemptsFailed: 0,
  lastFailure: null,
  isCancellable: true,
};

/** A member of the fake cluster: five voters, a learner, and one that left. */
export function fakeMember(number: number, role: MemberStatus["role"] = "voter"): MemberStatus {
  const isThere = role !== "removed";
  return {
    id: toNodeId(`server_${number}`),
    role,
    identifier: isThere ? number : null,
    hasShare: role === "voter",
    identityKey: isThere ? PUBLIC_KEY : null,
    channelKey: isThere ? PUBLIC_KEY : null,
    peerAddress: isThere ? `127.0.0.1:${7100 + number}` : null,
    apiAddress: isThere ? `127.0.0.1:${7200 + number}` : null,
    isReachable: isThere && number !== 5,
    matchIndex: isThere ? toLogIndex(70) : null,
    isCaughtUp: isThere ? number !== 5 : null,
  };
}

export const MEMBERS: MembersStatus = {
  sequence: 3,
  epoch: toEpoch(2),
  threshold: 4,
  members: [
    ...[1, 2, 3, 4, 5].map((number) => fakeMember(number)),
    fakeMember(6, "learner"),
    fakeMember(7, "removed"),
  ],
  change: CHANGE,
  lastChange: { id: toLogIndex(90), outcome: "cancelled", reason: "it was late" },
  trouble: null,
};

const COUNTED = { bounds: [0.001, 0.01], counts: [1, 2, 1], sum: 0.5 };
const TIMINGS: TimingCounts = {
  "election.prevote": COUNTED,
  "election.signing": COUNTED,
  "log.persist": COUNTED,
  "loop.turn": COUNTED,
  "write.commit": COUNTED,
};

export const FIGURES: NodeFigures = {
  timings: TIMINGS,
  signingFailures: [
    { peer: toNodeId("server_3"), reason: "late", count: 2 },
    { peer: toNodeId("server_4"), reason: "refused", count: 1 },
  ],
  watchers: 3,
  leases: 4,
  spareNonces: 2,
};
