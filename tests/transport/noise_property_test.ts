import fc from "fast-check";
import assert from "node:assert/strict";
import { Connection } from "../../lib/transport/connection.ts";
import { encodeFrame } from "../../lib/transport/frame.ts";
import { answerHello, type HandshakeOptions, sayHello } from "../../lib/transport/handshake.ts";
import { TRANSPORT_DEFAULTS } from "../../lib/transport/settings.ts";
import { ALPHA, BETA, CLUSTER, CONFIGURATION, keysOf } from "./harness.ts";
import { MemoryChannel } from "./memory_channel.ts";

/** A time that no test waits for. */
const NEVER_MS = 1_000_000;
const PAYLOADS = [1, 300, 5000].map((length) => new Uint8Array(length).fill(length & 255));

interface Change {
  /** Which write: hello, answer, introduction, then a payload each way for each of the payloads. */
  readonly write: number;
  /** Where in it, as a share of its length. */
  readonly at: number;
  /** What is put in, by exclusive or. */
  readonly flip: number;
}

/** One end of a connection without a network. */
class End {
  readonly channel = new MemoryChannel({ takesWrites: true });
  readonly connection = new Connection(this.channel, {
    ...TRANSPORT_DEFAULTS,
    keepaliveIntervalMs: NEVER_MS,
  });
}

/** The whole life of a connection, one byte of which is changed. Returns which steps succeeded. */
async function live(change: Change): Promise<readonly boolean[]> {
  const [alpha, beta] = [new End(), new End()];
  const options: Omit<HandshakeOptions, "self" | "channelKeys"> = {
    cluster: CLUSTER,
    configuration: CONFIGURATION,
    helloTimeoutMs: NEVER_MS,
    signal: new AbortController().signal,
  };
  let writes = 0;
  const carry = async (from: End, to: End) => {
    const bytes = await from.channel.written.take();
    to.channel.deliver(writes === change.write ? changed(bytes, change) : bytes);
    // Nothing more comes, so that nobody waits for the rest of a frame that was made longer.
    if (writes++ === change.write) to.channel.deliver(null);
  };

  const answered = answerHello(beta.connection, {
    ...options,
    self: BETA,
    channelKeys: keysOf(BETA),
    peerKeyOf: () => keysOf(ALPHA).publicKey,
  }).then((dialer) => dialer !== null, () => false);
  const said = sayHello(alpha.connection, {
    ...options,
    self: ALPHA,
    channelKeys: keysOf(ALPHA),
    peer: BETA,
    peerKey: keysOf(BETA).publicKey,
    membershipsKnown: () => 0,
  }).catch(() => false);

  await carry(alpha, beta);
  if (change.write === 0) return [await answered];
  await carry(beta, alpha);
  if (change.write === 1) return [true, await said];
  await carry(alpha, beta);
  const steps = [true, await said, await answered];
  for (const payload of PAYLOADS) {
    for (const [from, to] of [[alpha, beta], [beta, alpha]] as const) {
      if (writes > change.write) return steps;
      from.connection.send(encodeFrame(payload));
      await carry(from, to);
      const received = await to.connection.readFrame().catch(() => null);
      if (received !== null) assert.deepEqual(received, payload);
      steps.push(received !== null);
    }
  }
  return steps;
}

function changed(bytes: Uint8Array, { at, flip }: Change): Uint8Array {
  const index = Math.floor(at * bytes.length);
  return bytes.with(index, (bytes.at(index) ?? 0) ^ flip);
}

Deno.test("a connection that nobody touches takes every step", async () => {
  const steps = await live({ write: Infinity, at: 0, flip: 0 });
  assert.deepEqual(steps, new Array(3 + 2 * PAYLOADS.length).fill(true));
});

Deno.test("any byte that is changed, in any message, ends the connection there", async () => {
  const changes = fc.record({
    write: fc.nat({ max: 2 + 2 * PAYLOADS.length }),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    flip: fc.integer({ min: 1, max: 255 }),
  });
  await fc.assert(
    fc.asyncProperty(changes, async (change) => {
      const steps = await live(change);
      assert.deepEqual(steps, [...new Array(change.write).fill(true), false]);
    }),
    { numRuns: 500 },
  );
});

Deno.test("every byte of the handshake counts, the length before it included", async () => {
  for (let write = 0; write < 3; write++) {
    for (let percent = 0; percent < 100; percent += 0.25) {
      const steps = await live({ write, at: percent / 100, flip: 0x01 });
      assert.deepEqual(steps.at(-1), false, `write ${write}, ${percent} %`);
    }
  }
});
