import assert from "node:assert/strict";
import { EnvironmentError } from "../../lib/errors.ts";
import {
  ALPHA,
  BETA,
  Directory,
  GAMMA,
  readIndexRequest,
  startNode,
  type TestNode,
} from "./harness.ts";

async function closeAll(...nodes: readonly TestNode[]): Promise<void> {
  await Promise.all(nodes.map(({ transport }) => transport.close()));
}

Deno.test("Transport carries messages between two nodes, both ways", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = await startNode(ALPHA, directory);
  const beta = await startNode(BETA, directory);
  assert.equal(await alpha.connected.take(), BETA);
  assert.equal(await beta.connected.take(), ALPHA);
  assert.equal(alpha.transport.isConnected(BETA), true);

  alpha.transport.send(readIndexRequest(ALPHA, BETA, 1));
  assert.deepEqual(await beta.messages.take(), readIndexRequest(ALPHA, BETA, 1));
  beta.transport.send(readIndexRequest(BETA, ALPHA, 2));
  assert.deepEqual(await alpha.messages.take(), readIndexRequest(BETA, ALPHA, 2));
  await closeAll(alpha, beta);
});

Deno.test("Transport connects three nodes and keeps each pair's messages in order", async () => {
  const directory = new Directory(ALPHA, BETA, GAMMA);
  const nodes = [];
  for (const id of [ALPHA, BETA, GAMMA]) nodes.push(await startNode(id, directory));
  for (const node of nodes) await Promise.all([node.connected.take(), node.connected.take()]);
  const [alpha, beta, gamma] = nodes as [TestNode, TestNode, TestNode];

  for (let batch = 0; batch < 500; batch++) {
    alpha.transport.send(readIndexRequest(ALPHA, BETA, batch));
    alpha.transport.send(readIndexRequest(ALPHA, GAMMA, batch));
  }
  for (let batch = 0; batch < 500; batch++) {
    assert.deepEqual(await beta.messages.take(), readIndexRequest(ALPHA, BETA, batch));
    assert.deepEqual(await gamma.messages.take(), readIndexRequest(ALPHA, GAMMA, batch));
  }
  assert.equal(alpha.transport.counters["message.sent"], 1000);
  assert.equal(beta.transport.counters["message.received"], 500);
  await closeAll(...nodes);
});

Deno.test("start() refuses a port in use and says what to do", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = await startNode(ALPHA, directory);
  directory.setPort(BETA, alpha.transport.address.port);
  await assert.rejects(
    startNode(BETA, directory),
    (error) =>
      error instanceof EnvironmentError &&
      /Cannot listen on 127\.0\.0\.1:\d+ for beta: the port is in use; stop the process/
        .test(error.message),
  );
  await closeAll(alpha);
});
