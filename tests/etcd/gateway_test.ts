import { deepEqual, equal, match } from "node:assert/strict";
import { concatBytes, decodeBase64 } from "../../lib/bytes.ts";
import { JSON_PARTS_MAX } from "../../lib/json.ts";
import { ALL_KEYS, LEASE_KEYS_PER_ENTRY } from "../../lib/kv/mod.ts";
import { AnswerGate } from "../../lib/etcd/mod.ts";
import { createApp } from "../../lib/http/app.ts";
import { RequestGate } from "../../lib/http/connections.ts";
import { FakeNode } from "../http/fake_node.ts";
import { ADMIN_TOKEN, grantToken, openNode, PLACE, readLines, TOKENS } from "./support.ts";

const KEY = btoa("a/1");

Deno.test("/version and /health answer everybody", async () => {
  const { app, node } = openNode(TOKENS);
  deepEqual(await (await app.request("/version")).json(), {
    etcdserver: "3.5.21",
    etcdcluster: "3.5.0",
  });
  equal((await (await app.request("/health")).json()).health, "true");
  node.leaderNow = { ...node.leaderNow, leader: null, certificate: null };
  equal((await app.request("/health")).status, 503);
});

Deno.test("without a token, etcd's own refusal comes", async () => {
  const { post } = openNode(TOKENS);
  const { status, json } = await post("/v3/kv/range", { key: KEY });
  equal(status, 400);
  deepEqual([json.code, json.error], [3, "etcdserver: user name is empty"]);
});

Deno.test("a token that is not known is refused as etcd does", async () => {
  const { post } = openNode(TOKENS);
  const { status, json } = await post("/v3/kv/range", { key: KEY }, "nonsense");
  deepEqual([status, json.code, json.message], [401, 16, "etcdserver: invalid auth token"]);
});

Deno.test("a Floe token is etcd's password, and its token, bare or as Bearer", async () => {
  const { post } = openNode(TOKENS);
  const login = { name: "anyone", password: ADMIN_TOKEN };
  const { json } = await post("/v3/auth/authenticate", login);
  equal(json.token, ADMIN_TOKEN);
  equal((await post("/v3/kv/put", { key: KEY }, json.token)).status, 200);
  equal((await post("/v3/kv/put", { key: KEY }, `Bearer ${json.token}`)).status, 200);
  const wrong = await post("/v3/auth/authenticate", { name: "anyone", password: "wrong" });
  equal(wrong.json.error, "etcdserver: authentication failed, invalid user ID or password");
});

Deno.test("where no tokens are demanded, authentication is not enabled", async () => {
  const { post } = openNode();
  const { json } = await post("/v3/auth/authenticate", { name: "a", password: "b" });
  equal(json.error, "etcdserver: authentication is not enabled");
});

const DENIED: readonly (readonly [path: string, body: unknown])[] = [
  ["/v3/kv/range", { key: btoa("b") }],
  ["/v3/kv/range", { key: btoa("a/"), range_end: btoa("\0") }],
  ["/v3/kv/put", { key: btoa("b") }],
  ["/v3/kv/deleterange", { key: btoa("a/"), range_end: btoa("b") }],
  ["/v3/kv/txn", { compare: [{ key: btoa("b") }] }],
  ["/v3/kv/txn", { success: [{ request_range: { key: btoa("b"), revision: "1" } }] }],
  ["/v3/kv/txn", { failure: [{ request_put: { key: btoa("b") } }] }],
  ["/v3/kv/txn", {
    failure: [{ request_txn: { success: [{ request_delete_range: { key: btoa("b") } }] } }],
  }],
  ["/v3/kv/compaction", { revision: "1" }],
  ["/v3/lock/lock", { name: btoa("b") }],
  ["/v3/lock/unlock", { key: btoa("b") }],
  ["/v3/election/campaign", { name: btoa("b") }],
  ["/v3/election/leader", { name: btoa("b") }],
  ["/v3/election/proclaim", { leader: { key: btoa("b") } }],
  ["/v3/election/resign", { leader: { key: btoa("b") } }],
  ["/v3/maintenance/hash", {}],
  ["/v3/maintenance/transfer-leadership", { targetID: "1" }],
];
for (const [path, body] of DENIED) {
  Deno.test(`a token for a/ is denied ${path} ${JSON.stringify(body)}`, async () => {
    const server = openNode(TOKENS);
    const token = grantToken(server, { scopes: ["read", "write"], prefixes: ["a/"] });
    const { status, json } = await server.post(path, body, token);
    deepEqual([status, json.message], [403, "etcdserver: permission denied"]);
  });
}

Deno.test("a watch of keys that a token may not read is refused", async () => {
  const server = openNode(TOKENS);
  const token = grantToken(server, { scopes: ["read"], prefixes: ["a/"] });
  const response = await server.app.request("/v3/watch", {
    method: "POST",
    body: JSON.stringify({ create_request: { key: btoa("a/"), range_end: btoa("c") } }),
    headers: { authorization: token },
  });
  const [line] = await readLines(response, 1);
  match(JSON.stringify(line), /"canceled":true,"cancel_reason":".*permission denied"/);
});

Deno.test("a token that may only read cannot put, and one that may only write cannot see what was", async () => {
  const server = openNode(TOKENS);
  const reader = grantToken(server, { scopes: ["read"], prefixes: [] });
  equal((await server.post("/v3/kv/put", { key: KEY }, reader)).status, 403);
  equal((await server.post("/v3/lease/grant", { TTL: "10" }, reader)).status, 403);
  const writer = grantToken(server, { id: "b".repeat(16), scopes: ["write"], prefixes: [] });
  equal((await server.post("/v3/kv/put", { key: KEY }, writer)).status, 200);
  equal((await server.post("/v3/kv/put", { key: KEY, prev_kv: true }, writer)).status, 403);
});

Deno.test("several watches on one stream are created and canceled, and progress is told", async () => {
  const { app, node } = openNode();
  node.put("a", "1");
  const requests = [
    { create_request: { key: btoa("a"), start_revision: "1" } },
    { create_request: { key: btoa("b"), watch_id: "7" } },
    { create_request: { key: btoa("b"), watch_id: "7" } },
    { cancel_request: { watch_id: "7" } },
    { progress_request: {} },
  ];
  const body = requests.map((request) => JSON.stringify(request)).join("\n");
  const response = await app.request("/v3/watch", { method: "POST", body });
  const lines = (await readLines(response, 6)).map((line) => JSON.stringify(line));
  const has = (pattern: RegExp) => equal(lines.filter((line) => pattern.test(line)).length, 1);
  has(/"raft_term":"7"},"created":true}}/);
  has(/"watch_id":"7","created":true}}/);
  has(/"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"mvcc: duplicate/);
  has(/"watch_id":"7","canceled":true}}/);
  has(/"events":\[{"kv"/);
  has(/"revision":"101","raft_term":"7"},"watch_id":"-1"}}/);
});

Deno.test("a lock waits for the one before, and is given up by unlock", async () => {
  const { post } = openNode();
  const first = await post("/v3/lock/lock", { name: btoa("L") });
  const second = post("/v3/lock/lock", { name: btoa("L") });
  await post("/v3/lock/unlock", { key: first.json.key });
  const { status, json } = await second;
  equal(status, 200);
  match(atob(json.key), /^L\/[0-9a-f]+$/);
});

Deno.test("a lock passes on when its holder's lease ends", async () => {
  const { post, node } = openNode();
  await post("/v3/lease/grant", { ID: "5", TTL: "10" });
  await post("/v3/lock/lock", { name: btoa("L"), lease: "5" });
  const second = post("/v3/lock/lock", { name: btoa("L") });
  node.pass(11);
  equal((await second).status, 200);
});

Deno.test("an election has a leader, whose words are seen, until it resigns", async () => {
  const { post, app } = openNode();
  const none = await post("/v3/election/leader", { name: btoa("E") });
  deepEqual([none.status, none.json.message], [500, "election: no leader"]);
  const { json } = await post("/v3/election/campaign", { name: btoa("E"), value: btoa("one") });
  const observed = await app.request("/v3/election/observe", {
    method: "POST",
    body: JSON.stringify({ name: btoa("E") }),
  });
  await post("/v3/election/proclaim", { leader: json.leader, value: btoa("two") });
  const lines = JSON.stringify(await readLines(observed, 1));
  match(lines, new RegExp(`"value":"(${btoa("one")}|${btoa("two")})"`));
  equal((await post("/v3/election/resign", { leader: json.leader })).status, 200);
  const late = await post("/v3/election/proclaim", { leader: json.leader, value: btoa("x") });
  equal(late.json.message, "election: not leader");
});

Deno.test("what Floe does in another way is refused with that way's name", async () => {
  const { post } = openNode();
  const added = await post("/v3/cluster/member/add", { peerURLs: ["http://h:1"] });
  deepEqual([added.status, added.json.code], [501, 12]);
  match(added.json.message, /floe member/);
  match((await post("/v3/auth/role/add", { name: "r" })).json.message, /floe token/);
});

Deno.test("a revoked lease is answered when all of its keys are gone", async () => {
  const { post, node } = openNode();
  node.apply({ kind: "grantLease", id: 7, ttlSeconds: 60 });
  const count = 2 * LEASE_KEYS_PER_ENTRY + 5;
  for (let at = 0; at < count; at++) node.put(`k${at}`, "", 7);
  const { status, json } = await post("/v3/lease/revoke", { ID: "7" });
  equal(status, 200);
  deepEqual([node.live.view.keyCount, node.live.view.leases().length], [0, 0]);
  equal(json.header.revision, String(node.live.view.revision));
  equal((await post("/v3/lease/revoke", { ID: "7" })).json.code, 5);
});

Deno.test("a snapshot is sent in parts, to whoever may administer", async () => {
  const server = openNode(TOKENS);
  const ask = (authorization: string) =>
    server.app.request("/v3/maintenance/snapshot", {
      method: "POST",
      body: "{}",
      headers: { authorization },
    });
  const reader = grantToken(server, { scopes: ["read", "write"] });
  match(await (await ask(reader)).text(), /"code":7,"message":"etcdserver: permission denied"/);
  const lines = (await (await ask(ADMIN_TOKEN)).text()).trimEnd().split("\n");
  const parts = lines.map((line) => JSON.parse(line).result);
  equal(parts.at(-1).remaining_bytes ?? "0", "0");
  const bytes = concatBytes(...parts.map(({ blob }) => decodeBase64(blob)));
  equal(bytes.length, 4096 + server.node.snapshotBytes.length + 32);
  equal(parts[0].remaining_bytes, String(bytes.length - 4096));
  equal(server.node.snapshotsClosed, 1);
});

Deno.test("members are told with the addresses of the gateway", async () => {
  const { post } = openNode();
  const { json } = await post("/v3/cluster/member/list", {});
  deepEqual(json.members[0].clientURLs, ["http://127.0.0.1:2"]);
  equal(json.members[0].ID, json.header.member_id);
});

Deno.test("lease ids that Floe cannot have, and times that are too long, are refused", async () => {
  const { post } = openNode();
  const large = await post("/v3/lease/grant", { ID: "9007199254740992", TTL: "10" });
  deepEqual([large.status, large.json.code], [400, 3]);
  const long = await post("/v3/lease/grant", { TTL: "86401" });
  equal(long.json.message, "etcdserver: too large lease TTL");
  equal((await post("/v3/lease/grant", { TTL: "0" })).json.TTL, "1");
});

Deno.test("a body that is no JSON, or too large, is refused in etcd's form", async () => {
  const { app, post } = openNode();
  const response = await app.request("/v3/kv/put", { method: "POST", body: "{" });
  deepEqual([response.status, (await response.json()).code], [400, 3]);
  const huge = await post("/v3/kv/put", { key: KEY, value: "A".repeat(800_000) });
  equal(huge.json.message, "etcdserver: request is too large");
});

Deno.test("without a token no work is done for a transaction, and it is not judged", async () => {
  const { post } = openNode(TOKENS);
  const many = Array.from({ length: 600 }, () => ({ request_put: { key: KEY } }));
  const answer = await post("/v3/kv/txn", { success: many });
  deepEqual(answer.json.message, "etcdserver: user name is empty");
});

Deno.test("a transaction that is only long is refused in words", async () => {
  const { app, post } = openNode();
  const branches = (levels: number): unknown => ({
    request_txn: levels === 0 ? {} : {
      success: [branches(levels - 1)],
      failure: [branches(levels - 1)],
    },
  });
  const tree = await post("/v3/kv/txn", { success: [branches(9)] });
  equal(tree.status, 400);
  match(tree.json.message, /1023 operations.* in all its branches are above 512/);
  const body = `{"success":[${"{},".repeat(JSON_PARTS_MAX)}{}]}`;
  const long = await app.request("/v3/kv/txn", { method: "POST", body });
  equal(long.status, 400);
  match((await long.json()).message, /JSON.* above 10000; divide it/);
});

Deno.test("a page of another origin is refused before anything is read", async () => {
  const { app, node } = openNode();
  const response = await app.request("/v3/kv/put", {
    method: "POST",
    body: JSON.stringify({ key: KEY }),
    headers: { origin: "http://evil.example" },
  });
  equal(response.status, 403);
  equal(node.commands.length, 0);
});

/** A body of which a test sees how much was asked for. */
class WatchedBody {
  reads = 0;
  readonly #started = Promise.withResolvers<void>();
  /** Once anything was asked for. */
  readonly started: Promise<void> = this.#started.promise;
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;

  /** Without parts, it never arrives. */
  constructor(parts: readonly string[] = []) {
    const left = [...parts];
    this.stream = new ReadableStream({
      pull: (controller) => {
        this.reads++;
        this.#started.resolve();
        const part = left.shift();
        if (part !== undefined) controller.enqueue(new TextEncoder().encode(part));
        else if (parts.length > 0) controller.close();
        return left.length + parts.length > 0 ? undefined : new Promise<void>(() => {});
      },
    }, { highWaterMark: 0 });
  }
}

Deno.test("nothing of a body is read before the token is known", async () => {
  const { app } = openNode(TOKENS);
  for (const path of ["/v3/kv/put", "/v3/kv/txn", "/v3/watch", "/v3/lease/keepalive"]) {
    const body = new WatchedBody();
    const answer = await app.request(path, { method: "POST", body: body.stream });
    deepEqual([answer.status, body.reads], [400, 0], path);
    match((await answer.json()).message, /user name is empty/);
  }
});

Deno.test("of a call that needs no token, no more is read than it can need", async () => {
  const { app } = openNode(TOKENS);
  const body = new WatchedBody(Array.from({ length: 64 }, () => "x".repeat(4096)));
  const answer = await app.request("/v3/auth/authenticate", { method: "POST", body: body.stream });
  deepEqual([answer.status, body.reads], [400, 5]);
  match((await answer.json()).message, /request is too large/);
});

Deno.test("a body counts at the gate before it arrives, as large as it may get", async () => {
  const gate = new RequestGate({ bodyBytesMax: 3 * 1024 * 1024 });
  const app = createApp(new FakeNode(), { gate, etcd: PLACE, bodyTimeoutMs: 60_000 });
  const put = (body: WatchedBody) =>
    app.request("http://localhost/v3/kv/put", { method: "POST", body: body.stream });
  const slow = new WatchedBody();
  void put(slow);
  await slow.started;
  const second = new WatchedBody(["{}"]);
  const { status } = await put(second);
  deepEqual([status, second.reads], [429, 0]);
});

Deno.test("a body that does not arrive is answered with 408", async () => {
  const app = createApp(new FakeNode(), { etcd: PLACE, bodyTimeoutMs: 1 });
  const body = new WatchedBody().stream;
  const answer = await app.request("http://localhost/v3/kv/put", { method: "POST", body });
  deepEqual([answer.status, (await answer.json()).code], [408, 1]);
});

Deno.test("a client that leaves gives up its claim to a lock", async () => {
  const { app, post, node } = openNode();
  for (const ID of ["11", "12"]) await post("/v3/lease/grant", { ID, TTL: "60" });
  const first = await post("/v3/lock/lock", { name: btoa("L"), lease: "11" });
  const leaving = new AbortController();
  const claimed = Promise.withResolvers<void>();
  const claims = node.watch({ keys: ALL_KEYS }, claimed.resolve);
  const second = app.request(
    new Request("http://localhost/v3/lock/lock", {
      method: "POST",
      body: JSON.stringify({ name: btoa("L"), lease: "12" }),
      signal: leaving.signal,
    }),
  );
  await claimed.promise;
  if ("end" in claims) claims.end();
  leaving.abort();
  await post("/v3/lock/unlock", { key: first.json.key });
  equal((await second).status, 408);
  equal(node.live.view.keyCount, 0);
});

Deno.test("answers that are not read count, and the next one is refused until they are", async () => {
  const node = new FakeNode();
  for (let at = 0; at < 3; at++) node.put(`p/${at}`, "v".repeat(512 * 1024));
  const etcdAnswers = new AnswerGate(2 * 1024 * 1024);
  const app = createApp(node, { etcd: PLACE, etcdAnswers });
  const ask = (range: object) =>
    app.request("http://localhost/v3/kv/range", { method: "POST", body: JSON.stringify(range) });
  const all = { key: btoa("p/"), range_end: btoa("p0") };
  const unread = await ask(all);
  const refused = await ask(all);
  deepEqual([refused.status, (await refused.json()).message], [
    429,
    "etcdserver: too many requests",
  ]);
  equal(etcdAnswers.bytes, 3 * (512 * 1024 + 3));
  equal((await ask({ ...all, count_only: true })).status, 200);
  equal((await unread.json()).kvs.length, 3);
  equal(etcdAnswers.bytes, 0);
  await (await ask(all)).body?.cancel();
  equal(etcdAnswers.bytes, 0);
});
