/** Elections and terms across epochs, and what becomes of who leaves. */

import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import { toEpoch, toTerm } from "../../lib/types.ts";
import { nodeId } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import { ELECTION_TIMEOUT_TICKS, propose, startElection } from "./harness.ts";

const THREE = { voters: [1, 2, 3], threshold: 2 };
const FOUR = { voters: [1, 2, 3, 4], threshold: 3 };
const FIVE = { voters: [1, 2, 3, 4, 5], threshold: 3 };

/** A world whose leader, `n1`, dies when its configuration is in the logs of these nodes only. */
function pendingAt(before: typeof FOUR, after: typeof FOUR, ...numbers: readonly number[]) {
  const world = new ChangingCluster(before);
  const leader = world.cluster.elect("n1");
  const learners = after.voters.filter((number) => !before.voters.includes(number));
  world.change(leader, { ...before, learners, isResharing: false });
  const isTold = ({ to }: Message) => numbers.some((number) => nodeId(number) === to);
  world.cluster.intercept = (message) => {
    if (message.kind === "appendRequest") return isTold(message) ? message : null;
    return message.kind === "appendResponse" ? null : message;
  };
  world.append(leader, after);
  world.cluster.deliver();
  world.cluster.intercept = (message) => message;
  world.cluster.isolate("n1");
  return world;
}

Deno.test("an election after a committed change is signed by the new epoch", () => {
  const world = new ChangingCluster(THREE);
  world.change(world.cluster.elect("n1"), FOUR);
  world.cluster.isolate("n1");
  const { certificate } = world.cluster.elect("n2").raft.state;
  assert.deepEqual([certificate?.epoch, certificate?.leader], [2, "n2"]);
  world.settle();
  assert.equal(world.node(4).raft.state.leader, "n2");
});

Deno.test("who has a pending configuration in its log is elected by the new epoch, and commits it", () => {
  const world = pendingAt(THREE, FOUR, 2);
  assert.equal(world.configurationOf(2).isPending, true);
  assert.equal(world.configurationOf(3).epoch, 1);
  // The others do not have it in their logs: the candidate shows them what its epoch rests on.
  const { certificate } = world.cluster.elect("n2").raft.state;
  assert.equal(certificate?.epoch, 2);
  world.settle();
  assert.deepEqual(world.configurationOf(3), { ...world.configurationOf(2), isPending: false });
});

Deno.test("who has it not can still be elected by the old epoch, also by voters that have it", () => {
  const world = pendingAt(FIVE, { voters: [1, 2, 3, 4, 5, 6], threshold: 4 }, 2);
  world.cluster.isolate("n3", "n4", "n5");
  propose(world.cluster.elect("n3"), "instead");
  world.settle();
  world.cluster.heal();
  world.cluster.isolate("n2", "n4", "n5");
  assert.equal(world.configurationOf(2).epoch, 2);
  // It learns the term first, and grants the next one after a silence.
  world.cluster.letLeaseExpire("n4");
  startElection(world.node(4));
  for (let ticks = 0; world.node(4).raft.state.role.name !== "leader"; ticks++) {
    assert.ok(ticks < 8 * ELECTION_TIMEOUT_TICKS);
    world.cluster.tick();
  }
  assert.equal(world.node(4).raft.state.certificate?.epoch, 1);
  world.settle();
  assert.equal(world.configurationOf(2).epoch, 1);
  assert.deepEqual(world.node(2).appliedCommands, ["instead"]);
});

Deno.test("nobody signs under an epoch that is over, however its term came about", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n3");
  world.change(leader, FOUR);
  world.cluster.heal();
  world.cluster.letLeaseExpire("n3");
  const sent: Message[] = [];
  world.cluster.intercept = (message) => {
    if (message.kind === "appendRequest") return null;
    sent.push(message);
    return message;
  };
  startElection(world.node(3));
  world.cluster.deliver();
  const answers = sent.filter(({ to }) => to === "n3");
  assert.ok(answers.length > 0);
  for (const answer of answers) assert.ok(answer.kind === "preVoteResponse" && !answer.granted);
  // Not even for one whose log is longer than theirs.
  const asked = sent.find(({ kind, to }) => kind === "preVoteRequest" && to === "n2");
  assert.ok(asked?.kind === "preVoteRequest" && asked.epoch === 1);
  const { last } = world.node(2).raft.state.log;
  const ahead = { lastLogIndex: last.index, lastLogTerm: last.term };
  world.node(2).receive({ ...asked, ...ahead });
  world.node(2).receive({ ...asked, ...ahead, from: nodeId(1) });
  const given = world.cluster.network.filter((message) =>
    message.kind === "preVoteResponse" && message.granted
  );
  assert.deepEqual(given, []);
});

Deno.test("a voter gives one vote a term, whatever the epochs", () => {
  const world = pendingAt(THREE, FOUR, 2);
  world.cluster.letLeaseExpire("n2");
  // `n2` stands under epoch 2, and another in the same term under epoch 1.
  const requests: Message[] = [];
  world.cluster.intercept = (message) => {
    if (message.kind !== "voteRequest") return message;
    requests.push(message);
    return message.to === "n3" ? message : null;
  };
  startElection(world.node(2));
  world.cluster.deliver();
  assert.ok(requests.some((message) => message.kind === "voteRequest" && message.epoch === 2));
  const voter = world.node(3);
  assert.deepEqual([voter.raft.state.currentTerm, voter.raft.state.votedFor], [2, "n2"]);
  const request = requests.find(({ to }) => to === "n3");
  assert.ok(request?.kind === "voteRequest");
  const grant = { term: toTerm(2), candidate: nodeId(1) };
  const grants = [1, 3].map(nodeId).map((id) => {
    return { voter: id, signature: world.key.grants(world.key.genesis, id).sign(grant) };
  });
  const opened = { kind: "grants", ...grant, epoch: toEpoch(1), membership: null } as const;
  const proof = { ...opened, grants };
  // Its pledge has lapsed by then, so nothing else is in the way.
  voter.tick(ELECTION_TIMEOUT_TICKS / 2);
  voter.receive({ ...request, commitments: [], proof, from: nodeId(1), epoch: toEpoch(1) });
  assert.equal(voter.raft.state.votedFor, "n2");
  assert.equal(voter.eventsOf("voteGranted").filter(({ term }) => term === 2).length, 1);
});

Deno.test("a voter makes one statement a term: it signs for its candidate under one epoch only", () => {
  const world = pendingAt(THREE, FOUR, 2);
  world.cluster.letLeaseExpire("n2");
  const requests: Message[] = [];
  world.cluster.intercept = (message) => {
    if (message.kind === "voteRequest") requests.push(message);
    return message.kind === "voteRequest" ? null : message;
  };
  startElection(world.node(2));
  world.cluster.deliver();
  const request = requests.find(({ to }) => to === "n3");
  assert.ok(request?.kind === "voteRequest" && request.epoch === 2);
  const voter = world.node(3);
  world.cluster.network = [];
  voter.receive({ ...request, epoch: toEpoch(2), commitments: [] });
  voter.receive({ ...request, epoch: toEpoch(1), commitments: [] });
  const answers = world.cluster.network.flatMap((message) =>
    message.kind === "voteResponse" ? [message.granted] : []
  );
  assert.deepEqual(answers, [true, false]);
});

Deno.test("a term that was opened under a later epoch is proven to who does not know that epoch", () => {
  const world = pendingAt(THREE, FOUR, 2);
  // The term is opened and not finished: its proof is grants of epoch 2, and `n3` was away.
  world.cluster.heal();
  world.cluster.isolate("n3");
  world.cluster.intercept = (message) =>
    message.kind === "voteRequest" || message.kind === "appendRequest" ? null : message;
  for (const number of [1, 4]) world.node(number).tick(2 * ELECTION_TIMEOUT_TICKS);
  world.cluster.network = [];
  startElection(world.node(2));
  world.cluster.deliver();
  const { proof, currentTerm } = world.node(2).raft.state;
  assert.ok(proof?.kind === "grants" && proof.epoch === 2 && proof.membership !== null);
  world.cluster.intercept = (message) => message;
  world.cluster.heal();
  const late = world.node(3);
  assert.equal(late.raft.state.currentTerm, 1);
  startElection(late);
  world.cluster.deliver();
  assert.equal(late.raft.state.currentTerm, currentTerm);
  assert.deepEqual(late.raft.state.proof, proof);
});

Deno.test("a leader that is not in the new configuration hands over once that is committed", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n4");
  world.change(leader, THREE);
  // It takes a round trip or two, and no election timeout.
  world.cluster.tick(2);
  assert.equal(leader.raft.state.role.name, "follower");
  assert.equal(leader.eventsOf("transferStarted").length, 1);
  const next = world.cluster.findLeader();
  assert.ok(next !== null && next.id !== "n4");
  assert.equal(next.raft.state.certificate?.epoch, 2);
  assert.equal(leader.raft.state.cluster.isRemoved, true);
  assert.equal(leader.eventsOf("removed").length, 1);
});

Deno.test("a leader that is removed and can hand over to nobody steps down", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n4");
  world.change(leader, THREE);
  world.cluster.intercept = (message) => message.kind === "timeoutNowRequest" ? null : message;
  world.cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.notEqual(leader.raft.state.role.name, "leader");
});

Deno.test("a removed node that was there stands no more, and is sent nothing after a while", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n1");
  world.change(leader, THREE);
  assert.equal(world.node(4).raft.state.cluster.isRemoved, true);
  world.cluster.tick(4 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(world.node(4).eventsOf("preVoteStarted"), []);
  const role = leader.raft.state.role;
  assert.ok(role.name === "leader" && !role.followers.has(nodeId(4)));
  assert.equal(leader.raft.state.currentTerm, 1);
});

Deno.test("a removed node that was away disturbs nobody when it comes back, and learns that it is", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n4");
  world.change(leader, THREE);
  world.change(leader, { ...THREE, isResharing: false });
  world.cluster.tick(4 * ELECTION_TIMEOUT_TICKS);
  world.cluster.heal();
  const away = world.node(4);
  assert.equal(away.raft.state.cluster.isRemoved, false);
  startElection(away);
  world.cluster.deliver();
  assert.equal(away.raft.state.cluster.isRemoved, true);
  const stood = away.eventsOf("preVoteStarted").length;
  world.cluster.tick(6 * ELECTION_TIMEOUT_TICKS);
  assert.equal(away.eventsOf("preVoteStarted").length, stood);
  assert.deepEqual([leader.raft.state.currentTerm, leader.raft.state.role.name], [1, "leader"]);
});

Deno.test("a node that is shown the memberships that removed it stands no more, and needs nobody's word", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n4");
  world.change(leader, { ...FOUR, isResharing: false });
  world.change(leader, THREE);
  const { cluster } = leader.raft.state;
  const away = world.node(4);
  assert.equal(away.raft.state.cluster.membershipsKnown, 0);
  // A learner never stands, so it would ask nobody: this comes unasked.
  away.step({ kind: "memberships", certificates: cluster.certificatesAfter(0) });
  assert.equal(away.raft.state.cluster.isFormer, true);
  assert.equal(away.raft.state.cluster.membershipsKnown, 2);
  const stood = away.eventsOf("preVoteStarted").length;
  away.tick(4 * ELECTION_TIMEOUT_TICKS);
  assert.equal(away.eventsOf("preVoteStarted").length, stood);
});

Deno.test("whoever says that a member was removed, and does not prove it, changes nothing", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n4");
  world.change(leader, { ...FOUR, isResharing: false });
  world.change(leader, THREE);
  const [stated, removal] = leader.raft.state.cluster.certificatesAfter(0);
  assert.ok(stated !== undefined && removal !== undefined && removal.byNew !== null);
  const elsewhere = new ChangingCluster({ ...FOUR, seed: 7 });
  elsewhere.change(elsewhere.cluster.elect("n1"), THREE);
  const lies = {
    "with a gap in the chain": [removal],
    "without the new epoch's signature": [stated, { ...removal, byNew: null }],
    "with one epoch's note for both": [stated, { ...removal, byOld: removal.byNew }],
    "with a changed text": [stated, { ...removal, byOld: removal.byOld.replace("n1", "n5") }],
    "of another cluster's key": elsewhere.node(1).raft.state.cluster.certificatesAfter(0),
  };
  for (const [what, certificates] of Object.entries(lies)) {
    const away = world.node(4);
    away.step({ kind: "memberships", certificates });
    assert.equal(away.raft.state.cluster.isFormer, false, what);
    assert.equal(away.raft.state.cluster.isRemoved, false, what);
  }
});

Deno.test("a node that is many memberships behind is shown them, and stands on until the log brings them", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n3");
  for (let round = 0; round < 20; round++) {
    world.change(leader, { ...THREE, isResharing: round % 5 === 0 });
  }
  world.cluster.heal();
  const away = world.node(3);
  world.cluster.intercept = (message) =>
    /append|snapshot/.test(message.kind) && message.to === "n3" ? null : message;
  for (const number of [1, 2]) world.node(number).tick(2 * ELECTION_TIMEOUT_TICKS);
  world.cluster.network = [];
  for (let times = 0; times < 3; times++) {
    startElection(away);
    world.cluster.deliver();
  }
  assert.equal(away.raft.state.members.newest.epoch, 1);
  assert.equal(away.raft.state.cluster.isRemoved, false);
  world.cluster.intercept = (message) => message;
  world.cluster.elect("n1");
  world.settle();
  assert.deepEqual(world.configurationOf(3), world.configurationOf(1));
});

Deno.test("a removed node that comes back with its old share and log is elected by nobody", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n4", "n3");
  world.change(leader, { voters: [1, 2, 4], threshold: 2 });
  world.cluster.heal();
  world.cluster.isolate("n1");
  world.cluster.letLeaseExpire("n3");
  startElection(world.node(3));
  world.cluster.deliver();
  world.cluster.tick(ELECTION_TIMEOUT_TICKS);
  assert.notEqual(world.node(3).raft.state.role.name, "leader");
});

Deno.test("a certificate of an epoch before the one in force leads no later term", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  const { certificate } = leader.raft.state;
  world.change(leader, FOUR);
  const { members } = world.node(2).raft.state;
  assert.ok(certificate !== null);
  assert.equal(members.mayBeLedBy(certificate), true, "the term in which it was put into force");
  assert.equal(members.mayBeLedBy({ ...certificate, term: toTerm(2) }), false);
  assert.equal(members.mayBeLedBy({ epoch: members.newest.epoch, term: toTerm(2) }), true);
});
