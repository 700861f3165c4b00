import { deepEqual, equal, match } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { parseToken } from "../../lib/wire/mod.ts";
import { FakeNode } from "../http/fake_node.ts";
import { newToken } from "../kv/support.ts";
import { floe } from "./fake_terminal.ts";

const ID = "a".repeat(16);

function hosts() {
  const node = new FakeNode();
  return { node, hosts: { "a:1": node } };
}

Deno.test("token create prints the token and nothing else on stdout, and keeps its secret here", async () => {
  const { node, hosts: there } = hosts();
  const args = ["--scope", "write,read", "--prefix", "app/", "--prefix", "web/", "--name", "ci"];
  const { code, stdout, stderr } = await floe(["token", "create", ...args], { hosts: there });
  equal(code, 0);
  match(stdout, /^floe_[0-9a-f]{16}_[A-Za-z0-9_-]{43}\n$/);
  const { holder, secret } = parseToken(stdout.trim());
  equal(holder.kind, "token");
  const [token] = await node.tokens({ timeoutMs: 1 });
  deepEqual(token, {
    id: holder.kind === "token" ? holder.id : "",
    secretDigest: new Uint8Array(digestSecret(secret)),
    name: "ci",
    scopes: ["read", "write"],
    prefixes: ["app/", "web/"],
    expiresAtMs: null,
    createRevision: 101,
  });
  match(stderr, new RegExp(`^Created token ${token?.id}\\. It is not shown again`));
  equal(stderr.includes(stdout.trim().slice(-43)), false);
});

const JUNE_MS = Date.parse("2026-06-01T00:00:00.000Z");
const JULY_MS = Date.parse("2026-07-01T00:00:00.000Z");

Deno.test("token create --expires makes a token that expires so long after the present", async () => {
  for (
    const [lifetime, ms] of [["30d", 2_592_000_000], ["12h", 43_200_000], [
      "90m",
      5_400_000,
    ]] as const
  ) {
    const node = new FakeNode();
    const authorizer = new Authorizer({ node, access: { kind: "open" }, now: () => JUNE_MS });
    const hosts = { "a:1": (request: Request) => createApp(node, { authorizer }).fetch(request) };
    const { stderr } = await floe(["token", "create", "--scope", "read", "--expires", lifetime], {
      env: { FLOE_ENDPOINTS: "a:1" },
      hosts,
      nowMs: JUNE_MS,
    });
    const [token] = await node.tokens({ timeoutMs: 1 });
    equal(token?.expiresAtMs, JUNE_MS + ms);
    match(stderr, new RegExp(`It expires at ${new Date(JUNE_MS + ms).toISOString()}\\.`));
  }
});

Deno.test("token create --no-secret prints no token", async () => {
  const { node, hosts: there } = hosts();
  const args = ["token", "create", "--scope", "read", "--name", "app", "--no-secret"];
  const { stdout, stderr } = await floe(args, { hosts: there });
  const [token] = await node.tokens({ timeoutMs: 1 });
  deepEqual([stdout, stderr], [`Created token ${token?.id} for certificates of app\n`, ""]);
});

Deno.test("token create takes every scope that it is given, together or one by one", async () => {
  for (
    const args of [["--scope", "write", "--scope", "read"], ["--scope=read", "--scope=read,write"]]
  ) {
    const { node, hosts: there } = hosts();
    await floe(["token", "create", ...args], { hosts: there });
    const [token] = await node.tokens({ timeoutMs: 1 });
    deepEqual(token?.scopes, ["read", "write"]);
  }
});

Deno.test("token create is done once, though the first node died at it", async () => {
  const node = new FakeNode();
  const lossy = async (request: Request) => {
    await createApp(node, { authorizer: new Authorizer({ node, access: { kind: "open" } }) }).fetch(
      request,
    );
    throw new TypeError("connection reset");
  };
  const { code } = await floe(["token", "create", "--scope", "admin"], {
    hosts: { "a:1": lossy, "b:1": node },
  });
  equal(code, 0);
  equal((await node.tokens({ timeoutMs: 1 })).length, 1);
});

Deno.test("token create -o json has what it allows beside the token", async () => {
  const { hosts: there } = hosts();
  const { stdout } = await floe(["token", "create", "--scope", "admin", "-o", "json"], {
    hosts: there,
  });
  const { id, token, ...rest } = JSON.parse(stdout);
  deepEqual(rest, {
    ...{ name: "", scopes: ["admin"], prefixes: [], expiresAt: null, createRevision: 101 },
  });
  equal(token.startsWith(`floe_${id}_`), true);
});

for (
  const [args, message] of [
    [["create"], /required option '--scope <list>'/],
    [["create", "--scope", "root"], /must be one or more of read,write,admin,status/],
    [["create", "--scope", ""], /must be one or more of read,write,admin,status/],
    [["create", "--scope", "admin", "--prefix", "a"], /admin goes without prefixes/],
    [["create", "--scope", "read", "--prefix", ""], /a prefix must be/],
    [["create", "--scope", "read", "--name", "a b"], /its name "a b" does not match/],
    [["create", "--scope", "read", "--expires", "30"], /as in 30d, 12h or 90m/],
    [["create", "--scope", "read", "--expires", "0d"], /as in 30d, 12h or 90m/],
    [["create", "--scope", "read", "--expires", "3651d"], /at most 3650d/],
    [["create", "--scope", "read", "--no-secret"], /--no-secret needs --name/],
    [["revoke"], /missing required argument 'id'/],
    [["revoke", "x"], /"x" is not 16 lower-case hex digits/],
  ] as const
) {
  Deno.test(`token ${args.join(" ")} is a usage error, and asks nobody`, async () => {
    const { hosts: there } = hosts();
    const { code, stderr, requests } = await floe(["token", ...args], { hosts: there });
    equal(code, 2);
    match(stderr, message);
    deepEqual(requests, []);
  });
}

Deno.test("token list shows the tokens in a table, and as JSON, without their digests", async () => {
  const { node, hosts: there } = hosts();
  node.apply({
    kind: "createToken",
    ...newToken("b", { name: "", prefixes: ["a/", "b/"], expiresAtMs: JULY_MS }),
  });
  node.apply({ kind: "createToken", ...newToken("a", { scopes: ["admin"], prefixes: [] }) });
  node.apply({ kind: "createToken", ...newToken("c", { expiresAtMs: JUNE_MS }) });
  const table = await floe(["token", "list"], { hosts: there, nowMs: JUNE_MS });
  deepEqual(table.stdout.split("\n"), [
    "ID                NAME  SCOPES      PREFIXES  EXPIRES           CREATED AT",
    "aaaaaaaaaaaaaaaa  ci    admin       -         -                 102",
    "bbbbbbbbbbbbbbbb  -     read,write  a/ b/     2026-07-01T00:00  101",
    "cccccccccccccccc  ci    read,write  app/      expired           103",
    "",
  ]);
  const json = await floe(["token", "list", "-o", "json"], { hosts: there });
  equal(JSON.parse(json.stdout).tokens.length, 3);
  equal(/sha|digest|0707/i.test(json.stdout), false);
});

Deno.test("token list shows a hostile prefix instead of letting it drive the terminal", async () => {
  const { node, hosts: there } = hosts();
  node.apply({ kind: "createToken", ...newToken("b", { prefixes: ["\u001b[2J"] }) });
  const { stdout } = await floe(["token", "list"], { hosts: there });
  match(stdout, /\\u001b\[2J/);
});

Deno.test("token revoke revokes, and exits with 3 where there is none", async () => {
  const { node, hosts: there } = hosts();
  node.apply({ kind: "createToken", ...newToken("a") });
  const revoked = await floe(["token", "revoke", ID], { hosts: there });
  deepEqual([revoked.code, revoked.stdout], [0, `Revoked token ${ID}\n`]);
  equal(node.token(ID), null);
  const again = await floe(["token", "revoke", ID, "-o", "json"], { hosts: there });
  deepEqual([again.code, JSON.parse(again.stdout)], [3, { id: ID, revoked: false, revision: 0 }]);
  match(again.stderr, new RegExp(`There is no token ${ID}`));
});

Deno.test("a command that is not allowed exits with 6, and says how to send a token", async () => {
  const node = new FakeNode();
  const secretDigest = new Uint8Array(32);
  const admin = { node: node.statusNow.id, secretDigest };
  const app = createApp(node, {
    authorizer: new Authorizer({ node, access: { kind: "tokens", admin } }),
  });
  const guarded = { "a:1": (request: Request) => app.fetch(request) };
  for (const args of [["get", "a"], ["put", "a", "x"], ["token", "list"], ["leader", "transfer"]]) {
    const { code, stderr } = await floe(args, { hosts: guarded });
    equal(code, 6, args.join(" "));
    match(stderr, /This needs a token: .*--token-file or FLOE_TOKEN_FILE/);
  }
});
