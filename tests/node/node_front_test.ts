import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { RequestError } from "../../lib/node/api.ts";
import { NodeFront } from "../../lib/node/node_front.ts";
import { toTerm } from "../../lib/types.ts";
import { FakeNode } from "../http/fake_node.ts";

const put = { kind: "put", key: "a", value: new Uint8Array(1) } as const;
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
  await assert.rejects(front.read("a", { consistency: "stale", timeoutMs }), isNoKey);
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
  const { row } = await front.read("a", { consistency: "stale", timeoutMs });
  assert.deepEqual(row?.value, put.value);
});

Deno.test("NodeFront shows nothing before it is told what", () => {
  assert.throws(() => new NodeFront().keyGeneration(), InvariantError);
});
