import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { toNodeId } from "../../lib/types.ts";
import { PAGE_FILES } from "../../lib/ui/mod.ts";
import { FakeNode } from "./fake_node.ts";

function openPage() {
  const node = new FakeNode();
  const admin = { node: toNodeId("server_1"), secretDigest: new Uint8Array(32) };
  return createApp(node, {
    authorizer: new Authorizer({ node, access: { kind: "tokens", admin } }),
  });
}

Deno.test("/ui/ is the page, for everybody, and may load nothing from elsewhere", async () => {
  const response = await openPage().request("/ui/");
  equal(response.status, 200);
  equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  const policy = response.headers.get("content-security-policy") ?? "";
  match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
  ok(!/unsafe|http|\*/.test(policy), policy);
  match(policy, /frame-ancestors 'none'/);
  match(await response.text(), /^<!doctype html>/);
});

Deno.test("/ui leads to /ui/", async () => {
  const response = await openPage().request("/ui");
  deepEqual([response.status, response.headers.get("location")], [308, "/ui/"]);
});

Deno.test("every file of the page is there, with its type, and is not sent twice", async () => {
  const app = openPage();
  ok(PAGE_FILES.size > 10);
  for (const [name, text] of PAGE_FILES) {
    const response = await app.request(`/ui/${name}`);
    equal(await response.text(), text, name);
    const type = response.headers.get("content-type") ?? "";
    match(type, /^(text\/(html|css|javascript); charset=utf-8|image\/svg\+xml)$/, name);
    const etag = response.headers.get("etag") ?? "";
    const again = await app.request(`/ui/${name}`, { headers: { "if-none-match": etag } });
    deepEqual([again.status, await again.text()], [304, ""], name);
  }
});

Deno.test("/ui/ has nothing but the page's own files", async () => {
  const app = openPage();
  for (const path of ["/ui/mod.ts", "/ui/..%2fmod.ts", "/ui/main.js/x", "/ui/constructor"]) {
    equal((await app.request(path)).status, 404, path);
  }
});

Deno.test("the page names nothing that is not its own", () => {
  for (const [name, text] of PAGE_FILES) {
    const addresses = text.match(/https?:\/\/[^\s"'`)]+/g) ?? [];
    const foreign = addresses.filter((address) => address !== "http://www.w3.org/2000/svg");
    deepEqual(foreign, [], name);
  }
});

Deno.test("every module that the page imports is one of its files", () => {
  for (const [name, text] of PAGE_FILES) {
    for (const [, imported = ""] of text.matchAll(/^import .* from "\.\/(.+)";$/gm)) {
      ok(PAGE_FILES.has(imported), `${name} imports ${imported}`);
    }
  }
});
