import { deepEqual, equal, match } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { RequestError } from "../../lib/node/api.ts";
import { command, put as putOperation } from "../kv/support.ts";
import { FakeNode } from "./fake_node.ts";

/** Conditional writes and writes that are made once, as a client of the API sees them. */

type Headers = Record<string, string>;

function setUp() {
  const node = new FakeNode();
  const app = createApp(node);
  const put = (body: string, headers: Headers = {}) =>
    app.request("/v1/kv/a", { method: "PUT", body, headers });
  const del = (headers: Headers = {}) => app.request("/v1/kv/a", { method: "DELETE", headers });
  const get = async () => (await (await app.request("/v1/kv/a")).json()).value;
  return { node, app, put, del, get };
}

/** What distinguishes one answer from another. */
async function summary(response: Response) {
  return {
    status: response.status,
    replayed: response.headers.get("idempotency-replayed"),
    etag: response.headers.get("etag"),
    body: await response.text(),
  };
}

const once = { "idempotency-key": "k1" };

Deno.test("a PUT with If-None-Match: * creates a key and never overwrites one", async () => {
  const { put, get } = setUp();
  equal((await put("one", { "if-none-match": "*" })).status, 200);
  const refused = await put("two", { "if-none-match": "*" });
  equal(refused.headers.get("etag"), '"101"');
  deepEqual(await refused.json(), {
    type: "about:blank",
    title: "Precondition Failed",
    status: 412,
    code: "precondition_failed",
    detail: 'Cannot write "a": its revision is 101',
    maybeApplied: false,
  });
  equal(await get(), "one");
});

Deno.test("a PUT with the ETag of a GET succeeds until someone else has written", async () => {
  const { app, put, get } = setUp();
  await put("one");
  const etag = (await app.request("/v1/kv/a")).headers.get("etag") ?? "";
  const updated = await put("two", { "if-match": etag });
  deepEqual([updated.status, updated.headers.get("etag")], [200, '"102"']);
  equal((await put("three", { "if-match": etag })).status, 412);
  equal(await get(), "two");
});

Deno.test("a condition on a key that is not there fails without an ETag", async () => {
  const { put, del } = setUp();
  for (
    const response of [await put("x", { "if-match": '"7"' }), await del({ "if-match": '"7"' })]
  ) {
    deepEqual([response.status, response.headers.get("etag")], [412, null]);
    match((await response.json()).detail, /there is no such key/);
  }
});

Deno.test("a DELETE under a condition removes only what it names", async () => {
  const { put, del, get } = setUp();
  await put("one");
  equal((await del({ "if-match": '"100"' })).status, 412);
  equal((await del({ "if-none-match": "*" })).status, 412);
  equal(await get(), "one");
  deepEqual(await (await del({ "if-match": '"101"' })).json(), {
    key: "a",
    deleted: true,
    revision: 104,
  });
});

Deno.test("a repeated PUT is answered with the same bytes, and marked", async () => {
  const { put, get } = setUp();
  const first = await summary(await put("one", once));
  await put("two");
  const second = await summary(await put("one", { "idempotency-key": '"k1"' }));
  deepEqual(second, { ...first, replayed: "true" });
  equal(first.replayed, null);
  equal(await get(), "two");
});

Deno.test("a repeated DELETE is answered with the same bytes, and marked", async () => {
  const { put, del, get } = setUp();
  await put("one");
  const first = await summary(await del(once));
  await put("two");
  deepEqual(await summary(await del(once)), { ...first, replayed: "true" });
  equal(await get(), "two");
});

Deno.test("a repeated refusal of a condition is refused again, and marked", async () => {
  const { put, del } = setUp();
  await put("one");
  const headers = { ...once, "if-none-match": "*" };
  const first = await summary(await put("two", headers));
  await del();
  const second = await summary(await put("two", headers));
  deepEqual([first.status, second.status, second.replayed], [412, 412, "true"]);
  // What the key's revision was then is not remembered.
  match(second.body, /its condition did not hold/);
});

Deno.test("an idempotency key that already stands for another write is refused", async () => {
  const { put, del, get } = setUp();
  await put("one", once);
  for (const response of [await put("two", once), await del(once)]) {
    equal(response.headers.get("idempotency-replayed"), null);
    deepEqual(await response.json(), {
      type: "about:blank",
      title: "Unprocessable Content",
      status: 422,
      code: "idempotency_key_reused",
      detail:
        'Cannot write key "a": its idempotency key already stands for another write, at revision 101',
      maybeApplied: false,
    });
  }
  equal(await get(), "one");
});

Deno.test("a PUT that is repeated after a lost answer has one effect", async () => {
  const { node, put, app } = setUp();
  node.failure = new RequestError("leader_changed", "lost", { maybeApplied: true });
  node.failuresLeft = 1;
  equal((await (await put("one", once)).json()).maybeApplied, true);
  // The lost attempt reaches the log after all, before the next one.
  const idempotency = { token: null, key: "k1" };
  node.apply(command({ success: [putOperation("a", "one")] }, { idempotency }));
  const answer = await put("one", once);
  deepEqual([answer.status, answer.headers.get("idempotency-replayed")], [200, "true"]);
  equal((await (await app.request("/v1/kv/a")).json()).version, 1);
});

Deno.test("a GET looks at no condition and no idempotency key", async () => {
  const { app, put } = setUp();
  await put("one");
  const headers = { "if-match": '"7"', "if-none-match": "*", "idempotency-key": "" };
  equal((await app.request("/v1/kv/a", { headers })).status, 200);
});
