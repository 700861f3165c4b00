import { ApiClient } from "../../lib/client/client.ts";
import { deepEqual, equal, rejects } from "node:assert/strict";
import { decodeUtf8 } from "../../lib/bytes.ts";
import { connect } from "../../lib/client/connect.ts";
import type { Changes, Item } from "../../lib/client/values.ts";
import { RequestError } from "../../lib/node/api.ts";
import { toLogIndex } from "../../lib/types.ts";
import { FakeNode, openApp } from "../http/fake_node.ts";
import { command, put } from "../kv/support.ts";
import { all, openStore } from "./support.ts";
import { settle } from "../support/settle.ts";

const nameOf = (item: Item) => decodeUtf8(item.kind === "row" ? item.row.key : item.name);
const namesOf = async (items: AsyncIterable<Item>) => (await all(items)).map(nameOf);

Deno.test("StoreClient puts, gets and deletes keys and values of any bytes", async () => {
  const { store } = openStore(new FakeNode());
  const key = Uint8Array.of(0xff, 0x2f, 0x00);
  const written = await store.put(key, Uint8Array.of(0xfe));
  equal(written.modRevision, 101);
  deepEqual(await store.get(key), {
    key,
    value: Uint8Array.of(0xfe),
    createRevision: 101,
    modRevision: 101,
    version: 1,
    lease: 0,
  });
  equal((await store.delete(key)).deleted, true);
  equal(await store.get(key), null);
  equal((await store.get(key, { revision: 101 }))?.version, 1);
});

Deno.test("StoreClient's conditions hold, or the write is refused", async () => {
  const { store } = openStore(new FakeNode());
  await store.put("a", "1", { ifRevision: 0 });
  await rejects(store.put("a", "2", { ifRevision: 0 }), {
    kind: "conditionFailed",
    code: "precondition_failed",
  });
  await store.put("a", "2", { ifRevision: 101 });
  await rejects(store.delete("a", { ifRevision: 101 }), { kind: "conditionFailed" });
  await rejects(store.put("a", "", { lease: 9 }), { kind: "notFound", code: "lease_not_found" });
});

Deno.test("StoreClient sends a write again under one idempotency key", async () => {
  const node = new FakeNode();
  node.failure = new RequestError("leader_changed", "lost", { maybeApplied: true });
  node.failuresLeft = 2;
  const { store, requests } = openStore(node, node);
  await store.transact({ then: [{ put: { key: "a", value: "1" } }] });
  const keys = requests.map(({ headers }) => headers.get("idempotency-key"));
  deepEqual([keys.length, new Set(keys).size, node.commands.length], [3, 1, 1]);
});

Deno.test("StoreClient reads ranges, folders and counts", async () => {
  const node = new FakeNode();
  for (const key of ["a", "app/1", "app/2/x", "app/2/y", "b"]) node.put(key, "v");
  const { store } = openStore(node);
  let revision = 0;
  const onRevision = (read: number) => revision = read;
  deepEqual(await namesOf(store.range({ prefix: "app/" }, { onRevision })), [
    "app/1",
    "app/2/x",
    "app/2/y",
  ]);
  equal(revision, 105);
  deepEqual(await namesOf(store.range({ prefix: "app/" }, { delimiter: "/" })), [
    "app/1",
    "app/2/",
  ]);
  const options = { limit: 2, isDescending: true, keysOnly: true };
  deepEqual(await namesOf(store.range({ start: "a", end: "b" }, options)), ["app/2/y", "app/2/x"]);
  equal(await store.count({ prefix: "" }), 5);
  deepEqual(await store.deleteRange({ prefix: "app/" }), { deleted: 3, revision: 106 });
  deepEqual(await namesOf(store.range({ prefix: "" }, { revision: 101 })), ["a"]);
});

/** A node whose answers break off after so many bytes, the first so many times. */
function breaking(node: FakeNode, options: { readonly bytes: number; times: number }) {
  const app = openApp(node);
  return async (request: Request) => {
    const response = await app.fetch(request);
    if (options.times-- <= 0 || response.body === null) return response;
    let left = options.bytes;
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        controller.enqueue(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) controller.error(new TypeError("connection reset"));
      },
    });
    return new Response(response.body.pipeThrough(cut), response);
  };
}

Deno.test("a range that breaks off goes on at the same revision, every key once", async () => {
  const node = new FakeNode();
  const keys = Array.from({ length: 3_000 }, (_, at) => `k/${String(at).padStart(4, "0")}`);
  for (const key of keys) node.put(key, "v");
  const { store, requests } = openStore(breaking(node, { bytes: 100_000, times: 3 }));
  const found: string[] = [];
  for await (const item of store.range({ prefix: "k/" })) {
    found.push(nameOf(item));
    // What is written meanwhile belongs to another revision.
    if (found.length % 500 === 0) node.put("k/0000x", "new");
  }
  deepEqual(found, keys);
  equal(requests.length, 4);
});

Deno.test("a range whose revision is forgotten meanwhile ends with that", async () => {
  const node = new FakeNode();
  for (let at = 0; at < 3_000; at++) node.put(`k/${at}`, "v");
  const { store } = openStore(breaking(node, { bytes: 50_000, times: 1 }));
  await rejects(async () => {
    for await (const _item of store.range({ prefix: "k/" })) {
      if (node.live.view.compactedRevision > 0) continue;
      node.put("k/0", "");
      node.apply({ kind: "compact", revision: node.live.view.revision });
    }
  }, { kind: "compacted", oldestRevision: 3_101 });
});

Deno.test("leases are granted, kept, shown, listed and revoked", async () => {
  const { store } = openStore(new FakeNode());
  const { id } = await store.grantLease(30);
  await store.put("a", "1", { lease: id });
  equal((await store.keepLease(id)).secondsLeft, 30);
  deepEqual((await store.lease(id)).keys, [{ key: "a" }]);
  deepEqual(await all(store.leases()), [{ id, ttlSeconds: 30 }]);
  equal((await store.revokeLease(id)).keysDeleted, 1);
  await rejects(store.keepLease(id), { code: "lease_not_found" });
});

const shown = (
  { revision, events }: Changes,
) => [revision, ...events.map(({ type, key }) => `${type} ${decodeUtf8(key)}`)];

Deno.test("a watch has the changes, each revision whole", async () => {
  const node = new FakeNode();
  const { store } = openStore(node);
  node.put("a/0", "before");
  const watch = store.watch({ prefix: "a/" }, { fromRevision: 101, previous: true });
  const first = await watch.next();
  node.apply(command({ success: [put("a/1", "x"), put("a/2", "y")] }));
  node.remove("a/1");
  const rest = [await watch.next(), await watch.next()];
  deepEqual([first, ...rest].map(({ value }) => value && shown(value)), [
    [101, "put a/0"],
    [102, "put a/1", "put a/2"],
    [103, "delete a/1"],
  ]);
  const [removal] = rest[1]?.value?.events ?? [];
  equal(decodeUtf8(removal?.previous?.value ?? new Uint8Array()), "x");
  equal(removal?.row, null);
  await watch.return();
});

Deno.test("a watch goes on at another node behind the last revision that came whole", async () => {
  const [first, second] = [new FakeNode(), new FakeNode()];
  for (const node of [first, second]) {
    for (let at = 0; at < 50; at++) {
      node.apply(command({ success: [put("a", `${at}`), put("b", "")] }));
    }
  }
  for (const bytes of [90, 300, 1_000, 3_333]) {
    const { store, requests } = openStore(
      breaking(first, { bytes, times: 1 }),
      second,
    );
    const revisions: number[] = [];
    for await (const { revision, events } of store.watch({ prefix: "" }, { fromRevision: 101 })) {
      equal(events.length, 2);
      revisions.push(revision);
      if (revision === 150) break;
    }
    deepEqual(revisions, Array.from({ length: 50 }, (_, at) => 101 + at));
    equal(requests.length, 2);
  }
});

Deno.test("a watch whose node stops goes on, and none of it is lost", async () => {
  const node = new FakeNode();
  const { store } = openStore(node);
  const watch = store.watch({ key: "a" });
  const next = watch.next();
  await settle();
  node.live.endWatches("stopping");
  node.put("a", "1");
  deepEqual(shown((await next).value ?? { revision: 0, events: [] }), [101, "put a"]);
  await watch.return();
});

Deno.test("a watch of what is forgotten ends with where history begins", async () => {
  const node = new FakeNode();
  for (let at = 0; at < 3; at++) node.put("a", `${at}`);
  node.apply({ kind: "compact", revision: toLogIndex(102) });
  const { store } = openStore(node);
  await rejects(all(store.watch({ key: "a" }, { fromRevision: 101 })), {
    kind: "compacted",
    oldestRevision: 103,
  });
});

Deno.test("a watch ends with its signal, and one that cannot begin says so", async () => {
  const stop = new AbortController();
  const { store } = openStore(new FakeNode());
  const watch = store.watch({ key: "a" }, { signal: stop.signal });
  const next = watch.next();
  stop.abort();
  equal((await next).done, true);
  const nobody = openStore().store;
  await rejects(all(nobody.watch({ key: "a" })), { kind: "unavailable" });
});

Deno.test("connect() reads addresses, and sends the token to each", async () => {
  const seen: (string | null)[] = [];
  const store = connect(["127.0.0.1:7201", "https://[::1]:7202/"], {
    token: "secret",
    fetch: (input, init) => {
      const request = new Request(input, init);
      seen.push(`${new URL(request.url).origin} ${request.headers.get("authorization")}`);
      return Promise.resolve(new Response("", { status: 502 }));
    },
    timeoutMs: 50,
  });
  await rejects(store.get("a"), { kind: "unavailable" });
  deepEqual(seen.slice(0, 2), [
    "http://127.0.0.1:7201 Bearer secret",
    "https://[::1]:7202 Bearer secret",
  ]);
});

Deno.test("an answer that is not the API's is none", async () => {
  const { store } = openStore(() => Response.json({ key: 1 }));
  await rejects(store.get("a"), { kind: "failure" });
  await rejects(store.count({ prefix: "" }), { kind: "failure" });
  await rejects(all(store.range({ prefix: "" })), { kind: "failure" });
  await rejects(all(store.watch({ prefix: "" })), { kind: "failure" });
});

Deno.test("a transaction that only reads goes on to the next node when a connection is cut", async () => {
  const node = new FakeNode();
  node.put("a", "1");
  const cut = () => {
    throw new TypeError("error sending request: connection closed before message completed");
  };
  const { store, requests } = openStore(cut, node);
  const { revision } = await store.transact({ then: [{ get: { key: "a" } }] });
  equal(revision, 101);
  equal(requests.length, 2);
});

Deno.test("a node that fails slowly is asked last for a while, so that not every request waits for it", async () => {
  let now = 0;
  const asked: string[] = [];
  const client = new ApiClient({
    endpoints: ["a", "b"].map((label) => ({ url: `http://${label}`, label, id: null })),
    timeoutMs: 5_000,
    clock: { now: () => now, delay: () => Promise.resolve() },
    fetch: (input) => {
      const { hostname } = new URL(String(input));
      asked.push(hostname);
      if (hostname === "b") return Promise.resolve(Response.json({}));
      now += 1_800;
      return Promise.reject(new TypeError("connection closed"));
    },
  });
  const get = () => client.send({ method: "GET", path: "/v1/status" });
  for (let count = 0; count < 3; count++) await get();
  equal(asked.join(), "a,b,b,b");
  now += 10_000;
  await get();
  equal(asked.join(), "a,b,b,b,a,b");
});
