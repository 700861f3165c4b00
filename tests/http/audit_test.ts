import { deepEqual, equal, match } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import type { AuditRecord } from "../../lib/http/audit.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { toNodeId } from "../../lib/types.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";
import { newToken } from "../kv/support.ts";
import { FakeNode } from "./fake_node.ts";

/** What the audit log says of each request, and what it never says. */

const NODE = toNodeId("server_1");
const OWN = drawToken({ kind: "admin", node: NODE });
const ID = "a".repeat(16);

function setUp() {
  const node = new FakeNode();
  const access = { kind: "tokens", admin: { node: NODE, secretDigest: digestSecret(OWN.secret) } };
  const authorizer = new Authorizer({ node, access: { ...access, kind: "tokens" } });
  const records: AuditRecord[] = [];
  const place = { self: NODE, members: () => [], isTls: false };
  const audit = (record: AuditRecord) => void records.push(record);
  const app = createApp(node, { authorizer, audit, etcd: place });
  const token = drawToken({ kind: "token", id: ID });
  const secretDigest = digestSecret(token.secret);
  node.apply({
    kind: "createToken",
    ...newToken("a", { prefixes: ["app/"], id: ID, secretDigest }),
  });
  const ask = (method: string, path: string, body?: string, headers = {}) =>
    app.request(path, {
      method,
      headers: { authorization: `Bearer ${formatToken(token)}`, ...headers },
      ...(body === undefined ? {} : { body }),
    });
  return { node, app, records, token, ask };
}

const own = { authorization: `Bearer ${formatToken(OWN)}` };

Deno.test("a change is recorded with whose token, route, key, revision, status and request", async () => {
  const { ask, records } = setUp();
  const answer = await ask("PUT", "/v1/kv/app/a%20b", "value", { "x-request-id": "job-7" });
  const { modRevision } = await answer.json();
  deepEqual(
    records,
    [{
      api: "rest",
      token: ID,
      certificate: null,
      method: "PUT",
      route: "/v1/kv/:key{.*}",
      target: "/v1/kv/app/a%20b",
      keys: [],
      revision: modRevision,
      status: 200,
      requestId: "job-7",
    }].map((record) => ({ ...record, route: records[0]?.route })),
  );
  match(records[0]?.route ?? "", /^\/v1\/kv\/[:*]/);
  equal(answer.headers.get("x-request-id"), "job-7");
});

Deno.test("an unusual request id is replaced by one that the answer has", async () => {
  const { ask, records } = setUp();
  for (const id of ["", "a b", "x".repeat(129), "a\tb"]) {
    const answer = await ask("DELETE", "/v1/kv/app/a", undefined, { "x-request-id": id });
    equal(answer.headers.get("x-request-id"), records.at(-1)?.requestId);
    match(records.at(-1)?.requestId ?? "", /^[0-9a-f-]{36}$/);
  }
});

Deno.test("what was refused is recorded too, with the token if it is one", async () => {
  const { ask, records } = setUp();
  equal((await ask("PUT", "/v1/kv/other", "x")).status, 403);
  equal((await ask("PUT", `/v1/tokens/${"b".repeat(16)}`, "{}")).status, 403);
  const unknown = `Bearer ${formatToken(drawToken({ kind: "token", id: ID }))}`;
  equal((await ask("PUT", "/v1/kv/app/a", "x", { authorization: unknown })).status, 401);
  equal((await ask("PUT", "/v1/kv/app/a", "x", own)).status, 200);
  deepEqual(
    records.map(({ token, status, revision }) => [token, status, revision === null]),
    [[ID, 403, true], [ID, 403, true], [null, 401, true], ["admin.server_1", 200, false]],
  );
});

Deno.test("reads and keepalives are not recorded", async () => {
  const { ask, records } = setUp();
  await (await ask("POST", "/v1/leases/7/keepalive")).body?.cancel();
  for (const path of ["/v1/kv/app/a", "/v1/kv?prefix=app/", "/v1/leader", "/nowhere"]) {
    await (await ask("GET", path)).body?.cancel();
    await ask("HEAD", path);
  }
  deepEqual(records, []);
});

Deno.test("a range names its prefix, and a transaction the keys that it changes", async () => {
  const { ask, records } = setUp();
  await ask("DELETE", "/v1/kv?prefix=app%2Fold");
  equal(records[0]?.target, "/v1/kv?prefix=app%2Fold");
  const put = (key: string) => ({ put: { key, value: "secret value" } });
  const success = Array.from({ length: 20 }, (_, at) => put(`app/${at}`));
  const transaction = JSON.stringify({ then: success });
  const answer = await ask("POST", "/v1/txn", transaction);
  equal(answer.status, 200, await answer.clone().text());
  equal(records[1]?.keys.length, 16);
  equal(records[1]?.keys[0]?.includes("app/0"), true);
  equal(typeof records[1]?.revision, "number");
});

Deno.test("etcd's calls are recorded once, with their keys, and reads among them are not", async () => {
  const { ask, records } = setUp();
  const encode = (text: string) => btoa(text);
  const put = { key: encode("app/a"), value: encode("secret value") };
  equal((await ask("POST", "/v3/kv/put", JSON.stringify(put))).status, 200);
  await ask("POST", "/v3/kv/range", JSON.stringify({ key: put.key }));
  await ask("POST", "/v3/kv/put", JSON.stringify({ ...put, key: encode("other") }));
  await ask("POST", "/v3/kv/deleterange", JSON.stringify({ key: put.key }), own);
  await ask("POST", "/v3/kv/put", JSON.stringify(put), { authorization: "unknown" });
  deepEqual(
    records.map(({ api, token, route, status }) => [api, token, route, status]),
    [
      ["json", ID, "etcdserverpb.KV/Put", "ok"],
      ["json", ID, "etcdserverpb.KV/Put", "permissionDenied"],
      ["json", "admin.server_1", "etcdserverpb.KV/DeleteRange", "ok"],
      ["json", null, "etcdserverpb.KV/Put", "unauthenticated"],
    ],
  );
  match(records[0]?.keys[0] ?? "", /app\/a/);
  match(records[1]?.keys[0] ?? "", /other/);
  equal(typeof records[0]?.revision, "number");
});

Deno.test("no record has a value, a token's secret or a digest", async () => {
  const { ask, records, token } = setUp();
  await ask("PUT", "/v1/kv/app/a", "secret value");
  await ask(
    "POST",
    "/v1/txn",
    JSON.stringify({ then: [{ put: { key: "app/a", value: "secret value" } }] }),
  );
  const digest = "ab".repeat(32);
  await ask(
    "PUT",
    `/v1/tokens/${"b".repeat(16)}`,
    JSON.stringify({ secretSha256: digest, scopes: ["read"] }),
    own,
  );
  equal(records.length, 3);
  const text = JSON.stringify(records);
  for (const secret of ["secret value", formatToken(token).slice(-43), formatToken(OWN), digest]) {
    equal(text.includes(secret), false, secret);
  }
});
