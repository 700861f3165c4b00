import { deepEqual, equal, ok } from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { ClusterViews, VIEW_INTERVAL_MS } from "../../lib/node/cluster_views.ts";
import { TICK_MS } from "../../lib/node/inbox.ts";
import { nodeViewSchema } from "../../lib/node_view.ts";
import type { ViewMessage } from "../../lib/transport/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { createTestDoubles, nodeId } from "../certificate/cluster.ts";
import { FakeNode } from "../http/fake_node.ts";
import { TestCluster } from "../raft/harness.ts";

const INTERVAL_TICKS = VIEW_INTERVAL_MS / TICK_MS;
const [SELF, PEER, OTHER] = [nodeId(1), nodeId(2), nodeId(3)];

/** The views of `server_1` of three, with a record of what it sends and refuses. */
function setUp() {
  const certifiers = createTestDoubles({ threshold: 2, voters: 3 });
  const cluster = new TestCluster({ size: 3, certifiers });
  const { state } = cluster.node("server_1").raft;
  const sent: ViewMessage[] = [];
  const refused: NodeId[] = [];
  const node = new FakeNode();
  const views = new ClusterViews({
    state,
    clients: { status: () => node.status(), writeTimes: { count: 2, totalMs: 9 } },
    send: (message) => sent.push(message),
    onRefused: (peer) => refused.push(peer),
  });
  const pass = (ticks: number) => {
    for (let left = ticks; left > 0; left--) views.tick();
  };
  return { cluster, views, sent, refused, pass, node };
}

/** A peer's view, as bytes. */
function viewOf(id: NodeId): Uint8Array {
  const [view] = new FakeNode().views;
  return encodeUtf8(JSON.stringify({ ...view, id }));
}

const answer = (from: NodeId, view: Uint8Array): ViewMessage => ({
  kind: "viewResponse",
  from,
  to: SELF,
  view,
});

Deno.test("peers are asked while somebody watches, and at no other time", () => {
  const { views, sent, pass } = setUp();
  pass(4 * INTERVAL_TICKS);
  deepEqual(sent, []);
  const watch = views.watch();
  pass(2 * INTERVAL_TICKS);
  deepEqual(sent.map(({ kind, to }) => [kind, to]), [
    ["viewRequest", PEER],
    ["viewRequest", OTHER],
    ["viewRequest", PEER],
    ["viewRequest", OTHER],
  ]);
  watch.end();
  watch.end();
  pass(4 * INTERVAL_TICKS);
  equal(sent.length, 4);
});

Deno.test("a watch shows this node first, and the peers that were heard lately", () => {
  const { views, pass } = setUp();
  const watch = views.watch();
  deepEqual(watch.read().map(({ id }) => id), [SELF]);
  views.received(answer(PEER, viewOf(PEER)));
  deepEqual(watch.read().map(({ id }) => id), [SELF, PEER]);
  pass(4 * INTERVAL_TICKS);
  deepEqual(watch.read().map(({ id }) => id), [SELF]);
});

Deno.test("what a peer says of another, or cannot be read, is refused", () => {
  const { views, refused } = setUp();
  const watch = views.watch();
  const garbage = [
    viewOf(OTHER),
    encodeUtf8("{"),
    encodeUtf8("null"),
    Uint8Array.of(0xff),
    encodeUtf8(`{"id":"${PEER}","role":"king"}`),
  ];
  for (const view of garbage) views.received(answer(PEER, view));
  deepEqual(refused, garbage.map(() => PEER));
  deepEqual(watch.read().map(({ id }) => id), [SELF]);
});

Deno.test("an answer that nobody waits for is dropped unread", () => {
  const { views, refused } = setUp();
  views.received(answer(PEER, encodeUtf8("{")));
  deepEqual(refused, []);
});

Deno.test("a peer that asks gets this node's view, and one that asks too often none", () => {
  const { views, sent, pass } = setUp();
  const request: ViewMessage = { kind: "viewRequest", from: PEER, to: SELF };
  for (let times = 0; times < 10; times++) views.received(request);
  const [response, ...more] = sent;
  ok(response?.kind === "viewResponse");
  deepEqual(more, []);
  const view = nodeViewSchema.parse(JSON.parse(new TextDecoder().decode(response.view)));
  deepEqual([response.to, view.id, view.writes.count], [PEER, SELF, 2]);
  pass(INTERVAL_TICKS);
  views.received(request);
  equal(sent.length, 2);
});

Deno.test("messages are counted by kind while a view is wanted, and at no other time", () => {
  const { cluster, views, pass } = setUp();
  cluster.intercept = (message) => {
    if (message.from === SELF) views.sent(message);
    return message;
  };
  cluster.elect("server_1");
  const watch = views.watch();
  deepEqual(watch.read()[0]?.sent, []);
  pass(INTERVAL_TICKS);
  cluster.elect("server_2");
  cluster.elect("server_1");
  const counts = watch.read()[0]?.sent.find(({ to }) => to === PEER)?.counts ?? [];
  const [votes = 0, roundOne = 0, roundTwo = 0] = counts;
  ok(votes > 0 && roundOne > 0 && roundTwo > 0, String(counts));
});

Deno.test("the log is shown as runs of one term", () => {
  const { cluster, views } = setUp();
  cluster.elect("server_1");
  cluster.elect("server_2");
  cluster.elect("server_1");
  const runs = views.watch().read()[0]?.runs;
  deepEqual(runs, [1, 2, 3].map((at) => ({ term: at, from: at, to: at })));
});
