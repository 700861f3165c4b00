import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import {
  decodeHello,
  decodeIntroduction,
  encodeHello,
  type Hello,
  HelloError,
  toPrologue,
} from "../../lib/transport/hello.ts";
import { NoiseResponder } from "../../lib/transport/noise.ts";
import { generateKeyPair } from "../../lib/transport/noise_primitives.ts";
import { type NodeId, toClusterName } from "../../lib/types.ts";
import {
  ALPHA,
  appendOf,
  BETA,
  CONFIGURATION,
  configurationOf,
  Directory,
  GAMMA,
  keysOf,
  readIndexRequest,
  startNode,
} from "./harness.ts";
import {
  acceptAs,
  answerAs,
  greet,
  readFrame,
  readToEnd,
  writeAll,
  writeFrame,
} from "./raw_peer.ts";

/** A time that no test waits for. */
const NEVER_MS = 1_000_000;

/** What a node that holds the keys of `self` answers to a hello. */
function answerTo(hello: Hello, self: NodeId): Uint8Array {
  const responder = new NoiseResponder({
    prologue: toPrologue(hello),
    staticKeys: keysOf(self),
    ephemeralKeys: generateKeyPair(),
    remoteStaticKey: keysOf(hello.from).publicKey,
  });
  responder.readFirst(hello.noise);
  const noise = responder.writeSecond(CONFIGURATION.digest).message;
  return encodeHello({ kind: "answer", noise }).slice();
}

/** A node that dials a listener which the test controls and calls beta. */
function startBesideListener(options: Parameters<typeof startNode>[2] = {}) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const directory = new Directory(ALPHA, BETA);
  directory.setPort(BETA, listener.addr.port);
  const alpha = startNode(ALPHA, directory, { backoffInitialMs: 1, ...options });
  return { alpha, listener };
}

Deno.test("Peer dials again when the other side comes back", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory);
  const first = startNode(BETA, directory);
  await alpha.connected.take();
  await first.transport.close();
  assert.equal(await alpha.disconnected.take(), BETA);
  assert.equal(alpha.transport.isConnected(BETA), false);

  const second = startNode(BETA, directory);
  assert.equal(await alpha.connected.take(), BETA);
  alpha.transport.send(readIndexRequest(ALPHA, BETA, 3));
  assert.deepEqual(await second.messages.take(), readIndexRequest(ALPHA, BETA, 3));
  await Promise.all([alpha.transport.close(), second.transport.close()]);
});

Deno.test("Peer dials at once when the other side dials in, however long it was to wait", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory, { backoffInitialMs: NEVER_MS });
  const beta = startNode(BETA, directory, { backoffInitialMs: NEVER_MS });
  assert.equal(await beta.connected.take(), ALPHA);
  assert.equal(await alpha.connected.take(), BETA);
  await Promise.all([alpha.transport.close(), beta.transport.close()]);
});

Deno.test("Peer reports a refused hello plainly, on both sides", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory);
  const stranger = startNode(BETA, directory, {
    cluster: toClusterName("other"),
    peers: new Directory(ALPHA).peers,
  });
  const { what, peer, error } = await alpha.refusals.take();
  assert.deepEqual([what, peer], ["hello", BETA]);
  assert.ok(error instanceof HelloError);
  assert.equal(error.refusal, "wrongCluster");
  assert.match(
    error.message,
    /^beta of cluster other refused the hello of alpha to beta of cluster test: it belongs to another/,
  );
  assert.equal(alpha.transport.isConnected(BETA), false);
  assert.equal((await stranger.refusals.take()).what, "hello");
  await Promise.all([alpha.transport.close(), stranger.transport.close()]);
});

Deno.test("Peer refuses another node at the peer's address, though it has seen the hello", async () => {
  const { alpha, listener } = startBesideListener();
  const socket = await listener.accept();
  await readFrame(socket);
  // Gamma cannot read a hello to beta; it answers one to itself.
  const toGamma = greet({ from: ALPHA, to: GAMMA });
  await writeFrame(socket, answerTo(toGamma.hello, GAMMA));
  const { what, peer, error } = await alpha.refusals.take();
  assert.deepEqual([what, peer], ["hello", BETA]);
  assert.match(error.message, /^Cannot accept answer of beta: it is not authentic: either/);
  await readToEnd(socket);
  socket.close();
  listener.close();
  await alpha.transport.close();
});

Deno.test("Peer refuses an earlier answer of the genuine peer", async () => {
  const { alpha, listener } = startBesideListener();
  const first = await listener.accept();
  const hello = decodeHello(await readFrame(first));
  assert.ok(hello.kind === "hello");
  const recorded = answerTo(hello, BETA);
  first.close();
  const second = await listener.accept();
  await readFrame(second);
  await writeFrame(second, recorded);
  assert.match((await alpha.refusals.take()).error.message, /it is not authentic/);
  assert.equal(alpha.transport.isConnected(BETA), false);
  second.close();
  listener.close();
  await alpha.transport.close();
});

Deno.test("Peer sends its configuration only when the acceptor has another", async () => {
  for (const text of [null, "another"]) {
    const configuration = text === null ? CONFIGURATION : configurationOf(text);
    const { alpha, listener } = startBesideListener({ configuration });
    const socket = await answerAs(BETA, await listener.accept());
    const introduction = decodeIntroduction(await readFrame(socket));
    const expected = text === null ? null : encodeUtf8(text);
    assert.deepEqual(introduction, { configuration: expected, memberships: 0 });
    socket.close();
    listener.close();
    await alpha.transport.close();
  }
});

Deno.test("Peer refuses an answer in the clear once there is a channel", async () => {
  const { alpha, listener } = startBesideListener();
  const socket = await listener.accept();
  await answerAs(BETA, socket);
  assert.equal(await alpha.connected.take(), BETA);
  await writeFrame(socket, new Uint8Array(20));
  const { what, peer } = await alpha.refusals.take();
  assert.deepEqual([what, peer], ["channel", BETA]);
  assert.equal(await alpha.disconnected.take(), BETA);
  socket.close();
  listener.close();
  await alpha.transport.close();
});

Deno.test("Peer refuses an answer that is garbage, and dials again", async () => {
  const { alpha, listener } = startBesideListener();
  const socket = await listener.accept();
  await readFrame(socket);
  await writeFrame(socket, new Uint8Array([1, 2, 3]));
  assert.equal((await alpha.refusals.take()).what, "hello");
  const again = await acceptAs(BETA, listener);
  assert.equal(await alpha.connected.take(), BETA);
  for (const open of [socket, again, listener]) open.close();
  await alpha.transport.close();
});

Deno.test("Peer gives up a connection whose hello is not answered in time", async () => {
  const { alpha, listener } = startBesideListener({ helloTimeoutMs: 1 });
  const socket = await listener.accept();
  await readToEnd(socket);
  const again = await listener.accept();
  for (const open of [socket, again, listener]) open.close();
  await alpha.transport.close();
});

Deno.test("Peer refuses messages on the connection that it dialed", async () => {
  const { alpha, listener } = startBesideListener();
  const socket = await acceptAs(BETA, listener);
  await alpha.connected.take();
  await writeFrame(socket, new Uint8Array(3));
  const { what, peer, error } = await alpha.refusals.take();
  assert.deepEqual([what, peer], ["frame", BETA]);
  assert.match(
    error.message,
    /3 bytes from a peer that may send only keepalives and a farewell here/,
  );
  assert.equal(await alpha.disconnected.take(), BETA);
  await readToEnd(socket);
  for (const open of [socket, listener]) open.close();
  await alpha.transport.close();
});

Deno.test("Peer notices at once that the other side has gone, without sending", async () => {
  const { alpha, listener } = startBesideListener();
  const socket = await acceptAs(BETA, listener);
  await alpha.connected.take();
  socket.close();
  assert.equal(await alpha.disconnected.take(), BETA);
  listener.close();
  await alpha.transport.close();
});

Deno.test("Peer gives up a connection on which nothing is heard", async () => {
  const { alpha, listener } = startBesideListener({ keepaliveIntervalMs: 1 });
  const socket = await acceptAs(BETA, listener);
  await alpha.connected.take();
  assert.equal(await alpha.disconnected.take(), BETA);
  for (const open of [socket, listener]) open.close();
  await alpha.transport.close();
});

Deno.test("Peer that does not read costs a bounded queue, and loses the oldest", async () => {
  const entryBytes = 1024 * 1024;
  const messages = 64;
  const { alpha, listener } = startBesideListener({ queueBytesMax: 4 * entryBytes });
  const socket = await acceptAs(BETA, listener);
  await alpha.connected.take();
  for (let sent = 0; sent < messages; sent++) {
    alpha.transport.send(appendOf(entryBytes, ALPHA, BETA));
  }
  // One frame is with the network, at most three and their headers fit into the queue.
  assert.equal(alpha.transport.counters["message.dropped"], messages - 1 - 3);
  for (const open of [socket, listener]) open.close();
  assert.equal(await alpha.disconnected.take(), BETA);
  assert.equal(alpha.transport.counters["message.dropped"] >= messages - 1 - 3, true);
  await alpha.transport.close();
});

Deno.test("Peer answers keepalives with nothing, and goes on", async () => {
  const { alpha, listener } = startBesideListener();
  const socket = await acceptAs(BETA, listener);
  await alpha.connected.take();
  await writeAll(socket, new Uint8Array(4 * 1000));
  alpha.transport.send(readIndexRequest(ALPHA, BETA, 1));
  assert.ok((await readFrame(socket)).length > 0);
  for (const open of [socket, listener]) open.close();
  await alpha.transport.close();
});
