import { deepEqual, equal, fail, match } from "node:assert/strict";
import type { ChildOptions } from "../../lib/cli/child.ts";
import { FakeNode } from "../http/fake_node.ts";
import { asked, floe, nodeWith } from "./fake_terminal.ts";

Deno.test("ls lists one level, or all, and is JSON lines for programs", async () => {
  const node = nodeWith("a", "app/1", "app/jobs/1", "app/jobs/2");
  equal((await floe(["ls"], asked(node))).stdout, "a\napp/\n");
  equal((await floe(["ls", "app/"], asked(node))).stdout, "app/1\napp/jobs/\n");
  const all = await floe(["ls", "app/", "-r", "--limit", "2"], asked(node));
  equal(all.stdout, "app/1\napp/jobs/1\n");
  const json = await floe(["ls", "-o", "json"], asked(node));
  deepEqual(json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), [
    { key: "a", createRevision: 101, modRevision: 101, version: 1, lease: 0 },
    { folder: "app/" },
  ]);
  deepEqual((await floe(["ls", "none"], asked(node))).code, 0);
});

Deno.test("ls and get show no control characters, and other bytes as base64", async () => {
  const node = new FakeNode();
  node.put("\u001b[2J", "\u0007");
  node.put(Uint8Array.of(0xff), Uint8Array.of(0xfe));
  const { stdout } = await floe(["get", "", "--prefix"], asked(node));
  equal(stdout, "\\u001b[2J\t\\u0007\nbase64:/w==\tbase64:/g==\n");
});

Deno.test("get reads a prefix, and a revision", async () => {
  const node = nodeWith("app/1", "app/2");
  node.put("app/1", "new");
  const all = await floe(["get", "app/", "--prefix"], asked(node));
  equal(all.stdout, "app/1\tnew\napp/2\tvalue of app/2\n");
  const before = await floe(["get", "app/1", "--revision", "102"], asked(node));
  equal(before.stdout, "value of app/1");
  const [first] =
    (await floe(["get", "app/", "--prefix", "--revision", "101", "-o", "json"], asked(node)))
      .stdout.split("\n");
  equal(JSON.parse(first ?? "").value, "value of app/1");
  const none = await floe(["get", "none", "--prefix"], asked(node));
  deepEqual([none.code, none.stderr], [3, "floe: There is no such key\n"]);
});

Deno.test("del deletes a prefix at once", async () => {
  const node = nodeWith("a", "app/1", "app/2");
  const { stdout } = await floe(["del", "app/", "--prefix"], asked(node));
  equal(stdout, "DELETED  DELETED AT\n2        104\n");
  equal((await floe(["del", "app/", "--prefix"], asked(node))).code, 3);
  equal((await floe(["del", "", "--prefix"], asked(node))).code, 2);
  equal((await floe(["del", "a", "--prefix", "--if-revision", "1"], asked(node))).code, 2);
  equal((await floe(["ls", "-r"], asked(node))).stdout, "a\n");
});

Deno.test("watch prints changes until it is stopped", async () => {
  const node = nodeWith("app/1");
  const stop = new AbortController();
  let lines = 0;
  const outcome = await floe(["watch", "app/", "--prefix", "--from", "1"], {
    ...asked(node),
    stop: stop.signal,
    onOutput: () => {
      lines++;
      if (lines === 1) node.remove("app/1");
      if (lines === 2) stop.abort();
    },
  });
  deepEqual([outcome.code, outcome.stderr], [0, ""]);
  equal(outcome.stdout, "101\tput\tapp/1\tvalue of app/1\n102\tdelete\tapp/1\n");
});

Deno.test("watch runs a command for each change, one after the other", async () => {
  const node = nodeWith("a");
  node.remove("a");
  const stop = new AbortController();
  const started: ChildOptions[] = [];
  const outcome = await floe(["watch", "a", "--from", "1", "--", "sh", "-c", "cat"], {
    ...asked(node),
    stop: stop.signal,
    startChild: (options) => {
      started.push(options);
      if (started.length === 2) stop.abort();
      return { status: Promise.resolve(1), terminate: () => {} };
    },
  });
  equal(outcome.code, 0);
  deepEqual(started.map(({ env }) => env), [
    { FLOE_KEY: "a", FLOE_TYPE: "put", FLOE_REVISION: "101" },
    { FLOE_KEY: "a", FLOE_TYPE: "delete", FLOE_REVISION: "102" },
  ]);
  deepEqual(started.map(({ command }) => command), [["sh", "-c", "cat"], ["sh", "-c", "cat"]]);
  equal(new TextDecoder().decode(started[0]?.input), "value of a");
});

Deno.test("watch ends with 3 where history has forgotten what it asks for", async () => {
  const node = nodeWith("a", "b");
  node.apply({ kind: "compact", revision: node.live.view.revision });
  const outcome = await floe(["watch", "a", "--from", "101"], asked(node));
  equal(outcome.code, 3);
  match(outcome.stderr, /history begins at 103/);
});

Deno.test("lease grants, shows, lists, keeps and revokes", async () => {
  const node = new FakeNode();
  equal((await floe(["lease", "grant", "2m", "--id", "7"], asked(node))).stdout, "7\n");
  equal((await floe(["put", "a", "x", "--lease", "7"], asked(node))).code, 0);
  const shown = await floe(["lease", "show", "7"], asked(node));
  equal(shown.stdout, "lease  7\nttl    120 s\nleft   120 s\nkey    a\n");
  equal((await floe(["lease", "list"], asked(node))).stdout, "7\t120 s\n");
  equal((await floe(["lease", "keepalive", "7", "--once"], asked(node))).stdout, "7\t120 s\n");
  const revoked = await floe(["lease", "revoke", "7"], asked(node));
  equal(revoked.stdout, "LEASE  KEYS DELETED  KEYS LEFT\n7      1             0\n");
  for (const command of ["show", "revoke", "keepalive"]) {
    equal((await floe(["lease", command, "7"], asked(node))).code, 3);
  }
  equal((await floe(["lease", "grant", "5s", "--id", "0"], asked(node))).code, 2);
  for (const ttl of ["0", "25h", "1d", "-5", "1.5s", ""]) {
    equal((await floe(["lease", "grant", ttl], asked(node))).code, 2);
  }
});

Deno.test("lock runs its command with the fence, gives the lock up, and ends as the command", async () => {
  const node = new FakeNode();
  let env: Readonly<Record<string, string>> = {};
  const outcome = await floe(["lock", "job", "--", "work", "--hard"], {
    ...asked(node),
    startChild: (options) => {
      env = options.env;
      deepEqual(options.command, ["work", "--hard"]);
      equal(node.live.view.keyCount, 1);
      return { status: Promise.resolve(42), terminate: () => {} };
    },
  });
  deepEqual([outcome.code, outcome.stderr], [42, ""]);
  deepEqual(Object.keys(env), ["FLOE_FENCE", "FLOE_LEASE"]);
  equal(node.live.view.keyCount, 0);
  equal(node.live.view.lease(Number(env["FLOE_LEASE"])), null);
});

Deno.test("lock waits for the one before it, whose fence then holds no more", async () => {
  const node = new FakeNode();
  const end = Promise.withResolvers<number>();
  const order: string[] = [];
  const fences: string[] = [];
  const run = (name: string, status: () => Promise<number>) =>
    floe(["lock", "job", "--", name], {
      ...asked(node),
      startChild: ({ env }) => {
        order.push(name);
        fences.push(env["FLOE_FENCE"] ?? "");
        return { status: status(), terminate: () => {} };
      },
    });
  const started = Promise.withResolvers<void>();
  const first = run("first", () => {
    started.resolve();
    return end.promise;
  });
  await started.promise;
  const second = run("second", () => Promise.resolve(0));
  const fenced = (at: number) => ({
    ...asked(node),
    stdin: `if fence job ${fences[at]}\nthen put done by-${at}`,
  });
  equal((await floe(["txn"], fenced(0))).code, 0);
  deepEqual(order, ["first"]);
  end.resolve(0);
  deepEqual([(await first).code, (await second).code, order], [0, 0, ["first", "second"]]);
  // A holder that continues after its lock has gone fails at the store.
  equal((await floe(["txn"], fenced(0))).code, 4);
});

Deno.test("lock that is stopped while it waits says that its command did not run", async () => {
  const node = new FakeNode();
  const held = Promise.withResolvers<number>();
  const started = Promise.withResolvers<void>();
  const first = floe(["lock", "job", "--", "first"], {
    ...asked(node),
    startChild: () => {
      started.resolve();
      return { status: held.promise, terminate: () => {} };
    },
  });
  await started.promise;
  const stop = AbortSignal.abort();
  const startChild = () => fail("the command ran");
  const outcome = await floe(["lock", "job", "--", "work"], { ...asked(node), stop, startChild });
  equal(outcome.code, 5);
  match(outcome.stderr, /Stopped before the lock "job" was won: the command did not run/);
  held.resolve(0);
  equal((await first).code, 0);
});

Deno.test("lock stops its command when the lease is lost, and ends with 8", async () => {
  const node = new FakeNode();
  const ended = Promise.withResolvers<number>();
  const outcome = await floe(["lock", "job", "--ttl", "1s", "--", "work"], {
    ...asked(node),
    startChild: ({ env }) => {
      node.apply({ kind: "revokeLease", id: Number(env["FLOE_LEASE"]) });
      return { status: ended.promise, terminate: () => ended.resolve(143) };
    },
  });
  equal(outcome.code, 8);
  match(outcome.stderr, /^floe: The lock "job" was lost/);
});

Deno.test("elect runs its command while elected, and listeners see who is", async () => {
  const node = new FakeNode();
  const stop = new AbortController();
  const seen = Promise.withResolvers<void>();
  const listening = floe(["elect", "boss", "--listen"], {
    ...asked(node),
    stop: stop.signal,
    onOutput: (text) => {
      if (text.includes("me")) seen.resolve();
      if (text === "-\n" && node.commands.length > 1) stop.abort();
    },
  });
  const elected = await floe(["elect", "boss", "--value", "me", "--", "lead"], {
    ...asked(node),
    startChild: () => ({ status: seen.promise.then(() => 0), terminate: () => {} }),
  });
  equal(elected.code, 0);
  match((await listening).stdout, /[0-9]+\tme\n-\n$/);
  for (const args of [["elect", "boss"], ["elect", "boss", "--listen", "--", "lead"]]) {
    equal((await floe(args, asked(node))).code, 2);
  }
});
