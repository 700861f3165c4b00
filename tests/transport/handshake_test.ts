import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { concatBytes } from "../../lib/bytes.ts";
import { ChannelError } from "../../lib/transport/channel.ts";
import { Connection } from "../../lib/transport/connection.ts";
import { encodeFrame, FrameDecoder } from "../../lib/transport/frame.ts";
import {
  answerHello,
  type AnswerOptions,
  type DialerOptions,
  sayHello,
} from "../../lib/transport/handshake.ts";
import { decodeHello, encodeHello, HelloError } from "../../lib/transport/hello.ts";
import { SymmetricState } from "../../lib/transport/noise.ts";
import {
  type CipherState,
  generateKeyPair,
  NoiseError,
} from "../../lib/transport/noise_primitives.ts";
import { TRANSPORT_DEFAULTS } from "../../lib/transport/settings.ts";
import { ALPHA, BETA, CLUSTER, CONFIGURATION, configurationOf, GAMMA, keysOf } from "./harness.ts";
import { MemoryChannel } from "./memory_channel.ts";
import { greet, helloOf } from "./raw_peer.ts";

const NEVER_MS = 1_000_000;
const { signal } = new AbortController();
const shared = {
  cluster: CLUSTER,
  configuration: CONFIGURATION,
  helloTimeoutMs: NEVER_MS,
  signal,
};
const dialer: DialerOptions = {
  ...shared,
  self: ALPHA,
  channelKeys: keysOf(ALPHA),
  peer: BETA,
  peerKey: keysOf(BETA).publicKey,
  membershipsKnown: () => 0,
};
const acceptor: AnswerOptions = {
  ...shared,
  self: BETA,
  channelKeys: keysOf(BETA),
  peerKeyOf: (id) => id === BETA ? null : keysOf(id).publicKey,
};

interface End {
  readonly channel: MemoryChannel;
  readonly connection: Connection;
}

function connect(): End {
  const channel = new MemoryChannel({ takesWrites: true });
  const options = { ...TRANSPORT_DEFAULTS, keepaliveIntervalMs: NEVER_MS };
  return { channel, connection: new Connection(channel, options) };
}

/** Hands on what one end writes next to the other end, as it is or changed. */
async function carry(
  from: End,
  to: End,
  change: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
): Promise<void> {
  to.channel.deliver(change(await from.channel.written.take()));
}

async function greetingOf({ channel }: End): Promise<ReturnType<typeof decodeHello>> {
  const decoder = new FrameDecoder({ frameBytesMax: 512 });
  decoder.push(await channel.written.take());
  const payload = decoder.next();
  assert.ok(payload !== null);
  return decodeHello(payload);
}

Deno.test("sayHello() and answerHello() introduce two nodes and leave a channel both ways", async () => {
  const [alpha, beta] = [connect(), connect()];
  const said = sayHello(alpha.connection, dialer);
  const answered = answerHello(beta.connection, acceptor);
  await carry(alpha, beta);
  await carry(beta, alpha);
  await carry(alpha, beta);
  assert.equal(await said, true);
  assert.deepEqual(await answered, { peer: ALPHA, configuration: null, memberships: 0 });

  const payload = new Uint8Array([1, 2, 3]);
  for (const [from, to] of [[alpha, beta], [beta, alpha]] as const) {
    from.connection.send(encodeFrame(payload));
    await carry(from, to);
    assert.deepEqual(await to.connection.readFrame(), payload);
  }
});

Deno.test("sayHello() hands over its configuration where the acceptor has another", async () => {
  const [alpha, beta] = [connect(), connect()];
  const own = configurationOf("alpha's own");
  const said = sayHello(alpha.connection, { ...dialer, configuration: own });
  const answered = answerHello(beta.connection, acceptor);
  await carry(alpha, beta);
  await carry(beta, alpha);
  await carry(alpha, beta);
  assert.equal(await said, true);
  assert.deepEqual(await answered, { peer: ALPHA, configuration: own.text, memberships: 0 });
});

Deno.test("sayHello() says that nobody answered", async () => {
  const { channel, connection } = connect();
  channel.deliver(null);
  assert.equal(await sayHello(connection, dialer), false);
});

Deno.test("answerHello() erases the channel's keys where its answer cannot be written", async () => {
  const made: CipherState[] = [];
  const { split } = SymmetricState.prototype;
  SymmetricState.prototype.split = function () {
    const states = split.call(this);
    made.push(...states);
    return states;
  };
  try {
    const channel = new MemoryChannel({ takesWrites: false });
    const connection = new Connection(channel, TRANSPORT_DEFAULTS);
    channel.deliver(encodeFrame(helloOf(ALPHA, BETA)));
    const answered = answerHello(connection, acceptor);
    await channel.written.take();
    connection.close("closed");
    await assert.rejects(answered, ChannelError);
  } finally {
    SymmetricState.prototype.split = split;
  }
  assert.equal(made.length, 2);
  for (const state of made) assert.throws(() => state.encrypt(new Uint8Array(1)), InvariantError);
});

Deno.test("answerHello() says that nobody proved to be there", async () => {
  const { channel, connection } = connect();
  channel.deliver(encodeFrame(helloOf(ALPHA, BETA)));
  channel.deliver(null);
  assert.equal(await answerHello(connection, acceptor), null);
});

Deno.test("answerHello() tells the dialer before it refuses, for what the hello says", async () => {
  const beta = connect();
  beta.channel.deliver(encodeFrame(helloOf(ALPHA, GAMMA)));
  await assert.rejects(answerHello(beta.connection, acceptor), HelloError);
  assert.deepEqual(await greetingOf(beta), {
    kind: "refusal",
    refusal: "wrongTarget",
    cluster: CLUSTER,
    from: BETA,
  });
});

for (
  const [who, keys] of [
    ["a stranger", generateKeyPair()],
    ["another member", keysOf(GAMMA)],
  ] as const
) {
  Deno.test(`answerHello() refuses ${who} under a member's name, and tells it so`, async () => {
    const beta = connect();
    const { hello } = greet({ from: ALPHA, to: BETA, keys });
    beta.channel.deliver(encodeFrame(encodeHello(hello)));
    await assert.rejects(
      answerHello(beta.connection, acceptor),
      (error) =>
        error instanceof HelloError && error.refusal === "wrongKey" &&
        /hello of alpha: its sender does not have the channelKey/.test(error.message),
    );
    const answer = await greetingOf(beta);
    assert.ok(answer.kind === "refusal" && answer.refusal === "wrongKey");
  });
}

Deno.test("answerHello() refuses a hello in which another cluster or name was put", async () => {
  const { hello } = greet({ from: GAMMA, to: BETA });
  const beta = connect();
  beta.channel.deliver(encodeFrame(encodeHello({ ...hello, from: ALPHA })));
  await assert.rejects(
    answerHello(beta.connection, acceptor),
    (error) => error instanceof HelloError && error.refusal === "notAuthentic",
  );
});

Deno.test("answerHello() refuses a first handshake message of low order", async () => {
  const { hello } = greet({ from: ALPHA, to: BETA });
  const beta = connect();
  const noise = new Uint8Array(hello.noise.length);
  beta.channel.deliver(encodeFrame(encodeHello({ ...hello, noise })));
  await assert.rejects(
    answerHello(beta.connection, acceptor),
    /Cannot accept hello of alpha: its X25519 key is of low order/,
  );
});

Deno.test("answerHello() refuses an introduction that somebody else wrote", async () => {
  const [alpha, beta] = [connect(), connect()];
  const said = sayHello(alpha.connection, dialer);
  const answered = answerHello(beta.connection, acceptor);
  await carry(alpha, beta);
  await carry(beta, alpha);
  assert.equal(await said, true);
  const refused = assert.rejects(answered, NoiseError);
  await carry(alpha, beta, (bytes) => bytes.with(-1, (bytes.at(-1) ?? 0) ^ 1));
  await refused;
});

Deno.test("answerHello() refuses an introduction that is none, though it is the dialer's", async () => {
  const beta = connect();
  const { hello, initiator } = greet({ from: ALPHA, to: BETA });
  beta.channel.deliver(encodeFrame(encodeHello(hello)));
  const refused = assert.rejects(
    answerHello(beta.connection, acceptor),
    (error) => error instanceof HelloError && /Cannot read introduction: /.test(error.message),
  );
  const answer = await greetingOf(beta);
  assert.ok(answer.kind === "answer");
  const { ciphertext, tag } = initiator.readSecond(answer.noise)
    .send.encrypt(encodeFrame(new Uint8Array([7])));
  beta.channel.deliver(encodeFrame(concatBytes(ciphertext, tag)));
  await refused;
});

Deno.test("the handshake ends at its deadline, whichever message is missing", async () => {
  for (const bytes of [null, encodeFrame(helloOf(ALPHA, BETA))]) {
    const { channel, connection } = connect();
    if (bytes !== null) channel.deliver(bytes);
    const answered = answerHello(connection, { ...acceptor, helloTimeoutMs: 20 });
    await assert.rejects(answered, ChannelError);
    assert.deepEqual(connection.end, { reason: "timedOut", error: null });
    assert.equal(channel.closed, true);
  }
});

Deno.test("the handshake ends when the transport closes", async () => {
  const { connection } = connect();
  const closing = new AbortController();
  const said = sayHello(connection, { ...dialer, signal: closing.signal });
  closing.abort();
  await Promise.allSettled([said]);
  assert.deepEqual(connection.end, { reason: "closed", error: null });
});
