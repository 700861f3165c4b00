import { deepEqual, equal, match, throws } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Problem } from "../../lib/http/problem.ts";
import { readWriteOptions } from "../../lib/http/writes.ts";
import { toLogIndex } from "../../lib/types.ts";
import { entityTag } from "../../lib/wire/mod.ts";
import { FakeNode } from "./fake_node.ts";

const ACCEPTED: readonly (readonly [Record<string, string>, unknown])[] = [
  [{}, {}],
  [{ "if-match": '"7"' }, { ifModRevision: 7 }],
  [{ "if-match": '"9007199254740991"' }, { ifModRevision: Number.MAX_SAFE_INTEGER }],
  [{ "if-none-match": "*" }, { ifModRevision: 0 }],
  [{ "idempotency-key": "a-1" }, { idempotency: { token: null, key: "a-1" } }],
  [{ "idempotency-key": '"a-1"' }, { idempotency: { token: null, key: "a-1" } }],
  [{ "Idempotency-Key": "k".repeat(128) }, { idempotency: { token: null, key: "k".repeat(128) } }],
  [{ "idempotency-key": `"${"k".repeat(128)}"` }, {
    idempotency: { token: null, key: "k".repeat(128) },
  }],
  [{ "idempotency-key": "a,b;c=d" }, { idempotency: { token: null, key: "a,b;c=d" } }],
  [{ "if-match": '"7"', "idempotency-key": "k" }, {
    ifModRevision: 7,
    idempotency: { token: null, key: "k" },
  }],
];
for (const [headers, options] of ACCEPTED) {
  Deno.test(`readWriteOptions() takes ${JSON.stringify(headers).slice(0, 60)}`, () => {
    deepEqual(readWriteOptions(new Headers(headers)), options);
  });
}

const REFUSED: readonly (readonly [Record<string, string>, RegExp])[] = [
  [{ "if-match": "7" }, /If-Match: "7" is not one modRevision in double quotes/],
  [{ "if-match": "" }, /is not one modRevision/],
  [{ "if-match": "*" }, /is not one modRevision/],
  [{ "if-match": 'W/"7"' }, /is not one modRevision/],
  [{ "if-match": '"7", "8"' }, /is not one modRevision/],
  [{ "if-match": '"0"' }, /is not one modRevision/],
  [{ "if-match": '"07"' }, /is not one modRevision/],
  [{ "if-match": '"-7"' }, /is not one modRevision/],
  [{ "if-match": '"7.0"' }, /is not one modRevision/],
  [{ "if-match": '"9007199254740992"' }, /is not one modRevision/],
  [{ "if-none-match": '"7"' }, /If-None-Match: "\\"7\\"" is not \*/],
  [{ "if-none-match": "" }, /is not \*/],
  [{ "if-none-match": "*, *" }, /is not \*/],
  [{ "if-match": '"7"', "if-none-match": "*" }, /exclude each other/],
  [{ "idempotency-key": "" }, /must be visible ASCII/],
  [{ "idempotency-key": '""' }, /must be visible ASCII/],
  [{ "idempotency-key": '"a' }, /must be visible ASCII/],
  [{ "idempotency-key": '"a";x=1' }, /must be visible ASCII/],
  [{ "idempotency-key": "a b" }, /must be visible ASCII/],
  [{ "idempotency-key": '"a", "b"' }, /must be visible ASCII/],
  [{ "idempotency-key": "a\\b" }, /must be visible ASCII/],
  [{ "idempotency-key": "\u00e4" }, /must be visible ASCII/],
  [{ "idempotency-key": "k".repeat(129) }, /129 characters are above 128/],
];
for (const [headers, message] of REFUSED) {
  Deno.test(`readWriteOptions() refuses ${JSON.stringify(headers).slice(0, 60)}`, () => {
    throws(() => readWriteOptions(new Headers(headers)), (error: unknown) => {
      equal(error instanceof Problem && error.code, "invalid_header");
      match(String(error), message);
      return true;
    });
  });
}

Deno.test("readWriteOptions() refuses a header that is sent twice", () => {
  for (const [name, value] of [["if-match", '"7"'], ["idempotency-key", "k"]] as const) {
    const headers = new Headers([[name, value], [name, value]]);
    throws(() => readWriteOptions(headers), Problem);
  }
});

Deno.test("entityTag() is what If-Match takes", () => {
  const revision = toLogIndex(7);
  const headers = new Headers({ "if-match": entityTag(revision) });
  deepEqual(readWriteOptions(headers), { ifModRevision: revision });
});

for (const method of ["PUT", "DELETE"]) {
  Deno.test(`${method} refuses a header that it cannot read, and applies nothing`, async () => {
    const node = new FakeNode();
    const headers = { "if-match": "7" };
    const response = await createApp(node).request("/v1/kv/a", { method, headers });
    const { status, code, maybeApplied } = await response.json();
    deepEqual([status, code, maybeApplied], [400, "invalid_header", false]);
    equal(node.commands.length, 0);
  });
}
