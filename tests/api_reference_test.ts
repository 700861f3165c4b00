/**
 * `docs/api.md` has all of the API that programs build on, and nothing else.
 *
 * @module
 */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { createApp } from "../lib/http/app.ts";
import { Authorizer, type Needs } from "../lib/http/authorization.ts";
import {
  ELECTIONS_LIMIT_DEFAULT,
  EVENT_STREAMS_MAX,
  LEASES_LIMIT_DEFAULT,
  RANGES_ACTIVE_MAX,
  REQUEST_TIMEOUT_MS_DEFAULT,
  STREAM_STALLED_MS,
  TRANSACTION_BODY_BYTES_MAX,
  WATCH_PROGRESS_MS,
  WATCH_STALLED_MS,
  WATCHES_MAX,
} from "../lib/http/connections.ts";
import { LEASE_KEYS_SHOWN_MAX } from "../lib/http/leases.ts";
import { OPERATIONS } from "../lib/http/operations.ts";
import { Problem, PROBLEM_STATUS, type ProblemCode, problemResponse } from "../lib/http/problem.ts";
import type { Application } from "../lib/http/route.ts";
import { LEASE_KEYS_PER_ENTRY, LEASES_MAX } from "../lib/kv/lease_table.ts";
import { TOKEN_NAME_LENGTH_MAX, TOKEN_PREFIXES_MAX, TOKENS_MAX } from "../lib/kv/token.ts";
import {
  OPERATIONS_MAX,
  TRANSACTION_KEYS_MAX,
  TRANSACTION_PARTS_MAX,
} from "../lib/kv/transaction.ts";
import { REMEMBERED_ENTRIES } from "../lib/kv/write_memory.ts";
import {
  IDEMPOTENCY_KEY_LENGTH_MAX,
  KEY_BYTES_MAX,
  TRANSACTION_BYTES_MAX,
  VALUE_BYTES_MAX,
} from "../lib/limits.ts";
import { toLogIndex, toNodeId } from "../lib/types.ts";
import {
  ELECTIONS_LIMIT_MAX,
  eventsViewSchema,
  LEASES_LIMIT_MAX,
  newTokenSchema,
  type ProblemBody,
  problemSchema,
  REQUEST_TIMEOUT_MS_MAX,
  transactionSchema,
  watchChangeSchema,
} from "../lib/wire/mod.ts";
import { FakeNode } from "./http/fake_node.ts";
import { fakeCertificate } from "./http/fake_reports.ts";
import { newToken } from "./kv/support.ts";
import { read, rowsUnder, unquote } from "./support/document.ts";
import { EventReader } from "./support/event_stream.ts";

/** Lets everybody in, and remembers what scope the route of the last request needs. */
class RecordingAuthorizer extends Authorizer {
  needs: Needs | undefined;

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
  "/v1/kv/{key}": "/v1/kv/%FF",
  "/v1/elections/{term}": "/v1/elections/7",
  "/v1/tokens/{id}": "/v1/tokens/0123456789abcdef",
  "/v1/kv": "/v1/kv?prefix=%FF&limit=1",
  "/v1/watch": "/v1/watch?prefix=%FF&fromRevision=1&prev=true",
  "/v1/watch/{id}/progress": "/v1/watch/0/progress",
  "/v1/leases/{id}": "/v1/leases/7",
  "/v1/leases/{id}/keepalive": "/v1/leases/7/keepalive",
};

Deno.test("docs/api.md has every route of the API and no other", () => {
  const registered = openApi().app.routes
    .filter(({ method, path }) => method !== "ALL" && !path.startsWith("/ui"))
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
    const init = method === "POST" ? { method, body: "" } : { method };
    await (await app.request(SAMPLES[path] ?? path, init)).body?.cancel();
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
  "PUT /v1/kv/{key}": "blue",
  "PUT /v1/tokens/{id}": JSON.stringify({ secretSha256: "a".repeat(64), scopes: ["read"] }),
  "POST /v1/txn": JSON.stringify({
    then: [{
      put: {
        key: "/w==",
        keyEncoding: "base64",
        value: "/w==",
        encoding: "base64",
        previous: true,
      },
    }],
  }),
  "POST /v1/compact": '{"revision":101}',
  "POST /v1/leases": '{"ttlSeconds":15}',
  "POST /v1/members": '{"remove":["server_7"]}',
  "POST /v1/members/plan": '{"refresh":true}',
};

/** A node's answers, with something in every list. */
function openFullApi() {
  const { app, node } = openApi();
  const [id, step] = [toNodeId("server_2"), "roundOne"] as const;
  node.keyGenerationNow = { ...node.keyGenerationNow, waitingFor: [{ id, step }] };
  const [first, second] = [fakeCertificate(7), fakeCertificate(5)];
  const claim = { from: id, term: first.term, reason: "no certificate", refusedAt: 1 };
  node.evidenceNow = {
    twoLeaders: [{ term: first.term, first, second, noticedAt: 1 }],
    refusedCount: 1,
    lastRefused: claim,
  };
  const key = Uint8Array.of(0xff);
  node.apply({ kind: "grantLease", id: 7, ttlSeconds: 15 });
  node.put(key, key, 7);
  node.put(key, key, 7);
  node.put(Uint8Array.of(0xff, 0), "");
  node.apply({ kind: "createToken", ...newToken("0"), id: "0123456789abcdee" });
  return async (method: string, path: string) => {
    if (path.startsWith("/v1/watch")) return await watchAnswer(app, path);
    if (path === "/v1/events") return await firstView(app);
    const body = BODIES[`${method} ${path}`];
    const init = body !== undefined ? { method, body } : { method };
    const sample = SAMPLES[path] ?? path;
    const response = await app.request(
      method === "DELETE" ? sample.replace("&limit=1", "") : sample,
      init,
    );
    equal(response.status, 200);
    return await response.json();
  };
}

/** The second change of a watch, which has a value before; or the answer to who asks for its progress. */
async function watchAnswer(app: Application, path: string) {
  const events = new EventReader(await app.request(SAMPLES["/v1/watch"] ?? ""));
  const start = await events.next();
  await events.next();
  const change = await events.next();
  const asked = await app.request(`/v1/watch/${start?.data.watch}/progress`, { method: "POST" });
  await events.cancel();
  const progress = await asked.json();
  return path === "/v1/watch" ? change?.data : progress;
}

async function firstView(app: Application) {
  const events = new EventReader(await app.request("/v1/events"));
  await events.next();
  const view = await events.next();
  await events.cancel();
  return view?.data;
}

/** The routes that answer with a file, or with what other programs read. */
const OTHER_ROUTES = ["GET /v1/snapshot", "GET /metrics", "GET /openapi.json"];
/** The routes that answer with JSON. */
const JSON_ROUTES = rowsUnder("docs/api.md", "## Routes")
  .filter(([cell = ""]) => !OTHER_ROUTES.includes(unquote(cell)));

/** Where the fields of a route's answer stand. */
function headingOf(cell: string): string {
  return cell === "`GET /v1/watch`" ? "### Changes" : cell;
}

for (const [cell = ""] of JSON_ROUTES) {
  Deno.test(`docs/api.md has the fields that ${unquote(cell)} answers with`, async () => {
    const ask = openFullApi();
    const [method = "", path = ""] = unquote(cell).split(" ");
    deepEqual(toldFields(headingOf(cell)).toSorted(), fieldsOf(await ask(method, path)).toSorted());
  });
}

/** Holds a body to its schema. Reading drops the fields that a schema does not know. */
function checkBody(route: string, body: object): void {
  // An event of a watch is no JSON document of its own.
  const schema = route === "GET /v1/watch"
    ? watchChangeSchema
    : route === "GET /v1/events"
    ? eventsViewSchema
    : OPERATIONS[route]?.answer?.schema;
  deepEqual(("code" in body ? problemSchema : schema)?.parse(body), body, route);
}

for (const [cell = ""] of JSON_ROUTES) {
  Deno.test(`lib/wire has the whole body that ${unquote(cell)} answers with`, async () => {
    const [method = "", path = ""] = unquote(cell).split(" ");
    const ask = openFullApi();
    checkBody(unquote(cell), await ask(method, path));
  });
}

/** The route of an example's command. */
function routeOf(command: string): string {
  const [, method = "GET"] = /-X ([A-Z]+)/.exec(command) ?? [];
  const [, path = ""] = /localhost:[0-9]+([^ ?']*)/.exec(command) ?? [];
  return `${method} ${
    path.replace(/^(\/v1\/kv\/).*/, "$1{key}").replace(/(elections)\/.*/, "$1/{term}")
      .replace(/(leases)\/[0-9]+/, "$1/{id}")
  }`;
}

Deno.test("docs/api.md has no JSON in its examples that the schemas do not describe", () => {
  const [, examples = ""] = /^## Examples$(.*?)^## /ms.exec(read("docs/api.md")) ?? [];
  const checked = examples.split("\n$ ").flatMap((example) => {
    const [command = "", ...lines] = example.split("\n");
    const bodies = lines.filter((line) => /^({|data: .*"events")/.test(line))
      .map((line) => line.replace("data: ", ""));
    for (const body of bodies) checkBody(routeOf(command), JSON.parse(body));
    return bodies;
  });
  ok(checked.length >= 14);
});

Deno.test("docs/api.md describes a transaction as its schema reads one", () => {
  const [, told = ""] = /```json\n(\{.*?"if".*?)```/s.exec(read("docs/api.md")) ?? [];
  const body = JSON.parse(told);
  deepEqual(transactionSchema.parse(body), body);
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
  deepEqual(
    told,
    Object.keys(
      await problemOf(
        new Problem("no_leader", "so it is", {
          oldestRevision: toLogIndex(1),
        }),
      ),
    ),
  );
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
      `1 to ${inWords(KEY_BYTES_MAX)} bytes, of any kind`,
      `at most ${inWords(VALUE_BYTES_MAX)} bytes`,
      `1 to ${inWords(REQUEST_TIMEOUT_MS_MAX)}, default ${inWords(REQUEST_TIMEOUT_MS_DEFAULT)}`,
      `1 to ${ELECTIONS_LIMIT_MAX}, default ${ELECTIONS_LIMIT_DEFAULT}`,
      `1 to ${inWords(LEASES_LIMIT_MAX)}, default ${LEASES_LIMIT_DEFAULT}`,
      `At most ${inWords(TRANSACTION_KEYS_MAX)} keys, else none`,
      `of at most ${TRANSACTION_BODY_BYTES_MAX / 1024 / 1024} MiB, has conditions`,
      `At most ${OPERATIONS_MAX} operations`,
      `at most ${TRANSACTION_PARTS_MAX} operations and conditions`,
      `no more than ${inWords(TRANSACTION_KEYS_MAX)} keys, and answers with ${
        TRANSACTION_BYTES_MAX / 1024 / 1024
      } MiB`,
      `Every ${WATCH_PROGRESS_MS / 1000} s, and after`,
      `the first ${inWords(LEASE_KEYS_SHOWN_MAX)} of its keys`,
      `in steps of ${inWords(LEASE_KEYS_PER_ENTRY)}`,
      `there are ${inWords(LEASES_MAX)} leases`,
      `for ${STREAM_STALLED_MS / 1000} s, or of a watch for ${WATCH_STALLED_MS / 60_000} minutes`,
      `At most ${EVENT_STREAMS_MAX} streams at once`,
      `at most ${RANGES_ACTIVE_MAX} such ranges and ${inWords(WATCHES_MAX)} watches`,
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
