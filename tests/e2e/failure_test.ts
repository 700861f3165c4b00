import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { verifyCertificate } from "../../lib/certificate/mod.ts";
import { type NodeId, toTerm } from "../../lib/types.ts";
import type { ProcessEvent } from "./harness/events.ts";
import { get, put as putValue } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

Deno.test("every node is killed and restarted in turn, and no acknowledged write is lost", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  let leader = await cluster.leader();
  const written: string[] = [];
  for (const id of cluster.ids) {
    const key = `before-${id}`;
    await put(cluster, leader.id, key);
    written.push(key);

    await cluster.process(id).end("SIGKILL");
    const others = cluster.ids.filter((other) => other !== id);
    if (leader.id === id) leader = await cluster.leader(leader.term + 1, others);
    await put(cluster, assertDefined(others[0], "no other node"), `without-${id}`);
    written.push(`without-${id}`);

    cluster.start(id);
    await cluster.process(id).said.waitFor("that it started", ({ event }) => event === "started");
    for (const key of written) assert.equal(await get(cluster, id, key), key);
    // The restart may have cost the leader its term.
    leader = await cluster.leader(leader.term);
  }
});

Deno.test("a follower that was down catches up with what it missed", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const leader = await cluster.leader();
  const follower = otherThan(cluster, leader.id);
  await cluster.process(follower).end("SIGKILL");
  for (let number = 0; number < 20; number++) await put(cluster, leader.id, `key-${number}`);

  cluster.start(follower);
  await cluster.process(follower).said.waitFor("it started", ({ event }) => event === "started");
  // A linearizable read is answered from the follower's own data, and only once that is new enough.
  assert.equal(await get(cluster, follower, "key-19"), "key-19");
  const stale = await cluster.fetch(follower, "/v1/kv/key-0?consistency=stale");
  assert.equal((await stale.json()).value, "key-0");
});

Deno.test("a leader that is cut off loses its term to another, and follows it once healed", async () => {
  await using cluster = new TestCluster({ nodes: 3, nodeFlags: ["--demo-orders"] });
  const leader = await cluster.leader();
  const others = cluster.ids.filter((id) => id !== leader.id);
  await cluster.process(leader.id).tell("cut");
  const next = await cluster.leader(leader.term + 1, others);
  await put(cluster, next.id, "without-it");
  const cutOff = cluster.process(leader.id);
  await cutOff.said.waitFor("stepping down", ({ event }) => event === "leader.stepped_down");
  const health = await (await cluster.fetch(leader.id, "/v1/status")).json();
  assert.equal(health.leader, null);
  await cluster.process(leader.id).tell("heal");
  await cluster.leaderOf(leader.id, next.term, others);
  assert.equal(await get(cluster, leader.id, "without-it"), "without-it");
});

Deno.test("a node without --demo-orders takes none", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const leader = await cluster.leader();
  await cluster.process(leader.id).tell("cut");
  for (const key of ["one", "two", "three"]) await put(cluster, leader.id, key);
  const status = await (await cluster.fetch(leader.id, "/v1/status")).json();
  assert.deepEqual([status.role, status.term], ["leader", leader.term]);
});

Deno.test("a minority can neither write nor read its own past as the present", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const leader = await cluster.leader();
  await put(cluster, leader.id, "greeting");
  const last = otherThan(cluster, leader.id);
  const rest = cluster.ids.filter((id) => id !== last);
  const { said } = cluster.process(last);
  const says = async (what: string, from = 0) => {
    for (const id of rest) {
      const isIt = ({ event, peer }: ProcessEvent) => event === what && peer === id;
      await said.waitFor(`${what} of ${id}`, isIt, { from });
    }
  };
  await says("peer.connected");
  const from = said.length;
  await Promise.all(rest.map((id) => cluster.process(id).end("SIGKILL")));
  await says("peer.disconnected", from);
  // Asked for after the others are gone. Their votes of before count for no election any more.
  const alone = said.length;
  await said.waitFor(
    "that it wants to be elected",
    ({ event }) => event === "prevote.started",
    { from: alone },
  );
  const body = "hello";
  const write = await cluster.fetch(last, "/v1/kv/new?timeoutMs=1000", { method: "PUT", body });
  assert.ok([503, 504].includes(write.status), `${write.status}: ${await write.text()}`);
  const read = await cluster.fetch(last, "/v1/kv/greeting?timeoutMs=1000");
  assert.ok([503, 504].includes(read.status), `${read.status}: ${await read.text()}`);
  assert.ok(!said.events.slice(alone).some(({ event }) => event === "election.won"));
});

Deno.test("one voter alone leads with a certificate of its own key", async () => {
  await using cluster = new TestCluster({ nodes: 1 });
  const { id, term, certificate } = await cluster.leader();
  verifyCertificate(certificate, cluster.group, { term: toTerm(term), leader: id });
  await put(cluster, id, "greeting");
  assert.equal(await get(cluster, id, "greeting"), "greeting");
});

/** Puts a key that is its own value. */
async function put(cluster: TestCluster, id: NodeId, key: string): Promise<void> {
  await putValue(cluster, id, { key, value: key });
}

function otherThan(cluster: TestCluster, id: NodeId): NodeId {
  return assertDefined(cluster.ids.find((other) => other !== id), "no other node");
}
