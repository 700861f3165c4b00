import { deepEqual, equal, match, ok } from "node:assert/strict";
import { ANSWER_BYTES_MAX } from "../../lib/client/client.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { RequestError, type RequestFailure } from "../../lib/node/api.ts";
import { FakeNode, openApp, problemAnswer } from "../http/fake_node.ts";
import { putCommand } from "../kv/support.ts";
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
  ["a problem does not say", () => problemAnswer(503, { code: "no_leader", detail: "x" })],
];
for (const [what, host] of UNCERTAIN) {
  for (const args of [["put", "k", "x"], ["del", "k"]]) {
    Deno.test(`${args[0]} goes to the next node when ${what}, and is done once`, async () => {
      const b = new FakeNode();
      b.apply(putCommand("k", ""));
      const outcome = await floe(args, { hosts: { "a:1": host, "b:1": b } });
      deepEqual([outcome.code, outcome.stderr, outcome.requests.length], [0, "", 2]);
      equal(b.commands.length, 2);
    });
  }

  Deno.test(`put says how to find out when at every node ${what}`, async () => {
    const outcome = await floe(["put", "k", "x"], { hosts: { "a:1": host, "b:1": host } });
    deepEqual([outcome.code, outcome.stdout], [5, ""]);
    match(outcome.stderr, /^floe: No node could do it within 5 s:\n {2}a:1, b:1: .*\nThe write /);
    match(
      outcome.stderr,
      /\nThe write may have been applied\. To find out, repeat the command with --idempotency-key [0-9a-f-]{36}:/,
    );
  });
}

Deno.test("every attempt of one command has the same random key, and every command another", async () => {
  const keys: (string | null)[] = [];
  const a: Host = (request) => {
    keys.push(request.headers.get("idempotency-key"));
    return new Response("", { status: 502 });
  };
  for (let command = 0; command < 2; command++) {
    await floe(["put", "k", "x", "--timeout", "150ms"], { hosts: { "a:1": a, "b:1": a } });
  }
  equal(keys.length, 8);
  deepEqual(keys.slice(1, 4), [keys[0], keys[0], keys[0]]);
  deepEqual(new Set(keys).size, 2);
});

Deno.test("a write whose first attempt took effect is answered as that one was", async () => {
  const node = new FakeNode();
  const a: Host = async (request) => {
    await openApp(node).fetch(request);
    throw new TypeError("connection closed");
  };
  const hosts = { "a:1": a, "b:1": node };
  const put = await floe(["put", "k", "x"], { hosts });
  deepEqual([put.code, put.stdout], [0, "KEY  REVISION  VERSION\nk    101       1\n"]);
  const del = await floe(["del", "k"], { hosts });
  deepEqual([del.code, del.stdout], [0, "KEY  DELETED AT\nk    103\n"]);
});

Deno.test("a write that may have been applied waits for nodes that are gone by now", async () => {
  let asked = 0;
  const node = new FakeNode();
  const a: Host = (request) => {
    asked += 1;
    if (asked === 1) throw new TypeError("connection closed");
    if (asked < 4) {
      throw new TypeError("fetch failed", { cause: new Error("client error (Connect)") });
    }
    return openApp(node).fetch(request);
  };
  const outcome = await floe(["put", "k", "x"], { hosts: { "a:1": a } });
  deepEqual([outcome.code, outcome.waitedMs], [0, 300]);
});

Deno.test("a failure that no other attempt mends ends a write, and leaves open what is open", async () => {
  const broken = new FakeNode();
  broken.failure = new Error("a bug");
  const hosts = { "a:1": broken, "b:1": new FakeNode() };
  const outcome = await floe(["put", "k", "x", "--idempotency-key", "mine"], { hosts });
  deepEqual([outcome.code, outcome.requests.length], [5, 1]);
  match(
    outcome.stderr,
    /^floe: a:1: The node failed.*\nThe write may.*--idempotency-key mine: the write/,
  );
});

Deno.test("a decision of the cluster is the last word, though an earlier attempt was lost", async () => {
  const b = new FakeNode();
  b.apply(putCommand("k", ""));
  const hosts = { "a:1": failing("timeout", { maybeApplied: true }), "b:1": b };
  const outcome = await floe(["put", "k", "x", "--if-absent"], { hosts });
  deepEqual([outcome.code, outcome.requests.length], [4, 2]);
  equal(outcome.stderr, 'floe: Cannot write "k": its revision is 101 (b:1)\n');
});

Deno.test("a node that is silent costs a write no more than a part of its time", async () => {
  const outcome = await floe(["put", "k", "x", "--timeout", "60"], {
    hosts: { "a:1": "silent", "b:1": new FakeNode() },
  });
  deepEqual(outcome.requests, [
    "PUT a:1/v1/kv/k?timeoutMs=1800",
    "PUT b:1/v1/kv/k?timeoutMs=1800",
  ]);
});

Deno.test("a read goes to the next node whatever passing trouble the first has", async () => {
  for (const [, host] of UNCERTAIN) {
    const b = new FakeNode();
    await b.write(putCommand("k", "A"), { timeoutMs: 1 });
    const outcome = await floe(["get", "k"], { hosts: { "a:1": host, "b:1": b } });
    deepEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "A", ""]);
  }
});

Deno.test("a command gives up when the time is over, and says what each node said", async () => {
  const hosts = { "a:1": failing("no_leader", { maybeApplied: false }), "b:1": new FakeNode() };
  hosts["b:1"].failure = new RequestError("stopping", "stopping", { maybeApplied: false });
  for (
    const [args, said] of [
      [["put", "k", "x"], "Nothing was changed. "],
      [["get", "k"], ""],
    ] as const
  ) {
    const outcome = await floe([...args, "--timeout", "1"], { hosts });
    deepEqual([outcome.code, outcome.stdout, outcome.waitedMs], [5, "", 750]);
    equal(
      outcome.stderr,
      "floe: No node could do it within 1 s:\n  a:1: no_leader, said the node\n" +
        "  b:1: stopping\n" +
        `${said}Check the nodes (floe status), or raise --timeout.\n`,
    );
  }
});

Deno.test("a command does not call a node with an untrusted certificate unreachable", async () => {
  const distrust = "client error (Connect): invalid peer certificate: UnknownIssuer";
  const distrusting = () => {
    throw new TypeError("error sending request", { cause: new Error(distrust) });
  };
  for (const args of [["get", "k"], ["put", "k", "x"], ["status"], ["leader"]]) {
    const outcome = await floe(args, { hosts: { "a:1": distrusting } });
    deepEqual([outcome.code, outcome.waitedMs], [5, 0]);
    equal(
      outcome.stderr,
      "floe: No node could be asked:\n  a:1: its certificate is not trusted: UnknownIssuer. " +
        "Name the file with the certificates to trust with --ca-file\n" +
        "  b:1: connection refused\n",
    );
  }
});

Deno.test("a command does not wait where nothing listens at any address", async () => {
  const outcome = await floe(["put", "k", "x"]);
  deepEqual([outcome.code, outcome.waitedMs, outcome.requests.length], [5, 0, 2]);
  equal(
    outcome.stderr,
    "floe: No node is reachable:\n  a:1, b:1: connection refused\n" +
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
  [422, 2],
];
for (const [status, code] of REFUSALS) {
  Deno.test(`a refusal with ${status} ends with exit code ${code} at once`, async () => {
    const refuse = () =>
      problemAnswer(status, {
        code: "some_code",
        detail: "not like this",
        maybeApplied: false,
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

  const hostile = () => problemAnswer(404, { code: "x", detail: "\u001b]0;owned\u0007\u202e" });
  const { stderr } = await floe(["get", "k"], { hosts: { "a:1": hostile } });
  equal(stderr, "floe: \\u001b]0;owned\\u0007\\u202e (a:1)\n");
});

Deno.test("a redirect is not followed", async () => {
  const away = () => new Response(null, { status: 307, headers: { location: "http://b:1/" } });
  const outcome = await floe(["get", "k"], { hosts: { "a:1": away, "b:1": new FakeNode() } });
  deepEqual([outcome.code, outcome.requests.length], [1, 1]);
  match(outcome.stderr, /answered 307 in a form that is not Floe's/);
});

Deno.test("an answer without an end is cut off, and is not Floe's", async () => {
  let chunks = 0;
  const endless = () => {
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      chunks += 1;
      controller.enqueue(new Uint8Array(VALUE_BYTES_MAX));
    };
    return new Response(new ReadableStream({ pull }));
  };
  const outcome = await floe(["get", "k"], { hosts: { "a:1": endless, "b:1": new FakeNode() } });
  deepEqual([outcome.code, outcome.stdout], [1, ""]);
  match(outcome.stderr, /answered 200 in a form that is not Floe's/);
  // One more may be on its way already.
  ok(chunks <= ANSWER_BYTES_MAX / VALUE_BYTES_MAX + 2, `${chunks} chunks`);
});

Deno.test("the largest value comes whole in its longest form", async () => {
  const node = new FakeNode();
  const value = new Uint8Array(VALUE_BYTES_MAX).fill(1);
  node.apply(putCommand("k", value));
  const { code, stdout } = await floe(["get", "k", "-o", "json"], { hosts: { "a:1": node } });
  equal(code, 0);
  equal(JSON.parse(stdout).value, "\u0001".repeat(VALUE_BYTES_MAX));
});
