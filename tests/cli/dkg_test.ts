import { deepEqual, equal, match } from "node:assert/strict";
import { marginsOf } from "../../lib/margins.ts";
import type {
  Awaited,
  KeyGenerationPeer,
  KeyGenerationReport,
} from "../../lib/node/key_generation/report.ts";
import { type NodeId, toClusterName, toNodeId } from "../../lib/types.ts";
import { FakeNode } from "../http/fake_node.ts";
import { floe } from "./fake_terminal.ts";

const first = toNodeId("server_1");
const second = toNodeId("server_2");
const third = toNodeId("server_3");

const REPORT: KeyGenerationReport = {
  cluster: toClusterName("ours"),
  id: first,
  fingerprint: "0123 4567",
  phase: "roundOne",
  attempt: 1,
  threshold: 2,
  voters: [first, second, third],
  peers: [peerOf(second, { roundOne: true }), peerOf(third, {})],
  waitingFor: [{ id: third, step: "roundOne" }],
  genesis: null,
};

Deno.test("dkg status prints a row for each node, and how one sees the others", async () => {
  const waitingFor: readonly Awaited[] = [
    { id: first, step: "connection" },
    { id: third, step: "connection" },
    { id: toNodeId("server_4"), step: "configuration" },
  ];
  const hosts = {
    "a:1": nodeWith({}),
    "b:1": nodeWith({ id: second, phase: "connecting", attempt: 0, waitingFor }),
  };
  const { code, stdout, stderr } = await floe(["dkg", "status"], { hosts });
  deepEqual([code, stderr], [0, ""]);
  const wait = "server_1, server_3 (to connect); server_4 (to have the same cluster.json)";
  equal(
    stdout,
    `cluster ours: 2 of 3 voters sign; 2 of 2 nodes answered
may be down    1 of 3 nodes; the others still elect and write
may lie        0 of 3 voters; no term gets two leaders
may be lost    1 of 3 shares; with one more, no leader can be elected
may be stolen  1 of 3 shares; with one more, a thief can sign elections
fingerprint    0123 4567

NODE      PHASE       ATTEMPT  ${"WAITS FOR".padEnd(wait.length)}  API
server_1  round one   1        ${"server_3 (round one)".padEnd(wait.length)}  a:1
server_2  connecting  0        ${wait}  b:1

As server_1 sees the others:

PEER      CONNECTED  CONFIGURATION  ROUND ONE  ROUND TWO  READY  SIGNED
server_2  yes        equal          yes        no         no     no
server_3  yes        equal          no         no         no     no
`,
  );
});

Deno.test("dkg status shows how the first that is not done sees the others", async () => {
  const hosts = {
    "a:1": nodeWith({ phase: "finished", attempt: null, waitingFor: [] }),
    "b:1": nodeWith({ id: second, phase: "signed", peers: [peerOf(first, { signed: true })] }),
  };
  const { stdout } = await floe(["dkg", "status"], { hosts });
  match(stdout, /^server_1 {2}finished {2}- {8}- /m);
  match(stdout, /^As server_2 sees the others:\n\nPEER.*\nserver_1 {2}yes .* yes\n$/m);
});

const PHASES: readonly (readonly [KeyGenerationReport["phase"], string])[] = [
  ["betweenAttempts", "between attempts"],
  ["roundTwo", "round two"],
  ["ready", "ready"],
  ["shareLost", "share lost"],
  ["exhausted", "no attempt left"],
  ["dealt", "dealt"],
];

for (const [phase, words] of PHASES) {
  Deno.test(`dkg status calls the phase ${phase} "${words}"`, async () => {
    const { stdout } = await floe(["dkg", "status"], { hosts: { "a:1": nodeWith({ phase }) } });
    match(stdout, new RegExp(`^server_1 {2}${words} `, "m"));
  });
}

Deno.test("dkg status shows a node that does not answer, and why, and exits with 0", async () => {
  const { code, stdout } = await floe(["dkg", "status"], { hosts: { "b:1": nodeWith({}) } });
  equal(code, 0);
  match(stdout, /1 of 2 nodes answered/);
  match(stdout, /^- .* a:1 {2}connection refused$/m);
});

Deno.test("dkg status warns before there is a key to lose", async () => {
  const voters = [first, second];
  const { stderr } = await floe(["dkg", "status"], { hosts: { "a:1": nodeWith({ voters }) } });
  match(stderr, /^warning: All 2 nodes must sign: .* one lost share loses the key for ever\.$/m);
});

Deno.test("dkg status exits with 5 when no node answers", async () => {
  const { code, stderr } = await floe(["dkg", "status"], { hosts: {} });
  equal(code, 5);
  match(stderr, /No node is reachable/);
});

Deno.test("dkg status prints each node's answer as JSON", async () => {
  const args = ["dkg", "status", "-o", "json"];
  const { stdout } = await floe(args, { hosts: { "b:1": nodeWith({}) } });
  const { nodes, ...cluster } = JSON.parse(stdout);
  deepEqual(cluster, {
    cluster: "ours",
    n: 3,
    threshold: 2,
    margins: marginsOf({ n: 3, threshold: 2 }),
    warnings: [],
  });
  deepEqual(nodes[0], {
    endpoint: "a:1",
    reachable: false,
    id: null,
    error: "connection refused",
  });
  deepEqual(nodes[1], { endpoint: "b:1", reachable: true, ...REPORT });
});

Deno.test("dkg status refuses an answer that is not Floe's, and what could drive a terminal", async () => {
  const stranger = () => Response.json({ phase: "party" });
  const odd = nodeWith({});
  odd.keyGenerationNow = JSON.parse(JSON.stringify({ ...REPORT, id: "\u001b[31mred" }));
  const { stdout } = await floe(["dkg", "status"], { hosts: { "a:1": stranger, "b:1": odd } });
  match(stdout, /a:1 {2}does not answer like Floe's API/);
  match(stdout, /^\\u001b\[31mred/m);
});

function nodeWith(report: Partial<KeyGenerationReport>): FakeNode {
  const node = new FakeNode();
  node.keyGenerationNow = { ...REPORT, ...report };
  return node;
}

function peerOf(id: NodeId, steps: Partial<KeyGenerationPeer>): KeyGenerationPeer {
  const rounds = { roundOne: false, roundTwo: false, ready: false, signed: false };
  return { id, connected: true, configuration: "equal", ...rounds, ...steps };
}

Deno.test("dkg status tells which nodes have another cluster.json", async () => {
  const hosts = {
    "a:1": nodeWith({}),
    "b:1": nodeWith({ id: second, fingerprint: "89ab cdef" }),
  };
  const { stdout } = await floe(["dkg", "status"], { hosts });
  match(stdout, /^fingerprint +0123 4567 at server_1\nfingerprint +89ab cdef at server_2$/m);
});
