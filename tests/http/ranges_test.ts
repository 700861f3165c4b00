import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { RangeReader } from "../../lib/kv/range_reader.ts";
import { toLogIndex } from "../../lib/types.ts";
import { FakeNode } from "./fake_node.ts";

const KEYS = ["a", "app/colour", "app/jobs/1", "app/jobs/2", "app/size", "b"];

function setUp(keys: readonly string[] = KEYS) {
  const node = new FakeNode();
  for (const key of keys) node.put(key, `value of ${key}`);
  const app = createApp(node);
  const get = async (query: string, headers: Record<string, string> = {}) => {
    const response = await app.request(`/v1/kv?${query}`, { headers });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return { node, app, get };
}

function namesOf(body: { items: { key?: string; folder?: string }[] }): (string | undefined)[] {
  return body.items.map(({ key, folder }) => key ?? folder);
}

Deno.test("GET /v1/kv answers with the rows of a prefix, and the revision that it read", async () => {
  const { get } = setUp();
  const { status, headers, body } = await get("prefix=app/jobs/");
  equal(status, 200);
  equal(headers.get("floe-revision"), "106");
  ok(Number(headers.get("content-length")) > 0);
  deepEqual(body, {
    revision: 106,
    items: [1, 2].map((job) => ({
      key: `app/jobs/${job}`,
      value: `value of app/jobs/${job}`,
      encoding: "utf8",
      createRevision: 102 + job,
      modRevision: 102 + job,
      version: 1,
      lease: 0,
    })),
    count: 2,
    nextAfter: null,
  });
});

for (
  const [query, names] of [
    ["prefix=", KEYS],
    ["start=app/jobs/2&end=b", ["app/jobs/2", "app/size"]],
    ["start=app/size", ["app/size", "b"]],
    ["end=app/colour", ["a"]],
    ["prefix=nothing", []],
    ["prefix=app%2Fjobs", ["app/jobs/1", "app/jobs/2"]],
    ["prefix=app/&order=desc", ["app/size", "app/jobs/2", "app/jobs/1", "app/colour"]],
    ["prefix=app/&limit=2", ["app/colour", "app/jobs/1"]],
    ["prefix=app/&after=app/jobs/1", ["app/jobs/2", "app/size"]],
    ["prefix=app/&after=app/jobs/1&order=desc", ["app/colour"]],
    ["prefix=app/&delimiter=/", ["app/colour", "app/jobs/", "app/size"]],
    ["prefix=&delimiter=/", ["a", "app/", "b"]],
    ["prefix=app/&delimiter=/&after=app/jobs/", ["app/size"]],
    ["prefix=app/&revision=103", ["app/colour", "app/jobs/1"]],
    ["prefix=a&consistency=stale", ["a", "app/colour", "app/jobs/1", "app/jobs/2", "app/size"]],
  ] as const
) {
  Deno.test(`GET /v1/kv?${query} has ${names.length} items`, async () => {
    const { status, body } = await setUp().get(query);
    deepEqual([status, namesOf(body), body.count], [200, names, names.length]);
  });
}

Deno.test("GET /v1/kv shows keys without values, and counts without keys", async () => {
  const { get } = setUp();
  const keys = await get("prefix=b&keysOnly=true");
  deepEqual(keys.body.items, [
    { key: "b", createRevision: 106, modRevision: 106, version: 1, lease: 0 },
  ]);
  const count = await get("prefix=app/&countOnly=true");
  deepEqual([count.body.items, count.body.count, count.body.nextAfter], [[], 4, null]);
});

Deno.test("GET /v1/kv shows keys and values that are not UTF-8 as base64", async () => {
  const { node, get } = setUp([]);
  node.put(Uint8Array.of(0xff, 0x61), Uint8Array.of(0xfe));
  node.put(Uint8Array.of(0xff, 0x62), "text");
  const { body } = await get("prefix=%FF&limit=1");
  deepEqual(body.items, [{
    key: "/2E=",
    keyEncoding: "base64",
    value: "/g==",
    encoding: "base64",
    createRevision: 101,
    modRevision: 101,
    version: 1,
    lease: 0,
  }]);
  deepEqual([body.nextAfter, body.nextAfterEncoding], ["/2E=", "base64"]);
  const folder = await get("prefix=&delimiter=%61");
  deepEqual(folder.body.items[0], { folder: "/2E=", folderEncoding: "base64" });
});

Deno.test("paging has every key once at one revision, while others write", async () => {
  const { node, get } = setUp();
  const first = await get("prefix=&limit=2");
  const found = [...namesOf(first.body)];
  let after = first.body.nextAfter;
  while (after !== null) {
    node.put("aa", "new");
    node.remove("app/jobs/2");
    node.put("app/jobs/2", "again");
    const query = `prefix=&limit=2&revision=${first.body.revision}&after=${after}`;
    const { body } = await get(query);
    equal(body.revision, first.body.revision);
    found.push(...namesOf(body));
    after = body.nextAfter;
  }
  deepEqual(found, KEYS);
});

Deno.test("a range of many slices is streamed, and is the same whole", async () => {
  const keys = Array.from({ length: 5_000 }, (_, at) => `k/${String(at).padStart(5, "0")}`);
  const { node, app } = setUp(keys);
  const response = await app.request("/v1/kv?prefix=k/");
  equal(response.headers.get("content-length"), null);
  // Written after the first slice was read: it belongs to no later one.
  node.put("k/99999", "late");
  const body = await response.json();
  deepEqual(namesOf(body), keys);
  deepEqual([body.count, body.nextAfter, body.revision], [5_000, null, 5_100]);
  const limited = await (await app.request("/v1/kv?prefix=k/&limit=4000")).json();
  deepEqual([limited.count, limited.nextAfter], [4_000, "k/03999"]);
  const counted = await (await app.request("/v1/kv?prefix=k/&countOnly=true")).json();
  deepEqual([counted.items, counted.count], [[], 5_001]);
});

Deno.test("a range can be read line by line", async () => {
  const { app } = setUp();
  const headers = { accept: "application/x-ndjson" };
  const response = await app.request("/v1/kv?prefix=app/jobs/&keysOnly=true", { headers });
  equal(response.headers.get("content-type"), "application/x-ndjson");
  deepEqual((await response.text()).split("\n"), [
    '{"revision":106}',
    '{"key":"app/jobs/1","createRevision":103,"modRevision":103,"version":1,"lease":0}',
    '{"key":"app/jobs/2","createRevision":104,"modRevision":104,"version":1,"lease":0}',
    '{"count":2,"nextAfter":null}',
    "",
  ]);
});

Deno.test("a range whose revision is compacted meanwhile breaks off, and says so when asked again", async () => {
  const keys = Array.from({ length: 5_000 }, (_, at) => `k/${at}`);
  const { node, app, get } = setUp(keys);
  const response = await app.request("/v1/kv?prefix=k/");
  node.put("x");
  node.apply({ kind: "compact", revision: node.live.view.revision });
  await rejects(response.text());
  const again = await get("prefix=k/&revision=5100");
  deepEqual([again.status, again.body.code, again.body.oldestRevision], [410, "compacted", 5_101]);
});

Deno.test("a stream that its client leaves is over", async () => {
  const keys = Array.from({ length: 5_000 }, (_, at) => `k/${at}`);
  const { app } = setUp(keys);
  for (let left = 300; left > 0; left--) {
    const response = await app.request("/v1/kv?prefix=k/");
    equal(response.status, 200);
    await response.body?.cancel();
  }
});

Deno.test("HEAD of a range of many slices begins no stream", async () => {
  const keys = Array.from({ length: 5_000 }, (_, at) => `k/${at}`);
  const { app } = setUp(keys);
  for (let left = 300; left > 0; left--) {
    const response = await app.request("/v1/kv?prefix=k/", { method: "HEAD" });
    deepEqual([response.status, response.body], [200, null]);
  }
});

Deno.test("too many ranges on their way are refused", async () => {
  const keys = Array.from({ length: 3_000 }, (_, at) => `k/${at}`);
  const { app, get } = setUp(keys);
  const open = await Promise.all(
    Array.from({ length: 256 }, () => app.request("/v1/kv?prefix=k/")),
  );
  const refused = await get("prefix=k/");
  deepEqual([refused.status, refused.body.code], [503, "overloaded"]);
  equal((await get("prefix=k/1&limit=3")).status, 200);
  for (const response of open) await response.body?.cancel();
  equal((await get("prefix=k/")).status, 200);
});

for (
  const [query, detail] of [
    ["", /name them in one way/],
    ["limit=3", /name them in one way/],
    ["prefix=a&start=b", /name them in one way/],
    ["prefix=a&key=b", /Unknown parameter "key"/],
    ["start=a&end=", /its end of 0 bytes/],
    [`prefix=${"k".repeat(1025)}`, /1025 bytes is above 1024/],
    ["prefix=%zz", /two hex digits/],
    ["prefix=%C3%9", /two hex digits/],
    ["%70refix=a", /its name must not be encoded/],
    ["prefix=a&prefix=b", /given twice/],
    ["prefix=a&limit=0", /not a whole number from 1/],
    ["prefix=a&limit=x", /not a whole number/],
    ["prefix=a&order=up", /"up" is none of asc, desc/],
    ["prefix=a&delimiter=", /it is empty/],
    ["prefix=a&keysOnly=yes", /neither true nor false/],
    ["prefix=a&countOnly=true&limit=3", /takes no limit/],
    ["prefix=a&countOnly=true&keysOnly=true", /takes no keysOnly/],
    ["prefix=a&revision=-1", /not a whole number/],
    ["prefix=a&consistency=no", /none of linearizable/],
    ["prefix=a&recursive=true", /Unknown parameter "recursive"/],
  ] as const
) {
  Deno.test(`GET /v1/kv refuses ?${query.slice(0, 40)}`, async () => {
    const { get, node } = setUp();
    const { status, body } = await get(query);
    deepEqual([status, body.code], [400, "invalid_parameter"]);
    match(body.detail, detail);
    equal(node.reads.length, 0);
  });
}

Deno.test("a revision that is not there yet is refused", async () => {
  const { get, app } = setUp();
  const { status, body } = await get("prefix=&revision=107");
  deepEqual([status, body.code], [400, "future_revision"]);
  equal((await (await app.request("/v1/kv/a?revision=107")).json()).code, "future_revision");
});

Deno.test("GET of a key reads it as of a revision, unless that is compacted", async () => {
  const { node, app } = setUp();
  node.put("a", "second");
  const read = async (revision: number) => {
    const response = await app.request(`/v1/kv/a?revision=${revision}`);
    return { status: response.status, body: await response.json(), headers: response.headers };
  };
  const first = await read(106);
  deepEqual([first.body.value, first.headers.get("floe-revision")], ["value of a", "106"]);
  equal((await read(107)).body.value, "second");
  equal((await read(100)).body.code, "key_not_found");
  node.apply({ kind: "compact", revision: toLogIndex(107) });
  const compacted = await read(106);
  deepEqual(
    [compacted.status, compacted.body.code, compacted.body.oldestRevision],
    [410, "compacted", 107],
  );
});

Deno.test("DELETE /v1/kv removes a range at one revision and says how many", async () => {
  const { app, get, node } = setUp();
  const remove = async (query: string, headers: Record<string, string> = {}) => {
    const response = await app.request(`/v1/kv?${query}`, { method: "DELETE", headers });
    return { body: await response.json(), replayed: response.headers.get("idempotency-replayed") };
  };
  const once = { "idempotency-key": "k" };
  deepEqual((await remove("prefix=app/", once)).body, { deleted: 4, revision: 107 });
  deepEqual(namesOf((await get("prefix=")).body), ["a", "b"]);
  node.put("app/new");
  const replayed = await remove("prefix=app/", once);
  deepEqual([replayed.body.deleted, replayed.replayed], [4, "true"]);
  deepEqual((await remove("start=a&end=b")).body, { deleted: 2, revision: 110 });
  deepEqual((await remove("prefix=zzz")).body, { deleted: 0, revision: 110 });
});

Deno.test("DELETE /v1/kv of too many keys removes none", async () => {
  const { app, get } = setUp(Array.from({ length: 10_001 }, (_, at) => `k/${at}`));
  const response = await app.request("/v1/kv?prefix=k/", { method: "DELETE" });
  const problem = await response.json();
  deepEqual([response.status, problem.code, problem.maybeApplied], [413, "too_many_keys", false]);
  equal((await get("prefix=k/&countOnly=true")).body.count, 10_001);
});

Deno.test("DELETE /v1/kv refuses what it does not take", async () => {
  const { app, node } = setUp();
  const written = node.commands.length;
  const codeOf = async (query: string, headers: Record<string, string> = {}) => {
    const response = await app.request(`/v1/kv${query}`, { method: "DELETE", headers });
    return (await response.json()).code;
  };
  equal(await codeOf(""), "invalid_parameter");
  equal(await codeOf("?prefix=a&limit=3"), "invalid_parameter");
  equal(await codeOf("?prefix=a", { "if-match": '"101"' }), "invalid_header");
  equal(await codeOf("?prefix=a", { "idempotency-key": "" }), "invalid_header");
  equal(node.commands.length, written);
});

Deno.test("no slice of a range holds the loop for more keys than a slice may", () => {
  const { node } = setUp(Array.from({ length: 5_000 }, (_, at) => `k/${at}`));
  const { keys } = node.live.store;
  const all = { start: new Uint8Array(), end: null };
  const reader = new RangeReader(keys, { keys: all, revision: keys.revision, countOnly: true });
  const slice = reader.next(node.live.appliedIndex);
  deepEqual([slice.kind, "isDone" in slice && slice.isDone], ["slice", false]);
});
