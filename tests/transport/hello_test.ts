import assert from "node:assert/strict";
import { concatBytes, encodeHex } from "../../lib/bytes.ts";
import { HELLO_FRAME_BYTES_MAX } from "../../lib/transport/connection.ts";
import { encodeSequence, type Scalar } from "../../lib/transport/field.ts";
import {
  checkAnswer,
  checkHello,
  decodeHello,
  encodeHello,
  type Greeting,
  type Hello,
  HelloError,
  type HelloRefusal,
  PROTOCOL_VERSION,
  toPrologue,
} from "../../lib/transport/hello.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import { ALPHA, BETA, CLUSTER, GAMMA } from "./harness.ts";
import { helloOf } from "./raw_peer.ts";

const NOISE = new Uint8Array(96).fill(7);
const HELLO: Hello = { kind: "hello", cluster: CLUSTER, from: ALPHA, to: BETA, noise: NOISE };

function refuses(refusal: HelloRefusal, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof HelloError && error.refusal === refusal && message.test(error.message);
}

function decode(...values: readonly Scalar[]): unknown {
  return decodeHello(encodeSequence(values).slice());
}

Deno.test("decodeHello() returns the hello, answer or refusal that was encoded", () => {
  assert.deepEqual(decodeHello(encodeHello(HELLO).slice()), HELLO);
  const answer = { kind: "answer", noise: NOISE } as const;
  assert.deepEqual(decodeHello(encodeHello(answer).slice()), answer);
  for (
    const refusal of [
      "malformed",
      "wrongProtocol",
      "wrongCluster",
      "wrongTarget",
      "unknownNode",
      "wrongKey",
      "notAuthentic",
    ] as const
  ) {
    const answer = { kind: "refusal", refusal, cluster: CLUSTER, from: BETA } as const;
    assert.deepEqual(decodeHello(encodeHello(answer).slice()), answer);
  }
});

Deno.test("decodeHello() refuses every truncation and a value too many", () => {
  const payload = helloOf(ALPHA, BETA).slice();
  for (let length = 0; length < payload.length; length++) {
    assert.throws(() => decodeHello(payload.subarray(0, length)), HelloError);
  }
  assert.throws(() => decodeHello(new Uint8Array([...payload, 1])), HelloError);
});

Deno.test("decodeHello() makes of every flipped byte another hello or a HelloError", () => {
  const payload = helloOf(ALPHA, BETA).slice();
  for (let bit = 0; bit < payload.length * 8; bit++) {
    const flipped = payload.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    try {
      assert.notDeepEqual(decodeHello(flipped), HELLO);
    } catch (error) {
      assert.ok(error instanceof HelloError, String(error));
    }
  }
});

Deno.test("decodeHello() refuses an older and a newer protocol version, and says the way on", () => {
  for (const version of [PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1]) {
    assert.throws(
      () => decode("floe", version, "something", "else"),
      refuses(
        "wrongProtocol",
        new RegExp(
          `protocol version ${version} is not ${PROTOCOL_VERSION}\\. All nodes need one .*` +
            "stop them, replace the program .* Another version of Floe",
        ),
      ),
    );
  }
});

Deno.test("decodeHello() refuses what is not a hello", () => {
  const malformed: readonly (readonly [readonly Scalar[], RegExp])[] = [
    [["raft", 1, 1, "c", "a", "b"], /does not begin with "floe"/],
    [[1, 1, "c", "a", "b"], /does not begin with "floe"/],
    [["floe", "1", 1, "c", "a", "b"], /version: "1" is not a whole number/],
    [["floe", PROTOCOL_VERSION, 4, "c", "a", "b"], /kind 4 is unknown/],
    [
      ["floe", PROTOCOL_VERSION, 1, "c c", "a", "b"],
      /hello: cluster: Cannot read cluster name: "c c"/,
    ],
    [["floe", PROTOCOL_VERSION, 1, "c", "a".repeat(65), "b"], /hello: from: Cannot read node id/],
    [["floe", PROTOCOL_VERSION, 1, "c", "a", ""], /hello: to: Cannot read node id: ""/],
    [
      ["floe", PROTOCOL_VERSION, 1, "c", "a", "b"],
      /hello: noise: missing: the sequence ends before it/,
    ],
    [
      ["floe", PROTOCOL_VERSION, 1, "c", "a", "b", "text"],
      /hello: noise: "text" is not a byte string/,
    ],
    [["floe", PROTOCOL_VERSION, 3, new Uint8Array(129)], /answer: noise: 129 bytes are above 128/],
    [
      ["floe", PROTOCOL_VERSION, 2, 7, "c", "a"],
      /refusal: refusal: 7 is none of 0, 1, 2, 3, 4, 5, 6/,
    ],
  ];
  for (const [values, message] of malformed) {
    assert.throws(() => decode(...values), refuses("malformed", message));
  }
});

Deno.test("decodeHello() refuses the same hello in a longer form", () => {
  const genuine = encodeHello(HELLO).slice();
  // The kind, 1, as an unsigned integer of 8 bits.
  const kindAt = 1 + "floe".length + 1;
  assert.equal(genuine[kindAt], 1);
  const longer = concatBytes(
    genuine.subarray(0, kindAt),
    new Uint8Array([0xcc, 1]),
    genuine.subarray(kindAt + 1),
  );
  assert.throws(() => decodeHello(longer), refuses("malformed", /not in its shortest form/));
});

Deno.test("the longest hello fits into a frame in the clear", () => {
  const name = "n".repeat(64);
  const [cluster, from, to] = [toClusterName(name), toNodeId(name), toNodeId(name)];
  const noise = new Uint8Array(128);
  const hello = encodeHello({ kind: "hello", cluster, from, to, noise });
  assert.ok(hello.length <= HELLO_FRAME_BYTES_MAX);
});

Deno.test("toPrologue() differs for every other cluster, dialer and acceptor", () => {
  const route = { cluster: CLUSTER, from: ALPHA, to: BETA };
  const prologues = [
    route,
    { ...route, cluster: toClusterName("other") },
    { ...route, from: GAMMA },
    { ...route, to: GAMMA },
    { ...route, from: BETA, to: ALPHA },
    { ...route, from: toNodeId("alphabe"), to: toNodeId("ta") },
  ].map((one) => encodeHex(toPrologue(one)));
  assert.equal(new Set(prologues).size, prologues.length);
  assert.deepEqual(toPrologue({ ...HELLO }), toPrologue(route));
});

const KEY = new Uint8Array(32);
const acceptor = {
  self: BETA,
  cluster: CLUSTER,
  peerKeyOf: (id: string) => id === ALPHA ? KEY : null,
};

Deno.test("checkHello() returns the hello and the key that its sender must have", () => {
  assert.deepEqual(checkHello(HELLO, acceptor), { hello: HELLO, peerKey: KEY });
});

Deno.test("checkHello() refuses a wrong cluster, a wrong target and an unknown node", () => {
  assert.throws(
    () => checkHello({ ...HELLO, cluster: toClusterName("other") }, acceptor),
    refuses("wrongCluster", /hello of alpha: its cluster is other, not test/),
  );
  assert.throws(
    () => checkHello({ ...HELLO, to: GAMMA }, acceptor),
    refuses("wrongTarget", /hello of alpha: it is for gamma, and this is beta/),
  );
  assert.throws(
    () => checkHello({ ...HELLO, from: GAMMA }, acceptor),
    refuses("unknownNode", /hello of gamma: it is not a peer of beta/),
  );
});

const REFUSAL: Greeting = {
  kind: "refusal",
  refusal: "wrongTarget",
  cluster: CLUSTER,
  from: GAMMA,
};

Deno.test("checkHello() refuses a refusal and an answer", () => {
  assert.throws(
    () => checkHello(REFUSAL, acceptor),
    refuses("malformed", /it is a message of the kind "refusal"/),
  );
  const answer: Greeting = { kind: "answer", noise: NOISE };
  assert.throws(
    () => checkHello(answer, acceptor),
    refuses("malformed", /it is a message of the kind "answer"/),
  );
});

const dialer = { self: ALPHA, cluster: CLUSTER, peer: BETA };

Deno.test("checkAnswer() returns what is to prove who answers", () => {
  assert.equal(checkAnswer({ kind: "answer", noise: NOISE }, dialer), NOISE);
});

Deno.test("checkAnswer() refuses a hello", () => {
  assert.throws(
    () => checkAnswer(HELLO, dialer),
    refuses("malformed", /Cannot accept answer of beta: it is a hello/),
  );
});

Deno.test("checkAnswer() reports the peer's refusal plainly", () => {
  assert.throws(
    () => checkAnswer(REFUSAL, dialer),
    refuses(
      "wrongTarget",
      /gamma of cluster test refused the hello of alpha to beta of cluster test: it is another node; check/,
    ),
  );
});
