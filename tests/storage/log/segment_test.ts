import assert from "node:assert/strict";
import { decodeUtf8, encodeUtf8 } from "../../../lib/bytes.ts";
import {
  encodeFileHead,
  encodeRecord,
  FILE_HEAD_BYTES,
  SALT_BYTES,
} from "../../../lib/storage/log/record.ts";
import { encodeIntroduction, readIntroduction } from "../../../lib/storage/log/segment.ts";
import { toClusterName, toEpoch, toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { grants } from "../support.ts";

const SALT = new Uint8Array(SALT_BYTES).fill(7);
const AFTER = { number: 3, chain: new Uint8Array(32).fill(9) };
const OWNER = { cluster: toClusterName("floe-test"), node: toNodeId("server_1") };
const STATE = {
  hardState: { currentTerm: toTerm(7), votedFor: toNodeId("server_2") },
  grants: grants(7),
  logStart: { index: toLogIndex(5), term: toTerm(2) },
  members: null,
  lastIndex: toLogIndex(9),
  electionRecords: 2,
};

Deno.test("a segment's first record gives back all that the log needs of the ones before", () => {
  const membership = { byOld: "by 1\n\u2014 a b\n", byNew: "by 2\n" };
  const later = { ...grants(7), epoch: toEpoch(2), membership };
  const amended = { ...later, membership: { ...membership, byNew: null } };
  for (
    const state of [
      STATE,
      { ...STATE, members: '{"index":4}', grants: later },
      { ...STATE, grants: amended },
      { ...STATE, grants: null },
    ]
  ) {
    const introduction = { owner: OWNER, state, after: AFTER };
    const { bytes } = encodeIntroduction(introduction, SALT);
    assert.deepEqual(readIntroduction(bytes, SALT)?.introduction, introduction);
  }
});

Deno.test("a segment that was written before members could change has the genesis and epoch 1", () => {
  const { bytes } = encodeIntroduction({ owner: OWNER, state: STATE, after: AFTER }, SALT);
  const text = decodeUtf8(bytes.slice(bytes.indexOf(0x7b), bytes.lastIndexOf(0x0a) + 1));
  const old = text.replace('"members":null,', "").replace('"epoch":1,', "");
  assert.notEqual(old.length, text.length);
  const payload = encodeUtf8(old);
  const after = { ...AFTER, offset: FILE_HEAD_BYTES };
  const { bytes: record, end } = encodeRecord(payload, { salt: SALT, kind: "head", after });
  const file = new Uint8Array(end.offset);
  file.set(encodeFileHead(SALT));
  file.set(record, FILE_HEAD_BYTES);
  assert.deepEqual(readIntroduction(file, SALT)?.introduction.state, STATE);
});
