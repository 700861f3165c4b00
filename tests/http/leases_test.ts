import { deepEqual, equal, notEqual } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { FakeNode } from "./fake_node.ts";

function setUp() {
  const node = new FakeNode();
  const app = createApp(node);
  const ask = async (
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ) => {
    const init = body === undefined ? { method, headers } : { method, headers, body };
    const response = await app.request(`/v1/leases${path}`, init);
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return { node, app, ask };
}

Deno.test("a lease is granted, kept alive, shown with its keys, and revoked with them", async () => {
  const { node, app, ask } = setUp();
  const granted = await ask("POST", "", '{"ttlSeconds":10,"id":77}');
  deepEqual(granted.body, { id: 77, ttlSeconds: 10, secondsLeft: 10 });
  for (const key of ["b", "a"]) {
    const put = await app.request(`/v1/kv/${key}?lease=77`, { method: "PUT", body: "x" });
    equal(put.status, 200);
  }
  node.pass(6);
  const shown = { id: 77, ttlSeconds: 10, secondsLeft: 4, keys: [{ key: "a" }, { key: "b" }] };
  deepEqual((await ask("GET", "/77")).body, { ...shown, more: false });
  deepEqual((await ask("POST", "/77/keepalive")).body, { id: 77, ttlSeconds: 10, secondsLeft: 10 });
  node.pass(9);
  equal((await (await app.request("/v1/kv/a")).json()).lease, 77);
  const revoked = await ask("DELETE", "/77");
  deepEqual([revoked.body.revoked, revoked.body.keysDeleted, revoked.body.keysLeft], [true, 2, 0]);
  equal((await app.request("/v1/kv/a")).status, 404);
  equal((await ask("DELETE", "/77")).body.revoked, false);
});

Deno.test("a lease that nobody keeps alive runs out, and its keys go", async () => {
  const { node, app, ask } = setUp();
  await ask("POST", "", '{"ttlSeconds":2,"id":5}');
  await app.request("/v1/kv/a?lease=5", { method: "PUT", body: "x" });
  node.pass(3);
  equal((await app.request("/v1/kv/a")).status, 404);
  for (const [method, path] of [["GET", "/5"], ["POST", "/5/keepalive"]] as const) {
    const { status, body } = await ask(method, path);
    deepEqual([status, body.code], [404, "lease_not_found"]);
  }
  const put = await app.request("/v1/kv/a?lease=5", { method: "PUT", body: "x" });
  equal((await put.json()).code, "lease_not_found");
});

Deno.test("a lease without an id gets one that nobody guesses, the same for all attempts", async () => {
  const { ask } = setUp();
  const once = { "idempotency-key": "g" };
  const first = await ask("POST", "", '{"ttlSeconds":60}', once);
  const again = await ask("POST", "", '{"ttlSeconds":60}', once);
  deepEqual([again.status, again.body.id], [200, first.body.id]);
  equal(again.headers.get("idempotency-replayed"), "true");
  const other = await ask("POST", "", '{"ttlSeconds":60}');
  notEqual(other.body.id, first.body.id);
});

Deno.test("GET /v1/leases lists them by pages", async () => {
  const { ask } = setUp();
  for (const id of [3, 1, 2]) await ask("POST", "", `{"ttlSeconds":60,"id":${id}}`);
  const first = await ask("GET", "?limit=2");
  deepEqual(first.body, {
    leases: [{ id: 1, ttlSeconds: 60 }, { id: 2, ttlSeconds: 60 }],
    nextAfter: 2,
  });
  const second = await ask("GET", "?limit=2&after=2");
  deepEqual(second.body, { leases: [{ id: 3, ttlSeconds: 60 }], nextAfter: null });
});

Deno.test("a lease shows no more keys than it may", async () => {
  const { node, ask } = setUp();
  await ask("POST", "", '{"ttlSeconds":60,"id":9}');
  for (let at = 0; at < 1_001; at++) node.put(`k/${at}`, "", 9);
  const { body } = await ask("GET", "/9");
  deepEqual([body.keys.length, body.more], [1_000, true]);
});

for (
  const [method, path, body, status, code] of [
    ["POST", "", "", 400, "invalid_request"],
    ["POST", "", "{}", 400, "invalid_request"],
    ["POST", "", '{"ttlSeconds":0}', 400, "invalid_request"],
    ["POST", "", '{"ttlSeconds":86401}', 400, "invalid_request"],
    ["POST", "", '{"ttlSeconds":1.5}', 400, "invalid_request"],
    ["POST", "", '{"ttlSeconds":5,"id":0}', 400, "invalid_request"],
    ["POST", "", '{"ttlSeconds":5,"id":9007199254740992}', 400, "invalid_request"],
    ["POST", "", '{"ttlSeconds":5,"ttl":6}', 400, "invalid_request"],
    ["POST", "", '{"ttlSeconds":5,"id":1}', 409, "lease_exists"],
    ["POST", "", `{"ttlSeconds":5${" ".repeat(300)}}`, 413, "request_too_large"],
    ["POST", "?ttl=5", '{"ttlSeconds":5}', 400, "invalid_parameter"],
    ["GET", "/0", undefined, 400, "invalid_parameter"],
    ["GET", "/x", undefined, 400, "invalid_parameter"],
    ["GET", "/9007199254740992", undefined, 400, "invalid_parameter"],
    ["GET", "/2", undefined, 404, "lease_not_found"],
    ["GET", "?limit=1001", undefined, 400, "invalid_parameter"],
    ["DELETE", "/-1", undefined, 400, "invalid_parameter"],
    ["DELETE", "/1?force=true", undefined, 400, "invalid_parameter"],
    ["POST", "/2/keepalive", undefined, 404, "lease_not_found"],
    ["GET", "/1/keepalive", undefined, 405, "method_not_allowed"],
    ["PUT", "/1", "x", 405, "method_not_allowed"],
  ] as const
) {
  Deno.test(`${method} /v1/leases${path} refuses ${body?.slice(0, 40)} with ${code}`, async () => {
    const { ask } = setUp();
    equal((await ask("POST", "", '{"ttlSeconds":5,"id":1}')).status, 200);
    const refused = await ask(method, path, body);
    deepEqual([refused.status, refused.body.code], [status, code]);
  });
}
