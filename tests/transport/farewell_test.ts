/** What a node is shown that was a member and is none any more. */

import assert from "node:assert/strict";
import type { MembershipCertificate } from "../../lib/certificate/mod.ts";
import {
  decodeFarewell,
  encodeFarewell,
  FAREWELL_FRAME_BYTES_MAX,
} from "../../lib/transport/farewell.ts";
import { FrameError } from "../../lib/transport/frame.ts";
import {
  ALPHA,
  BETA,
  Directory,
  GAMMA,
  Inbox,
  keysOf,
  readIndexRequest,
  startNode,
} from "./harness.ts";

const SHOWN: readonly MembershipCertificate[] = [
  { byOld: "first", byNew: null },
  { byOld: "second, by the old epoch", byNew: "second, by the new one" },
];

Deno.test("decodeFarewell() returns what was encoded, and refuses all else", () => {
  const payload = encodeFarewell(SHOWN).slice();
  assert.deepEqual(decodeFarewell(payload), SHOWN);
  for (let length = 0; length < payload.length; length++) {
    assert.throws(() => decodeFarewell(payload.subarray(0, length)), FrameError);
  }
  for (const wrong of [[...payload, 0], [0x01], [0xa1, 0x61], [0x91, 0xc0]]) {
    assert.throws(() => decodeFarewell(new Uint8Array(wrong)), FrameError);
  }
});

Deno.test("a frame has room for as many memberships as a farewell has, each of a large cluster", () => {
  const note = "x".repeat(60_000);
  const memberships = Array.from({ length: 16 }, () => ({ byOld: note, byNew: note }));
  assert.ok(encodeFarewell(memberships).length < FAREWELL_FRAME_BYTES_MAX);
});

Deno.test("a former member is shown the memberships after those that it knows, and nothing else", async () => {
  const directory = new Directory(ALPHA, BETA);
  const asked = new Inbox<number>();
  const beta = startNode(BETA, directory, {
    peers: [],
    farewells: {
      keyOf: (id) => id === ALPHA ? keysOf(ALPHA).publicKey : null,
      membershipsAfter: (count) => {
        asked.put(count);
        return SHOWN.slice(count);
      },
    },
  });
  const farewells = new Inbox<readonly MembershipCertificate[]>();
  let known = 0;
  const alpha = startNode(ALPHA, directory, {
    membershipsKnown: () => known,
    onFarewell: (memberships) => {
      known = 1;
      farewells.put(memberships);
    },
  });
  assert.deepEqual(await farewells.take(), SHOWN);
  assert.equal(await asked.take(), 0);
  // It dials again, and is shown what it still lacks.
  assert.deepEqual(await farewells.take(), SHOWN.slice(1));
  assert.equal(await asked.take(), 1);
  alpha.transport.send(readIndexRequest(ALPHA, BETA, 1));
  await Promise.all([alpha.transport.close(), beta.transport.close()]);
  assert.equal(beta.messages.length, 0, "Nothing that a former member sends is taken");
  assert.equal(beta.transport.counters["connection.accepted"], 0);
});

Deno.test("whoever has only the name of a former member is shown nothing", async () => {
  const directory = new Directory(ALPHA, BETA);
  const beta = startNode(BETA, directory, {
    peers: [],
    farewells: { keyOf: () => keysOf(ALPHA).publicKey, membershipsAfter: () => SHOWN },
  });
  const farewells = new Inbox<readonly MembershipCertificate[]>();
  const thief = startNode(ALPHA, directory, {
    channelKeys: keysOf(GAMMA),
    onFarewell: (memberships) => farewells.put(memberships),
  });
  const { what, error } = await thief.refusals.take();
  assert.equal(what, "hello");
  assert.match(error.message, /another channelKey/);
  await Promise.all([thief.transport.close(), beta.transport.close()]);
  assert.equal(farewells.length, 0);
});

Deno.test("a member may say farewell to a member: its peer takes the claim, and goes on with the others", async () => {
  const directory = new Directory(ALPHA, BETA, GAMMA);
  const farewells = new Inbox<readonly MembershipCertificate[]>();
  const alpha = startNode(ALPHA, directory, {
    onFarewell: (memberships) => farewells.put(memberships),
  });
  const liar = startNode(BETA, directory, {
    peers: [],
    farewells: { keyOf: () => keysOf(ALPHA).publicKey, membershipsAfter: () => SHOWN },
  });
  const gamma = startNode(GAMMA, directory);
  assert.deepEqual(await farewells.take(), SHOWN);
  assert.equal(await gamma.connected.take(), ALPHA);
  while (!alpha.transport.isConnected(GAMMA)) await alpha.connected.take();
  alpha.transport.send(readIndexRequest(ALPHA, GAMMA, 3));
  assert.deepEqual(await gamma.messages.take(), readIndexRequest(ALPHA, GAMMA, 3));
  await Promise.all([alpha, liar, gamma].map(({ transport }) => transport.close()));
});
