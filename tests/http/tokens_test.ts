import { deepEqual, equal, match } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { TOKEN_BODY_BYTES_MAX } from "../../lib/http/connections.ts";
import { TOKENS_MAX } from "../../lib/kv/token.ts";
import { newToken } from "../kv/support.ts";
import { FakeNode } from "./fake_node.ts";

const ID = "0123456789abcdef";
const PATH = `/v1/tokens/${ID}`;
const DIGEST = "ab".repeat(32);

function setUp() {
  const node = new FakeNode();
  return { node, app: createApp(node) };
}

function put(body: unknown, headers: Record<string, string> = {}): RequestInit {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { method: "PUT", body: text, headers };
}

async function problemOf(response: Response) {
  equal(response.headers.get("content-type"), "application/problem+json");
  return await response.json();
}

Deno.test("PUT /v1/tokens/{id} creates a token, GET lists it, DELETE revokes it", async () => {
  const { app, node } = setUp();
  const asked = { secretSha256: DIGEST, name: "ci", scopes: ["write", "read"], prefixes: ["app/"] };
  const created = await app.request(PATH, put(asked));
  const body = {
    id: ID,
    name: "ci",
    scopes: ["read", "write"],
    prefixes: ["app/"],
    expiresAt: null,
    createRevision: 101,
  };
  deepEqual([created.status, await created.json()], [200, body]);
  equal(node.token(ID)?.secretDigest.toHex(), DIGEST);
  const least = { secretSha256: DIGEST, scopes: ["admin", "admin"] };
  equal((await app.request(`/v1/tokens/${"f".repeat(16)}`, put(least))).status, 200);
  const list = await (await app.request("/v1/tokens?timeoutMs=70")).json();
  deepEqual(list.tokens, [
    body,
    {
      ...{ id: "f".repeat(16), name: "", scopes: ["admin"], prefixes: [], expiresAt: null },
      createRevision: 102,
    },
  ]);
  equal(JSON.stringify(list).includes(DIGEST), false);
  equal(node.timeouts.at(-1), 70);
  const revoked = await app.request(PATH, { method: "DELETE" });
  deepEqual(await revoked.json(), { id: ID, revoked: true, revision: 0 });
  const again = await app.request(PATH, { method: "DELETE" });
  deepEqual(await again.json(), { id: ID, revoked: false, revision: 0 });
  equal(node.token(ID), null);
});

Deno.test("PUT /v1/tokens/{id} is done once under one idempotency key, and answered alike", async () => {
  const { app } = setUp();
  const request = () =>
    app.request(PATH, put({ secretSha256: DIGEST, scopes: ["read"] }, { "idempotency-key": "k" }));
  const first = await request();
  const second = await request();
  equal(await second.text(), await first.text());
  equal(second.headers.get("idempotency-replayed"), "true");
  const other = put({ secretSha256: DIGEST, scopes: ["write"] }, { "idempotency-key": "k" });
  const { code, detail } = await problemOf(await app.request(PATH, other));
  equal(code, "idempotency_key_reused");
  match(detail, new RegExp(`Cannot write token ${ID}: its idempotency key`));
});

Deno.test("PUT /v1/tokens/{id} refuses an id that is taken, and one token too many", async () => {
  const { app, node } = setUp();
  const body = { secretSha256: DIGEST, scopes: ["read"] };
  await app.request(PATH, put(body));
  const taken = await app.request(PATH, put(body));
  deepEqual([taken.status, (await problemOf(taken)).code], [409, "token_exists"]);
  for (let count = 1; count < TOKENS_MAX; count++) {
    const id = count.toString(16).padStart(16, "0");
    node.apply({ kind: "createToken", ...newToken("0"), id });
  }
  const more = await app.request(`/v1/tokens/${"f".repeat(16)}`, put(body));
  equal(more.status, 409);
  const { code, detail } = await problemOf(more);
  equal(code, "too_many_tokens");
  match(detail, /there are already 1000, the most; revoke one first/);
});

for (
  const [what, body, message] of [
    ["no JSON", "{", /the body is not JSON/],
    ["no UTF-8", "\ud800", /secretSha256|not JSON/],
    ["a list", [], /expected object/],
    ["no digest", { scopes: ["read"] }, /secretSha256/],
    [
      "a digest in upper case",
      { secretSha256: "AB".repeat(32), scopes: ["read"] },
      /64 lower-case/,
    ],
    ["the secret itself", { secret: "x", secretSha256: DIGEST, scopes: ["read"] }, /secret/],
    ["no scopes", { secretSha256: DIGEST, scopes: [] }, /none of read, write, admin/],
    ["an unknown scope", { secretSha256: DIGEST, scopes: ["root"] }, /scopes\.0/],
    [
      "an empty prefix",
      { secretSha256: DIGEST, scopes: ["read"], prefixes: [""] },
      /a prefix must/,
    ],
    [
      "prefixes for admin",
      { secretSha256: DIGEST, scopes: ["admin"], prefixes: ["a"] },
      /admin goes without prefixes/,
    ],
    ["a name with a space", { secretSha256: DIGEST, scopes: ["read"], name: "a b" }, /its name/],
  ] as readonly [string, unknown, RegExp][]
) {
  Deno.test(`PUT /v1/tokens/{id} refuses ${what}`, async () => {
    const { app, node } = setUp();
    const response = await app.request(PATH, put(body));
    equal(response.status, 400);
    const { code, detail } = await problemOf(response);
    equal(code, "invalid_request");
    match(detail, message);
    equal(node.commands.length, 0);
  });
}

Deno.test("/v1/tokens/{id} refuses an id that is none, conditions and a body above its limit", async () => {
  const { app, node } = setUp();
  const body = { secretSha256: DIGEST, scopes: ["read"] };
  for (const id of ["a", "0123456789ABCDEF", "%20".repeat(16)]) {
    for (const init of [put(body), { method: "DELETE" }]) {
      const { code } = await problemOf(await app.request(`/v1/tokens/${id}`, init));
      equal(code, "invalid_request");
    }
  }
  for (const header of [{ "if-match": '"1"' }, { "if-none-match": "*" }]) {
    const response = await app.request(PATH, put(body, header));
    equal((await problemOf(response)).code, "invalid_header");
  }
  const large = await app.request(PATH, put(" ".repeat(TOKEN_BODY_BYTES_MAX + 1)));
  deepEqual([large.status, (await problemOf(large)).code], [413, "request_too_large"]);
  equal(node.commands.length, 0);
});

Deno.test("PUT /v1/tokens/{id} takes an expiry, and refuses one that is past or is no time", async () => {
  const node = new FakeNode();
  const nowMs = Date.parse("2026-06-01T00:00:00.000Z");
  const authorizer = new Authorizer({ node, access: { kind: "local" }, now: () => nowMs });
  const app = createApp(node, { authorizer });
  const create = (expiresAt: unknown) =>
    app.request(
      `http://localhost${PATH}`,
      put({ secretSha256: DIGEST, scopes: ["read"], expiresAt }),
    );
  for (
    const [expiresAt, detail] of [
      [
        "2026-06-01T00:00:00.000Z",
        /expires at 2026-06-01T00:00:00\.000Z, which is past at this node/,
      ],
      ["2026-13-01T00:00:00.000Z", /expires at NaN ms/],
      ["2026-07-01", /expiresAt/],
      [1_800_000_000_000, /expiresAt/],
    ] as const
  ) {
    const refused = await create(expiresAt);
    equal(refused.status, 400);
    match((await problemOf(refused)).detail, detail);
  }
  equal(node.token(ID), null);
  const created = await create("2026-06-01T00:00:00.001Z");
  equal((await created.json()).expiresAt, "2026-06-01T00:00:00.001Z");
  equal(node.token(ID)?.expiresAtMs, nowMs + 1);
});
