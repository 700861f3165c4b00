import { deepEqual, equal, match, throws } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { type Access, Authorizer } from "../../lib/http/authorization.ts";
import { Problem, type ProblemCode } from "../../lib/http/problem.ts";
import { singleKey } from "../../lib/kv/key_range.ts";
import type { NewToken, TokenScope } from "../../lib/kv/token.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { toNodeId } from "../../lib/types.ts";
import { drawToken, formatToken } from "../../lib/wire/mod.ts";
import { newToken } from "../kv/support.ts";
import { bytes } from "../kv/support.ts";
import { FakeNode } from "./fake_node.ts";

/** Authorization by itself and before every route: what it lets pass, and what it answers else. */

const NODE = toNodeId("server_1");
const OWN = drawToken({ kind: "admin", node: NODE });
const TOKENS: Access = {
  kind: "tokens",
  admin: { node: NODE, secretDigest: digestSecret(OWN.secret) },
};

function setUp(
  options: {
    readonly access?: Access;
    readonly origins?: readonly string[];
    readonly now?: () => number;
  } = {},
) {
  const node = new FakeNode();
  const authorizer = new Authorizer({ node, access: TOKENS, ...options });
  return { node, authorizer, app: createApp(node, { authorizer }) };
}

/** Creates a token as its owner would, and gives back its text. */
function grant(node: FakeNode, changes: Partial<NewToken> = {}): string {
  const id = changes.id ?? "a".repeat(16);
  const token = drawToken({ kind: "token", id });
  const secretDigest = digestSecret(token.secret);
  const created = newToken("a", { prefixes: [], ...changes, id, secretDigest });
  node.apply({ kind: "createToken", ...created });
  return formatToken(token);
}

function bearer(text: string): RequestInit {
  return { headers: { authorization: `Bearer ${text}` } };
}

async function codeOf(response: Response): Promise<ProblemCode | null> {
  const body = await response.json();
  return response.ok ? null : body.code;
}

/** Every endpoint, with what a token must allow to use it. */
const ENDPOINTS: readonly (readonly [method: string, path: string, needs: TokenScope | null])[] = [
  ["GET", "/livez", null],
  ["GET", "/readyz", null],
  ["GET", "/v1/leader", null],
  ["GET", "/v1/elections", null],
  ["GET", "/v1/elections/7", null],
  ["GET", "/v1/group", null],
  ["GET", "/v1/dkg", null],
  ["GET", "/v1/status", "read"],
  ["GET", "/v1/kv/a?consistency=stale", "read"],
  ["PUT", "/v1/kv/a", "write"],
  ["DELETE", "/v1/kv/a", "write"],
  ["POST", "/v1/leader/transfer", "admin"],
  ["GET", "/v1/tokens", "admin"],
  ["PUT", "/v1/tokens/0123456789abcdef", "admin"],
  ["DELETE", "/v1/tokens/0123456789abcdef", "admin"],
];

for (const [method, path, needs] of ENDPOINTS) {
  Deno.test(`${method} ${path} ${needs === null ? "is public" : `needs ${needs}`}`, async () => {
    const { app, node } = setUp();
    const refused = ["unauthorized", "forbidden"];
    const isRefused = async (init: RequestInit) => {
      const body = method === "PUT" ? { body: "x" } : {};
      const response = await app.request(path, { method, ...body, ...init });
      const { code = null } = await response.json();
      return refused.includes(code) ? code : null;
    };
    equal(await isRefused({}), needs === null ? null : "unauthorized");
    equal(await isRefused(bearer(formatToken(OWN))), null);
    for (const [digit, scope] of [["1", "read"], ["2", "write"], ["3", "admin"]] as const) {
      const text = grant(node, { id: digit.repeat(16), scopes: [scope] });
      const isEnough = needs === null || needs === scope || scope === "admin";
      equal(await isRefused(bearer(text)), isEnough ? null : "forbidden", scope);
    }
  });
}

Deno.test("a node that demands no token lets every client do everything, whatever it sends", async () => {
  for (const kind of ["local", "open"] as const) {
    const { app } = setUp({ access: { kind } });
    for (const init of [{}, bearer("nonsense"), bearer(formatToken(OWN))]) {
      for (const [method, path] of ENDPOINTS) {
        const response = await app.request(path, { method, ...init });
        equal([401, 403].includes(response.status), false, `${kind} ${method} ${path}`);
        await response.body?.cancel();
      }
    }
  }
});

Deno.test("a token can neither occupy another's idempotency key, nor learn its revision", async () => {
  const { app, node } = setUp();
  const texts = ["1", "2"].map((digit) => grant(node, { id: digit.repeat(16), scopes: ["admin"] }));
  const [mine = "", others = ""] = texts;
  const put = async (text: string, body: string) => {
    const headers = { ...bearer(text).headers, "idempotency-key": "5f0c2a" };
    const response = await app.request("/v1/kv/a", { method: "PUT", body, headers });
    const { modRevision = null, code = null } = await response.json();
    return [response.headers.get("idempotency-replayed"), modRevision, code];
  };
  const first = await put(mine, "x");
  const second = await put(others, "y");
  deepEqual([first[2], second[2], first[1] === second[1]], [null, null, false]);
  deepEqual(await put(mine, "x"), ["true", first[1], null]);
  deepEqual(await put(others, "y"), ["true", second[1], null]);
  deepEqual(await put(others, "x"), [null, null, "idempotency_key_reused"]);
  const own = await put(formatToken(OWN), "z");
  deepEqual([own[0], own[2]], [null, null], "a node's own token is nobody's of these");
});

Deno.test("what is public is so in HEAD, and what is not is not", async () => {
  const { app } = setUp();
  equal((await app.request("/v1/leader", { method: "HEAD" })).status, 200);
  equal((await app.request("/v1/kv/a", { method: "HEAD" })).status, 401);
});

Deno.test("401 asks for a bearer token, and says whether one was there", async () => {
  const { app } = setUp();
  const without = await app.request("/v1/status");
  equal(without.headers.get("www-authenticate"), "Bearer");
  equal(without.headers.get("content-type"), "application/problem+json");
  match((await without.json()).detail, /needs a token: send it as Authorization: Bearer TOKEN/);
  const wrong = await app.request("/v1/status", bearer("floe_x"));
  equal(wrong.headers.get("www-authenticate"), 'Bearer error="invalid_token"');
  match((await wrong.json()).detail, /not known here/);
});

Deno.test("403 names the scope that is missing", async () => {
  const { app, node } = setUp();
  const text = grant(node, { scopes: ["read"] });
  const response = await app.request("/v1/kv/a", { method: "PUT", body: "x", ...bearer(text) });
  equal(response.status, 403);
  match(response.headers.get("www-authenticate") ?? "", /insufficient_scope", scope="write"/);
  match((await response.json()).detail, /needs a token with the scope write/);
  deepEqual(node.commands.map(({ kind }) => kind), ["createToken"]);
});

Deno.test("a token with prefixes touches keys below them only, and is told so", async () => {
  const { app, node } = setUp();
  const text = grant(node, { prefixes: ["app/", "web-"] });
  for (const method of ["PUT", "GET", "DELETE"]) {
    const init = { method, ...bearer(text), ...(method === "PUT" ? { body: "x" } : {}) };
    for (const path of ["app/a", "app%2Fa", "%61pp/a", "web-1"]) {
      const { status } = await app.request(`/v1/kv/${path}`, init);
      equal(status < 400 || status === 404, true, path);
    }
    for (const path of ["app", "x/app/a", "%41pp/a", "web", "%61pp", "ap%70"]) {
      const response = await app.request(`/v1/kv/${path}`, init);
      equal(response.status, 403, path);
      match((await response.json()).detail, /for keys that begin with "app\/", "web-"$/);
    }
  }
  equal((await app.request("/v1/status", bearer(text))).status, 200);
});

Deno.test("a key is refused before its body is read", async () => {
  const { app, node } = setUp();
  let read = false;
  const body = new ReadableStream({ pull: () => void (read = true) }, { highWaterMark: 0 });
  for (const init of [{}, bearer(grant(node, { prefixes: ["app/"] }))]) {
    const response = await app.request("/v1/kv/a", { method: "PUT", body, ...init });
    equal(response.status >= 401 && response.status <= 403, true);
    await response.body?.cancel();
  }
  equal(read, false);
});

Deno.test("a revoked token lets nobody in any more", async () => {
  const { app, node } = setUp();
  const text = grant(node);
  equal((await app.request("/v1/status", bearer(text))).status, 200);
  node.apply({ kind: "revokeToken", id: "a".repeat(16) });
  equal((await app.request("/v1/status", bearer(text))).status, 401);
});

Deno.test("whatever is not the token is told the same, also the token of another node", async () => {
  const { app, node } = setUp();
  const right = grant(node);
  const { secret } = drawToken({ kind: "token", id: "a".repeat(16) });
  const answers = new Set<string>();
  for (
    const authorization of [
      "",
      "Bearer",
      "Bearer ",
      `Basic ${right}`,
      right,
      `X Bearer ${right}`,
      right.slice(0, -1),
      `Bearer ${right}x`,
      `Bearer ${right}, Bearer ${right}`,
      `Bearer ${formatToken({ holder: { kind: "token", id: "a".repeat(16) }, secret })}`,
      `Bearer ${formatToken({ holder: { kind: "token", id: "b".repeat(16) }, secret })}`,
      `Bearer ${formatToken({ holder: { kind: "admin", node: NODE }, secret })}`,
      `Bearer ${formatToken({ ...OWN, holder: { kind: "admin", node: toNodeId("server_2") } })}`,
      `Bearer ${formatToken({ ...OWN, holder: { kind: "token", id: "a".repeat(16) } })}`,
    ]
  ) {
    const response = await app.request("/v1/status", { headers: { authorization } });
    equal(response.status, 401, authorization);
    answers.add(await response.text());
  }
  equal(answers.size, 1);
  for (const scheme of ["Bearer", "bearer", "BEARER  "]) {
    const headers = { authorization: `${scheme} ${right}` };
    equal((await app.request("/v1/status", { headers })).status, 200);
  }
});

Deno.test("refusals are counted, and the counters are in the status", async () => {
  const { app, node } = setUp();
  const text = grant(node, { scopes: ["read"], prefixes: ["app/"] });
  await app.request("/v1/kv/app/a");
  await app.request("/v1/kv/app/a", bearer("floe"));
  await app.request("/v1/kv/app/a", { method: "DELETE", ...bearer(text) });
  await app.request("/v1/kv/b", bearer(text));
  await app.request("/livez", { headers: { origin: "http://evil.example" } });
  const { counters } = await (await app.request("/v1/status", bearer(text))).json();
  equal(counters["api.unauthorized"], 2);
  equal(counters["api.forbidden"], 2);
  equal(counters["api.origin_refused"], 1);
});

/** The code with which a request is refused, or null. */
function refusal(authorizer: Authorizer, url: string, init: RequestInit = {}): ProblemCode | null {
  try {
    authorizer.admit(new Request(url, init), null);
    return null;
  } catch (error) {
    equal(error instanceof Problem, true);
    return (error as Problem).code;
  }
}

Deno.test("an API on loopback is found under names for loopback only", () => {
  const { authorizer } = setUp({ access: { kind: "local" } });
  const open = setUp({ access: { kind: "open" } }).authorizer;
  for (
    const host of ["localhost", "LOCALHOST:80", "127.0.0.1:7201", "127.9.9.9", "[::1]:1", "[::1]"]
  ) {
    equal(refusal(authorizer, `http://${host}/livez`), null, host);
  }
  for (
    const host of [
      "evil.example",
      "localhost.evil.example:7201",
      "127.0.0.1.evil.example",
      "evil-localhost",
      "192.168.0.1",
      "0.0.0.0",
      "[::ffff:7f00:1]",
      "[::]",
    ]
  ) {
    equal(refusal(authorizer, `http://${host}/livez`), "misdirected", host);
    equal(refusal(open, `http://${host}/livez`), null, host);
  }
});

Deno.test("a page of another origin is refused whatever it sends, and the API's own is not", () => {
  for (const access of [{ kind: "local" }, { kind: "open" }, TOKENS] as const) {
    const { authorizer } = setUp({ access, origins: ["https://app.example"] });
    const from = (origin: string) =>
      refusal(authorizer, "http://localhost:7201/v1/kv/a", {
        method: "POST",
        headers: { origin, "content-type": "text/plain" },
        body: "x",
      });
    for (const origin of ["http://localhost:7201", "https://app.example"]) {
      equal(from(origin), null, origin);
    }
    for (
      const origin of [
        "null",
        "",
        "http://evil.example",
        "http://localhost",
        "http://localhost:7202",
        "https://localhost:7201",
        "http://app.example",
        "https://app.example.evil.example",
        "https://app.example/",
        "http:",
      ]
    ) {
      equal(from(origin), "origin_refused", origin);
    }
  }
});

Deno.test("a page cannot write with what it may send without asking", async () => {
  const { app, node } = setUp({ access: { kind: "local" } });
  const headers = { origin: "http://evil.example", "content-type": "text/plain" };
  for (const [method, path] of ENDPOINTS) {
    const body = method === "PUT" || method === "POST" ? { body: "x" } : {};
    equal(await codeOf(await app.request(path, { method, headers, ...body })), "origin_refused");
  }
  deepEqual([node.commands.length, node.reads.length], [0, 0]);
});

Deno.test("admitKeys() counts what it refuses", () => {
  const { authorizer } = setUp();
  throws(() => authorizer.admitKeys({ scopes: ["read"], prefixes: ["a"] }, singleKey(bytes("b"))), {
    code: "forbidden",
  });
  authorizer.admitKeys({ scopes: ["read"], prefixes: ["a"] }, singleKey(bytes("ab")));
  equal(authorizer.counters.counts["api.forbidden"], 1);
});

Deno.test("a token is refused from its expiry on, and says so to its holder alone", async () => {
  let nowMs = 1_000;
  const { app, node, authorizer } = setUp({ now: () => nowMs });
  const text = grant(node, { scopes: ["read"], expiresAtMs: 2_000 });
  const ask = (token: string) => app.request("/v1/kv/a?consistency=stale", bearer(token));
  nowMs = 1_999;
  equal(await codeOf(await ask(text)) === "unauthorized", false);
  equal(authorizer.callerOf(text)?.scopes[0], "read");
  nowMs = 2_000;
  const expired = await ask(text);
  equal(expired.status, 401);
  match(expired.headers.get("www-authenticate") ?? "", /error_description="expired"/);
  const { code, detail } = await expired.json();
  deepEqual([code, authorizer.callerOf(text)], ["unauthorized", null]);
  match(
    detail,
    /^This token expired at 1970-01-01T00:00:02\.000Z\. Get another one: floe token create/,
  );
  const guessed = formatToken(drawToken({ kind: "token", id: "a".repeat(16) }));
  match((await (await ask(guessed)).json()).detail, /^This token is not known here/);
  equal(authorizer.counters.counts["api.unauthorized"], 3);
});

Deno.test("a token that never expires, and a node's own, are valid at any time", async () => {
  const { app, node } = setUp({ now: () => Number.MAX_SAFE_INTEGER });
  for (const text of [grant(node, { scopes: ["read"] }), formatToken(OWN)]) {
    equal((await app.request("/v1/status", bearer(text))).status, 200);
  }
});
