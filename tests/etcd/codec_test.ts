import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { EtcdError } from "../../lib/etcd/errors.ts";
import { readJson, writeJson } from "../../lib/etcd/json.ts";
import {
  compare,
  rangeRequest,
  txnRequest,
  watchRequest,
  watchResponse,
} from "../../lib/etcd/messages.ts";
import { decodeMessage, encodeMessage } from "../../lib/etcd/protobuf.ts";
import { bytes } from "../kv/support.ts";

const RANGE = {
  key: bytes("k"),
  range_end: bytes("l"),
  limit: -1,
  revision: 2 ** 53 - 1,
  sort_order: "DESCEND",
  sort_target: "MOD",
  serializable: true,
  keys_only: false,
  count_only: false,
  min_mod_revision: 0,
  max_mod_revision: 300,
  min_create_revision: 2 ** 32,
  max_create_revision: 127,
} as const;

Deno.test("encodeMessage() writes what Protocol Buffers say", () => {
  const encoded = encodeMessage(rangeRequest, {
    key: bytes("ab"),
    limit: 300,
    sort_order: "ASCEND",
  });
  equal(encoded.toHex(), "0a02616218ac022801");
  equal(encodeMessage(rangeRequest, { limit: -1 }).toHex(), "18ffffffffffffffffff01");
});

Deno.test("decodeMessage() reads what encodeMessage() wrote", () => {
  deepEqual(decodeMessage(rangeRequest, encodeMessage(rangeRequest, RANGE)), RANGE);
});

Deno.test("readJson() reads what writeJson() wrote", () => {
  deepEqual(readJson(rangeRequest, writeJson(rangeRequest, RANGE)), RANGE);
});

Deno.test("transactions inside transactions are read from both forms", () => {
  const put = {
    key: bytes("a"),
    value: bytes("b"),
    lease: 7,
    prev_kv: true,
    ignore_value: false,
    ignore_lease: false,
  };
  const step = {
    request_range: undefined,
    request_put: put,
    request_delete_range: undefined,
    request_txn: undefined,
  };
  const inner = { compare: [], success: [step], failure: [] };
  const outer = {
    compare: [],
    success: [{ ...step, request_put: undefined, request_txn: inner }],
    failure: [],
  };
  deepEqual(decodeMessage(txnRequest, encodeMessage(txnRequest, outer)), outer);
  deepEqual(readJson(txnRequest, writeJson(txnRequest, outer)), outer);
});

Deno.test("a number beyond 2^53 is read as one that is out of range", () => {
  const { version } = readJson(compare, { version: "9223372036854775807" });
  equal(Number.isSafeInteger(version), false);
  const encoded = Uint8Array.fromHex("20ffffffffffffffff7f");
  equal(Number.isSafeInteger(decodeMessage(compare, encoded).version), false);
});

Deno.test("an enum's unknown number is UNRECOGNIZED in both forms", () => {
  equal(readJson(rangeRequest, { sort_order: 9 }).sort_order, "UNRECOGNIZED");
  equal(decodeMessage(rangeRequest, Uint8Array.fromHex("2809")).sort_order, "UNRECOGNIZED");
});

Deno.test("decodeMessage() reads a packed list and passes over fields it does not know", () => {
  const packed = Uint8Array.fromHex("0a042a020001");
  deepEqual(decodeMessage(watchRequest, packed).create_request?.filters, ["NOPUT", "NODELETE"]);
  const unknown = Uint8Array.fromHex("7a0161" + "7d00000000" + "79" + "00".repeat(8) + "1805");
  equal(decodeMessage(rangeRequest, unknown).limit, 5);
});

const REFUSED: readonly (readonly [what: string, hex: string])[] = [
  ["a number that is cut off", "18ff"],
  ["a number of eleven bytes", "18ffffffffffffffffffff01"],
  ["bytes longer than the message", "0a0561"],
  ["a length beyond 2^32", "0affffffffff0f"],
  ["a field of another type", "0801"],
  ["a group", "7b"],
];
for (const [what, hex] of REFUSED) {
  Deno.test(`decodeMessage() refuses ${what}`, () => {
    throws(() => decodeMessage(rangeRequest, Uint8Array.fromHex(hex)), EtcdError);
  });
}

Deno.test("decodeMessage() refuses messages that are nested too deep", () => {
  let encoded = new Uint8Array(0);
  for (let depth = 0; depth < 80; depth++) {
    const head = encoded.length < 128
      ? [encoded.length]
      : [(encoded.length & 0x7f) | 0x80, encoded.length >> 7];
    const step = Uint8Array.of(0x22, ...head, ...encoded);
    const stepHead = step.length < 128
      ? [step.length]
      : [(step.length & 0x7f) | 0x80, step.length >> 7];
    encoded = Uint8Array.of(0x12, ...stepHead, ...step);
  }
  throws(() => decodeMessage(txnRequest, encoded), EtcdError);
});

const NOT_JSON: readonly unknown[] = [
  [],
  "text",
  { key: 5 },
  { key: "*" },
  { limit: "1.5" },
  { limit: 1.5 },
  { limit: "9223372036854775808" },
  { limit: true },
  { serializable: "true" },
  { sort_order: "UP" },
];
for (const json of NOT_JSON) {
  Deno.test(`readJson() refuses ${JSON.stringify(json)}`, () => {
    throws(() => readJson(rangeRequest, json), EtcdError);
  });
}

Deno.test("readJson() takes both spellings, both alphabets of base64, numbers and null", () => {
  const read = readJson(rangeRequest, {
    rangeEnd: "-_8",
    minModRevision: 4,
    sortOrder: 1,
    key: null,
    unknown: {},
  });
  equal(read.range_end.toHex(), "fbff");
  deepEqual([read.min_mod_revision, read.sort_order, read.key.length], [4, "ASCEND", 0]);
});

Deno.test("whatever bytes come, decodeMessage() reads them or refuses", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (raw) => {
    for (const shape of [rangeRequest, txnRequest, watchRequest]) {
      try {
        decodeMessage(shape, raw);
      } catch (error) {
        equal(error instanceof EtcdError, true);
      }
    }
  }));
});

Deno.test("watch -1 is written, as etcd writes it", () => {
  deepEqual(writeJson(watchResponse, { watch_id: -1, created: true }), {
    watch_id: "-1",
    created: true,
  });
});
