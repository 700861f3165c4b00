import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { ALL_KEYS } from "../../lib/kv/mod.ts";
import { RequestError } from "../../lib/node/api.ts";
import { NodeFront } from "../../lib/node/node_front.ts";
import { toTerm } from "../../lib/types.ts";
import { FakeNode } from "../http/fake_node.ts";
import { bytes, putCommand } from "../kv/support.ts";

const put = putCommand("a", "1");
const timeoutMs = 100;

Deno.test("NodeFront refuses everything but key generation while there is no node", async () => {
  const front = new NodeFront();
  const { keyGenerationNow } = new FakeNode();
  front.showKeyGeneration(() => ({ ...keyGenerationNow, phase: "roundOne", waitingFor: [] }));
  assert.equal(front.keyGeneration().phase, "roundOne");
  const isNoKey = (error: unknown) =>
    error instanceof RequestError && error.code === "no_key" && !error.maybeApplied &&
    /floe-test has no key yet: its nodes are making it\. See floe dkg status/.test(error.message);
  for (
    const ask of [
      () => front.group,
      () => front.genesis,
      () => front.status(),
      () => front.leader(),
      () => front.elections({ limit: 1 }),
      () => front.election(toTerm(1)),
    ]
  ) assert.throws(ask, isNoKey);
  await assert.rejects(front.write(put, { timeoutMs }), isNoKey);
  await assert.rejects(front.view({ consistency: "stale", timeoutMs }), isNoKey);
  await assert.rejects(front.keepAlive(1, { timeoutMs }), isNoKey);
  await assert.rejects(front.leaseTimes(1, { timeoutMs }), isNoKey);
  assert.throws(() => front.watch({ keys: ALL_KEYS }, () => {}), isNoKey);
  await assert.rejects(front.transferLeadership(null), isNoKey);
});

Deno.test("NodeFront hands everything on once there is a node", async () => {
  const front = new NodeFront();
  const node = new FakeNode();
  front.showKeyGeneration(() => assert.fail("key generation is over"));
  front.showNode(node);
  assert.equal(front.keyGeneration(), node.keyGenerationNow);
  assert.deepEqual([front.group, front.genesis], [node.group, node.genesis]);
  assert.deepEqual([front.status(), front.leader()], [node.status(), node.leader()]);
  assert.deepEqual(front.elections({ limit: 2 }), node.elections({ limit: 2 }));
  assert.deepEqual(front.election(toTerm(7)), node.election(toTerm(7)));
  assert.deepEqual((await front.write(put, { timeoutMs })).isReplay, false);
  const view = await front.view({ consistency: "stale", timeoutMs });
  assert.deepEqual(view.get(bytes("a"))?.value, bytes("1"));
  assert.deepEqual(await front.keepAlive(1, { timeoutMs }), { kind: "leaseNotFound" });
  assert.deepEqual(await front.leaseTimes(1, { timeoutMs }), { kind: "leaseNotFound" });
  assert.ok("take" in front.watch({ keys: ALL_KEYS }, () => {}));
});

Deno.test("NodeFront shows nothing before it is told what", () => {
  assert.throws(() => new NodeFront().keyGeneration(), InvariantError);
});
