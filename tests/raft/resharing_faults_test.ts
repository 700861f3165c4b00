/** What lies, restarts and losses do to a change of the members: they cost time, or the attempt. */

import assert from "node:assert/strict";
import { decodeReshareEntry, encodeReshareEntry } from "../../lib/reshare/mod.ts";
import { nodeId } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import { ELECTION_TIMEOUT_TICKS, propose } from "./harness.ts";

const THREE = { voters: [1, 2, 3], threshold: 2 };
const FOUR = { voters: [1, 2, 3, 4], threshold: 3 };

function start(): ChangingCluster {
  const world = new ChangingCluster({ ...THREE, isReal: true });
  world.cluster.elect("n1");
  world.settle();
  return world;
}

Deno.test("a voter that signs a membership wrongly is named, and another signs in its place", () => {
  const world = start();
  let lies = 0;
  world.cluster.intercept = (message) => {
    if (message.kind !== "signatureResponse" || message.from !== "n2") return message;
    if (message.share === null) return message;
    lies++;
    return { ...message, share: new Uint8Array(32) };
  };
  world.ask(world.node(1), THREE);
  assert.equal(world.configurationOf(2).epoch, 2);
  const found = world.node(1).eventsOf("cheaterFound").map(({ voter }) => voter);
  assert.deepEqual(new Set(found), new Set(lies > 0 ? [nodeId(2)] : []));
  assert.ok(lies > 0);
});

Deno.test("a voter that commits and never signs costs a session, and the change goes on", () => {
  const world = start();
  world.cluster.intercept = (message) =>
    message.kind === "signatureResponse" && message.from === "n2" && message.session > 0
      ? null
      : message;
  world.ask(world.node(1), THREE);
  assert.equal(world.configurationOf(3).epoch, 2);
});

Deno.test("a leader that asks for a signature of something else gets none", () => {
  const world = start();
  const answers: unknown[] = [];
  world.cluster.intercept = (message) => {
    if (message.kind === "signatureResponse") answers.push(message);
    if (message.kind !== "signatureRequest") return message;
    return { ...message, change: "ab".repeat(32) };
  };
  world.ask(world.node(1), THREE, 3 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(answers, []);
  assert.equal(world.configurationOf(2).epoch, 1);
  world.cluster.intercept = (message) => message;
  world.cluster.tick(20);
  assert.equal(world.configurationOf(2).epoch, 2);
});

Deno.test("nobody puts words into the log in another's name, or a leader's own entries", () => {
  const world = start();
  let forged = 0;
  world.cluster.intercept = (message) => {
    if (message.kind === "memberEntryRequest" && message.from === "n2") {
      forged++;
      return { ...message, from: nodeId(3) };
    }
    return message;
  };
  world.node(1).step({ kind: "changeMembers", proposal: world.proposal(THREE) });
  world.settle();
  assert.ok(forged > 0);
  const { log } = world.node(1).raft.state;
  const data = encodeReshareEntry({
    kind: "abort",
    change: world.node(1).raft.state.cluster.change?.id ?? "",
    reason: "a lie",
  });
  const before = log.last.index;
  const request = { kind: "memberEntryRequest", from: nodeId(3), to: nodeId(1) } as const;
  world.node(1).receive({ ...request, term: world.node(1).raft.state.currentTerm, data });
  assert.equal(log.last.index, before);
  const refused = world.node(1).eventsOf("messageRefused").map(({ reason }) => reason);
  assert.ok(refused.some((reason) => /of another's/.test(reason)));
  const authors = log.slice(log.base.index + 1 as typeof log.last.index, log.last.index)
    .filter(({ kind }) => kind === "resharing")
    .map(({ data }) => decodeReshareEntry(data));
  assert.ok(authors.every((entry) => !("author" in entry) || entry.author !== "n2"));
});

Deno.test("what a node says is not read while no change is under way, nor when it is too long", () => {
  const world = start();
  const [leader, term] = [world.node(1), world.node(1).raft.state.currentTerm];
  const said = (length: number) => ({
    kind: "memberEntryRequest" as const,
    from: nodeId(3),
    to: nodeId(1),
    term,
    data: new Uint8Array(length),
  });
  const refusals = () => leader.eventsOf("messageRefused").map(({ reason }) => reason);
  leader.receive(said(10));
  assert.deepEqual(refusals(), []);
  world.cluster.intercept = (message) => message.kind === "memberEntryRequest" ? null : message;
  leader.step({ kind: "changeMembers", proposal: world.proposal(THREE) });
  world.settle();
  leader.receive(said(10));
  assert.match(refusals().at(-1) ?? "", /Cannot read entry/);
  leader.receive(said(65_537));
  assert.match(refusals().at(-1) ?? "", /65537 bytes, above 65536/);
});

Deno.test("one who repeats its words does not fill the leader's log", () => {
  const world = start();
  const repeated: Parameters<typeof world.cluster.intercept>[0][] = [];
  world.cluster.intercept = (message) => {
    if (message.kind === "memberEntryRequest") repeated.push(message);
    return message;
  };
  world.node(1).step({ kind: "changeMembers", proposal: world.proposal(THREE) });
  world.cluster.deliver();
  const before = world.node(1).raft.state.log.last.index;
  for (let round = 0; round < 100; round++) {
    for (const message of repeated) world.node(1).receive(message);
    world.cluster.deliver();
  }
  assert.ok(world.node(1).raft.state.log.last.index - before < 40);
});

Deno.test("a voter that restarts at any time of a change takes part in it, or in the next attempt", () => {
  for (let at = 1; at <= 45; at += 9) {
    const world = start();
    world.ask(world.node(1), { ...THREE, learners: [4], isResharing: false });
    let messages = 0;
    let isDue = false;
    world.cluster.intercept = (message) => {
      messages++;
      isDue ||= messages === at;
      return message;
    };
    world.node(1).step({ kind: "changeMembers", proposal: world.proposal(FOUR) });
    const isRestarted = () => isDue && messages >= at;
    for (let ticks = 0; ticks < 400 && world.configurationOf(1).epoch === 1; ticks++) {
      world.cluster.tick();
      if (isRestarted()) {
        isDue = false;
        world.node(2).restart();
      }
      if (!world.isUnderWay) {
        world.node(1).step({ kind: "changeMembers", proposal: world.proposal(FOUR) });
      }
    }
    world.settle();
    assert.equal(world.configurationOf(2).epoch, 2, `restarted at ${at}`);
    assert.equal(world.node(2).shares.current?.epoch, 2, `restarted at ${at}`);
  }
});

Deno.test("a node that has not joined gets no share", () => {
  const world = start();
  world.ask(world.node(1), FOUR);
  const [event] = world.node(1).eventsOf("resharing");
  assert.ok(event?.event.kind === "proposalRefused");
  assert.match(event.event.reason, /n4 must join as a learner first/);
  assert.equal(world.isUnderWay, false);
});

Deno.test("a change that is given up leaves the old configuration and no new share", () => {
  const world = start();
  world.cluster.intercept = (message) => message.kind === "subShare" ? null : message;
  world.node(1).step({ kind: "changeMembers", proposal: world.proposal(THREE) });
  world.settle();
  assert.equal(world.isUnderWay, true);
  world.node(1).step({ kind: "cancelChange", reason: "an operator's wish" });
  world.settle();
  assert.equal(world.isUnderWay, false);
  assert.equal(world.configurationOf(2).epoch, 1);
  for (const number of [1, 2, 3]) assert.equal(world.node(number).shares.next, null);
  world.cluster.intercept = (message) => message;
  world.ask(world.node(1), THREE);
  assert.equal(world.configurationOf(2).epoch, 2);
});

Deno.test("a change under way survives a snapshot and the loss of the log before it", () => {
  const world = new ChangingCluster({ ...THREE, isReal: true, compacts: true });
  const leader = world.cluster.elect("n1");
  world.settle();
  world.cluster.isolate("n3");
  leader.step({ kind: "changeMembers", proposal: world.proposal(THREE) });
  world.settle();
  assert.equal(world.node(2).raft.state.cluster.change?.stage, "dealing");
  for (let round = 0; round < 8; round++) {
    for (let command = 0; command < 5; command++) propose(leader, `${round} ${command}`);
    world.settle();
  }
  world.node(2).restart();
  assert.ok(world.node(2).raft.state.log.base.index > 5);
  world.cluster.heal();
  for (let ticks = 0; ticks < 200 && world.configurationOf(3).epoch === 1; ticks++) {
    world.cluster.tick();
    if (!world.isUnderWay) leader.step({ kind: "changeMembers", proposal: world.proposal(THREE) });
  }
  assert.ok(world.node(3).eventsOf("snapshotInstalled").length > 0);
  for (const number of [1, 2, 3]) {
    assert.equal(world.configurationOf(number).epoch, 2);
    assert.equal(world.node(number).shares.current?.epoch, 2);
  }
});

Deno.test("a voter that a snapshot takes past the end of a change has its new share in place of the old", () => {
  const world = new ChangingCluster({ ...THREE, isReal: true, compacts: true });
  const leader = world.cluster.elect("n1");
  world.settle();
  // It is ready, and hears no more.
  world.cluster.intercept = (message) => {
    if (message.kind !== "memberEntryRequest" || message.from !== "n3") return message;
    if (!new TextDecoder().decode(message.data).includes('"kind":"ready"')) return message;
    world.cluster.isolate("n3");
    return message;
  };
  world.ask(leader, THREE);
  assert.equal(world.configurationOf(1).epoch, 2);
  assert.deepEqual(
    [world.node(3).shares.current?.epoch, world.node(3).shares.next?.epoch],
    [1, 2],
  );
  for (let round = 0; round < 8; round++) {
    for (let command = 0; command < 5; command++) propose(leader, `${round} ${command}`);
    world.settle();
  }
  world.cluster.heal();
  world.cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.ok(world.node(3).eventsOf("snapshotInstalled").length > 0);
  assert.deepEqual(
    [world.node(3).shares.current?.epoch, world.node(3).shares.next],
    [2, null],
  );
  world.cluster.isolate("n1");
  assert.equal(world.cluster.elect("n3").raft.state.certificate?.epoch, 2);
});
