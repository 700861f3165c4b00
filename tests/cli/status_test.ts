import { deepEqual, equal, match } from "node:assert/strict";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import { fakeGroup, FakeNode, problemAnswer } from "../http/fake_node.ts";
import { floe } from "./fake_terminal.ts";

function follower(): FakeNode {
  const node = new FakeNode();
  node.statusNow = { ...node.statusNow, id: toNodeId("server_2"), role: "follower", peers: [] };
  return node;
}

Deno.test("status prints a row for each node, and the margins", async () => {
  const hosts = { "a:1": new FakeNode(), "b:1": follower() };
  const outcome = await floe(["status"], { hosts });
  deepEqual([outcome.code, outcome.stderr], [0, ""]);
  equal(
    outcome.stdout,
    `cluster floe-test, epoch 1: 4 of 5 voters sign; 2 of 2 nodes answered
may be down    1 of 5 nodes; the others still elect and write
may lie        2 of 5 voters; no term gets two leaders
may be lost    1 of 5 shares; with one more, no leader can be elected
may be stolen  3 of 5 shares; with one more, a thief can sign elections

NODE      ROLE      TERM  LEADER    COMMIT  APPLIED  API
server_1  leader    7     server_1  70      70       a:1
server_2  follower  7     server_1  70      70       b:1
`,
  );
});

Deno.test("status shows a node that does not answer, and why, and exits with 0", async () => {
  const { code, stdout } = await floe(["status"], { hosts: { "b:1": follower() } });
  equal(code, 0);
  match(stdout, /1 of 2 nodes answered/);
  match(stdout, /^- {9}- {9}- {5}- {9}- {7}- {8}a:1 {2}connection refused$/m);
});

Deno.test("status names the nodes of the configuration that do not answer", async () => {
  const config = await Deno.makeTempFile();
  const peers = ["a", "b", "c"].map((host) => ({
    id: `node_${host}`,
    peer: `${host}:2`,
    api: `${host}:3`,
  }));
  const timing = { heartbeatMs: 50, electionTimeoutMs: 300, signingTimeoutMs: 50 };
  await Deno.writeTextFile(
    config,
    JSON.stringify({ cluster: "floe-test", threshold: 2, peers, timing }),
  );
  const surroundings = { hosts: { "b:3": follower() }, env: { FLOE_CONFIG: config } };
  const { code, stdout } = await floe(["status", "-o", "json"], surroundings);
  equal(code, 0);
  const [first] = JSON.parse(stdout).nodes;
  deepEqual(first, {
    endpoint: "a:3",
    reachable: false,
    id: "node_a",
    error: "connection refused",
  });
  await Deno.remove(config);
});

Deno.test("status -o json prints one document with what each node says", async () => {
  const node = new FakeNode();
  const { stdout } = await floe(["status", "-o", "json"], { hosts: { "a:1": node } });
  const { nodes, ...cluster } = JSON.parse(stdout);
  deepEqual(cluster, {
    cluster: "floe-test",
    epoch: 1,
    threshold: 4,
    n: 5,
    margins: { crashed: 1, lying: 2, lyingFollowers: 1, sharesLost: 1, sharesToForge: 4 },
    warnings: [],
  });
  equal(nodes.length, 2);
  equal(nodes[0].endpoint, "a:1");
  equal(nodes[0].role, "leader");
  deepEqual(nodes[0].peers, node.statusNow.peers);
  equal(nodes[1].reachable, false);
});

Deno.test("status warns of a cluster that loses its key with one share", async () => {
  const node = new FakeNode();
  node.group = { ...fakeGroup, threshold: 2, voters: fakeGroup.voters.slice(0, 2) };
  const { stdout, stderr } = await floe(["status"], { hosts: { "a:1": node } });
  match(stdout, /^may be lost {4}0 of 2 shares;/m);
  match(stderr, /^warning: All 2 nodes must sign: .* one lost share loses the key for ever\.$/m);
  match(stderr, /^warning: An even number of nodes adds no crash margin/m);
  const json = await floe(["status", "-o", "json"], { hosts: { "a:1": node } });
  deepEqual([JSON.parse(json.stdout).warnings.length, json.stderr], [2, ""]);
});

Deno.test("status exits with 5 when no node answers", async () => {
  const nothing = await floe(["status"]);
  deepEqual([nothing.code, nothing.stdout], [5, ""]);
  match(nothing.stderr, /^floe: No node is reachable:\n {2}a:1: connection refused\n/);
  const silent = await floe(["status"], { hosts: { "a:1": "silent" } });
  equal(silent.code, 5);
  match(silent.stderr, /a:1: no answer in time/);
});

Deno.test("status exits with 6 when every node refuses the token", async () => {
  const refuse = () => problemAnswer(401, { code: "unauthorized", detail: "No such token" });
  const { code, stderr } = await floe(["status"], { hosts: { "a:1": refuse, "b:1": refuse } });
  equal(code, 6);
  match(stderr, /^floe: No node allows it:\n {2}a:1: No such token\. Name a file .*\n {2}b:1: /);
});

Deno.test("status says which endpoint is not a node", async () => {
  const hosts = { "a:1": () => Response.json({ hello: "world" }), "b:1": follower() };
  const { code, stdout } = await floe(["status"], { hosts });
  equal(code, 0);
  match(stdout, /a:1 {2}does not answer like Floe's API$/m);
});

Deno.test("status warns of nodes of different clusters in one list", async () => {
  const stranger = follower();
  stranger.group = { ...fakeGroup, cluster: toClusterName("another") };
  const outcome = await floe(["status"], { hosts: { "a:1": new FakeNode(), "b:1": stranger } });
  equal(outcome.code, 0);
  equal(outcome.stderr, "floe: these nodes are of different clusters: floe-test, another\n");
});

Deno.test("a client takes the nodes' addresses of a configuration, and leaves the rest to its nodes", async () => {
  const config = await Deno.makeTempFile();
  const env = { FLOE_CONFIG: config };
  const hosts = { "b:3": follower() };
  await Deno.writeTextFile(config, JSON.stringify({ peers: [{ id: "server_2", api: "b:3" }] }));
  equal((await floe(["status"], { hosts, env })).code, 0);
  await Deno.writeTextFile(config, JSON.stringify({ peers: [{ id: "server_2", api: "b" }] }));
  const { code, stderr } = await floe(["status"], { hosts, env });
  equal(code, 2);
  match(stderr, /peers\[0\]\.api: "b" is not host:port/);
  await Deno.remove(config);
});
