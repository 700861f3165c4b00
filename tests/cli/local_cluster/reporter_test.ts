import assert from "node:assert/strict";
import type { CommandContext } from "../../../lib/cli/command.ts";
import type { NodeState } from "../../../lib/cli/local_cluster/local_cluster.ts";
import {
  type ClusterEvent,
  reportToPeople,
  reportToPrograms,
} from "../../../lib/cli/local_cluster/reporter.ts";
import { generateLocalCluster } from "../../../lib/config/cluster_config.ts";
import { type NodeId, toNodeId } from "../../../lib/types.ts";
import { streamTo } from "../fake_terminal.ts";

const GROUP = {
  event: "group",
  cluster: "floe-local",
  threshold: 2,
  publicKey: "ab",
  verifierKey: "v+k",
  genesis: null,
  ms: null,
} as const;

const START: readonly ClusterEvent[] = [
  { event: "starting", cluster: "floe-local", nodes: 2 },
  GROUP,
  { event: "node", id: "server_1", api: "127.0.0.1:7201", etcd: "127.0.0.1:7301", pid: 11 },
  { event: "node", id: "server_2", api: "127.0.0.1:7202", etcd: "127.0.0.1:7302", pid: 12 },
  { event: "leader", id: "server_2", term: 4, certificate: "valid", ms: 321, note: "a\n\nb\n" },
  { event: "ready" },
];

Deno.test("reportToPeople() shows nodes, key, leader and lines to paste, once all are there", () => {
  const { stdout, stderr } = told(START);
  assert.equal(
    stdout,
    `NODE      ROLE      API                    ETCD            PID
server_1  follower  http://127.0.0.1:7201  127.0.0.1:7301  11
server_2  leader    http://127.0.0.1:7202  127.0.0.1:7302  12

group key    ab
genesis      none: a dealer made the key
leader       server_2, term 4
certificate  valid, 321 ms after the start
tolerates    0 of 2 nodes down, 1 lying
page         http://page/ui/#key=ab
data, logs   .floe/<node>, .floe/<node>/node.log

The certificate, signed by 2 of 2 voters together:

  a

  b

Try, in another terminal:
  floe --config c.json put greeting hello
  floe --config c.json get greeting
  floe --config c.json leader --cert > leader.note
  floe verify leader.note --key v+k

Stop with Ctrl-C.
`,
  );
  assert.match(stderr, /^Starting 2 nodes of floe-local \.\.\.\nwarning: All 2 nodes must sign: /);
});

Deno.test("reportToPeople() says when the nodes have made their key, and shows its genesis", () => {
  const [starting, , ...rest] = START;
  assert.ok(starting !== undefined);
  const made = { ...GROUP, genesis: "note", ms: 456 };
  const { stdout, stderr } = told([starting, made, ...rest]);
  assert.match(
    stderr,
    /All 2 nodes have made the cluster's key together, 456 ms after the start\n/,
  );
  assert.match(stdout, /^genesis {6}signed by all 2 nodes, who made the key together$/m);
});

Deno.test("reportToPeople() says that a death before there is a key keeps the others waiting", () => {
  const [starting, , ...nodes] = START;
  assert.ok(starting !== undefined);
  const exit = { event: "exit", id: "server_2", pid: 12, code: 1, signal: null, log: [] } as const;
  assert.match(
    told([starting, ...nodes.slice(0, 2), exit]).stderr,
    /exit code 1\. The cluster has no key yet, which takes all 2 nodes: the others wait for it\./,
  );
});

Deno.test("reportToPeople() tells of a death with the end of its log, of a new leader, of the end", () => {
  const { stderr } = told([
    ...START,
    { event: "exit", id: "server_2", pid: 12, code: 137, signal: "SIGKILL", log: ["\x1b[2Jlast"] },
    { event: "leader", id: "server_1", term: 5, certificate: "valid", ms: 99, note: "" },
    { event: "stopped" },
  ]);
  assert.match(stderr, /server_2 \(pid 12\) has ended: SIGKILL\. The others go on/);
  assert.match(
    stderr,
    /floe node --id server_2 --config keys\/c\.json --data-dir \.floe\/server_2\n/,
  );
  assert.match(stderr, /\\u001b\[2Jlast\n[^\n]*\nserver_1 leads term 5, certificate valid, 99 ms/);
  assert.match(stderr, /All nodes are stopped\. Their data is kept in \.floe\.\n$/);
});

Deno.test("reportToPeople() says when too few nodes are left to elect anybody", () => {
  const states = new Map(
    [[toNodeId("server_1"), "follower"], [toNodeId("server_2"), "down"]] as const,
  );
  const exit = { event: "exit", id: "server_2", pid: 12, code: 1, signal: null, log: [] } as const;
  assert.match(
    told([...START, exit], { states }).stderr,
    /exit code 1\. 1 of 2 are left and 2 must sign: no node can lead/,
  );
});

Deno.test("reportToPrograms() writes each event as it is, one a line", () => {
  const { stdout } = told(START, { toPrograms: true });
  assert.deepEqual(stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), START);
});

const STATES = new Map<NodeId, NodeState>([
  [toNodeId("server_1"), "follower"],
  [toNodeId("server_2"), "leader"],
]);

Deno.test("people are told of a log that cannot be written, and of lines that were lost", () => {
  const { stdout, stderr } = told([
    { event: "logFailed", id: "server_1", path: "d/server_1/node.log", reason: "No space left" },
    { event: "dropped", count: 3 },
  ]);
  assert.equal(stdout, "");
  assert.equal(
    stderr,
    "Cannot write d/server_1/node.log: No space left. server_1 goes on, and its log is lost until " +
      "this works again.\n(3 lines were lost here: they could not be written)\n",
  );
});

function told(
  events: readonly ClusterEvent[],
  options: { readonly toPrograms?: true; readonly states?: ReadonlyMap<NodeId, NodeState> } = {},
) {
  const written = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => streamTo((text) => written[name] += text);
  const context: CommandContext = {
    stdout: stream("stdout"),
    stderr: stream("stderr"),
    stdin: ReadableStream.from([]),
    env: () => undefined,
    openFetch: () => fetch,
    stopSignal: () => new AbortController().signal,
  };
  const config = generateLocalCluster({ nodes: 2 });
  const report = options.toPrograms ? reportToPrograms(context) : reportToPeople({
    config,
    configFile: "c.json",
    nodeConfigFile: "keys/c.json",
    folder: ".floe",
    program: "floe",
    nodes: () => config.peers,
    states: () => options.states ?? STATES,
    pageOf: (publicKey) => `http://page/ui/#key=${publicKey}`,
  }, context);
  events.forEach(report);
  return written;
}
