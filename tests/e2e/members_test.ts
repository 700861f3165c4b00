import assert from "node:assert/strict";
import { verifyCertificate } from "../../lib/certificate/mod.ts";
import { ExitCode } from "../../lib/cli/failure.ts";
import { verifyCluster } from "../../lib/node/join.ts";
import { type NodeId, toNodeId } from "../../lib/types.ts";
import type { MembersBody } from "../../lib/wire/mod.ts";
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
  assert.equal(code, ExitCode.removed, "A removed node ends by itself, and says why");
  assert.equal(await world.get(six, "between"), "2");
});

Deno.test("a lost disk is replaced, then every founder, and one key verifies the first leader and the last", async () => {
  await using world = new MembersCluster({ nodes: 5, spare: 5, timing, logLevel: "info" });
  const { certificate } = await world.cluster.leader();
  const first = verifyCertificate(certificate, world.group);
  await world.put(ONE, "kept", "through it all");

  let members = FOUNDERS;
  for (const [at, founder] of FOUNDERS.toReversed().entries()) {
    if (at === 0) {
      await world.cluster.process(founder).end("SIGKILL");
      Deno.removeSync(world.cluster.dataDir(founder), { recursive: true });
    }
    const successor = server(6 + at);
    const running = at === 0 ? members.filter((id) => id !== founder) : members;
    const { epoch } = await world.add(running, successor, { remove: [founder] });
    assert.ok(epoch > at);
    members = [...members.filter((id) => id !== founder), successor];
    await world.put(successor, `since_${successor}`, "written");
  }

  const [last] = members;
  assert.ok(last !== undefined);
  assert.deepEqual(members.filter((id) => FOUNDERS.includes(id)), []);
  assert.deepEqual(votersOf(await world.members(last)), members);
  assert.equal(await world.get(last, "kept"), "through it all");
  const newest = await world.certificate(members);
  assert.ok(newest.term >= first.term && members.includes(newest.leader));
  const { publicKey, cluster } = world.group;
  const { membership } = verifyCluster(await world.chain(last), { cluster, publicKey });
  assert.deepEqual([...membership.formerIds].toSorted(), FOUNDERS);
});
