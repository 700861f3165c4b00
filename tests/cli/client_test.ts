import { deepEqual, equal, match } from "node:assert/strict";
import { RequestError, type RequestFailure } from "../../lib/node/api.ts";
import { FakeNode } from "../http/fake_node.ts";
import { floe, type Host } from "./fake_terminal.ts";

function failing(code: RequestFailure, options: { maybeApplied: boolean; times?: number }) {
  const node = new FakeNode();
  node.failure = new RequestError(code, `${code}, said the node`, options);
  node.failuresLeft = options.times ?? Infinity;
  return node;
}

Deno.test("a write goes to the next node when nothing listens at the first", async () => {
  const outcome = await floe(["put", "k", "x"], { hosts: { "b:1": new FakeNode() } });
  deepEqual([outcome.code, outcome.stderr, outcome.waitedMs], [0, "", 0]);
  deepEqual(outcome.requests.map((request) => request.slice(0, 7)), ["PUT a:1", "PUT b:1"]);
});

Deno.test("a write is sent again while it certainly was not applied", async () => {
  const a = failing("no_leader", { maybeApplied: false, times: 3 });
  const b = failing("overloaded", { maybeApplied: false });
  const outcome = await floe(["put", "k", "x"], { hosts: { "a:1": a, "b:1": b } });
  equal(outcome.code, 0);
  equal(a.commands.length, 1);
  equal(b.commands.length, 0);
  equal(outcome.requests.length, 7);
  // Three rounds in vain, and the longest pause that any node asked for after each.
  equal(outcome.waitedMs, 750);
});

const UNCERTAIN: readonly (readonly [what: string, host: Host])[] = [
  ["the node does not know", failing("timeout", { maybeApplied: true })],
  ["the leader changed", failing("leader_changed", { maybeApplied: true })],
  ["the node never answers", "silent"],
  ["the connection breaks", () => Promise.reject(new TypeError("connection closed"))],
  ["something else answers", () => new Response("<h1>Bad Gateway</h1>", { status: 502 })],
  ["a problem does not say", () =>
    Response.json({ code: "no_leader", detail: "x" }, {
      status: 503,
      headers: { "content-type": "application/problem+json" },
    })],
];
for (const [what, host] of UNCERTAIN) {
  for (const args of [["put", "k", "x"], ["del", "k"]]) {
    Deno.test(`${args[0]} is never sent again when ${what}`, async () => {
      const b = new FakeNode();
      const outcome = await floe(args, { hosts: { "a:1": host, "b:1": b } });
      deepEqual([outcome.code, outcome.stdout, outcome.requests.length], [5, "", 1]);
      match(outcome.stderr, /^floe: a:1: .*\nThe write may have been applied\. Read the key/);
      equal(b.commands.length, 0);
    });
  }
}

Deno.test("a read goes to the next node whatever passing trouble the first has", async () => {
  for (const [, host] of UNCERTAIN) {
    const b = new FakeNode();
    await b.write({ kind: "put", key: "k", value: new Uint8Array([65]) }, { timeoutMs: 1 });
    const outcome = await floe(["get", "k"], { hosts: { "a:1": host, "b:1": b } });
    deepEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "A", ""]);
  }
});

Deno.test("a command gives up when the time is over, and says what each node said", async () => {
  const hosts = { "a:1": failing("no_leader", { maybeApplied: false }), "b:1": new FakeNode() };
  hosts["b:1"].failure = new RequestError("stopping", "stopping", { maybeApplied: false });
  for (const args of [["put", "k", "x"], ["get", "k"]]) {
    const outcome = await floe([...args, "--timeout", "1"], { hosts });
    deepEqual([outcome.code, outcome.stdout, outcome.waitedMs], [5, "", 750]);
    equal(
      outcome.stderr,
      "floe: No node could do it within 1 s:\n  a:1: no_leader, said the node\n" +
        "  b:1: stopping\n" +
        "Nothing was changed. See how the nodes are (floe status), or allow more --timeout.\n",
    );
  }
});

Deno.test("a command does not wait where nothing listens at any address", async () => {
  const outcome = await floe(["put", "k", "x"]);
  deepEqual([outcome.code, outcome.waitedMs, outcome.requests.length], [5, 0, 2]);
  equal(
    outcome.stderr,
    "floe: No node is reachable:\n  a:1: connection refused\n  b:1: connection refused\n" +
      "Start the cluster (floe cluster), or name its nodes with --endpoints.\n",
  );
});

const REFUSALS: readonly (readonly [status: number, code: number])[] = [
  [400, 2],
  [401, 6],
  [403, 6],
  [404, 3],
  [409, 4],
  [412, 4],
  [413, 2],
];
for (const [status, code] of REFUSALS) {
  Deno.test(`a refusal with ${status} ends with exit code ${code} at once`, async () => {
    const refuse = () =>
      Response.json({ code: "some_code", detail: "not like this", maybeApplied: false }, {
        status,
        headers: { "content-type": "application/problem+json" },
      });
    for (const args of [["put", "k", "x"], ["get", "k"]]) {
      const outcome = await floe(args, { hosts: { "a:1": refuse, "b:1": new FakeNode() } });
      deepEqual([outcome.code, outcome.stdout, outcome.requests.length], [code, "", 1]);
      equal(outcome.stderr, "floe: not like this (a:1)\n");
    }
  });
}

Deno.test("an answer that is not Floe's is a failure, and cannot drive the terminal", async () => {
  const page = () => new Response("<html>", { headers: { "content-type": "text/html" } });
  const outcome = await floe(["get", "k", "-o", "json"], { hosts: { "a:1": page } });
  deepEqual([outcome.code, outcome.stdout], [1, ""]);
  match(outcome.stderr, /^floe: a:1 answered, but not as Floe's API does/);

  const hostile = () =>
    Response.json({ code: "x", detail: "\u001b]0;owned\u0007\u202e" }, {
      status: 404,
      headers: { "content-type": "application/problem+json" },
    });
  const { stderr } = await floe(["get", "k"], { hosts: { "a:1": hostile } });
  equal(stderr, "floe: \\u001b]0;owned\\u0007\\u202e (a:1)\n");
});

Deno.test("a redirect is not followed", async () => {
  const away = () => new Response(null, { status: 307, headers: { location: "http://b:1/" } });
  const outcome = await floe(["get", "k"], { hosts: { "a:1": away, "b:1": new FakeNode() } });
  deepEqual([outcome.code, outcome.requests.length], [1, 1]);
  match(outcome.stderr, /answered 307 in a form that is not Floe's/);
});
