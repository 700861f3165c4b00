import assert from "node:assert/strict";
import type { MembersBody } from "../../lib/http/wire.ts";
import { type NodeId, toNodeId } from "../../lib/types.ts";
import { MembersCluster } from "./harness/members.ts";

const [ONE, TWO, THREE, FOUR, FIVE] = [1, 2, 3, 4, 5].map(server) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];
const FOUNDERS = [ONE, TWO, THREE, FOUR, FIVE];

/** Elections are not what these tests are about: machines that are slow should hold few. */
const timing = { heartbeatMs: 200, electionTimeoutMs: 2_000, signingTimeoutMs: 1_000 };

function server(number: number): NodeId {
  return toNodeId(`server_${number}`);
}

function votersOf({ members }: MembersBody): readonly string[] {
  return members.filter(({ role }) => role === "voter").map(({ id }) => id);
}

Deno.test("shares are refreshed, the threshold goes up and down, and a node joins and leaves", async () => {
  await using world = new MembersCluster({ nodes: 5, spare: 1, timing, logLevel: "info" });
  await world.cluster.leader();
  await world.put(ONE, "before", "1");

  const refreshed = await world.change(FOUNDERS, { refresh: true });
  assert.equal(refreshed.epoch, 2);
  const strict = await world.change(FOUNDERS, { threshold: 4 });
  assert.deepEqual([strict.epoch, strict.threshold], [3, 4]);
  const loose = await world.change(FOUNDERS, { threshold: 3 });
  assert.equal(loose.threshold, 3);

  const six = server(6);
  const added = await world.add(FOUNDERS, six);
  assert.deepEqual(votersOf(added), [...FOUNDERS, six]);
  assert.equal(await world.get(six, "before"), "1");
  await world.put(six, "between", "2");

  const rest = [TWO, THREE, FOUR, FIVE, six];
  const removed = await world.change([...FOUNDERS, six], { remove: [ONE] });
  assert.deepEqual(votersOf(removed), rest);
  const { code } = await world.cluster.process(ONE).ended;
  assert.equal(code, 0, "A removed node ends by itself, and says why");
  assert.equal(await world.get(six, "between"), "2");
});
