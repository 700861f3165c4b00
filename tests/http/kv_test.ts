import { deepEqual, equal, match } from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { createApp } from "../../lib/http/app.ts";
import { RequestGate } from "../../lib/http/connections.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { RequestError, type RequestFailure } from "../../lib/node/api.ts";
import { command } from "../kv/support.ts";
import { FakeNode } from "./fake_node.ts";

const put = (body: BodyInit) => ({ method: "PUT", body });

function putCommand(key: string | Uint8Array, value: string) {
  const bytes = typeof key === "string" ? encodeUtf8(key) : key;
  return command({
    success: [{
      kind: "put",
      key: bytes,
      value: encodeUtf8(value),
      lease: 0,
      isPreviousWanted: false,
    }],
  });
}

function setUp() {
  const node = new FakeNode();
  return { node, app: createApp(node) };
}

async function problemOf(response: Response) {
  equal(response.headers.get("content-type"), "application/problem+json");
  const text = await response.text();
  equal(text.at(-1), "\n");
  const body = JSON.parse(text);
  equal(body.status, response.status);
  return body;
}

Deno.test("PUT stores the body's raw bytes and answers with the revisions", async () => {
  const { node, app } = setUp();
  const response = await app.request("/v1/kv/color", put("blue"));
  equal(response.status, 200);
  equal(response.headers.get("content-type"), "application/json");
  equal(response.headers.get("etag"), '"101"');
  const text = await response.text();
  equal(text, '{"key":"color","createRevision":101,"modRevision":101,"version":1}\n');
  const again = await (await app.request("/v1/kv/color", put("red"))).json();
  deepEqual(again, { key: "color", createRevision: 101, modRevision: 102, version: 2 });
  deepEqual(node.commands[0], putCommand("color", "blue"));
});

Deno.test("PUT takes an empty body as an empty value", async () => {
  const { node, app } = setUp();
  equal((await app.request("/v1/kv/color", { method: "PUT" })).status, 200);
  deepEqual(node.commands[0], putCommand("color", ""));
});

Deno.test("GET answers with JSON, its value as text where it is UTF-8", async () => {
  const { app } = setUp();
  await app.request("/v1/kv/color", put("blau, türkis ☃"));
  const response = await app.request("/v1/kv/color");
  equal(response.headers.get("content-type"), "application/json");
  equal(response.headers.get("cache-control"), "no-store");
  equal(response.headers.get("floe-revision"), "101");
  equal(response.headers.get("etag"), '"101"');
  const text = await response.text();
  equal(text.at(-1), "\n");
  deepEqual(JSON.parse(text), {
    key: "color",
    value: "blau, türkis ☃",
    encoding: "utf8",
    createRevision: 101,
    modRevision: 101,
    version: 1,
    lease: 0,
  });
});

Deno.test("GET keeps a byte order mark", async () => {
  const { app } = setUp();
  await app.request("/v1/kv/bom", put("\ufeffx"));
  const { value, encoding } = await (await app.request("/v1/kv/bom")).json();
  deepEqual({ value, encoding }, { value: "\ufeffx", encoding: "utf8" });
});

Deno.test("GET answers with base64 where a value is not UTF-8", async () => {
  const { app } = setUp();
  await app.request("/v1/kv/blob", put(new Uint8Array([0xff, 0x00, 0xc0])));
  const { value, encoding } = await (await app.request("/v1/kv/blob")).json();
  deepEqual({ value, encoding }, { value: "/wDA", encoding: "base64" });
});

Deno.test("GET answers with the raw bytes for Accept: application/octet-stream", async () => {
  const { app } = setUp();
  const bytes = new Uint8Array([0xff, 0x00, 0x0a]);
  await app.request("/v1/kv/blob", put(bytes));
  await app.request("/v1/kv/blob", put(bytes));
  const response = await app.request("/v1/kv/blob", {
    headers: { accept: "application/octet-stream" },
  });
  deepEqual(await response.bytes(), bytes);
  equal(response.headers.get("content-type"), "application/octet-stream");
  equal(response.headers.get("content-length"), "3");
  equal(response.headers.get("floe-create-revision"), "101");
  equal(response.headers.get("floe-mod-revision"), "102");
  equal(response.headers.get("floe-version"), "2");
  equal(response.headers.get("etag"), '"102"');
  equal(response.headers.get("x-content-type-options"), "nosniff");
});

for (const accept of ["*/*", "text/html,*/*;q=0.8", "application/json", "nonsense", ""]) {
  Deno.test(`GET answers with JSON for Accept: ${JSON.stringify(accept)}`, async () => {
    const { app } = setUp();
    await app.request("/v1/kv/color", put("blue"));
    const response = await app.request("/v1/kv/color", { headers: { accept } });
    equal(response.headers.get("content-type"), "application/json");
    equal((await response.json()).value, "blue");
  });
}

Deno.test("HEAD answers as GET does, without a body", async () => {
  const { app } = setUp();
  await app.request("/v1/kv/color", put("blue"));
  const found = await app.request("/v1/kv/color", { method: "HEAD" });
  equal(found.status, 200);
  equal(found.headers.get("floe-revision"), "101");
  equal(await found.text(), "");
  equal((await app.request("/v1/kv/colour", { method: "HEAD" })).status, 404);
});

Deno.test("GET refuses a key that is not there with key_not_found", async () => {
  const { app } = setUp();
  const problem = await problemOf(await app.request("/v1/kv/no%20such"));
  deepEqual(problem, {
    type: "about:blank",
    title: "Not Found",
    status: 404,
    code: "key_not_found",
    detail: 'There is no key "no such"',
  });
});

Deno.test("DELETE says whether there was a key to delete", async () => {
  const { app } = setUp();
  await app.request("/v1/kv/color", put("blue"));
  const first = await app.request("/v1/kv/color", { method: "DELETE" });
  equal(first.status, 200);
  deepEqual(await first.json(), { key: "color", deleted: true, revision: 102 });
  const second = await app.request("/v1/kv/color", { method: "DELETE" });
  // Nothing changed: the store is where it was.
  deepEqual(await second.json(), { key: "color", deleted: false, revision: 102 });
});

Deno.test("consistency and timeoutMs reach the node, with their defaults", async () => {
  const { node, app } = setUp();
  await app.request("/v1/kv/a");
  await app.request("/v1/kv/a?consistency=stale&timeoutMs=250");
  await app.request("/v1/kv/a?timeoutMs=60000", { method: "DELETE" });
  deepEqual(node.reads, [
    { consistency: "linearizable", timeoutMs: 5_000 },
    { consistency: "stale", timeoutMs: 250 },
  ]);
  deepEqual(node.timeouts, [60_000]);
});

const KEYS: readonly (readonly [path: string, key: string | Uint8Array])[] = [
  ["a/b", "a/b"],
  ["a%2Fb", "a/b"],
  ["a%2fb/", "a/b/"],
  ["/a", "/a"],
  ["a+b%20c", "a+b c"],
  ["100%25", "100%"],
  ["%252F", "%2F"],
  ["%3Fq%23f", "?q#f"],
  ["%E2%98%83", "☃"],
  ["a%0Ab", "a\nb"],
  ["k".repeat(1024), "k".repeat(1024)],
  ["%E2%98%83".repeat(341), "☃".repeat(341)],
  ["%FF", Uint8Array.of(0xff)],
  ["a%00b", Uint8Array.of(0x61, 0, 0x62)],
  ["%ed%a0%80", Uint8Array.of(0xed, 0xa0, 0x80)],
  ["...", "..."],
];
for (const [path, key] of KEYS) {
  Deno.test(`the path /v1/kv/${path.slice(0, 20)} names one key`, async () => {
    const { node, app } = setUp();
    equal((await app.request(`/v1/kv/${path}`, put("x"))).status, 200);
    deepEqual(node.commands[0], putCommand(key, "x"));
    equal((await app.request(`/v1/kv/${path}?consistency=stale`)).status, 200);
  });
}

const REFUSED_KEYS: readonly (readonly [path: string, status: number, code: string])[] = [
  ["/v1/kv/", 400, "key_empty"],
  ["/v1/kv/%", 400, "key_invalid"],
  ["/v1/kv/%zz", 400, "key_invalid"],
  ["/v1/kv/a%2", 400, "key_invalid"],
  ["/v1/kv/%%41", 400, "key_invalid"],
  ["/v1/kv/%-1", 400, "key_invalid"],
  [`/v1/kv/${"k".repeat(1025)}`, 413, "key_too_large"],
  [`/v1/kv/${"%E2%98%83".repeat(342)}`, 413, "key_too_large"],
];
for (const [path, status, code] of REFUSED_KEYS) {
  Deno.test(`PUT refuses ${path.slice(0, 24)} with ${code}`, async () => {
    const { node, app } = setUp();
    const problem = await problemOf(await app.request(path, put("x")));
    deepEqual([problem.status, problem.code, problem.maybeApplied], [status, code, false]);
    equal(node.commands.length, 0);
    equal((await app.request(path)).status, status);
    equal((await app.request(path, { method: "DELETE" })).status, status);
  });
}

Deno.test("a key that HTTP clients would take out of the path is refused", async () => {
  const { app } = setUp();
  // A Request would resolve the dots; a client that writes its own request line does not.
  for (const path of ["/v1/kv/..", "/v1/kv/.", "/v1/kv/%2e%2E"]) {
    const request = new Request("http://localhost/");
    Object.defineProperty(request, "url", { value: `http://localhost${path}` });
    equal((await problemOf(await app.fetch(request))).code, "key_invalid");
  }
});

const REFUSED_QUERIES = [
  ["consistency=strong", /"strong" is none of linearizable, lease, stale/],
  ["consistency=", /"" is none/],
  ["timeoutMs=0", /"0" is not a whole number from 1 to 60000/],
  ["timeoutMs=60001", /not a whole number/],
  ["timeoutMs=1e3", /not a whole number/],
  ["timeoutMs=-1", /not a whole number/],
  ["timeoutMs=05", /not a whole number/],
  ["timeoutMs=1&timeoutMs=2", /timeoutMs is given twice/],
  ["consistencey=stale", /Unknown parameter "consistencey"/],
  ["ifVersion=3", /this path takes consistency, revision, timeoutMs/],
] as const;
for (const [query, detail] of REFUSED_QUERIES) {
  Deno.test(`GET refuses ?${query}`, async () => {
    const { node, app } = setUp();
    const problem = await problemOf(await app.request(`/v1/kv/a?${query}`));
    deepEqual([problem.status, problem.code], [400, "invalid_parameter"]);
    match(problem.detail, detail);
    equal(node.reads.length, 0);
  });
}

Deno.test("PUT refuses a parameter that only reads know, and applies nothing", async () => {
  const { node, app } = setUp();
  const problem = await problemOf(await app.request("/v1/kv/a?consistency=stale", put("x")));
  deepEqual([problem.code, problem.maybeApplied], ["invalid_parameter", false]);
  equal(node.commands.length, 0);
});

Deno.test("PUT takes a value of exactly the limit and refuses one byte more", async () => {
  const { node, app } = setUp();
  const most = new Uint8Array(VALUE_BYTES_MAX);
  equal((await app.request("/v1/kv/a", put(most))).status, 200);
  const problem = await problemOf(
    await app.request("/v1/kv/a", put(new Uint8Array(VALUE_BYTES_MAX + 1))),
  );
  deepEqual([problem.status, problem.code, problem.maybeApplied], [413, "value_too_large", false]);
  match(problem.detail, /524288/);
  equal(node.commands.length, 1);
});

Deno.test("PUT refuses a declared length above the limit before it reads a byte", async () => {
  const { app } = setUp();
  let read = false;
  const body = new ReadableStream({
    pull: () => {
      read = true;
    },
  }, { highWaterMark: 0 });
  const request = new Request("http://localhost/v1/kv/a", {
    ...put(body),
    headers: { "content-length": String(VALUE_BYTES_MAX + 1) },
  });
  equal((await problemOf(await app.fetch(request))).code, "value_too_large");
  equal(read, false);
});

Deno.test("PUT stops reading a body without a length once it is past the limit", async () => {
  const { app } = setUp();
  let chunks = 0;
  let cancelled = false;
  const body = new ReadableStream({
    pull(controller) {
      chunks += 1;
      controller.enqueue(new Uint8Array(64 * 1024));
    },
    cancel: () => {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  const problem = await problemOf(await app.request("/v1/kv/a", put(body)));
  equal(problem.code, "value_too_large");
  equal(chunks, 9);
  equal(cancelled, true);
});

Deno.test("PUT refuses a body that breaks off", async () => {
  const { node, app } = setUp();
  const body = new ReadableStream({
    pull: (controller) => controller.error(new Error("connection reset")),
  });
  const problem = await problemOf(await app.request("/v1/kv/a", put(body)));
  deepEqual([problem.status, problem.code, problem.maybeApplied], [400, "body_incomplete", false]);
  equal(node.commands.length, 0);
});

const FAILURES: readonly (readonly [RequestFailure, number, number | undefined])[] = [
  ["no_leader", 503, 250],
  ["timeout", 504, undefined],
  ["overloaded", 503, 100],
  ["superseded", 503, 50],
  ["leader_changed", 503, 250],
  ["stopping", 503, undefined],
];
for (const [code, status, retryAfterMs] of FAILURES) {
  Deno.test(`a node's ${code} becomes a ${status}`, async () => {
    const { node, app } = setUp();
    for (const maybeApplied of [true, false]) {
      node.failure = new RequestError(code, "said the node", { maybeApplied });
      const response = await app.request("/v1/kv/a", put("x"));
      equal(response.headers.get("retry-after"), retryAfterMs === undefined ? null : "1");
      const problem = await problemOf(response);
      deepEqual(
        [problem.status, problem.code, problem.detail, problem.maybeApplied, problem.retryAfterMs],
        [status, code, "said the node", maybeApplied, retryAfterMs],
      );
    }
    const read = await problemOf(await app.request("/v1/kv/a"));
    equal(read.code, code);
    equal("maybeApplied" in read, false);
  });
}

Deno.test("an error that no one foresaw is reported, and hidden from the client", async () => {
  const node = new FakeNode();
  const seen: unknown[] = [];
  const app = createApp(node, { onError: (error) => seen.push(error) });
  node.failure = new Error("a secret of the node");
  const problem = await problemOf(await app.request("/v1/kv/a", put("x")));
  deepEqual([problem.status, problem.code, problem.maybeApplied], [500, "internal_error", true]);
  equal(problem.detail.includes("secret"), false);
  deepEqual(seen, [node.failure]);
});

Deno.test("requests above the limit are refused at once, and the place is given back", async () => {
  const node = new FakeNode();
  const { promise, resolve } = Promise.withResolvers<void>();
  node.hold = promise;
  const app = createApp(node, { gate: new RequestGate({ requestsMax: 2 }) });
  const first = app.request("/v1/kv/a", put("x"));
  const second = app.request("/v1/kv/b", put("y"));
  const refused = await problemOf(await app.request("/v1/kv/a", put("x")));
  deepEqual([refused.status, refused.code, refused.maybeApplied, refused.retryAfterMs], [
    503,
    "overloaded",
    false,
    100,
  ]);
  equal((await app.request("/v1/status")).status, 200);
  resolve();
  deepEqual([(await first).status, (await second).status], [200, 200]);
  equal((await app.request("/v1/kv/a")).status, 200);
});

Deno.test("a body of unknown length takes the most it may grow to from the budget", async () => {
  const app = createApp(new FakeNode(), {
    gate: new RequestGate({ bodyBytesMax: VALUE_BYTES_MAX - 1 }),
  });
  equal((await app.request("/v1/kv/a", put(new Blob(["x"]).stream()))).status, 503);
  const declared = { ...put("x"), headers: { "content-length": "1" } };
  equal((await app.request("/v1/kv/a", declared)).status, 200);
});
