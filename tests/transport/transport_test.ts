import assert from "node:assert/strict";
import { EnvironmentError } from "../../lib/errors.ts";
import type { Message as KeyGenerationMessage } from "../../lib/keygen/mod.ts";
import { ENTRY_BYTES_MAX } from "../../lib/transport/message_codec.ts";
import { type NodeId, toNodeId, toTerm } from "../../lib/types.ts";
import {
  ALPHA,
  appendOf,
  BETA,
  Directory,
  GAMMA,
  Inbox,
  readIndexRequest,
  startNode,
  type TestNode,
} from "./harness.ts";

async function closeAll(...nodes: readonly TestNode[]): Promise<void> {
  await Promise.all(nodes.map(({ transport }) => transport.close()));
}

Deno.test("Transport carries messages between two nodes, both ways", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory);
  const beta = startNode(BETA, directory);
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
  for (const id of [ALPHA, BETA, GAMMA]) nodes.push(startNode(id, directory));
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

Deno.test("Transport carries key generation's messages beside Raft's, and tells them apart", async () => {
  const directory = new Directory(ALPHA, BETA);
  const generations = new Inbox<KeyGenerationMessage>();
  const alpha = startNode(ALPHA, directory);
  const beta = startNode(BETA, directory, {
    onKeyGenerationMessage: (message) => generations.put(message),
  });
  await Promise.all([alpha.connected.take(), beta.connected.take()]);
  const ready = keyGenerationMessage(ALPHA, BETA);
  assert.ok(alpha.transport.sendKeyGeneration(ready));
  alpha.transport.send(readIndexRequest(ALPHA, BETA, 1));
  assert.deepEqual(await generations.take(), ready);
  assert.deepEqual(await beta.messages.take(), readIndexRequest(ALPHA, BETA, 1));

  // Who takes no such messages is not disturbed by them.
  assert.ok(beta.transport.sendKeyGeneration(keyGenerationMessage(BETA, ALPHA)));
  beta.transport.send(readIndexRequest(BETA, ALPHA, 2));
  assert.deepEqual(await alpha.messages.take(), readIndexRequest(BETA, ALPHA, 2));
  assert.equal(alpha.transport.counters["message.received"], 2);
  await closeAll(alpha, beta);
  assert.equal(alpha.transport.sendKeyGeneration(ready), false);
});

Deno.test("unplug() ends all connections and lets none in, until plugIn()", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory);
  const beta = startNode(BETA, directory);
  await Promise.all([alpha.connected.take(), beta.connected.take()]);
  beta.transport.unplug();
  assert.equal(await alpha.disconnected.take(), BETA);
  assert.equal(beta.transport.isConnected(ALPHA), false);
  assert.equal(beta.transport.send(readIndexRequest(BETA, ALPHA, 1)), false);
  // Whoever dials meets a closed connection, and is not told that this node knows it no more.
  using socket = await Deno.connect(beta.transport.address);
  assert.equal(await socket.read(new Uint8Array(1)), null);
  assert.equal(beta.transport.counters["hello.refused"], 0);
  assert.equal(alpha.refusals.length, 0);

  beta.transport.plugIn();
  await Promise.all([alpha.connected.take(), beta.connected.take()]);
  beta.transport.send(readIndexRequest(BETA, ALPHA, 2));
  assert.deepEqual(await alpha.messages.take(), readIndexRequest(BETA, ALPHA, 2));
  await closeAll(alpha, beta);
});

Deno.test("usePeers() while unplugged connects to the new peers only after plugIn()", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory);
  const beta = startNode(BETA, directory);
  await Promise.all([alpha.connected.take(), beta.connected.take()]);
  beta.transport.unplug();
  await alpha.disconnected.take();
  beta.transport.usePeers([]);
  beta.transport.usePeers(directory.peers);
  assert.equal(beta.transport.isConnected(ALPHA), false);
  beta.transport.plugIn();
  await Promise.all([alpha.connected.take(), beta.connected.take()]);
  await closeAll(alpha, beta);
});

Deno.test("send() drops and counts what it cannot send, and never throws", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory);
  alpha.transport.send(readIndexRequest(ALPHA, BETA, 1));
  alpha.transport.send(readIndexRequest(ALPHA, toNodeId("nobody"), 1));
  assert.equal(alpha.transport.counters["message.dropped"], 2);

  const beta = startNode(BETA, directory);
  await alpha.connected.take();
  alpha.transport.send(appendOf(ENTRY_BYTES_MAX + 1, ALPHA, BETA));
  assert.equal(alpha.transport.counters["message.dropped"], 3);
  alpha.transport.send(appendOf(ENTRY_BYTES_MAX, ALPHA, BETA));
  assert.deepEqual(await beta.messages.take(), appendOf(ENTRY_BYTES_MAX, ALPHA, BETA));
  await closeAll(alpha, beta);
  alpha.transport.send(readIndexRequest(ALPHA, BETA, 1));
});

Deno.test("isConnected() is false for this node and for strangers", async () => {
  const alpha = startNode(ALPHA, new Directory(ALPHA, BETA));
  for (const id of [ALPHA, BETA, toNodeId("nobody")]) {
    assert.equal(alpha.transport.isConnected(id), false);
  }
  await closeAll(alpha);
});

Deno.test("close() ends a transport that still waits for its peers, also twice", async () => {
  const alpha = startNode(ALPHA, new Directory(ALPHA, BETA), { backoffInitialMs: 1_000_000 });
  await Promise.all([alpha.transport.close(), alpha.transport.close()]);
});

Deno.test("close() gives the port back", async () => {
  const directory = new Directory(ALPHA, BETA);
  const first = startNode(ALPHA, directory);
  await closeAll(first);
  const second = startNode(ALPHA, directory);
  assert.deepEqual(second.transport.address, first.transport.address);
  await closeAll(second);
});

Deno.test("start() says what is wrong with an address that is not this machine's", () => {
  const listen = { hostname: "203.0.113.1", port: 0 };
  assert.throws(
    () => startNode(ALPHA, new Directory(ALPHA), { listen }),
    /Cannot listen on 203\.0\.113\.1:0 for alpha's peers: this machine does not have that address/,
  );
});

Deno.test("start() refuses a port in use and says what to do", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory);
  directory.setPort(BETA, alpha.transport.address.port);
  assert.throws(
    () => startNode(BETA, directory),
    (error) =>
      error instanceof EnvironmentError &&
      /Cannot listen on 127\.0\.0\.1:\d+ for beta's peers: the port is in use/
        .test(error.message),
  );
  await closeAll(alpha);
});

function keyGenerationMessage(from: NodeId, to: NodeId): KeyGenerationMessage {
  const configuration = "c".repeat(64);
  return {
    kind: "ready",
    from,
    to,
    configuration,
    attempt: 1,
    transcriptHash: new Uint8Array(32),
  };
}

Deno.test("Transport erases a sub-share that it was given, sent or not", async () => {
  const alpha = startNode(ALPHA, new Directory(ALPHA, BETA));
  const secret = new Uint8Array(32).fill(7);
  const message = {
    kind: "subShare",
    from: ALPHA,
    to: BETA,
    term: toTerm(1),
    change: "ab",
  } as const;
  assert.equal(alpha.transport.send({ ...message, secret }), false);
  assert.deepEqual(secret, new Uint8Array(32));
  await closeAll(alpha);
});
