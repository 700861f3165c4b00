/**
 * `GET /openapi.json`, held to the routes and to `docs/api.md`, and a server of a fake node put to schemathesis.
 *
 * @module
 */

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { OPERATIONS } from "../../lib/http/operations.ts";
import { PARAMETERS } from "../../lib/http/operation_parameters.ts";
import { read, rowsUnder, unquote } from "../support/document.ts";
import { FakeNode, openApp } from "./fake_node.ts";

interface Parameter {
  readonly name: string;
  readonly in: string;
}

interface Described {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly security: readonly unknown[];
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, unknown>> }>
  >;
}

async function readDocument() {
  const response = await openApp(new FakeNode()).request("/openapi.json");
  equal(response.status, 200);
  return await response.json();
}

/** Every operation by its method and path. */
async function readOperations(): Promise<ReadonlyMap<string, Described>> {
  const { paths } = await readDocument();
  return new Map(
    Object.entries<Record<string, Described>>(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) =>
        [`${method.toUpperCase()} ${path}`, operation] as const
      )
    ),
  );
}

const ROWS = rowsUnder("docs/api.md", "## Routes").map(
  ([route = "", scope = "", , statuses = ""]) => {
    return { route: unquote(route), scope, statuses: statuses.split(", ").map(Number) };
  },
);

Deno.test("GET /openapi.json is of this version, and names itself", async () => {
  const { openapi, info, paths } = await readDocument();
  equal(openapi, "3.1.0");
  equal(info.version, JSON.parse(read("deno.json")).version);
  ok("/openapi.json" in paths);
});

Deno.test("GET /openapi.json has the routes of docs/api.md and no other", async () => {
  const described = [...(await readOperations()).keys()];
  deepEqual(described.toSorted(), ROWS.map(({ route }) => route).toSorted());
});

Deno.test("GET /openapi.json has the scopes and statuses of docs/api.md", async () => {
  const operations = await readOperations();
  for (const { route, scope, statuses } of ROWS) {
    const operation = operations.get(route);
    ok(operation !== undefined, route);
    const isPublic = scope === "none";
    deepEqual(operation.security, isPublic ? [] : [{ token: [] }], route);
    equal(OPERATIONS[route]?.needs ?? "none", unquote(scope), route);
    // As docs/api.md says of any route.
    const common = [400, 403, 413, 421, 500, ...(isPublic ? [] : [401])];
    const keyless = ["GET /v1/dkg", "GET /livez", "GET /openapi.json"].includes(route) ? [] : [503];
    const told = new Set([...statuses, ...common, ...keyless]);
    deepEqual(Object.keys(operation.responses).map(Number).toSorted(), [...told].toSorted(), route);
  }
});

Deno.test("GET /openapi.json has every parameter that a route takes, and no other", async () => {
  const app = openApp(new FakeNode());
  for (const [route, { parameters }] of await readOperations()) {
    const [method = "", path = ""] = route.split(" ");
    const told = parameters.filter((one) => one.in === "query").map(({ name }) => name);
    const at = path.replace("{key}", "a").replace("{term}", "7")
      .replace("{id}", path.includes("tokens") ? "0123456789abcdef" : "7");
    const init = method === "POST" ? { method, body: "{}" } : { method };
    const response = await app.request(`${at}?nonsense=1`, init);
    const { detail = "" } = await response.json();
    // Health looks at no parameter.
    if (path === "/livez" || path === "/readyz") continue;
    match(detail, /^Unknown parameter "nonsense": this path takes /, route);
    const [, taken = ""] = /this path takes (.*)$/.exec(detail) ?? [];
    deepEqual(told.toSorted(), (taken === "none" ? [] : taken.split(", ")).toSorted(), route);
  }
});

Deno.test("docs/api.md has every parameter and request header of GET /openapi.json", () => {
  const names = (heading: string) =>
    rowsUnder("docs/api.md", heading).flatMap(([cell = ""]) =>
      cell.split(", ").map((name) => unquote(name).replace(/: .*$/, ""))
    );
  const told = [...names("## Query parameters"), ...names("## Headers")];
  deepEqual(Object.keys(PARAMETERS).filter((name) => !told.includes(name)), []);
});

Deno.test("every reference in GET /openapi.json leads to a schema, and every schema is used", async () => {
  const document = await readDocument();
  const text = JSON.stringify(document);
  const referred = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)]
    .map(([, name]) => name);
  deepEqual([...new Set(referred)].toSorted(), Object.keys(document.components.schemas).toSorted());
  ok(!text.includes("$defs"));
});

Deno.test("GET /openapi.json has each operation once by its name", async () => {
  const ids = [...(await readOperations()).values()].map(({ operationId }) => operationId);
  equal(new Set(ids).size, ids.length);
});
