import { deepEqual, equal, match } from "node:assert/strict";
import { encodeVerifierKey } from "../../lib/certificate/mod.ts";
import { parseClusterConfig } from "../../lib/config/mod.ts";
import type { MemberStatus } from "../../lib/node/members_api.ts";
import { identityKey, TestMemberships } from "../certificate/memberships.ts";
import { FakeNode } from "../http/fake_node.ts";
import { floe } from "./fake_terminal.ts";

/** server_4 takes server_3's place, server_5 only replicates, and server_1 has another identity. */
function changed(): TestMemberships {
  const memberships = new TestMemberships();
  memberships.amend(memberships.member(4, { role: "learner" }));
  memberships.reshare({ voters: [1, 2, 4] });
  memberships.amend(
    memberships.member(1, { identityKey: identityKey(77) }),
    memberships.member(5, { role: "learner" }),
  );
  return memberships;
}

const CHANGED = changed();
const { cluster, publicKey } = CHANGED.membership;
const KEY = encodeVerifierKey(cluster, publicKey);

/** A node of that cluster. */
function nodeOf(memberships = CHANGED): FakeNode {
  const { sequence, epoch, threshold, members } = memberships.membership;
  const node = new FakeNode();
  node.genesis = memberships.genesis;
  node.chainNow = {
    ...node.chainNow,
    genesis: memberships.genesis,
    founding: memberships.genesis.split("\n\n")[0] + "\n",
    memberships: memberships.certificates,
  };
  node.group = { ...node.group, cluster };
  node.membersNow = {
    ...node.membersNow,
    ...{ sequence, epoch, threshold },
    members: members.map((member): MemberStatus => ({
      ...memberships.member(member.identifier),
      ...member,
      peerAddress: member.peerAddress ?? null,
      apiAddress: member.apiAddress ?? null,
      channelKey: member.channelKey ?? null,
      hasShare: member.verifyingShare !== null,
      isReachable: true,
      matchIndex: null,
      isCaughtUp: null,
    })),
  };
  return node;
}

function run(args: readonly string[], node = nodeOf()) {
  const config = ["--config", "/nowhere/cluster.json"];
  return floe([...args, ...config], { hosts: { "a:1": node }, env: { FLOE_ENDPOINTS: "a:1" } });
}

Deno.test("members export writes a cluster.json of today's members, which a node reads", async () => {
  const { code, stdout, stderr } = await run(["members", "export"]);
  deepEqual([code, stderr], [0, ""]);
  const config = parseClusterConfig(stdout);
  deepEqual([config.cluster, config.threshold], [cluster, 2]);
  deepEqual(config.peers.map(({ id, isLearner }) => [id, isLearner]), [
    ["server_1", undefined],
    ["server_2", undefined],
    ["server_4", undefined],
    ["server_5", true],
  ]);
  deepEqual(config.peers[0]?.keys?.signingKey, identityKey(77));
  deepEqual(config.peers[2]?.peer, { hostname: "10.0.0.4", port: 7101 });
});

Deno.test("members export keeps timing, limits and etcd's addresses of the configuration", async () => {
  const folder = await Deno.makeTempDir({ prefix: "floe-export-" });
  try {
    const [out, config] = [`${folder}/new.json`, `${folder}/cluster.json`];
    const { stdout } = await run(["members", "export"]);
    const old = JSON.parse(stdout);
    old.timing.heartbeatMs = 20;
    old.peers[1].etcd = "10.0.0.2:7301";
    await Deno.writeTextFile(config, JSON.stringify(old));
    const args = ["members", "export", "--config", config, "--out", out];
    const options = { hosts: { "a:1": nodeOf() }, env: { FLOE_ENDPOINTS: "a:1" } };
    const written = await floe(args, options);
    deepEqual([written.code, written.stdout], [0, ""]);
    const { timing, peers } = JSON.parse(await Deno.readTextFile(out));
    deepEqual([timing.heartbeatMs, peers[1].etcd, peers[3].learner], [20, "10.0.0.2:7301", true]);
    const again = await floe(args, options);
    equal(again.code, 2);
    match(again.stderr, /new\.json: the file exists\. --force replaces it/);
    equal((await floe([...args, "--force"], options)).code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("members export --key verifies every membership under the group key", async () => {
  equal((await run(["members", "export", "--key", KEY])).code, 0);
  const [first] = CHANGED.membership.members;
  if (first === undefined) throw new Error("a cluster has members");
  const lying = nodeOf();
  const [member, ...others] = lying.membersNow.members;
  if (member === undefined) throw new Error("a cluster has members");
  lying.membersNow = {
    ...lying.membersNow,
    members: [{ ...member, channelKey: new Uint8Array(32) }, ...others],
  };
  const lie = await run(["members", "export", "--key", KEY], lying);
  deepEqual([lie.code, lie.stdout], [7, ""]);
  match(lie.stderr, /the node's members are not those that the voters signed last/);
  const cut = nodeOf();
  cut.chainNow = { ...cut.chainNow, memberships: cut.chainNow.memberships.slice(0, 2) };
  equal((await run(["members", "export", "--key", KEY], cut)).code, 7);
  const other = new TestMemberships(2).membership;
  const foreign = ["members", "export", "--key", encodeVerifierKey(cluster, other.publicKey)];
  const refused = await run(foreign);
  equal(refused.code, 7);
  match(refused.stderr, /it is of another group key/);
  const unchanged = await run(["members", "export", "--key", KEY], nodeOf(new TestMemberships()));
  equal(unchanged.code, 7);
  match(unchanged.stderr, /no membership is signed yet, only the genesis/);
});

Deno.test("members export says which member's address is not known", async () => {
  const node = nodeOf();
  const [member, ...others] = node.membersNow.members;
  if (member === undefined) throw new Error("a cluster has members");
  node.membersNow = {
    ...node.membersNow,
    members: [{ ...member, apiAddress: null }, ...others],
  };
  const { code, stderr } = await run(["members", "export"], node);
  equal(code, 4);
  match(
    stderr,
    /do not say server_1's addresses and keys\. Give them with floe member update server_1/,
  );
});

Deno.test("group --memberships prints what verify follows", async () => {
  const { code, stdout, stderr } = await run(["group", "--memberships"]);
  deepEqual([code, stderr], [0, ""]);
  const verified = await floe(["verify", "-", "--key", KEY], { stdin: stdout, env: {} });
  equal(verified.code, 0);
  match(verified.stdout, /^3 +2 +2 of 3 +server_5 joins as a learner|server_1: new identity key/m);
  const never = await run(["group", "--memberships"], nodeOf(new TestMemberships()));
  deepEqual([never.code, never.stdout, never.stderr], [0, "", "The members have never changed.\n"]);
});

Deno.test("export --stale takes what the first node that answers has", async () => {
  const node = new FakeNode();
  node.put("colour", "green");
  const { code, stdout } = await run(["export", "--stale"], node);
  equal(code, 0);
  match(stdout, /"key":"colour","value":"green"/);
  deepEqual(node.reads.map(({ consistency }) => consistency), ["stale"]);
});
