import { deepEqual, equal } from "node:assert/strict";
import { createApp } from "../../lib/http/app.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { FakeNode } from "./fake_node.ts";

const ORIGIN = "https://app.example";

function appFor(origins: readonly string[]) {
  const node = new FakeNode();
  return createApp(node, {
    authorizer: new Authorizer({ node, access: { kind: "local" }, origins }),
  });
}

const PREFLIGHT: RequestInit = {
  method: "OPTIONS",
  headers: { "access-control-request-method": "PUT", origin: ORIGIN },
};

function headersOfCors(response: Response): readonly string[] {
  return [...response.headers.keys()].filter((name) => name.startsWith("access-control-"));
}

Deno.test("no header of CORS is sent where no origin is named, not even to the API's own", async () => {
  const app = appFor([]);
  for (const origin of [ORIGIN, "http://localhost"]) {
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      const response = await app.request("/v1/leader", { method, headers: { origin } });
      deepEqual(headersOfCors(response), []);
    }
  }
  equal((await app.request("/v1/kv/a", PREFLIGHT)).status, 405);
});

Deno.test("a named origin may ask, write and read the answer, refusals included", async () => {
  const app = appFor([ORIGIN]);
  const preflight = await app.request("/v1/kv/a", PREFLIGHT);
  equal(preflight.status, 204);
  equal(preflight.headers.get("access-control-allow-origin"), ORIGIN);
  equal(preflight.headers.get("access-control-allow-methods")?.includes("PUT"), true);
  equal(preflight.headers.get("access-control-allow-headers")?.includes("authorization"), true);
  equal(preflight.headers.get("access-control-allow-credentials"), null);
  const headers = { origin: ORIGIN };
  const put = await app.request("/v1/kv/a", { method: "PUT", body: "x", headers });
  deepEqual([put.status, put.headers.get("access-control-allow-origin")], [200, ORIGIN]);
  equal(put.headers.get("access-control-expose-headers")?.includes("etag"), true);
  const missing = await app.request("/v1/kv/b", { headers });
  deepEqual([missing.status, missing.headers.get("access-control-allow-origin")], [404, ORIGIN]);
});

Deno.test("an origin that is not named is told nothing by CORS, and refused", async () => {
  const app = appFor([ORIGIN]);
  const headers = { origin: "https://evil.example" };
  const response = await app.request("/v1/kv/a", { method: "PUT", body: "x", headers });
  deepEqual([response.status, response.headers.get("access-control-allow-origin")], [403, null]);
  const preflight = await app.request("/v1/kv/a", {
    ...PREFLIGHT,
    headers: { ...PREFLIGHT.headers, ...headers },
  });
  equal(preflight.headers.get("access-control-allow-origin"), null);
});
