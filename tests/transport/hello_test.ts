import assert from "node:assert/strict";
import {
  checkAnswer,
  checkHello,
  decodeHello,
  encodeHello,
  type Hello,
  HelloError,
  type HelloRefusal,
  PROTOCOL_VERSION,
} from "../../lib/transport/hello.ts";
import { encodeSequence, type Scalar } from "../../lib/transport/sequence.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import { ALPHA, BETA, CLUSTER, GAMMA, helloOf } from "./harness.ts";

const HELLO: Hello = { kind: "hello", cluster: CLUSTER, from: ALPHA, to: BETA };

function refuses(refusal: HelloRefusal, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof HelloError && error.refusal === refusal && message.test(error.message);
}

function decode(...values: readonly Scalar[]): unknown {
  return decodeHello(encodeSequence(values).slice());
}

Deno.test("decodeHello() returns the hello or the refusal that was encoded", () => {
  assert.deepEqual(decodeHello(encodeHello(HELLO).slice()), HELLO);
  for (
    const refusal of [
      "malformed",
      "wrongProtocol",
      "wrongCluster",
      "wrongTarget",
      "unknownNode",
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

Deno.test("decodeHello() refuses another protocol version, whatever follows it", () => {
  assert.throws(
    () => decode("floe", PROTOCOL_VERSION + 1, "something", "else"),
    refuses("wrongProtocol", /protocol version 2 is not 1/),
  );
});

Deno.test("decodeHello() refuses what is not a hello", () => {
  const malformed: readonly (readonly [readonly Scalar[], RegExp])[] = [
    [["raft", 1, 1, "c", "a", "b"], /does not begin with "floe"/],
    [[1, 1, "c", "a", "b"], /does not begin with "floe"/],
    [["floe", "1", 1, "c", "a", "b"], /version: "1" is not a whole number/],
    [["floe", 1, 3, "c", "a", "b"], /kind 3 is unknown/],
    [["floe", 1, 1, "c c", "a", "b"], /hello: cluster: Cannot read cluster name: "c c"/],
    [["floe", 1, 1, "c", "a".repeat(65), "b"], /hello: from: Cannot read node id/],
    [["floe", 1, 1, "c", "a", ""], /hello: to: Cannot read node id: ""/],
    [["floe", 1, 2, 5, "c", "a"], /refusal: refusal: 5 is none of 0, 1, 2, 3, 4/],
  ];
  for (const [values, message] of malformed) {
    assert.throws(() => decode(...values), refuses("malformed", message));
  }
});

const acceptor = { self: BETA, cluster: CLUSTER, isPeer: (id: string) => id === ALPHA };

Deno.test("checkHello() returns who speaks", () => {
  assert.equal(checkHello(HELLO, acceptor), ALPHA);
});

Deno.test("checkHello() refuses a wrong cluster, a wrong target and an unknown node", () => {
  assert.throws(
    () => checkHello({ ...HELLO, cluster: toClusterName("other") }, acceptor),
    refuses("wrongCluster", /hello of alpha: its cluster is other, not test/),
  );
  assert.throws(
    () => checkHello({ ...HELLO, to: GAMMA }, acceptor),
    refuses("wrongTarget", /hello of alpha: it means gamma, this is beta/),
  );
  assert.throws(
    () => checkHello({ ...HELLO, from: GAMMA }, acceptor),
    refuses("unknownNode", /hello of gamma: it is not a peer of beta/),
  );
});

Deno.test("checkHello() refuses a refusal", () => {
  const refusal = { kind: "refusal", refusal: "malformed", cluster: CLUSTER, from: ALPHA } as const;
  assert.throws(() => checkHello(refusal, acceptor), refuses("malformed", /it is a refusal/));
});

const dialer = { self: ALPHA, cluster: CLUSTER, peer: BETA };

Deno.test("checkAnswer() accepts the dialed peer's hello only", () => {
  const answer: Hello = { kind: "hello", cluster: CLUSTER, from: BETA, to: ALPHA };
  checkAnswer(answer, dialer);
  for (const wrong of [{ from: GAMMA }, { to: toNodeId("other") }]) {
    assert.throws(
      () => checkAnswer({ ...answer, ...wrong }, dialer),
      refuses("wrongTarget", /but alpha of cluster test means beta/),
    );
  }
  assert.throws(
    () => checkAnswer({ ...answer, cluster: toClusterName("other") }, dialer),
    refuses("wrongCluster", /beta of cluster other speaks to alpha/),
  );
});

Deno.test("checkAnswer() reports the peer's refusal plainly", () => {
  const refusal = {
    kind: "refusal",
    refusal: "wrongTarget",
    cluster: CLUSTER,
    from: GAMMA,
  } as const;
  assert.throws(
    () => checkAnswer(refusal, dialer),
    refuses(
      "wrongTarget",
      /gamma of cluster test refused the hello of alpha to beta of cluster test: it is another node; check/,
    ),
  );
});
