import assert from "node:assert/strict";
import { encodeFrame } from "../../lib/transport/frame.ts";
import { ChannelError } from "../../lib/transport/channel.ts";
import { Connection } from "../../lib/transport/connection.ts";
import { answerHello, sayHello } from "../../lib/transport/handshake.ts";
import { HelloError } from "../../lib/transport/hello.ts";
import { ALPHA, BETA, CLUSTER, GAMMA, helloOf } from "./harness.ts";
import { MemoryChannel } from "./memory_channel.ts";

const NEVER_MS = 1_000_000;
const { signal } = new AbortController();
const alpha = { self: ALPHA, cluster: CLUSTER, helloTimeoutMs: NEVER_MS, signal };
const isPeer = (id: string) => id !== ALPHA;

function connect(): { readonly channel: MemoryChannel; readonly connection: Connection } {
  const channel = new MemoryChannel({ takesWrites: true });
  const options = { queueMessagesMax: 1, queueBytesMax: 1, keepaliveIntervalMs: NEVER_MS };
  return { channel, connection: new Connection(channel, options) };
}

Deno.test("sayHello() and answerHello() introduce two nodes to each other", async () => {
  const { channel, connection } = connect();
  const said = sayHello(connection, { ...alpha, peer: BETA });
  assert.deepEqual(await channel.written.take(), encodeFrame(helloOf(ALPHA, BETA)));
  channel.deliver(encodeFrame(helloOf(BETA, ALPHA)));
  assert.equal(await said, true);

  const other = connect();
  other.channel.deliver(encodeFrame(helloOf(BETA, ALPHA)));
  assert.equal(await answerHello(other.connection, { ...alpha, isPeer }), BETA);
  assert.deepEqual(await other.channel.written.take(), encodeFrame(helloOf(ALPHA, BETA)));
});

Deno.test("sayHello() says that nobody answered", async () => {
  const { channel, connection } = connect();
  channel.deliver(null);
  assert.equal(await sayHello(connection, { ...alpha, peer: BETA }), false);
});

Deno.test("answerHello() tells the dialer before it refuses", async () => {
  const { channel, connection } = connect();
  channel.deliver(encodeFrame(helloOf(BETA, GAMMA)));
  await assert.rejects(answerHello(connection, { ...alpha, isPeer }), HelloError);
  assert.equal(channel.written.length, 1);
});

Deno.test("the exchange of hellos ends at its deadline", async () => {
  const { channel, connection } = connect();
  const answered = answerHello(connection, { ...alpha, isPeer, helloTimeoutMs: 1 });
  await assert.rejects(answered, ChannelError);
  assert.deepEqual(connection.end, { reason: "timedOut", error: null });
  assert.equal(channel.closed, true);
});

Deno.test("the exchange of hellos ends when the transport closes", async () => {
  const { connection } = connect();
  const closing = new AbortController();
  const said = sayHello(connection, { ...alpha, peer: BETA, signal: closing.signal });
  closing.abort();
  await Promise.allSettled([said]);
  assert.deepEqual(connection.end, { reason: "closed", error: null });
});
