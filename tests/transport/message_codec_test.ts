import fc from "fast-check";
import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { NOTE_LENGTH_MAX } from "../../lib/certificate/certifier.ts";
import { MEMBERSHIP_LENGTH_MAX } from "../../lib/certificate/membership.ts";
import { SNAPSHOT_CHUNK_BYTES_MAX } from "../../lib/raft/config.ts";
import type { AppendRequest, Message } from "../../lib/raft/message.ts";
import { encodeSequence, type Scalar } from "../../lib/transport/field.ts";
import {
  COMMITMENT_BYTES_MAX,
  decodeMessage,
  encodeMessage,
  ENTRY_BYTES_MAX,
  ENTRY_COUNT_MAX,
  MEMBERS_BYTES_MAX,
  MEMBERSHIP_COUNT_MAX,
  MessageError,
  PROPOSAL_COUNT_MAX,
  SHARE_BYTES_MAX,
  SIGNER_COUNT_MAX,
} from "../../lib/transport/message_codec.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { ALPHA, appendOf, BETA } from "./harness.ts";
import { anyMessage, arbitraries } from "./messages.ts";

const route = { from: ALPHA, to: BETA };

for (const [kind, arbitrary] of Object.entries<fc.Arbitrary<Message>>(arbitraries)) {
  Deno.test(`decodeMessage() returns the ${kind} that was encoded`, () => {
    fc.assert(fc.property(arbitrary, (message) => {
      assert.deepEqual(decodeMessage(encodeMessage(message).slice(), route), message);
    }));
  });
}

Deno.test("decodeMessage() takes sender and receiver from the connection", () => {
  const payload = encodeMessage(appendOf(3, ALPHA, BETA)).slice();
  const message = decodeMessage(payload, { from: toNodeId("x"), to: toNodeId("y") });
  assert.deepEqual([message.from, message.to], ["x", "y"]);
});

Deno.test("decodeMessage() copies no entry: its data are views into the payload", () => {
  const payload = encodeMessage(appendOf(300, ALPHA, BETA)).slice();
  const message = decodeMessage(payload, route) as AppendRequest;
  assert.equal(message.entries[0]?.data.buffer, payload.buffer);
});

Deno.test("decodeMessage() refuses every truncation of every message", () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), (message, seed) => {
      const payload = encodeMessage(message).slice();
      const truncated = payload.subarray(0, seed % payload.length);
      assert.throws(() => decodeMessage(truncated, route), MessageError);
    }),
    { numRuns: 300 },
  );
});

Deno.test("decodeMessage() refuses a value too many after every message", () => {
  fc.assert(fc.property(anyMessage, (message) => {
    const payload = new Uint8Array([...encodeMessage(message), 0xc0]);
    assert.throws(() => decodeMessage(payload, route), /more values than the schema has/);
  }));
});

Deno.test("decodeMessage() makes of a flipped byte another valid message or a MessageError", () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, seed, flip) => {
      const payload = encodeMessage(message).slice();
      const offset = seed % payload.length;
      payload[offset] = (payload[offset] ?? 0) ^ flip;
      let decoded: Message;
      try {
        decoded = decodeMessage(payload, route);
      } catch (error) {
        assert.ok(error instanceof MessageError, String(error));
        return;
      }
      assert.deepEqual(decodeMessage(encodeMessage(decoded).slice(), route), decoded);
    }),
    { numRuns: 500 },
  );
});

Deno.test("decodeMessage() makes of random bytes a MessageError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeMessage(new Uint8Array(bytes), route);
      } catch (error) {
        assert.ok(error instanceof MessageError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

const note = "x".repeat(NOTE_LENGTH_MAX + 1);
const membershipNote = new Uint8Array(MEMBERSHIP_LENGTH_MAX + 1);
const largeNumber = 2 ** 53;
const refusals: readonly (readonly [readonly Scalar[], RegExp])[] = [
  [[], /Cannot read message: missing/],
  [[0, 1], /Cannot read message: kind 0 is unknown/],
  [[99, 1], /kind 99 is unknown/],
  [["voteRequest", 1], /kind "voteRequest" is unknown/],
  [[1, "1", 0, 0, false], /preVoteRequest: term: Cannot read term: "1" is not a whole number/],
  [[1, -1, 0, 0, false], /preVoteRequest: term: .*-1 is not a whole number/],
  [[1, 1.5, 0, 0, false], /preVoteRequest: term: .*1\.5 is not a whole number/],
  [[1, largeNumber, 0, 0, false], /preVoteRequest: term: .*9007199254740992 is not/],
  [[1, 1, null, 0, false], /preVoteRequest: lastLogIndex: .*null is not a whole number/],
  [[1, 1, 0, 0, 1], /preVoteRequest: transfer: 1 is not a boolean/],
  [[2, 1, true, null, "text"], /preVoteResponse: commitment: "text" is not a byte string/],
  [
    [2, 1, true, null, new Uint8Array(COMMITMENT_BYTES_MAX + 1)],
    /preVoteResponse: commitment: 257 bytes are above 256/,
  ],
  [[1, 1, 0, 0, false, 1, 0, false, 1], /preVoteRequest: proof: 1 is not a boolean/],
  [[1, 1, 0, 0, false, 1, 0, false, true, 2, 1], /preVoteRequest: proof: kind 2 is unknown/],
  [
    [1, 1, 0, 0, false, 1, 0, false, true, 0, 1, 1, false, "n1", SIGNER_COUNT_MAX + 1],
    /proof: grants: grants: 1025 is above 1024/,
  ],
  [
    [1, 1, 0, 0, false, 1, 0, false, true, 0, 1, 1, false, "n1", 1, "n1", new Uint8Array(63)],
    /grants: signature: 63 bytes are not 64/,
  ],
  [
    [1, 1, 0, 0, false, 1, 0, false, true, 1, 1, note],
    /certificate: note: 1025 characters are above 1024/,
  ],
  [[1, 1, 0, 0, false, 0], /preVoteRequest: epoch: Cannot read epoch: 0/],
  [
    [1, 1, 0, 0, false, 1, 0, true, membershipNote],
    /membership: byOld: 262145 bytes are above 262144/,
  ],
  [
    [2, 1, false, null, null, 1, false, MEMBERSHIP_COUNT_MAX + 1],
    /preVoteResponse: memberships: 17 is above 16/,
  ],
  [
    [11, 1, 0, null, 1, 1, 9, new Uint8Array(32), true, new Uint8Array(MEMBERS_BYTES_MAX + 1)],
    /snapshot: members: 4194305 bytes are above 4194304/,
  ],
  [[2, 1, true, new Uint8Array(65)], /preVoteResponse: grant: 65 bytes are above 64/],
  [[3, 1, 0, 0, 0, false, 1, 0], /voteRequest: epoch: Cannot read epoch: 0/],
  [
    [3, 1, 1, 0, 0, false, false, 1, SIGNER_COUNT_MAX + 1],
    /voteRequest: commitments: 1025 is above 1024/,
  ],
  [[3, 1, 1, 0, 0, false, false, 1, -3], /voteRequest: commitments: -3 is not a whole number/],
  [
    [3, 1, 1, 0, 0, false, false, 1, 1, "no spaces", new Uint8Array(64)],
    /voteRequest: commitments: voter: Cannot read node id/,
  ],
  [
    [4, 1, 1, true, 1, new Uint8Array(SHARE_BYTES_MAX + 1), null],
    /voteResponse: share: 129 bytes are above 128/,
  ],
  [[5, 1, 0, 0, 0, 0, 0, note, 0], /appendRequest: certificate: 1025 characters are above 1024/],
  [[5, 1, 0, 0, 0, 0, 0, null, null, ENTRY_COUNT_MAX + 1], /entries: 16385 is above 16384/],
  [
    [5, 1, 3, 0, 0, 0, 0, null, null, 1, 5, 1, 1, new Uint8Array(1)],
    /first index 5 does not follow 3/,
  ],
  [[5, 1, 3, 0, 0, 0, 0, null, null, 1, 4, 1, 4, new Uint8Array(1)], /entries: 4 is none of 0, 1/],
  [
    [5, 1, 3, 0, 0, 0, 0, null, null, 1, 4, 1, 1, new Uint8Array(ENTRY_BYTES_MAX + 1)],
    /entries: 2097153 bytes are above 2097152/,
  ],
  [
    [
      5,
      1,
      3,
      0,
      0,
      0,
      0,
      null,
      null,
      2,
      2 ** 53 - 1,
      1,
      1,
      new Uint8Array(0),
      1,
      1,
      new Uint8Array(0),
    ],
    /entries: Cannot read log index: 9007199254740992/,
  ],
  [[6, 1, 0, 50, 4], /appendResponse: outcome: kind 4 is unknown/],
  [[6, 1, 0, 50, 0, true], /appendResponse: outcome: accepted: matchIndex: .*true/],
  [[7, 1, 0, 1, PROPOSAL_COUNT_MAX + 1], /proposeRequest: proposals: 16385 is above 16384/],
  [
    [8, 1, 0, 1, 1, 0, 9],
    /proposeResponse: outcomes: refused: reason: 9 is none of 0, 1, 2, 3, 4, 5/,
  ],
  [[9, 1, 0, new Uint8Array(2)], /readIndexRequest: batchId: a byte string of 2 is not/],
  [
    [11, 1, 0, null, 1, 1, 9, new Uint8Array(33)],
    /snapshotRequest: snapshot: sha256: 33 bytes are above 32/,
  ],
  [
    [
      11,
      1,
      0,
      null,
      1,
      1,
      9,
      new Uint8Array(32),
      false,
      0,
      new Uint8Array(SNAPSHOT_CHUNK_BYTES_MAX + 1),
    ],
    /snapshotRequest: data: 1048577 bytes are above 1048576/,
  ],
  [[12, 1, 1, 9], /snapshotResponse: outcome: kind 9 is unknown/],
  [[10, 1, 0, 0, "0"], /readIndexResponse: readIndex: Cannot read log index: "0"/],
];

for (const [scalars, expected] of refusals) {
  Deno.test(`decodeMessage() refuses with ${expected.source}`, () => {
    const payload = encodeSequence(scalars).slice();
    assert.throws(
      () => decodeMessage(payload, route),
      (error) => error instanceof MessageError && expected.test(error.message),
    );
  });
}

Deno.test("encodeMessage() refuses a message that its receiver would refuse for its counts", () => {
  const proposal = { proposalId: 1, command: new Uint8Array(1) };
  const message: Message = {
    ...route,
    kind: "proposeRequest",
    term: toTerm(1),
    incarnation: 1,
    batchId: 1,
    proposals: new Array(PROPOSAL_COUNT_MAX + 1).fill(proposal),
  };
  assert.throws(
    () => encodeMessage(message),
    new MessageError("Cannot write proposeRequest: 16385 is above 16384"),
  );
});

Deno.test("encodeMessage() refuses an entry that its receiver would refuse for its length", () => {
  assert.throws(
    () => encodeMessage(appendOf(ENTRY_BYTES_MAX + 1, ALPHA, BETA)),
    new MessageError("Cannot write appendRequest: 2097153 bytes are above 2097152"),
  );
});

Deno.test("encodeMessage() stops at entries that are not contiguous: our own bug", () => {
  const message = appendOf(1, ALPHA, BETA) as AppendRequest;
  const [entry] = message.entries;
  assert.ok(entry);
  assert.throws(() => encodeMessage({ ...message, entries: [entry, entry] }), InvariantError);
});
