import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { HISTORY_LIMITS } from "../../lib/kv/history.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { toLogIndex } from "../../lib/types.ts";
import { command, put } from "../kv/support.ts";
import { EventReader } from "../support/event_stream.ts";
import { FakeNode } from "./fake_node.ts";

function setUp(options: { node?: FakeNode; progressMs?: number; watchesMax?: number } = {}) {
  const node = options.node ?? new FakeNode();
  const app = createApp(node, {
    ...(options.progressMs === undefined ? {} : { watchProgressMs: options.progressMs }),
    ...(options.watchesMax === undefined ? {} : { watchesMax: options.watchesMax }),
  });
  const watch = async (query: string, headers: Record<string, string> = {}) =>
    new EventReader(await app.request(`/v1/watch?${query}`, { headers }));
  const refused = async (query: string, headers: Record<string, string> = {}) => {
    const response = await app.request(`/v1/watch?${query}`, { headers });
    return { status: response.status, body: await response.json() };
  };
  return { node, app, watch, refused };
}

Deno.test("a watch says where it begins, and sends each revision as one event", async () => {
  const { node, app } = setUp();
  node.put("a/1", "before");
  const response = await app.request("/v1/watch?prefix=a/");
  equal(response.headers.get("content-type"), "text/event-stream");
  equal(response.headers.get("cache-control"), "no-store");
  const events = new EventReader(response);
  const start = await events.next();
  deepEqual([start?.event, start?.id, start?.data.revision], ["start", "101", 101]);
  match(start?.data.watch, /^[0-9a-f]{32}$/);
  node.put("b/1", "not wanted");
  node.apply(command({ success: [put("a/1", "x"), put("b/2", "y"), put("a/2", "z")] }));
  deepEqual(await events.next(), {
    event: "message",
    id: "103",
    data: {
      revision: 103,
      events: [
        {
          type: "put",
          key: "a/1",
          value: "x",
          encoding: "utf8",
          createRevision: 101,
          version: 2,
          lease: 0,
        },
        {
          type: "put",
          key: "a/2",
          value: "z",
          encoding: "utf8",
          createRevision: 103,
          version: 1,
          lease: 0,
        },
      ],
      more: false,
    },
  });
  await events.cancel();
});

Deno.test("a watch tells put, delete and expiry apart, and brings the value before", async () => {
  const { node, watch } = setUp();
  const events = await watch("prefix=&prev=true");
  node.apply({ kind: "grantLease", id: 1, ttlSeconds: 1 });
  node.put("a", "1");
  node.remove("a");
  node.put("b", "2", 1);
  node.pass(2);
  const seen = [];
  for (let left = 4; left > 0; left--) seen.push((await events.change())?.data.events[0]);
  deepEqual(seen.map(({ type, key }) => [type, key]), [
    ["put", "a"],
    ["delete", "a"],
    ["put", "b"],
    ["expire", "b"],
  ]);
  deepEqual(seen.map(({ previous }) => previous?.value ?? null), [null, "1", null, "2"]);
  equal(seen[3].previous.lease, 1);
  await events.cancel();
});

Deno.test("a watch begins at a revision of the past, and leaves out what is filtered", async () => {
  const { node, watch } = setUp();
  node.put("a", "1");
  node.put("a", "2");
  node.remove("a");
  node.put("a", "3");
  const all = await watch("key=a&fromRevision=102");
  const ids = [];
  for (let left = 3; left > 0; left--) ids.push((await all.change())?.id);
  deepEqual(ids, ["102", "103", "104"]);
  const removals = await watch("key=a&fromRevision=1&only=delete,expire");
  equal((await removals.change())?.id, "103");
  await all.cancel();
  await removals.cancel();
});

Deno.test("a watch of a revision to come waits for it", async () => {
  const { node, watch } = setUp();
  const events = await watch("key=a&fromRevision=103");
  for (let at = 0; at < 4; at++) node.put("a", String(at));
  deepEqual([(await events.change())?.id, (await events.change())?.id], ["103", "104"]);
  await events.cancel();
});

Deno.test("a client that comes back with Last-Event-ID gets the rest, none lost and none twice", async () => {
  const { node, watch } = setUp();
  const events = await watch("prefix=a");
  node.put("a", "1");
  equal((await events.change())?.id, "101");
  await events.cancel();
  node.put("a", "2");
  node.put("a", "3");
  const rest = await watch("prefix=a", { "last-event-id": "101" });
  deepEqual([(await rest.change())?.id, (await rest.change())?.id], ["102", "103"]);
  await rest.cancel();
});

Deno.test("Last-Event-ID goes before fromRevision: a browser repeats its address", async () => {
  const { node, watch } = setUp();
  for (let at = 0; at < 3; at++) node.put("a", String(at));
  const events = await watch("key=a&fromRevision=101", { "last-event-id": "102" });
  equal((await events.change())?.id, "103");
  await events.cancel();
});

Deno.test("named case: a client moves to a node that is behind, and sees each change once", async () => {
  const [fast, slow] = [new FakeNode(), new FakeNode()];
  const write = (node: FakeNode, at: number) => node.put("a", String(at));
  for (let at = 0; at < 4; at++) write(fast, at);
  for (let at = 0; at < 2; at++) write(slow, at);
  const first = await setUp({ node: fast }).watch("key=a&fromRevision=101");
  let last: string | null = null;
  for (let left = 4; left > 0; left--) last = (await first.change())?.id ?? null;
  await first.cancel();
  equal(last, "104");
  const second = await setUp({ node: slow }).watch("key=a", { "last-event-id": "104" });
  // The node catches up: what the client has seen elsewhere does not come again.
  for (let at = 2; at < 6; at++) write(slow, at);
  deepEqual([(await second.change())?.id, (await second.change())?.id], ["105", "106"]);
  await second.cancel();
});

Deno.test("named case: what is compacted is refused at a resume, with where history begins", async () => {
  const { node, refused } = setUp();
  for (let at = 0; at < 3; at++) node.put("a", String(at));
  node.apply({ kind: "compact", revision: toLogIndex(102) });
  const { status, body } = await refused("key=a", { "last-event-id": "100" });
  deepEqual([status, body.code, body.oldestRevision], [410, "compacted", 103]);
});

Deno.test("named case: a watcher that fell behind what is compacted is told so, not cut off", async () => {
  const { node, watch } = setUp();
  const events = await watch("key=a&fromRevision=101");
  for (let at = 0; at < 5_000; at++) node.put("a", String(at));
  await events.next();
  node.apply({ kind: "compact", revision: node.live.view.revision });
  let last = await events.change();
  while (last?.event === "message") last = await events.change();
  equal(last?.event, "problem");
  deepEqual([last?.data.code, last?.data.oldestRevision], ["compacted", 5_101]);
  equal(await events.next(), null);
});

Deno.test("a watcher that does not read costs no more than its place", async () => {
  const node = new FakeNode({ history: { ...HISTORY_LIMITS, changesMax: 2_000 } });
  const { watch } = setUp({ node });
  const events = await watch("key=a");
  await events.next();
  for (let at = 0; at < 10_000; at++) node.put("a", String(at));
  let last = await events.change();
  let count = 0;
  for (; last?.event === "message"; last = await events.change()) count += 1;
  deepEqual([last?.data.code, count < 2_000], ["compacted", true]);
});

Deno.test("named case: progress is only of what was sent, in order and often", async () => {
  const { node, watch } = setUp({ progressMs: 1 });
  const events = await watch("key=a");
  let seen = 0;
  let progressed = 0;
  for (let at = 0; at < 20; at++) {
    node.put(at % 2 === 0 ? "a" : "b", String(at));
    const event = await events.next();
    if (event?.event === "message") seen = Number(event.id);
    else progressed = Number(event?.id);
    // Nothing at or below a progress comes later.
    ok(event?.event !== "message" || seen > progressed, `${seen} after ${progressed}`);
  }
  while (progressed < 120) progressed = Number((await events.next())?.id);
  equal(progressed, 120);
  await events.cancel();
});

Deno.test("progress comes on demand, once everything up to now was sent", async () => {
  const { node, app, watch } = setUp();
  const events = await watch("key=a");
  const id = (await events.next())?.data.watch;
  node.put("a", "1");
  node.put("b", "2");
  const asked = await app.request(`/v1/watch/${id}/progress`, { method: "POST" });
  deepEqual(await asked.json(), { revision: 102 });
  deepEqual([(await events.next())?.id, await events.next()], [
    "101",
    { event: "progress", id: "102", data: { revision: 102 } },
  ]);
  await events.cancel();
  const gone = await app.request(`/v1/watch/${id}/progress`, { method: "POST" });
  deepEqual([gone.status, (await gone.json()).code], [404, "watch_not_found"]);
});

Deno.test("a revision that is too large for one event is cut, and only its end has an id", async () => {
  const { node, watch } = setUp();
  const events = await watch("prefix=k");
  const value = "v".repeat(VALUE_BYTES_MAX / 2);
  const keys = ["k1", "k2", "k3", "k4", "k5"];
  for (const key of keys) node.put(key, value);
  for (const _ of keys) await events.change();
  const before = await watch("prefix=k&prev=true");
  node.apply(command({ success: keys.map((key) => put(key, value.slice(1))) }));
  const parts = [];
  do parts.push(await before.change()); while (parts.at(-1)?.data.more);
  ok(parts.length > 1);
  deepEqual(
    parts.flatMap((part) => part?.data.events.map(({ key }: { key: string }) => key)),
    keys,
  );
  deepEqual(parts.map((part) => part?.id), [...parts.slice(1).map(() => null), "106"]);
  await events.cancel();
  await before.cancel();
});

Deno.test("a revision of many small changes is one event", async () => {
  const { node, watch } = setUp();
  const events = await watch("prefix=k");
  for (let at = 0; at < 3_000; at++) node.put(`k${at}`, "");
  const all = { start: new Uint8Array(), end: null };
  const removal = { kind: "delete", keys: all, isPreviousWanted: false } as const;
  node.apply(command({ success: [removal] }));
  let event = await events.change();
  while (event?.data.events[0].type === "put") event = await events.change();
  deepEqual([event?.data.events.length, event?.data.more, event?.id], [3_000, false, "3101"]);
  await events.cancel();
});

Deno.test("a node ends its watches when it stops, and says so", async () => {
  const { node, watch } = setUp();
  const events = await watch("key=a");
  await events.next();
  node.put("a", "1");
  node.live.endWatches("stopping");
  const rest = [await events.next(), await events.next(), await events.next()];
  const problem = rest.find((event) => event?.event === "problem");
  equal(problem?.data.code, "stopping");
});

Deno.test("a node whose data a snapshot replaced ends its watches, which go on anew", async () => {
  const { node, watch } = setUp();
  const events = await watch("key=a");
  await events.next();
  node.live.replace(node.live.store);
  equal((await events.next())?.data.code, "watch_ended");
});

Deno.test("a watch ends once its token is revoked", async () => {
  const node = new FakeNode();
  const admin = { node: node.statusNow.id, secretDigest: new Uint8Array(32) };
  const authorizer = new Authorizer({ node, access: { kind: "tokens", admin } });
  let isRevoked = false;
  authorizer.admit = () => {
    if (isRevoked) throw new TypeError("revoked");
    return { scopes: ["read"], prefixes: ["a/"] };
  };
  const app = createApp(node, { authorizer, watchProgressMs: 1 });
  const events = new EventReader(await app.request("/v1/watch?prefix=a/"));
  await events.next();
  equal((await events.next())?.event, "progress");
  isRevoked = true;
  let event = await events.next();
  while (event?.event === "progress") event = await events.next();
  deepEqual([event?.event, await events.next()], ["problem", null]);
});

Deno.test("a watch with changes to send ends all the same once its token is revoked", async () => {
  const node = new FakeNode();
  const authorizer = new Authorizer({ node, access: { kind: "open" } });
  let isRevoked = false;
  authorizer.admit = () => {
    if (isRevoked) throw new TypeError("revoked");
    return { scopes: ["read"], prefixes: [] };
  };
  // The token is looked at before each part.
  const app = createApp(node, { authorizer, watchProgressMs: 0 });
  const events = new EventReader(await app.request("/v1/watch?prefix=a/"));
  await events.next();
  isRevoked = true;
  for (let at = 0; at < 10; at++) node.put(`a/${at}`, "x");
  const rest = [await events.next(), await events.next()];
  deepEqual(rest.map((event) => event?.event ?? null), ["problem", null]);
});

Deno.test("watches are bounded, and one that ends makes room", async () => {
  const { app, watch, refused } = setUp({ watchesMax: 2 });
  const first = await watch("key=a");
  const second = await watch("key=a");
  const { status, body } = await refused("key=a");
  deepEqual([status, body.code, body.retryAfterMs], [503, "too_many_watches", 1_000]);
  for (let left = 5; left > 0; left--) {
    await app.request("/v1/watch?key=a", { method: "HEAD" });
  }
  await first.cancel();
  await (await watch("key=b")).cancel();
  for (let left = 5; left > 0; left--) equal((await refused("fromRevision=x")).status, 400);
  await (await watch("key=b")).cancel();
  await second.cancel();
});

for (
  const [query, headers, code] of [
    ["", {}, "invalid_parameter"],
    ["key=a&prefix=b", {}, "invalid_parameter"],
    ["key=", {}, "invalid_parameter"],
    ["key=a&fromRevision=0", {}, "invalid_parameter"],
    ["key=a&fromRevision=-1", {}, "invalid_parameter"],
    ["key=a&only=puts", {}, "invalid_parameter"],
    ["key=a&only=", {}, "invalid_parameter"],
    ["key=a&prev=1", {}, "invalid_parameter"],
    ["key=a&limit=3", {}, "invalid_parameter"],
    ["key=a", { "last-event-id": "x" }, "invalid_header"],
    ["key=a", { "last-event-id": "-1" }, "invalid_header"],
    ["key=a", { "last-event-id": "9007199254740992" }, "invalid_header"],
  ] as const
) {
  Deno.test(`GET /v1/watch refuses ?${query} ${JSON.stringify(headers)}`, async () => {
    const { refused } = setUp();
    const { status, body } = await refused(query, headers);
    deepEqual([status, body.code], [400, code]);
  });
}
