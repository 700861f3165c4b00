import assert from "node:assert/strict";
import { decodeCommand, type LeaseMessage, Store } from "../../lib/kv/mod.ts";
import { RequestError, type WriteAnswer } from "../../lib/node/api.ts";
import { TICK_MS } from "../../lib/node/inbox.ts";
import { Leases } from "../../lib/node/leases.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { entryOf } from "../kv/support.ts";
import { settle } from "../support/settle.ts";

const [N1, N2] = [toNodeId("n1"), toNodeId("n2")];
const TICKS_PER_SECOND = 1000 / TICK_MS;
const LIVES = { id: 7, ttlSeconds: 2, ending: null };

/** Leases of `n1`, with a lease of two seconds, and a record of what they ask of others. */
function setting() {
  const store = new Store();
  store.apply([entryOf(1, { kind: "grantLease", id: 7, ttlSeconds: 2 })]);
  const sent: LeaseMessage[] = [];
  const proposals: { readonly command: Uint8Array; readonly end: () => void }[] = [];
  const confirmations: PromiseWithResolvers<void>[] = [];
  const clock = { nowMs: 0, isConnected: true };
  const leases = new Leases({
    self: N1,
    incarnation: 5,
    store: () => store,
    requests: {
      confirmRead: () => {
        const confirmation = Promise.withResolvers<void>();
        confirmations.push(confirmation);
        return confirmation.promise;
      },
      write: (command) => {
        const { promise, reject } = Promise.withResolvers<WriteAnswer>();
        const end = () => reject(new RequestError("timeout", "lost", { maybeApplied: true }));
        proposals.push({ command, end });
        return promise;
      },
    },
    send: (message) => clock.isConnected && sent.push(message) > 0,
    nowMs: () => clock.nowMs,
  });
  leases.applied();
  const role = (leader: "n1" | "n2" | null, term: number) =>
    leases.roleChanged({
      role: leader === "n1" ? "leader" : "follower",
      term: toTerm(term),
      leader: leader === null ? null : toNodeId(leader),
      certificate: null,
    });
  const tick = (count: number) => {
    for (let left = count; left > 0; left--) leases.tick();
  };
  return { store, leases, sent, proposals, confirmations, clock, role, tick };
}

const keepAlive = { id: 7, isKeptAlive: true };

Deno.test("a leader keeps a lease alive only once it has confirmed that it leads", async () => {
  const { leases, confirmations, role, tick } = setting();
  role("n1", 1);
  tick(TICKS_PER_SECOND);
  const asked = leases.ask(keepAlive, 1000);
  await settle();
  assert.equal(confirmations.length, 1);
  confirmations[0]?.resolve();
  assert.deepEqual(await asked, { kind: "lease", lease: LIVES, secondsLeft: 2 });
});

Deno.test("a leader that was deposed while it confirmed promises nothing", async () => {
  const { leases, confirmations, role, sent } = setting();
  role("n1", 1);
  const asked = leases.ask(keepAlive, 1000);
  role("n2", 2);
  confirmations[0]?.resolve();
  await settle();
  // The question goes to the new leader.
  assert.deepEqual(sent.map(({ kind, to }) => [kind, to]), [["leaseRequest", N2]]);
  leases.expire(1000);
  await assert.rejects(asked, { name: "RequestError", code: "no_leader" });
});

Deno.test("one that was deposed and leads again counts anew, and answers for neither time", async () => {
  const { leases, confirmations, role } = setting();
  role("n1", 1);
  const asked = leases.ask(keepAlive, 1000);
  role("n2", 2);
  role("n1", 3);
  confirmations[0]?.resolve();
  await settle();
  assert.equal(confirmations.length, 2, "it is asked again");
  confirmations[1]?.resolve();
  assert.equal((await asked).kind, "lease");
});

Deno.test("a follower passes questions on, and takes its leader's answer alone", async () => {
  const { leases, sent, role } = setting();
  role("n2", 1);
  const asked = leases.ask(keepAlive, 1000);
  assert.deepEqual(sent, [{
    kind: "leaseRequest",
    from: N1,
    to: N2,
    incarnation: 5,
    requestId: 1,
    ...keepAlive,
  }]);
  const reply = { kind: "lease", ttlSeconds: 2, ending: null, secondsLeft: 1 } as const;
  const answer = { kind: "leaseResponse", from: N2, to: N1, incarnation: 5, requestId: 1 } as const;
  const missing = { kind: "leaseNotFound" } as const;
  leases.received({ ...answer, incarnation: 4, reply: missing });
  leases.received({ ...answer, from: toNodeId("n3"), reply: missing });
  leases.received({ ...answer, reply });
  assert.deepEqual(await asked, { kind: "lease", lease: LIVES, secondsLeft: 1 });
  leases.received({ ...answer, reply });
});

Deno.test("a question is asked again when it seems lost, or its node does not lead", () => {
  const { leases, sent, role, clock } = setting();
  role("n2", 1);
  const asked = leases.ask(keepAlive, 10_000);
  leases.expire(clock.nowMs = 499);
  assert.equal(sent.length, 1);
  leases.expire(clock.nowMs = 500);
  assert.equal(sent.length, 2);
  const answer = { kind: "leaseResponse", from: N2, to: N1, incarnation: 5, requestId: 1 } as const;
  leases.received({ ...answer, reply: { kind: "notLeader" } });
  leases.expire(clock.nowMs = 501);
  assert.equal(sent.length, 3);
  leases.stop();
  return assert.rejects(asked, { code: "stopping" });
});

Deno.test("a question without a leader waits for one until its deadline", async () => {
  const { leases, clock, role, sent } = setting();
  const first = leases.ask(keepAlive, 100);
  leases.expire(clock.nowMs = 100);
  await assert.rejects(first, { code: "no_leader", maybeApplied: false });
  const second = leases.ask(keepAlive, 1000);
  clock.isConnected = false;
  role("n2", 1);
  assert.equal(sent.length, 0);
  clock.isConnected = true;
  leases.expire(clock.nowMs = 200);
  assert.equal(sent.length, 1);
  leases.stop();
  await assert.rejects(second, { code: "stopping" });
});

Deno.test("a node that is asked answers as leader, or that it is none", async () => {
  const { leases, sent, role, confirmations } = setting();
  const request = {
    kind: "leaseRequest",
    from: N2,
    to: N1,
    incarnation: 9,
    requestId: 3,
    id: 7,
    isKeptAlive: false,
  } as const;
  leases.received(request);
  await settle();
  role("n1", 1);
  leases.received(request);
  confirmations[0]?.resolve();
  await settle();
  leases.received({ ...request, id: 8 });
  confirmations[1]?.resolve();
  await settle();
  leases.received(request);
  confirmations[2]?.reject(new RequestError("timeout", "no quorum", { maybeApplied: false }));
  await settle();
  const replies = sent.map((message) => message.kind === "leaseResponse" && message.reply.kind);
  assert.deepEqual(replies, ["notLeader", "lease", "leaseNotFound", "notLeader"]);
  assert.deepEqual(sent.map(({ incarnation, requestId, to }) => [incarnation, requestId, to])[1], [
    9,
    3,
    N2,
  ]);
});

Deno.test("a leader proposes the end of a lease that ran out, one proposal at a time", async () => {
  const { store, leases, proposals, role, tick } = setting();
  tick(10 * TICKS_PER_SECOND);
  assert.equal(proposals.length, 0, "a node that does not lead counts nothing");
  role("n1", 3);
  tick(2 * TICKS_PER_SECOND);
  assert.equal(proposals.length, 0, "a new leader gives every lease its full time");
  tick(1);
  const [proposal] = proposals;
  assert.ok(proposal !== undefined);
  const command = decodeCommand(proposal.command);
  assert.deepEqual(command, { kind: "expireLeases", term: 3, appliedIndex: 1, ids: [7] });
  tick(20 * TICKS_PER_SECOND);
  assert.equal(proposals.length, 1);
  proposal.end();
  await settle();
  tick(1);
  assert.equal(proposals.length, 2, "one that was lost is made again");
  store.apply([{ ...entryOf(2, command), term: toTerm(3) }]);
  leases.applied();
  proposals[1]?.end();
  await settle();
  tick(20 * TICKS_PER_SECOND);
  assert.equal(proposals.length, 2);
});

Deno.test("a leader that is elected anew gives every lease its full time again", () => {
  const { proposals, role, tick } = setting();
  role("n1", 1);
  tick(2 * TICKS_PER_SECOND);
  role("n2", 2);
  role("n1", 3);
  tick(2 * TICKS_PER_SECOND);
  assert.equal(proposals.length, 0);
  tick(1);
  assert.equal(proposals.length, 1);
});

Deno.test("a lease that is granted while a node leads is counted from its entry on", () => {
  const { store, leases, proposals, role, tick } = setting();
  role("n1", 1);
  tick(TICKS_PER_SECOND);
  store.apply([entryOf(2, { kind: "grantLease", id: 8, ttlSeconds: 1 })]);
  leases.applied();
  tick(TICKS_PER_SECOND);
  assert.equal(proposals.length, 0);
  tick(1);
  const [proposal] = proposals;
  assert.ok(proposal !== undefined);
  assert.deepEqual(decodeCommand(proposal.command), {
    kind: "expireLeases",
    term: 1,
    appliedIndex: 2,
    ids: [7, 8],
  });
  assert.equal(store.appliedIndex, toLogIndex(2));
});
