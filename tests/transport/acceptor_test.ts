import assert from "node:assert/strict";
import { concatBytes, decodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { encodeSequence } from "../../lib/transport/field.ts";
import { encodeFrame } from "../../lib/transport/frame.ts";
import {
  decodeHello,
  encodeHello,
  HelloError,
  type HelloRefusal,
} from "../../lib/transport/hello.ts";
import { encodeMessage } from "../../lib/transport/message_codec.ts";
import { NoiseError } from "../../lib/transport/noise_primitives.ts";
import { toClusterName } from "../../lib/types.ts";
import {
  ALPHA,
  BETA,
  CLUSTER,
  configurationOf,
  Directory,
  GAMMA,
  keysOf,
  readIndexRequest,
  startNode,
  type TestNode,
} from "./harness.ts";
import {
  connectAs,
  connectRaw,
  greet,
  helloOf,
  readFrame,
  readToEnd,
  writeAll,
  writeFrame,
} from "./raw_peer.ts";

/** A time that no test waits for. */
const NEVER_MS = 1_000_000;

function startAlone(options: Parameters<typeof startNode>[2] = {}): TestNode {
  return startNode(ALPHA, new Directory(ALPHA, BETA, GAMMA), {
    backoffInitialMs: NEVER_MS,
    ...options,
  });
}

function messagePayload(batchId: number): Uint8Array {
  return encodeMessage(readIndexRequest(BETA, ALPHA, batchId)).slice();
}

function payloadOf(...options: Parameters<typeof greet>): Uint8Array {
  return encodeHello(greet(...options).hello).slice();
}

const OTHER_CLUSTER = toClusterName("other");
const refusedHellos: { readonly [refusal in HelloRefusal]: Uint8Array } = {
  malformed: encodeUtf8("GET / HTTP/1.1"),
  wrongProtocol: encodeSequence(["floe", 1, "whatever", "follows"]).slice(),
  wrongCluster: payloadOf({ from: BETA, to: ALPHA, cluster: OTHER_CLUSTER }),
  wrongTarget: helloOf(BETA, GAMMA),
  unknownNode: payloadOf({ from: ALPHA, to: ALPHA }),
  // A member under another's name.
  wrongKey: payloadOf({ from: BETA, to: ALPHA, keys: keysOf(GAMMA) }),
  // A genuine hello to another node, with this node's name put in its place.
  notAuthentic: encodeHello({ ...greet({ from: BETA, to: GAMMA }).hello, to: ALPHA }).slice(),
};

for (const [refusal, payload] of Object.entries(refusedHellos)) {
  Deno.test(`Acceptor answers a hello with ${refusal}, drops it and counts it`, async () => {
    const alpha = startAlone();
    const socket = await connectRaw(alpha.transport.address.port);
    await writeFrame(socket, payload);
    const answer = decodeHello(await readFrame(socket));
    assert.deepEqual(answer, { kind: "refusal", refusal, cluster: CLUSTER, from: ALPHA });
    assert.equal((await readToEnd(socket)).length, 0);
    const { what, peer, error } = await alpha.refusals.take();
    assert.deepEqual([what, peer], ["hello", null]);
    assert.ok(error instanceof HelloError);
    assert.equal(alpha.transport.counters["hello.refused"], 1);
    socket.close();
    await alpha.transport.close();
  });
}

Deno.test("Acceptor refuses a first frame that is larger than a hello", async () => {
  const alpha = startAlone();
  const socket = await connectRaw(alpha.transport.address.port);
  await writeAll(socket, decodeHex("00000201"));
  assert.equal((await readToEnd(socket)).length, 0);
  assert.match((await alpha.refusals.take()).error.message, /length 513 is above 512/);
  assert.equal(alpha.transport.counters["frame.refused"], 1);
  socket.close();
  await alpha.transport.close();
});

Deno.test("Acceptor refuses garbage and oversized frames of a peer, and others go on", async () => {
  const alpha = startAlone();
  const { port } = alpha.transport.address;
  const good = await connectAs(GAMMA, ALPHA, port);
  const hostile = [
    { bytes: encodeFrame(encodeUtf8("garbage")), what: "message" },
    { bytes: encodeFrame(new Uint8Array([99])), what: "message" },
    { bytes: encodeFrame(concatBytes(messagePayload(1), new Uint8Array(1))), what: "message" },
    { bytes: decodeHex("00800001"), what: "frame" },
  ];
  for (const [sent, { bytes, what }] of hostile.entries()) {
    const socket = await connectAs(BETA, ALPHA, port);
    await writeAll(socket, bytes);
    await readToEnd(socket);
    const refusal = await alpha.refusals.take();
    assert.deepEqual([refusal.what, refusal.peer], [what, BETA]);
    socket.close();

    const message = readIndexRequest(GAMMA, ALPHA, sent);
    await writeFrame(good, encodeMessage(message));
    assert.deepEqual(await alpha.messages.take(), message);
  }
  const { counters } = alpha.transport;
  assert.deepEqual([counters["message.refused"], counters["frame.refused"]], [3, 1]);
  good.close();
  await alpha.transport.close();
});

Deno.test("Acceptor refuses a peer that speaks in the clear after its hello", async () => {
  const alpha = startAlone();
  const socket = await connectRaw(alpha.transport.address.port);
  await writeFrame(socket, helloOf(BETA, ALPHA));
  assert.equal(decodeHello(await readFrame(socket)).kind, "answer");
  await writeFrame(socket, messagePayload(1));
  await readToEnd(socket);
  const { what, peer, error } = await alpha.refusals.take();
  assert.deepEqual([what, peer], ["channel", null]);
  assert.ok(error instanceof NoiseError);
  assert.equal(alpha.transport.counters["channel.refused"], 1);
  assert.equal(alpha.messages.length, 0);
  socket.close();
  await alpha.transport.close();
});

Deno.test("Acceptor takes nobody's place for a hello that was sent before", async () => {
  const alpha = startAlone();
  const { port } = alpha.transport.address;
  const recorded = helloOf(BETA, ALPHA);
  const genuine = await connectAs(BETA, ALPHA, port);
  const replaying = await connectRaw(port);
  await writeFrame(replaying, recorded);
  assert.equal(decodeHello(await readFrame(replaying)).kind, "answer");
  // The answer proves nothing to alpha, and beta's genuine connection goes on.
  await writeFrame(genuine, messagePayload(2));
  assert.deepEqual(await alpha.messages.take(), readIndexRequest(BETA, ALPHA, 2));
  assert.equal(alpha.transport.counters["connection.accepted"], 1);
  genuine.close();
  replaying.close();
  await alpha.transport.close();
});

Deno.test("Acceptor cuts a dialer that does not prove in time that it is there", async () => {
  const alpha = startAlone({ helloTimeoutMs: 100 });
  const socket = await connectRaw(alpha.transport.address.port);
  await writeFrame(socket, helloOf(BETA, ALPHA));
  await readToEnd(socket);
  const { counters } = alpha.transport;
  assert.deepEqual([counters["connection.dropped"], counters["connection.accepted"]], [1, 0]);
  socket.close();
  await alpha.transport.close();
});

Deno.test("Acceptor lets a flood of connections wait, and those it has go on", async () => {
  const alpha = startAlone({ acceptBurstMax: 2, acceptsPerSecondMax: 1 / NEVER_MS });
  const { port } = alpha.transport.address;
  const [beta, gamma] = [await connectAs(BETA, ALPHA, port), await connectAs(GAMMA, ALPHA, port)];
  const waiting = await connectRaw(port);
  await writeFrame(waiting, helloOf(BETA, ALPHA));
  await writeFrame(beta, messagePayload(1));
  assert.deepEqual(await alpha.messages.take(), readIndexRequest(BETA, ALPHA, 1));
  assert.equal(alpha.transport.counters["connection.delayed"], 1);
  await alpha.transport.close();
  assert.equal((await readToEnd(waiting)).length, 0);
  for (const socket of [beta, gamma, waiting]) socket.close();
});

Deno.test("Acceptor says whether a peer has the same configuration, and else which", async () => {
  const directory = new Directory(ALPHA, BETA);
  const alpha = startNode(ALPHA, directory);
  const beta = startNode(BETA, directory, { configuration: configurationOf("beta's own") });
  assert.deepEqual(await alpha.configurations.take(), { peer: BETA, text: "beta's own" });
  assert.deepEqual(await beta.configurations.take(), { peer: ALPHA, text: "the same for all" });
  assert.equal(alpha.transport.counters["configuration.different"], 1);
  await beta.transport.close();

  const again = startNode(BETA, directory);
  assert.deepEqual(await alpha.configurations.take(), { peer: BETA, text: null });
  await Promise.all([alpha.transport.close(), again.transport.close()]);
});

Deno.test("Acceptor keeps only the newest connection of a peer", async () => {
  const alpha = startAlone();
  const { port } = alpha.transport.address;
  const older = await connectAs(BETA, ALPHA, port);
  const newer = await connectAs(BETA, ALPHA, port);
  assert.equal((await readToEnd(older)).length, 0);
  await writeFrame(newer, messagePayload(5));
  assert.deepEqual(await alpha.messages.take(), readIndexRequest(BETA, ALPHA, 5));
  assert.equal(alpha.transport.counters["connection.accepted"], 2);
  older.close();
  newer.close();
  await alpha.transport.close();
});

Deno.test("Acceptor cuts a connection that does not say hello in time", async () => {
  const alpha = startAlone({ helloTimeoutMs: 1 });
  const socket = await connectRaw(alpha.transport.address.port);
  assert.equal((await readToEnd(socket)).length, 0);
  assert.equal(alpha.transport.counters["connection.dropped"], 1);
  socket.close();
  await alpha.transport.close();
});

Deno.test("Acceptor makes room for a new connection among those that say nothing", async () => {
  const alpha = startAlone({ halfOpenMax: 2 });
  const { port } = alpha.transport.address;
  const silent = [await connectRaw(port), await connectRaw(port)];
  const peer = await connectAs(BETA, ALPHA, port);
  const oldest = silent[0];
  assert.ok(oldest);
  assert.equal((await readToEnd(oldest)).length, 0);

  await writeFrame(peer, messagePayload(1));
  assert.deepEqual(await alpha.messages.take(), readIndexRequest(BETA, ALPHA, 1));
  for (const socket of [...silent, peer]) socket.close();
  await alpha.transport.close();
});

Deno.test("Acceptor bounds the connections of those that say nothing", async () => {
  const alpha = startAlone({ halfOpenMax: 3 });
  const { port } = alpha.transport.address;
  const sockets = [];
  for (let count = 0; count < 50; count++) sockets.push(await connectRaw(port));
  for (const socket of sockets.slice(0, 47)) assert.equal((await readToEnd(socket)).length, 0);
  assert.equal(alpha.transport.counters["connection.dropped"], 47);
  for (const socket of sockets) socket.close();
  await alpha.transport.close();
});

Deno.test("Acceptor takes a stream that arrives byte by byte", async () => {
  const alpha = startAlone();
  const socket = await connectAs(BETA, ALPHA, alpha.transport.address.port);
  for (const byte of encodeFrame(messagePayload(3))) await writeAll(socket, new Uint8Array([byte]));
  assert.deepEqual(await alpha.messages.take(), readIndexRequest(BETA, ALPHA, 3));
  socket.close();
  await alpha.transport.close();
});

Deno.test("Acceptor ends a peer's connection when its transport closes", async () => {
  const alpha = startAlone();
  const { port } = alpha.transport.address;
  const [peer, silent] = [await connectAs(BETA, ALPHA, port), await connectRaw(port)];
  await alpha.transport.close();
  await Promise.all([readToEnd(peer), readToEnd(silent)]);
  await assert.rejects(connectRaw(port), Deno.errors.ConnectionRefused);
  peer.close();
  silent.close();
});
