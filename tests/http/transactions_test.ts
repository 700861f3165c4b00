import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { TRANSACTION_BODY_BYTES_MAX } from "../../lib/http/connections.ts";
import { JSON_PARTS_MAX } from "../../lib/json.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { grantToken, TOKENS } from "../etcd/support.ts";
import { FakeNode } from "./fake_node.ts";

function setUp() {
  const node = new FakeNode();
  const app = createApp(node);
  const post = async (body: unknown, headers: Record<string, string> = {}, query = "") => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await app.request(`/v1/txn${query}`, { method: "POST", body: text, headers });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return { node, app, post };
}

const row = (key: string, value: string, revision: number) => ({
  key,
  value,
  encoding: "utf8",
  createRevision: revision,
  modRevision: revision,
  version: 1,
  lease: 0,
});

Deno.test("POST /v1/txn does what its conditions choose, at one revision", async () => {
  const { node, post } = setUp();
  node.put("a", "1");
  const body = {
    if: [{ key: "a", value: { "=": "1" } }, { key: "b", exists: false }],
    then: [
      { put: { key: "a", value: "2", previous: true } },
      { put: { key: "b", value: "x" } },
      { get: { key: "b" } },
      { get: { key: "c" } },
      { range: { prefix: "", limit: 1 } },
    ],
    else: [{ get: { key: "a" } }],
  };
  const first = await post(body);
  equal(first.status, 200);
  deepEqual(first.body, {
    revision: 102,
    succeeded: true,
    results: [
      { put: { createRevision: 101, version: 2, previous: row("a", "1", 101) } },
      { put: { createRevision: 102, version: 1 } },
      { get: row("b", "x", 102) },
      { get: null },
      {
        range: {
          items: [{ ...row("a", "2", 102), createRevision: 101, version: 2 }],
          count: 1,
          more: true,
        },
      },
    ],
  });
  const second = await post(body);
  deepEqual([second.body.succeeded, second.body.revision], [false, 102]);
  deepEqual(second.body.results, [{
    get: { ...row("a", "2", 102), createRevision: 101, version: 2 },
  }]);
});

for (
  const [condition, holds] of [
    [{ key: "a", value: { "=": "5" } }, true],
    [{ key: "a", value: { "!=": "5" } }, false],
    [{ key: "a", value: { ">": "4" } }, true],
    [{ key: "a", value: { "<": "4" } }, false],
    [{ key: "a", value: { "=": "NQ==" }, encoding: "base64" }, true],
    [{ key: "YQ==", keyEncoding: "base64", exists: true }, true],
    [{ key: "a", modRevision: { "=": 101 } }, true],
    [{ key: "a", createRevision: { ">": 101 } }, false],
    [{ key: "a", version: { "<": 2 } }, true],
    [{ key: "a", lease: { "!=": 0 } }, false],
    [{ key: "none", version: { "=": 0 } }, true],
    [{ key: "none", exists: true }, false],
    [{ prefix: "a", modRevision: { "<": 103 } }, true],
    [{ start: "a", end: "b", version: { "=": 1 } }, true],
    [{ prefix: "", modRevision: { "=": 101 } }, false],
    [{ fence: { lock: "job", revision: 1 } }, false],
  ] as const
) {
  Deno.test(`a condition ${JSON.stringify(condition)} is ${holds}`, async () => {
    const { node, post } = setUp();
    node.put("a", "5");
    node.put("ab", "6");
    equal((await post({ if: [condition] })).body.succeeded, holds);
  });
}

Deno.test("a fence holds while its lock does", async () => {
  const { node, post } = setUp();
  for (const id of [17, 18]) {
    node.apply({ kind: "grantLease", id, ttlSeconds: 60 });
    node.put(`job/${id.toString(16)}`, "", id);
  }
  const fence = { if: [{ fence: { lock: "job", revision: 102 } }] };
  equal((await post(fence)).body.succeeded, true);
  node.remove("job/11");
  equal((await post(fence)).body.succeeded, false);
  equal((await post({ if: [{ fence: { lock: "job", revision: 104 } }] })).body.succeeded, true);
});

Deno.test("a transaction nests, deletes, and keeps values and leases", async () => {
  const { node, post } = setUp();
  node.apply({ kind: "grantLease", id: 7, ttlSeconds: 60 });
  node.put("a", "1", 7);
  node.put("b", "2");
  const { body } = await post({
    then: [
      {
        txn: {
          if: [{ key: "b", exists: false }],
          else: [{ delete: { key: "b", previous: true } }],
        },
      },
      { put: { key: "a", keepValue: true, keepLease: true } },
      { put: { key: "/w==", keyEncoding: "base64", value: "/w==", encoding: "base64" } },
      { delete: { prefix: "c" } },
      { range: { prefix: "a", keysOnly: true } },
      { range: { prefix: "", countOnly: true } },
    ],
  });
  deepEqual(body.results, [
    {
      txn: {
        succeeded: false,
        results: [{ delete: { deleted: 1, previous: [row("b", "2", 103)] } }],
      },
    },
    { put: { createRevision: 102, version: 2 } },
    { put: { createRevision: 104, version: 1 } },
    { delete: { deleted: 0 } },
    {
      range: {
        items: [{ key: "a", createRevision: 102, modRevision: 104, version: 2, lease: 7 }],
        count: 1,
        more: false,
      },
    },
    { range: { items: [], count: 2, more: false } },
  ]);
});

Deno.test("a transaction that is sent again is done once, and what it read is not remembered", async () => {
  const { node, post } = setUp();
  const body = { then: [{ put: { key: "a", value: "1" } }, { get: { key: "a" } }] };
  const once = { "idempotency-key": "t" };
  const first = await post(body, once);
  node.put("a", "2");
  const second = await post(body, once);
  equal(second.headers.get("idempotency-replayed"), "true");
  deepEqual(second.body, {
    revision: first.body.revision,
    succeeded: true,
    results: [{ put: { createRevision: 101, version: 1 } }, { notRemembered: true }],
  });
  const other = await post({ then: [{ get: { key: "a" } }] }, once);
  deepEqual([other.status, other.body.code], [422, "idempotency_key_reused"]);
});

Deno.test("a transaction that only reads takes no place in the log", async () => {
  const { node, post } = setUp();
  node.put("a", "1");
  const written = node.commands.length;
  const { body } = await post({ then: [{ get: { key: "a" } }] }, {}, "?consistency=stale");
  deepEqual(body, { revision: 101, succeeded: true, results: [{ get: row("a", "1", 101) }] });
  deepEqual([node.commands.length, node.reads.at(-1)?.consistency], [written, "stale"]);
  const refused = await post(
    { then: [{ put: { key: "a", value: "" } }] },
    {},
    "?consistency=stale",
  );
  equal(refused.body.code, "invalid_parameter");
});

Deno.test("a transaction that the store refuses changes nothing", async () => {
  const { node, post } = setUp();
  for (let at = 0; at < 10_001; at++) node.put(`k/${at}`, "");
  const codeOf = async (...then: unknown[]) => {
    const { status, body } = await post({ then });
    return [status, body.code, body.maybeApplied];
  };
  const put = { put: { key: "new", value: "x" } };
  deepEqual(await codeOf(put, { put: { key: "l", value: "", lease: 9 } }), [
    404,
    "lease_not_found",
    false,
  ]);
  deepEqual(await codeOf(put, { put: { key: "l", keepValue: true } }), [
    404,
    "key_not_found",
    false,
  ]);
  deepEqual(await codeOf(put, { delete: { prefix: "k/" } }), [413, "too_many_keys", false]);
  for (let at = 0; at < 17; at++) node.put(`v/${at}`, new Uint8Array(VALUE_BYTES_MAX));
  deepEqual(await codeOf(put, { range: { prefix: "v/" } }), [413, "answer_too_large", false]);
  equal((await post({ then: [{ get: { key: "new" } }] })).body.results[0].get, null);
});

const nested = (depth: number): object => depth === 0 ? {} : { then: [{ txn: nested(depth - 1) }] };
const put = { put: { key: "a", value: "" } };

for (
  const [body, detail] of [
    ["", /not JSON/],
    ["{", /not JSON/],
    ["null", /Cannot read transaction/],
    ["[]", /Cannot read transaction/],
    ['{"then":[],"then2":[]}', /then2/],
    [{ if: {} }, /if: /],
    [{ if: [{}] }, /if\[0\]: a condition has one of value/],
    [{ if: [{ key: "a" }] }, /a condition has one of/],
    [{ if: [{ key: "a", exists: true, version: { "=": 1 } }] }, /a condition has one of/],
    [{ if: [{ exists: true }] }, /name them in one way/],
    [{ if: [{ key: "a", prefix: "b", exists: true }] }, /name them in one way/],
    [{ if: [{ key: "", exists: true }] }, /it is empty/],
    [{ if: [{ key: "a", version: {} }] }, /a comparison has one of/],
    [{ if: [{ key: "a", version: { "=": 1, "<": 2 } }] }, /a comparison has one of/],
    [{ if: [{ key: "a", version: { "==": 1 } }] }, /==/],
    [{ if: [{ key: "a", version: { "=": -1 } }] }, /version/],
    [{ if: [{ key: "a", version: { "=": 1.5 } }] }, /version/],
    [{ if: [{ key: "a", version: { "=": 2 ** 53 } }] }, /version/],
    [{ if: [{ key: "a", value: { "=": 1 } }] }, /value/],
    [{ if: [{ key: "a", keyEncoding: "hex", exists: true }] }, /keyEncoding/],
    [{ if: [{ key: "?", keyEncoding: "base64", exists: true }] }, /base64: not canonical/],
    [{ if: [{ key: "a", fence: { lock: "l", revision: 1 } }] }, /names its lock, and no keys/],
    [{ if: [{ fence: { lock: "", revision: 1 } }] }, /a name of 0 bytes/],
    [{ then: [{}] }, /then\[0\]: an operation is one of/],
    [{ then: [{ ...put, get: { key: "a" } }] }, /an operation is one of/],
    [{ then: [{ put: { key: "a" } }] }, /a put has a value, or keepValue/],
    [{ then: [{ put: { key: "a", value: "", keepValue: true } }] }, /a put has a value, or/],
    [
      { then: [{ put: { key: "a", value: "", lease: 1, keepLease: true } }] },
      /lease, or keepLease/,
    ],
    [{ then: [{ put: { key: "k".repeat(1025), value: "" } }] }, /1025 bytes are above 1024/],
    [{ then: [put, put] }, /could change key "a" twice/],
    [{ then: [put, { delete: { prefix: "" } }] }, /could change key "a" twice/],
    [{ then: [{ delete: {} }] }, /name them in one way/],
    [{ then: [{ range: { prefix: "", limit: 0 } }] }, /a limit of 0/],
    [
      { then: [{ range: { prefix: "", keysOnly: true, countOnly: true } }] },
      /keysOnly or countOnly/,
    ],
    [{ then: Array.from({ length: 129 }, (_, at) => ({ get: { key: `${at}` } })) }, /129.*128/],
    [nested(40), /nested too deep/],
    [{ then: [{ put: { key: "\ud800", value: "" } }] }, /lone surrogate.*send the bytes as base64/],
    [{ then: [{ put: { key: "a", value: "x\udfff" } }] }, /lone surrogate/],
    [{ then: Array.from({ length: JSON_PARTS_MAX }, () => 1) }, /JSON.* above 10000; divide it/],
    [{ then: Array.from({ length: 600 }, () => ({ get: { key: "a" } })) }, /600 .*above 512/],
  ] as const
) {
  Deno.test(`POST /v1/txn refuses ${JSON.stringify(body).slice(0, 60)}`, async () => {
    const { node, post } = setUp();
    const answer = await post(body);
    deepEqual([answer.status, answer.body.code], [400, "invalid_request"]);
    match(answer.body.detail, detail);
    deepEqual([node.commands.length, node.reads.length], [0, 0]);
  });
}

Deno.test("of a body with very many faults, the first ones are named", async () => {
  const { post } = setUp();
  const answer = await post({ then: Array.from({ length: 5_000 }, () => 1) });
  equal(answer.status, 400);
  match(answer.body.detail, /then\.9: /);
  ok(!answer.body.detail.includes("then.10: "));
});

Deno.test("a token's rights come before what else is wrong with a transaction", async () => {
  const { node } = setUp();
  const app = createApp(node, { authorizer: new Authorizer({ node, access: TOKENS }) });
  const authorization = grantToken({ node }, { scopes: ["read"] });
  const put = { put: { key: "app/a", value: "" } };
  const body = JSON.stringify({ then: [put, put] });
  const response = await app.request("/v1/txn", {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${authorization}` },
  });
  equal(response.status, 403);
});

Deno.test("brackets in a text are no nesting", async () => {
  const { post } = setUp();
  const value = `${"[".repeat(5_000)}"\\"`;
  equal((await post({ then: [{ put: { key: "a", value } }] })).status, 200);
});

Deno.test("transactions may nest 32 deep", async () => {
  const { post } = setUp();
  equal((await post(nested(32))).status, 200);
});

Deno.test("POST /v1/txn refuses a body above its limit, and conditions in headers", async () => {
  const { node, post } = setUp();
  const large = await post(`"${"x".repeat(TRANSACTION_BODY_BYTES_MAX)}"`);
  deepEqual([large.status, large.body.code], [413, "request_too_large"]);
  equal((await post({}, { "if-match": '"1"' })).body.code, "invalid_header");
  equal((await post({}, {}, "?limit=3")).body.code, "invalid_parameter");
  equal(node.commands.length, 0);
});

Deno.test("POST /v1/compact forgets history, and once", async () => {
  const { node, app } = setUp();
  for (let at = 0; at < 3; at++) node.put("a", String(at));
  const compact = async (body: string) => {
    const response = await app.request("/v1/compact", { method: "POST", body });
    return { status: response.status, body: await response.json() };
  };
  deepEqual(await compact('{"revision":102}'), {
    status: 200,
    body: { compactedRevision: 102, revision: 103 },
  });
  equal((await app.request("/v1/kv/a?revision=101")).status, 410);
  equal((await app.request("/v1/kv/a?revision=102")).status, 200);
  equal((await compact('{"revision":999}')).body.compactedRevision, 103);
  for (
    const body of ["", "{}", '{"revision":-1}', '{"revision":1,"force":true}', "x".repeat(300)]
  ) {
    ok([400, 413].includes((await compact(body)).status));
  }
});
