/**
 * `docs/api.md` has all of the API that programs build on, and nothing else.
 *
 * @module
 */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { createApp } from "../lib/http/app.ts";
import { Authorizer } from "../lib/http/authorization.ts";
import { ELECTIONS_LIMIT_DEFAULT, REQUEST_TIMEOUT_MS_DEFAULT } from "../lib/http/connections.ts";
import { Problem, PROBLEM_STATUS, type ProblemCode, problemResponse } from "../lib/http/problem.ts";
import {
  deleteSchema,
  dkgSchema,
  ELECTIONS_LIMIT_MAX,
  electionSchema,
  electionsSchema,
  groupSchema,
  healthSchema,
  keyValueSchema,
  leaderSchema,
  newTokenSchema,
  type ProblemBody,
  problemSchema,
  putSchema,
  REQUEST_TIMEOUT_MS_MAX,
  revokedTokenSchema,
  type Schema,
  statusSchema,
  tokenSchema,
  tokensSchema,
  transferSchema,
} from "../lib/http/wire.ts";
import { REMEMBERED_ENTRIES } from "../lib/kv/write_memory.ts";
import { IDEMPOTENCY_KEY_LENGTH_MAX } from "../lib/kv/command.ts";
import { KEY_BYTES_MAX } from "../lib/kv/key_range.ts";
import { VALUE_BYTES_MAX } from "../lib/kv/transaction.ts";
import {
  TOKEN_NAME_LENGTH_MAX,
  TOKEN_PREFIXES_MAX,
  TOKENS_MAX,
  type TokenScope,
} from "../lib/kv/token.ts";
import { toNodeId } from "../lib/types.ts";
import { FakeNode } from "./http/fake_node.ts";
import { read, rowsUnder, unquote } from "./support/document.ts";

/** Lets everybody in, and remembers what scope the route of the last request needs. */
class RecordingAuthorizer extends Authorizer {
  needs: TokenScope | null | undefined;

  override admit(...args: Parameters<Authorizer["admit"]>): ReturnType<Authorizer["admit"]> {
    this.needs = args[1];
    return super.admit(...args);
  }
}

function openApi() {
  const node = new FakeNode();
  const authorizer = new RecordingAuthorizer({ node, access: { kind: "open" } });
  return { node, authorizer, app: createApp(node, { authorizer }) };
}

/** What stands in a path for what a route names in braces. */
const SAMPLES: Readonly<Record<string, string>> = {
  "/v1/kv/{key}": "/v1/kv/app/colour",
  "/v1/elections/{term}": "/v1/elections/7",
  "/v1/tokens/{id}": "/v1/tokens/0123456789abcdef",
};

Deno.test("docs/api.md has every route of the API and no other", () => {
  const registered = openApi().app.routes.filter(({ method }) => method !== "ALL")
    .map(({ method, path }) =>
      `${method} ${path.replace(/\*$/, "{key}").replace(/:([a-z]+)/, "{$1}")}`
    );
  ok(registered.length > 10);
  const told = rowsUnder("docs/api.md", "## Routes").map(([route = ""]) => unquote(route));
  deepEqual(told.toSorted(), registered.toSorted());
});

for (const [route = "", scope = ""] of rowsUnder("docs/api.md", "## Routes")) {
  Deno.test(`docs/api.md has the scope of ${unquote(route)}`, async () => {
    const { app, authorizer } = openApi();
    const [method = "", path = ""] = unquote(route).split(" ");
    await (await app.request(SAMPLES[path] ?? path, { method })).body?.cancel();
    equal(scope === "none" ? null : unquote(scope), authorizer.needs);
  });
}

/** The fields of an answer as docs/api.md tells them, those of other sections that it refers to included. */
function toldFields(heading: string): readonly string[] {
  return rowsUnder("docs/api.md", heading).flatMap(([field = "", , text = ""]) => {
    const [, other] = /see (`[^`]+`)/.exec(text) ?? [];
    if (other === undefined) return [unquote(field)];
    return toldFields(other).map((inner) => `${unquote(field)}.${inner}`);
  });
}

/** The fields of an answer as it came: `peers[].id` for those of objects in a list. */
function fieldsOf(value: unknown, path = ""): readonly string[] {
  // Its keys are names of what is counted.
  if (path === "counters" || typeof value !== "object" || value === null) return [path];
  if (!Array.isArray(value)) {
    const prefix = path === "" ? "" : `${path}.`;
    return Object.entries(value).flatMap(([key, inner]) => fieldsOf(inner, `${prefix}${key}`));
  }
  const [first] = value;
  return typeof first === "object" ? fieldsOf(first, `${path}[]`) : [path];
}

const BODIES: Readonly<Record<string, string>> = {
  "/v1/kv/{key}": "blue",
  "/v1/tokens/{id}": JSON.stringify({ secretSha256: "a".repeat(64), scopes: ["read"] }),
};

/** A node's answers, with something in every list. */
function openFullApi() {
  const { app, node } = openApi();
  const [id, step] = [toNodeId("server_2"), "roundOne"] as const;
  node.keyGenerationNow = { ...node.keyGenerationNow, waitingFor: [{ id, step }] };
  return async (method: string, path: string) => {
    const body = BODIES[path];
    const init = method === "PUT" && body !== undefined ? { method, body } : { method };
    const response = await app.request(SAMPLES[path] ?? path, init);
    equal(response.status, 200);
    return await response.json();
  };
}

for (const [cell = ""] of rowsUnder("docs/api.md", "## Routes")) {
  Deno.test(`docs/api.md has the fields that ${unquote(cell)} answers with`, async () => {
    const ask = openFullApi();
    const [method = "", path = ""] = unquote(cell).split(" ");
    if (method === "GET") {
      await Promise.all(Object.keys(BODIES).map((written) => ask("PUT", written)));
    }
    deepEqual(toldFields(cell).toSorted(), fieldsOf(await ask(method, path)).toSorted());
  });
}

/** The one declaration of each route's answer. */
const SCHEMAS: Readonly<Record<string, Schema<unknown>>> = {
  "GET /v1/kv/{key}": keyValueSchema,
  "PUT /v1/kv/{key}": putSchema,
  "DELETE /v1/kv/{key}": deleteSchema,
  "GET /v1/status": statusSchema,
  "GET /v1/leader": leaderSchema,
  "POST /v1/leader/transfer": transferSchema,
  "GET /v1/elections": electionsSchema,
  "GET /v1/elections/{term}": electionSchema,
  "GET /v1/group": groupSchema,
  "GET /v1/dkg": dkgSchema,
  "GET /v1/tokens": tokensSchema,
  "PUT /v1/tokens/{id}": tokenSchema,
  "DELETE /v1/tokens/{id}": revokedTokenSchema,
  "GET /livez": healthSchema,
  "GET /readyz": healthSchema,
};

/** Holds a body to its schema. Reading drops the fields that a schema does not know. */
function checkBody(route: string, body: object): void {
  const schema = "code" in body ? problemSchema : SCHEMAS[route];
  deepEqual(schema?.parse(body), body, route);
}

for (const [cell = ""] of rowsUnder("docs/api.md", "## Routes")) {
  Deno.test(`lib/http/wire.ts has the whole body that ${unquote(cell)} answers with`, async () => {
    const [method = "", path = ""] = unquote(cell).split(" ");
    const ask = openFullApi();
    if (method === "GET") {
      await Promise.all(Object.keys(BODIES).map((written) => ask("PUT", written)));
    }
    checkBody(unquote(cell), await ask(method, path));
  });
}

/** The route of an example's command. */
function routeOf(command: string): string {
  const [, method = "GET"] = /-X ([A-Z]+)/.exec(command) ?? [];
  const [, path = ""] = /localhost:[0-9]+([^ ?']*)/.exec(command) ?? [];
  return `${method} ${
    path.replace(/^(\/v1\/kv\/).*/, "$1{key}").replace(/(elections)\/.*/, "$1/{term}")
  }`;
}

Deno.test("docs/api.md has no JSON in its examples that the schemas do not describe", () => {
  const [, examples = ""] = /^## Examples$(.*?)^## /ms.exec(read("docs/api.md")) ?? [];
  const checked = examples.split("\n$ ").flatMap((example) => {
    const [command = "", ...lines] = example.split("\n");
    const bodies = lines.filter((line) => line.startsWith("{"));
    for (const body of bodies) checkBody(routeOf(command), JSON.parse(body));
    return bodies;
  });
  ok(checked.length >= 7);
});

Deno.test("docs/api.md describes a token as its schema reads one", () => {
  const [, told = ""] = /`(\{"secretSha256".*?\})`/s.exec(read("docs/api.md")) ?? [];
  const body = JSON.parse(told.replace("<64 hex digits>", "a".repeat(64)));
  deepEqual(newTokenSchema.parse(body), body);
  throws(() => newTokenSchema.parse({ ...body, secret: "a" }));
  const { name: _name, prefixes: _prefixes, ...least } = body;
  deepEqual(newTokenSchema.parse(least), { ...least, name: "", prefixes: [] });
});

/** What a write that ends with this error is answered with. */
async function problemOf(error: unknown): Promise<ProblemBody> {
  const request = new Request("http://localhost/v1/kv/a", { method: "PUT" });
  return await problemResponse(error, request).json();
}

function isProblemCode(code: string): code is ProblemCode {
  return code in PROBLEM_STATUS;
}

Deno.test("docs/api.md has every problem's code, with its status and pause", async () => {
  const sent = Object.keys(PROBLEM_STATUS).filter(isProblemCode).map(async (code) => {
    const { status, retryAfterMs } = await problemOf(new Problem(code, "so it is"));
    return [code, String(status), String(retryAfterMs ?? "-")].join(" ");
  });
  const told = rowsUnder("docs/api.md", "### Codes").map(([code = "", status, , pause]) =>
    [unquote(code), status, pause].join(" ")
  );
  deepEqual(told.toSorted(), (await Promise.all(sent)).toSorted());
});

Deno.test("docs/api.md has the fields of a problem, in their order", async () => {
  const told = rowsUnder("docs/api.md", "## Problems").map(([field = ""]) => unquote(field));
  deepEqual(told, Object.keys(await problemOf(new Problem("no_leader", "so it is"))));
});

Deno.test("docs/api.md has every header of the API that a page of another origin may use", async () => {
  const node = new FakeNode();
  const origin = "https://app.example";
  const authorizer = new Authorizer({ node, access: { kind: "open" }, origins: [origin] });
  const app = createApp(node, { authorizer });
  const headers = { origin, "access-control-request-method": "PUT" };
  const asked = await app.request("/v1/kv/a", { method: "OPTIONS", headers });
  const answered = await app.request("/v1/kv/a", { headers });
  const used = [
    ...(asked.headers.get("access-control-allow-headers") ?? "").split(","),
    ...(answered.headers.get("access-control-expose-headers") ?? "").split(","),
  ];
  ok(used.length > 10);
  const cells = rowsUnder("docs/api.md", "## Headers").flatMap(([cell = ""]) => cell.split(", "));
  const told = cells.map((cell) => unquote(cell).split(":", 1)[0]?.toLowerCase());
  for (const name of used) ok(told.includes(name), name);
});

Deno.test("docs/api.md has the limits that are in force", () => {
  const text = read("docs/api.md").replaceAll(/\s+/g, " ");
  for (
    const limit of [
      `1 to ${inWords(KEY_BYTES_MAX)} bytes of UTF-8`,
      `at most ${inWords(VALUE_BYTES_MAX)} bytes`,
      `1 to ${inWords(REQUEST_TIMEOUT_MS_MAX)}, default ${inWords(REQUEST_TIMEOUT_MS_DEFAULT)}`,
      `1 to ${ELECTIONS_LIMIT_MAX}, default ${ELECTIONS_LIMIT_DEFAULT}`,
      `fewer than ${inWords(REMEMBERED_ENTRIES)} entries`,
      `there are ${inWords(TOKENS_MAX)} tokens`,
      `at most ${TOKEN_NAME_LENGTH_MAX} characters`,
      `at most ${TOKEN_PREFIXES_MAX}; none: for all`,
      `1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters`,
    ]
  ) {
    ok(text.includes(limit), limit);
  }
});

function inWords(limit: number): string {
  return limit.toLocaleString("en-US");
}
