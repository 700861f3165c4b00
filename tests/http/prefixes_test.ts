/**
 * A token for `a/` learns nothing of `b/`, whichever way it asks.
 *
 * @module
 */

import { deepEqual, equal } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import type { TokenScope } from "../../lib/kv/token.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";
import { newToken } from "../kv/support.ts";
import { EventReader } from "../support/event_stream.ts";
import { FakeNode } from "./fake_node.ts";

function setUp(scopes: readonly TokenScope[] = ["read", "write"], prefixes = ["a/"]) {
  const node = new FakeNode();
  const admin = { node: node.statusNow.id, secretDigest: new Uint8Array(32) };
  const app = createApp(node, {
    authorizer: new Authorizer({ node, access: { kind: "tokens", admin } }),
  });
  const created = newToken("1", { scopes, prefixes });
  const token = drawToken({ kind: "token", id: created.id });
  node.apply({ kind: "createToken", ...created, secretDigest: digestSecret(token.secret) });
  node.put("a/1", "mine");
  node.put("b/1", "a secret");
  const headers = { authorization: `Bearer ${formatToken(token)}` };
  const ask = async (method: string, path: string, body?: unknown) => {
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await app.request(path, { method, headers, ...init });
    return { status: response.status, text: await response.text() };
  };
  return { node, app, ask, headers };
}

for (
  const [method, path] of [
    ["GET", "/v1/kv/b/1"],
    ["PUT", "/v1/kv/b/1"],
    ["DELETE", "/v1/kv/b/1"],
    ["GET", "/v1/kv?prefix=b/"],
    ["GET", "/v1/kv?prefix="],
    ["GET", "/v1/kv?prefix=a"],
    ["GET", "/v1/kv?start=a/&end=b"],
    ["GET", "/v1/kv?start=a/"],
    ["GET", "/v1/kv?prefix=b/&countOnly=true"],
    ["GET", "/v1/kv?prefix=b/&keysOnly=true&revision=101"],
    ["DELETE", "/v1/kv?prefix="],
    ["DELETE", "/v1/kv?start=a/1&end=b/2"],
    ["GET", "/v1/watch?prefix="],
    ["GET", "/v1/watch?key=b/1"],
    ["GET", "/v1/watch?prefix=b/&fromRevision=1"],
    ["POST", "/v1/compact"],
  ] as const
) {
  Deno.test(`a token for a/ is refused at ${method} ${path}, and learns nothing`, async () => {
    const { ask, node } = setUp();
    const written = node.commands.length;
    const { status, text } = await ask(method, path, method === "GET" ? undefined : "x");
    equal(status, 403);
    equal(text.includes("secret"), false);
    // Whether there is such a key shows in nothing: the refusal is the same where there is none.
    deepEqual((await ask(method, path.replace("b/1", "b/2"))).status, 403);
    equal(node.commands.length, written);
  });
}

const own = { put: { key: "a/2", value: "" } };

for (
  const [what, body] of [
    ["a condition on a value", { if: [{ key: "b/1", value: { "=": "a secret" } }], then: [own] }],
    ["a condition on a revision", { if: [{ key: "b/1", modRevision: { ">": 1 } }], then: [own] }],
    ["a condition on existence", { if: [{ prefix: "b/", exists: true }], then: [own] }],
    ["a condition on a range that reaches out", { if: [{ prefix: "", version: { "<": 9 } }] }],
    ["a fence of a lock elsewhere", { if: [{ fence: { lock: "b/lock", revision: 1 } }] }],
    ["a get", { then: [{ get: { key: "b/1" } }] }],
    ["a range", { then: [{ range: { prefix: "", limit: 1 } }] }],
    ["a put", { then: [{ put: { key: "b/1", value: "x" } }] }],
    ["a put that shows the value before", {
      then: [{ put: { key: "b/1", value: "", previous: true } }],
    }],
    ["a put that keeps the value", { then: [{ put: { key: "b/1", keepValue: true } }] }],
    ["a delete", { then: [{ delete: { prefix: "b/" } }] }],
    ["the branch that is not done", {
      if: [{ key: "a/1", exists: true }],
      else: [{ get: { key: "b/1" } }],
    }],
    ["a nested transaction", { then: [{ txn: { then: [{ get: { key: "b/1" } }] } }] }],
    ["a nested condition", { then: [{ txn: { if: [{ key: "b/1", exists: true }] } }] }],
  ] as const
) {
  Deno.test(`a token for a/ is refused a transaction with ${what} of b/`, async () => {
    const { ask, node } = setUp();
    const written = node.commands.length;
    const { status, text } = await ask("POST", "/v1/txn", body);
    deepEqual([status, text.includes("secret"), node.commands.length], [403, false, written]);
  });
}

Deno.test("a token for a/ may do with a/ whatever its scopes allow", async () => {
  const { ask } = setUp();
  const statuses = await Promise.all([
    ask("GET", "/v1/kv?prefix=a/"),
    ask("GET", "/v1/kv?start=a/1&end=a/9"),
    ask("POST", "/v1/txn", { if: [{ key: "a/1", exists: true }], then: [own] }),
    ask("DELETE", "/v1/kv?prefix=a/x"),
  ]);
  deepEqual(statuses.map(({ status }) => status), [200, 200, 200, 200]);
});

Deno.test("a transaction needs the scopes of what it does, its conditions included", async () => {
  const reads = { then: [{ get: { key: "a/1" } }] };
  const writes = { then: [own] };
  const both = { if: [{ key: "a/1", exists: true }], then: [own] };
  const statusesOf = async (scope: TokenScope) => {
    const { ask } = setUp([scope]);
    const answers = [reads, writes, both].map((body) => ask("POST", "/v1/txn", body));
    return (await Promise.all(answers)).map(({ status }) => status);
  };
  deepEqual(await statusesOf("read"), [200, 403, 403]);
  deepEqual(await statusesOf("write"), [403, 200, 403]);
});

Deno.test("a transaction without a token is refused before its body is read", async () => {
  const { app } = setUp();
  const response = await app.request("/v1/txn", { method: "POST", body: "not JSON" });
  equal(response.status, 401);
});

Deno.test("a watch of a/ has no event of b/, and its own name is no other token's", async () => {
  const { app, node, headers } = setUp();
  const events = new EventReader(await app.request("/v1/watch?prefix=a/", { headers }));
  const id = (await events.next())?.data.watch;
  node.put("b/1", "another secret");
  node.put("a/1", "news");
  const change = await events.change();
  deepEqual(change?.data.events.map(({ key }: { key: string }) => key), ["a/1"]);
  const other = newToken("2", { prefixes: ["b/"] });
  const token = drawToken({ kind: "token", id: other.id });
  node.apply({ kind: "createToken", ...other, secretDigest: digestSecret(token.secret) });
  const asked = await app.request(`/v1/watch/${id}/progress`, {
    method: "POST",
    headers: { authorization: `Bearer ${formatToken(token)}` },
  });
  equal(asked.status, 404);
  await events.cancel();
});

Deno.test("a token for a/ sees of a lease the keys below a/, and ends only what is its own", async () => {
  const { ask, node } = setUp();
  for (const id of [1, 2, 3]) node.apply({ kind: "grantLease", id, ttlSeconds: 60 });
  node.put("a/2", "", 1);
  node.put("a/3", "", 2);
  node.put("b/3", "", 2);
  const shown = JSON.parse((await ask("GET", "/v1/leases/2")).text);
  deepEqual([shown.keys, shown.more], [[{ key: "a/3" }], false]);
  // Neither a lease with keys of others nor one without any keys.
  const { leases } = JSON.parse((await ask("GET", "/v1/leases")).text);
  deepEqual(leases, [{ id: 1, ttlSeconds: 60 }]);
  const refused = await ask("DELETE", "/v1/leases/2");
  deepEqual([refused.status, refused.text.includes("b/")], [403, false]);
  equal(node.live.view.lease(2)?.ending, null);
  equal((await ask("DELETE", "/v1/leases/1")).status, 200);
});

Deno.test("leases, watches and compaction need their scopes", async () => {
  const statusesOf = async (scope: TokenScope) => {
    const { ask, node } = setUp([scope], []);
    node.apply({ kind: "grantLease", id: 1, ttlSeconds: 60 });
    const answers = [
      await ask("POST", "/v1/leases", { ttlSeconds: 5 }),
      await ask("GET", "/v1/leases"),
      await ask("GET", "/v1/leases/1"),
      await ask("POST", "/v1/leases/1/keepalive"),
      await ask("DELETE", "/v1/leases/1"),
      await ask("POST", "/v1/compact", { revision: 1 }),
      await ask("GET", "/v1/watch?key=a&only=x"),
    ];
    return answers.map(({ status }) => status);
  };
  deepEqual(await statusesOf("read"), [403, 200, 200, 403, 403, 403, 400]);
  deepEqual(await statusesOf("write"), [200, 403, 403, 200, 200, 403, 403]);
  deepEqual(await statusesOf("admin"), [200, 200, 200, 200, 200, 200, 400]);
});
