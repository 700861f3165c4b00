import assert from "node:assert/strict";
import { concatBytes, encodeHex } from "../../lib/bytes.ts";
import { encodeFrame, FRAME_HEADER_BYTES } from "../../lib/transport/frame.ts";
import {
  ALPHA,
  appendOf,
  BETA,
  Directory,
  readIndexRequest,
  startNode,
  type TestNode,
} from "./harness.ts";
import { honest, type Passing, Proxy, type Tamper } from "./proxy.ts";
import { connectRaw, readToEnd, writeAll } from "./raw_peer.ts";

/** A time that no test waits for. */
const NEVER_MS = 1_000_000;
/** The numbers of frames on their way to the acceptor. */
const [HELLO, INTRODUCTION, FIRST_MESSAGE, SECOND_MESSAGE] = [0, 1, 2, 3];

interface Between {
  readonly alpha: TestNode;
  readonly beta: TestNode;
  readonly proxy: Proxy;
}

/** Who stands in the middle. */
interface Man {
  readonly tamper: Tamper;
  /** After this time a spoilt handshake is given up; by default, longer than any test. */
  readonly helloTimeoutMs?: number;
}

/** Alpha reaches beta only through a proxy, which is honest from its second connection on. */
async function between(
  { tamper, helloTimeoutMs = NEVER_MS }: Man,
  test: (between: Between) => Promise<void>,
): Promise<void> {
  const directory = new Directory(ALPHA, BETA);
  const beta = startNode(BETA, directory, {
    backoffInitialMs: NEVER_MS,
    helloTimeoutMs,
  });
  const tamperOnce: Tamper = (frame) => frame.connection === 0 ? tamper(frame) : honest(frame);
  await using proxy = new Proxy(() => beta.transport.address.port, tamperOnce);
  const throughProxy = new Directory(ALPHA, BETA);
  throughProxy.setPort(BETA, proxy.port);
  const alpha = startNode(ALPHA, throughProxy, {
    backoffInitialMs: 1,
    helloTimeoutMs,
  });
  try {
    await test({ alpha, beta, proxy });
  } finally {
    await Promise.all([alpha.transport.close(), beta.transport.close()]);
  }
}

/** Sends a message; each in a write, and so in a frame, of its own. */
function send({ transport }: TestNode, batchId: number): void {
  transport.send(readIndexRequest(ALPHA, BETA, batchId));
}

/** What beta received up to the message `last`. */
async function receivedUntil({ messages }: TestNode, last: number): Promise<number[]> {
  const received: number[] = [];
  while (received.at(-1) !== last) {
    const message = await messages.take();
    assert.ok(message.kind === "readIndexRequest");
    assert.deepEqual(message, readIndexRequest(ALPHA, BETA, message.batchId));
    received.push(message.batchId);
  }
  return received;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.with(at, (bytes.at(at) ?? 0) ^ 0x01);
}

type Change = (bytes: Uint8Array) => readonly (Uint8Array | null)[];

/** What is done to one frame. */
const CHANGES: Readonly<Record<string, Change>> = {
  drops: () => [],
  repeats: (bytes) => [bytes, bytes],
  "changes the length of": (bytes) => [flipped(bytes, FRAME_HEADER_BYTES - 1)],
  "flips the first bit of": (bytes) => [flipped(bytes, FRAME_HEADER_BYTES)],
  "flips the last bit of": (bytes) => [flipped(bytes, -1)],
  truncates: (bytes) => [encodeFrame(bytes.slice(FRAME_HEADER_BYTES, -1))],
  "cuts the connection inside": (bytes) => [bytes.slice(0, -1), null],
  "puts a frame before": (bytes) => [encodeFrame(new Uint8Array(40)), bytes],
  "announces too much before": (bytes) => [new Uint8Array(4).fill(255), bytes],
};

function changing(frame: Pick<Passing, "forward" | "index">, change: Change): Tamper {
  return ({ forward, index, bytes }) =>
    forward === frame.forward && index === frame.index ? change(bytes) : [bytes];
}

/** Hands the second message on behind the third. */
function swapping(): Tamper {
  let second: Uint8Array = new Uint8Array(0);
  return ({ forward, index, bytes }) => {
    if (!forward || index < SECOND_MESSAGE) return [bytes];
    if (index > SECOND_MESSAGE) return index === SECOND_MESSAGE + 1 ? [bytes, second] : [bytes];
    second = bytes;
    return [];
  };
}

const attacksOnMessages = Object.entries(CHANGES).map(([what, change]) =>
  [what, changing({ forward: true, index: SECOND_MESSAGE }, change)] as const
);

for (const [what, tamper] of [...attacksOnMessages, ["puts another before", swapping()] as const]) {
  Deno.test(`an attacker that ${what} a message gains nothing but delay`, async () => {
    await between({ tamper }, async ({ alpha, beta, proxy }) => {
      assert.equal(await alpha.connected.take(), BETA);
      send(alpha, 1);
      await receivedUntil(beta, 1);
      send(alpha, 2);
      // It has a frame of its own: the next message is sent only once it is on its way.
      while ((await proxy.passing.take()).index !== SECOND_MESSAGE);
      send(alpha, 3);
      assert.equal(await alpha.disconnected.take(), BETA);
      assert.equal(await alpha.connected.take(), BETA);
      send(alpha, 4);

      const received = await receivedUntil(beta, 4);
      assert.ok(["2,4", "4"].includes(received.join()), `received ${received}`);
      if (what.startsWith("cuts")) return;
      const refusal = await beta.refusals.take();
      assert.ok(refusal.what === "channel" || refusal.what === "frame");
      assert.equal(refusal.peer, ALPHA);
    });
  });
}

for (
  const [name, frame] of [
    ["hello", { forward: true, index: HELLO }],
    ["answer", { forward: false, index: 0 }],
    ["introduction", { forward: true, index: INTRODUCTION }],
  ] as const
) {
  for (const [what, change] of Object.entries(CHANGES)) {
    Deno.test(`an attacker that ${what} the ${name} gains nothing but delay`, async () => {
      const man = { tamper: changing(frame, change), helloTimeoutMs: 200 };
      await between(man, async ({ alpha, beta }) => {
        const received = beta.messages.take();
        let isReceived = false;
        for (let batchId = 1; !isReceived; batchId++) {
          await alpha.connected.take();
          send(alpha, batchId);
          // A dialer that is sure of the acceptor learns that this is not mutual when it sends.
          const lost = alpha.disconnected.take().then(() => false);
          isReceived = await Promise.race([received.then(() => true), lost]);
        }
        const message = await received;
        assert.ok(message.kind === "readIndexRequest");
        assert.deepEqual(message, readIndexRequest(ALPHA, BETA, message.batchId));
      });
    });
  }
}

Deno.test("who repeats a whole connection is not taken for the one that it was", async () => {
  await between({ tamper: honest }, async ({ alpha, beta, proxy }) => {
    assert.equal(await alpha.connected.take(), BETA);
    send(alpha, 1);
    await receivedUntil(beta, 1);
    const recorded = proxy.recorded.filter(({ forward }) => forward);
    assert.ok(recorded.length > FIRST_MESSAGE);

    const replaying = await connectRaw(beta.transport.address.port);
    await writeAll(replaying, concatBytes(...recorded.map(({ bytes }) => bytes)));
    await readToEnd(replaying);
    const refusal = await beta.refusals.take();
    assert.deepEqual([refusal.what, refusal.peer], ["channel", null]);
    assert.equal(beta.transport.counters["connection.accepted"], 1);
    replaying.close();

    // The genuine connection has not noticed anything.
    send(alpha, 2);
    assert.deepEqual(await receivedUntil(beta, 2), [2]);
  });
});

Deno.test("who sends a node's words back to it is refused", async () => {
  await between({ tamper: honest }, async ({ alpha, proxy }) => {
    assert.equal(await alpha.connected.take(), BETA);
    const hello = proxy.recorded.find(({ forward }) => forward);
    assert.ok(hello !== undefined);
    const reflecting = await connectRaw(alpha.transport.address.port);
    await writeAll(reflecting, hello.bytes);
    await readToEnd(reflecting);
    const { error } = await alpha.refusals.take();
    assert.match(error.message, /hello of alpha: it is for beta, and this is alpha/);
    reflecting.close();
  });
});

Deno.test("nobody on the way can read what a node sends", async () => {
  await between({ tamper: honest }, async ({ alpha, beta, proxy }) => {
    await alpha.connected.take();
    alpha.transport.send(appendOf(1000, ALPHA, BETA));
    await beta.messages.take();
    const wire = encodeHex(concatBytes(...proxy.recorded.map(({ bytes }) => bytes)));
    assert.ok(wire.length > 2 * 1000);
    assert.equal(wire.includes("07".repeat(16)), false);
  });
});
