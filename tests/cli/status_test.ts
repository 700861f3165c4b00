import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { toClusterName, toLogIndex, toNodeId } from "../../lib/types.ts";
import { FakeNode, problemAnswer } from "../http/fake_node.ts";
import { fakeGroup } from "../http/fake_reports.ts";
import { floe, type Host } from "./fake_terminal.ts";

function follower(): FakeNode {
  const node = new FakeNode();
  node.statusNow = { ...node.statusNow, id: toNodeId("server_2"), role: "follower", peers: [] };
  return node;
}

/** A node that wants a token which nobody has. */
function closed(node: FakeNode): Host {
  const admin = { node: toNodeId("server_1"), secretDigest: new Uint8Array(32) };
  const authorizer = new Authorizer({ node, access: { kind: "tokens", admin } });
  const app = createApp(node, { authorizer });
  return (request) => app.fetch(request);
}

Deno.test("status opens with a verdict, and has a row for each voter", async () => {
  const hosts = { "a:1": new FakeNode(), "b:1": follower() };
  const outcome = await floe(["status"], { hosts });
  deepEqual([outcome.code, outcome.stderr], [0, ""]);
  equal(
    outcome.stdout,
    `DEGRADED  server_5 is down. The next loss stops elections: 4 must sign
cluster floe-test, epoch 1: 4 of 5 voters sign; server_1 leads term 7

NODE      ROLE      TERM  COMMIT  APPLIED  API
server_1  leader    7     70      70       a:1
server_2  follower  7     70      70       b:1
server_3  -         -     70      -        -    not reached
server_4  -         -     70      -        -    not reached
server_5  -         -     -       -        -    down
`,
  );
});

Deno.test("status shows a node that does not answer, and why, and exits with 0", async () => {
  const { code, stdout } = await floe(["status"], { hosts: { "b:1": follower() } });
  equal(code, 0);
  match(stdout, /^- {9}- {9}- {5}- {7}- {8}a:1 {2}down$/m);
  match(stdout, /^- at a:1: connection refused$/m);
});

Deno.test("a node that refuses the token is no access, counts as up, and is told of by its peers", async () => {
  const hosts = { "a:1": new FakeNode(), "b:1": closed(follower()) };
  const { code, stdout } = await floe(["status", "-o", "json"], { hosts });
  equal(code, 0);
  const { words, nodes } = JSON.parse(stdout);
  equal(words, "server_5 is down. The next loss stops elections: 4 must sign");
  equal(nodes[1].absence, "no access");
});

Deno.test("status --check exits with 8 and 9, and says why", async () => {
  const whole = new FakeNode();
  const peers = whole.statusNow.peers.map((peer) => ({ ...peer, connected: true }));
  whole.statusNow = { ...whole.statusNow, peers };
  equal((await floe(["status", "--check"], { hosts: { "a:1": whole } })).code, 0);
  const degraded = await floe(["status", "--check"], { hosts: { "a:1": new FakeNode() } });
  equal(degraded.code, 8);
  match(degraded.stderr, /^floe: DEGRADED: server_5 is down\./);
  const alone = await floe(["status", "--check"], { hosts: { "b:1": follower() } });
  equal(alone.code, 9);
  match(alone.stderr, /^floe: NO QUORUM: /);
});

Deno.test("status --watch shows it again, and a terminal is cleared", async () => {
  const stop = new AbortController();
  let shown = 0;
  const onOutput = (text: string) => {
    if (text.includes("DEGRADED") && ++shown === 3) stop.abort();
  };
  const surroundings = { hosts: { "a:1": new FakeNode() }, stop: stop.signal, onOutput };
  const { code, stdout } = await floe(["status", "--watch"], { ...surroundings, isTerminal: true });
  deepEqual([code, shown, stdout.split("\x1b[2J").length - 1], [0, 3, 3]);
});

Deno.test("each node has one line of at most 80 characters", async () => {
  const node = new FakeNode();
  const index = toLogIndex(9_999_999);
  node.statusNow = {
    ...node.statusNow,
    role: "preCandidate",
    commitIndex: index,
    appliedIndex: index,
  };
  const env = { FLOE_ENDPOINTS: "127.0.0.1:7201" };
  const { stdout } = await floe(["status"], { hosts: { "127.0.0.1:7201": node }, env });
  const [, , , ...table] = stdout.trimEnd().split("\n");
  equal(table.length, 6);
  for (const line of table) equal(line.length <= 80, true, line);
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
    absence: "down",
  });
  await Deno.remove(config);
});

Deno.test("status asks the members of today, whatever the configuration has", async () => {
  const config = await Deno.makeTempFile();
  const peers = [1, 2, 3].map((number) => ({
    id: `server_${number}`,
    peer: `old${number}:2`,
    api: `old${number}:3`,
  }));
  await Deno.writeTextFile(config, JSON.stringify({ cluster: "floe-test", threshold: 2, peers }));
  const node = new FakeNode();
  const [first, ...rest] = node.membersNow.members;
  ok(first !== undefined);
  const roles: Readonly<Record<string, "removed">> = { server_3: "removed" };
  node.membersNow = {
    ...node.membersNow,
    members: [{ ...first, apiAddress: "old1:3" }, ...rest].map((member) => ({
      ...member,
      role: roles[member.id] ?? member.role,
      apiAddress: member.id === "server_2" ? "new2:3" : member.apiAddress,
    })),
  };
  const surroundings = {
    hosts: { "old1:3": node, "new2:3": follower() },
    env: { FLOE_CONFIG: config },
  };
  const { code, stdout } = await floe(["status", "-o", "json"], surroundings);
  equal(code, 0);
  const { nodes } = JSON.parse(stdout);
  const asked = nodes.map(({ endpoint }: { readonly endpoint: string }) => endpoint);
  deepEqual(asked.slice(0, 2), ["old1:3", "new2:3"]);
  ok(!asked.includes("old3:3") && !asked.includes("old2:3"), String(asked));
  ok(asked.length > 2, "members that joined are asked, too");
  await Deno.remove(config);
});

Deno.test("status -o json prints one document with what each node says", async () => {
  const node = new FakeNode();
  const { stdout } = await floe(["status", "-o", "json"], { hosts: { "a:1": node } });
  const { nodes, ...cluster } = JSON.parse(stdout);
  deepEqual(cluster, {
    health: "degraded",
    words: "server_5 is down. The next loss stops elections: 4 must sign",
    canLose: 0,
    leader: "server_1",
    cluster: "floe-test",
    epoch: 1,
    threshold: 4,
    n: 5,
    margins: { crashed: 1, lying: 2, lyingFollowers: 1, sharesLost: 1, sharesToForge: 4 },
    warnings: [],
    twoLeadersSeenBy: [],
  });
  equal(nodes.length, 2);
  equal(nodes[0].endpoint, "a:1");
  equal(nodes[0].role, "leader");
  deepEqual(nodes[0].peers, node.statusNow.peers);
  equal(nodes[1].reachable, false);
});

Deno.test("status -o json warns of a cluster that loses its key with one share", async () => {
  const node = new FakeNode();
  node.group = { ...fakeGroup, threshold: 2, voters: fakeGroup.voters.slice(0, 2) };
  const { stdout, stderr } = await floe(["status", "-o", "json"], { hosts: { "a:1": node } });
  deepEqual([JSON.parse(stdout).warnings.length, stderr], [2, ""]);
});

Deno.test("status exits with 5 when no node answers", async () => {
  const nothing = await floe(["status"]);
  deepEqual([nothing.code, nothing.stdout], [5, ""]);
  match(nothing.stderr, /^floe: No node is reachable:\n {2}a:1, b:1: connection refused\n/);
  const silent = await floe(["status"], { hosts: { "a:1": "silent" } });
  equal(silent.code, 5);
  match(silent.stderr, /a:1: no answer in time/);
});

Deno.test("status exits with 6 when every node refuses the token", async () => {
  const refuse = () => problemAnswer(401, { code: "unauthorized", detail: "No such token" });
  const { code, stderr } = await floe(["status"], { hosts: { "a:1": refuse, "b:1": refuse } });
  equal(code, 6);
  match(stderr, /^floe: No node allows it:\n {2}a:1, b:1: No such token\. Name a file .*\n$/);
});

Deno.test("status says which endpoint is not a node", async () => {
  const hosts = { "a:1": () => Response.json({ hello: "world" }), "b:1": follower() };
  const { code, stdout } = await floe(["status"], { hosts });
  equal(code, 0);
  match(stdout, /at a:1: does not answer like Floe's API$/m);
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

Deno.test("status says which nodes have certificates of two leaders of one term", async () => {
  const witness = follower();
  const counters = { ...witness.statusNow.counters, "certificate.second": 1 };
  witness.statusNow = { ...witness.statusNow, counters };
  const hosts = { "a:1": new FakeNode(), "b:1": witness };
  match((await floe(["status"], { hosts })).stdout, /^TWO LEADERS .* as server_2 has seen: .*$/m);
  const { stdout } = await floe(["status", "-o", "json"], { hosts });
  deepEqual(JSON.parse(stdout).twoLeadersSeenBy, ["server_2"]);
});
