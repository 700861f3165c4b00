import fc from "fast-check";
import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { PEERS_MAX } from "../../lib/config/cluster_config_schema.ts";
import { ATTEMPT_MAX, type FaultRule, type Message } from "../../lib/keygen/mod.ts";
import { encodeSequence, type Scalar } from "../../lib/transport/field.ts";
import {
  decodeKeyGenerationMessage,
  encodeKeyGenerationMessage,
  GENESIS_BYTES_MAX,
  isKeyGenerationPayload,
  VOTER_COUNT_MAX,
} from "../../lib/transport/keygen_codec.ts";
import { decodeMessage, encodeMessage, MessageError } from "../../lib/transport/message_codec.ts";
import { toNodeId } from "../../lib/types.ts";
import { certifyGenesis, createFounders, createStatement } from "../certificate/founders.ts";
import { ALPHA, BETA, readIndexRequest } from "./harness.ts";

const route = { from: ALPHA, to: BETA };

function record<Value>(model: { [Name in keyof Value]: fc.Arbitrary<Value[Name]> }) {
  return fc.record<Value>(model, { noNullPrototype: true });
}

const fixed = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => new Uint8Array(bytes));
const envelope = {
  from: fc.constant(ALPHA),
  to: fc.constant(BETA),
  configuration: fc.stringMatching(/^[0-9a-f]{64}$/),
  attempt: fc.integer({ min: 0, max: ATTEMPT_MAX }),
};
const signedHash = { hash: fixed(64), signature: fixed(64) };
const rules: readonly FaultRule[] = ["malformed-element", "bad-share", "bad-proof", "equivocation"];

/** One arbitrary for each kind; the compiler sees to it that none is forgotten. */
const arbitraries: { [Kind in Message["kind"]]: fc.Arbitrary<Extract<Message, { kind: Kind }>> } = {
  hash: record({ ...envelope, kind: fc.constant("hash"), ...signedHash }),
  reveal: record({
    ...envelope,
    kind: fc.constant("reveal"),
    vssCommitment: fc.array(fixed(32), { maxLength: 8 }),
    proofOfKnowledge: fixed(64),
    hashes: fc.array(record(signedHash), { maxLength: 8 }),
  }),
  share: record({ ...envelope, kind: fc.constant("share"), share: fixed(32) }),
  ready: record({ ...envelope, kind: fc.constant("ready"), transcriptHash: fixed(32) }),
  signed: record({ ...envelope, kind: fc.constant("signed"), signature: fixed(64) }),
  genesis: record({
    ...envelope,
    kind: fc.constant("genesis"),
    note: fc.string({ maxLength: 5_000, unit: "grapheme" }),
  }),
  abort: record({
    ...envelope,
    kind: fc.constant("abort"),
    voter: fc.option(fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/).map(toNodeId)),
    rule: fc.constantFrom(...rules),
  }),
};
const anyMessage: fc.Arbitrary<Message> = fc.oneof(...Object.values(arbitraries));

for (const [kind, arbitrary] of Object.entries(arbitraries)) {
  Deno.test(`decodeKeyGenerationMessage() returns the ${kind} that was encoded`, () => {
    fc.assert(
      fc.property(arbitrary as fc.Arbitrary<Message>, (message) => {
        const payload = encodeKeyGenerationMessage(message).slice();
        assert.ok(isKeyGenerationPayload(payload));
        assert.deepEqual(decodeKeyGenerationMessage(payload, route), message);
      }),
      { numRuns: 50 },
    );
  });
}

Deno.test("decodeKeyGenerationMessage() refuses every payload that is cut short", () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), (message, seed) => {
      const payload = encodeKeyGenerationMessage(message).slice();
      refuses(payload.subarray(0, seed % payload.length), /Cannot read message of key generation/);
    }),
    { numRuns: 200 },
  );
});

Deno.test("decodeKeyGenerationMessage() refuses what follows after a message", () => {
  fc.assert(
    fc.property(anyMessage, (message) => {
      const payload = encodeKeyGenerationMessage(message);
      refuses(new Uint8Array([...payload, 0]), /more values than the schema has/);
    }),
    { numRuns: 50 },
  );
});

Deno.test("decodeKeyGenerationMessage() makes of a flipped byte a message or a MessageError", () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, seed, flip) => {
      const payload = encodeKeyGenerationMessage(message).slice();
      const offset = seed % payload.length;
      payload[offset] = (payload[offset] ?? 0) ^ flip;
      let decoded: Message;
      try {
        decoded = decodeKeyGenerationMessage(payload, route);
      } catch (error) {
        assert.ok(error instanceof MessageError, String(error));
        return;
      }
      const again = encodeKeyGenerationMessage(decoded).slice();
      assert.deepEqual(decodeKeyGenerationMessage(again, route), decoded);
    }),
    { numRuns: 500 },
  );
});

Deno.test("the two families of messages never read each other's payloads", () => {
  const raft = encodeMessage(readIndexRequest(ALPHA, BETA, 1)).slice();
  assert.ok(!isKeyGenerationPayload(raft));
  refuses(raft, /kind 9 is unknown/);
  fc.assert(fc.property(anyMessage, (message) => {
    const payload = encodeKeyGenerationMessage(message).slice();
    assert.throws(() => decodeMessage(payload, route), MessageError);
  }));
  assert.ok(!isKeyGenerationPayload(new Uint8Array(0)));
});

Deno.test("the largest cluster's messages fit", () => {
  const founders = createFounders(PEERS_MAX, PEERS_MAX);
  const note = certifyGenesis(founders, createStatement(founders));
  const configuration = "0".repeat(64);
  const hashes = Array.from({ length: PEERS_MAX }, () => ({
    hash: new Uint8Array(64),
    signature: new Uint8Array(64),
  }));
  const messages: readonly Message[] = [
    { ...route, configuration, attempt: ATTEMPT_MAX, kind: "genesis", note },
    {
      ...route,
      configuration,
      attempt: 1,
      kind: "reveal",
      vssCommitment: hashes.map(() => new Uint8Array(32)),
      proofOfKnowledge: new Uint8Array(64),
      hashes,
    },
  ];
  for (const message of messages) {
    const payload = encodeKeyGenerationMessage(message).slice();
    assert.deepEqual(decodeKeyGenerationMessage(payload, route), message);
  }
});

const HEX = "a".repeat(64);
const BYTES = (length: number) => new Uint8Array(length);
const refusals: readonly (readonly [readonly Scalar[], RegExp])[] = [
  [[], /missing/],
  [[71, HEX, 1], /kind 71 is unknown/],
  [["hash", HEX, 1], /kind "hash" is unknown/],
  [[64, "A".repeat(64), 1], /hash: configuration: not 64 hex digits/],
  [[64, BYTES(32), 1], /hash: configuration: not 64 hex digits/],
  [[64, HEX, -1], /hash: attempt: -1 is not a whole number/],
  [[64, HEX, ATTEMPT_MAX + 1], /hash: attempt: 1000001 is above 1000000/],
  [[64, HEX, 1, BYTES(63), BYTES(64)], /hash: hash: 63 bytes are not 64/],
  [[64, HEX, 1, BYTES(65), BYTES(64)], /hash: hash: 65 bytes are above 64/],
  [[64, HEX, 1, BYTES(64), "x"], /hash: signature: "x" is not a byte string/],
  [[65, HEX, 1, VOTER_COUNT_MAX + 1], /reveal: vssCommitment: 129 is above 128/],
  [[65, HEX, 1, 1, BYTES(31)], /reveal: vssCommitment: 31 bytes are not 32/],
  [[65, HEX, 1, 0, BYTES(64), VOTER_COUNT_MAX + 1], /reveal: hashes: 129 is above 128/],
  [[65, HEX, 1, 0, BYTES(64), 1, BYTES(64)], /reveal: hashes: signature: missing/],
  [[66, HEX, 1, BYTES(33)], /share: share: 33 bytes are above 32/],
  [[67, HEX, 1, null], /ready: transcriptHash: null is not a byte string/],
  [[68, HEX, 1, BYTES(0)], /signed: signature: 0 bytes are not 64/],
  [[69, HEX, 1, BYTES(GENESIS_BYTES_MAX + 1)], /genesis: note: 131073 bytes are above 131072/],
  [[69, HEX, 1, new Uint8Array([0xff])], /genesis: note: .*not UTF-8/],
  [[70, HEX, 1, "no spaces", 0], /abort: voter: Cannot read node id/],
  [[70, HEX, 1, null, 22], /abort: rule: 22 is none of/],
];

for (const [scalars, expected] of refusals) {
  Deno.test(`decodeKeyGenerationMessage() refuses with ${expected.source}`, () => {
    refuses(encodeSequence(scalars).slice(), expected);
  });
}

Deno.test("encodeKeyGenerationMessage() refuses what its receiver would refuse, without quoting it", () => {
  const secret = encodeUtf8("a secret that is not 32 bytes");
  const message: Message = {
    ...route,
    configuration: HEX,
    attempt: 1,
    kind: "share",
    share: secret,
  };
  assert.throws(
    () => encodeKeyGenerationMessage(message),
    new MessageError("Cannot write share: 29 bytes are not 32"),
  );
});

function refuses(payload: Uint8Array, expected: RegExp): void {
  assert.throws(
    () => decodeKeyGenerationMessage(payload, route),
    (error) => error instanceof MessageError && expected.test(error.message),
  );
}
