import { deepEqual, equal, rejects } from "node:assert/strict";
import { decodeUtf8, encodeUtf8 } from "../../lib/bytes.ts";
import type { Call } from "../../lib/etcd/call.ts";
import type { WatchResponse } from "../../lib/etcd/messages.ts";
import { type EtcdNode, openNode } from "./support.ts";

/** A stream of watches with one request each, whose client never leaves. */
function watch(
  { rpcs }: EtcdNode,
  requests: readonly object[],
  caller: Call["caller"] = () => ({ scopes: ["admin"], prefixes: [] }),
): AsyncGenerator<WatchResponse, void> {
  const rpc = rpcs.find(({ name }) => name === "etcdserverpb.Watch/Watch");
  if (rpc?.kind !== "stream") throw new Error("There is no watch");
  const { parse, answer } = rpc;
  async function* sent() {
    for (const request of requests) {
      yield parse(encodeUtf8(JSON.stringify({ create_request: request })));
    }
    await new Promise<void>(() => {});
  }
  const { signal } = new AbortController();
  const call: Call = { caller, way: "grpc", requiresLeader: false, signal };
  return answer(sent(), call) as AsyncGenerator<WatchResponse, void>;
}

/** A clock that passes only when a test says so. */
class TestClock implements Disposable {
  readonly #real = performance.now;
  #ms = 0;

  constructor() {
    performance.now = () => this.#ms;
  }

  pass(ms: number): void {
    this.#ms += ms;
  }

  [Symbol.dispose](): void {
    performance.now = this.#real;
  }
}

Deno.test("a stream with events to send ends all the same once its token is revoked", async () => {
  using clock = new TestClock();
  const server = openNode();
  let isRevoked = false;
  const answers = watch(server, [{ key: btoa("a") }], () => {
    if (isRevoked) throw new TypeError("revoked");
    return { scopes: ["read"], prefixes: [] };
  });
  equal((await answers.next()).value?.created, true);
  isRevoked = true;
  for (let at = 0; at < 5; at++) server.node.put("a", `${at}`);
  clock.pass(9_000);
  equal((await answers.next()).value?.events?.length, 5);
  server.node.put("a", "secret");
  clock.pass(1_000);
  await rejects(answers.next(), TypeError);
});

Deno.test("a stream collects the events of one watch at a time", async () => {
  const server = openNode();
  const { node } = server;
  for (const key of ["x1", "x2", "x3", "x4", "x5", "x6", "y1", "y2", "y3", "y4", "y5", "y6"]) {
    node.put(key, "v".repeat(512 * 1024));
  }
  const taken: string[] = [];
  const begin = node.watch.bind(node);
  node.watch = (query, onReady) => {
    const watcher = begin(query, onReady);
    if ("kind" in watcher) return watcher;
    const take = watcher.take.bind(watcher);
    watcher.take = (limits) => {
      const result = take(limits);
      if (result.kind === "events" && result.events.length > 0) {
        taken.push(decodeUtf8(query.keys.start));
      }
      return result;
    };
    return watcher;
  };
  const requests = ["x", "y"].map((key) => {
    const range_end = btoa(key === "x" ? "y" : "z");
    return { key: btoa(key), range_end, prev_kv: true };
  });
  const answers = watch(server, requests);
  for (let at = 0; at < 2; at++) equal((await answers.next()).value?.created, true);
  const remove = (start: string, end: string) => {
    const keys = { start: encodeUtf8(start), end: encodeUtf8(end) };
    return { kind: "delete", keys, isPreviousWanted: false } as const;
  };
  // One revision, of which a watcher takes a mebibyte at once: three times for each watch.
  const success = [remove("x", "y"), remove("y", "z")];
  node.apply({ kind: "transaction", conditions: [], success, failure: [] });
  for (let at = 0; at < 2; at++) equal((await answers.next()).value?.events?.length, 6);
  const turns = [taken.slice(0, 3), taken.slice(3)].map((keys) => keys.join(""));
  deepEqual(turns.toSorted(), ["xxx", "yyy"]);
});

Deno.test("a revision above 16 MiB comes in fragments, also to a client that did not ask", async () => {
  const server = openNode();
  const { node } = server;
  for (let at = 0; at < 40; at++) node.put(`x${at}`, "v".repeat(512 * 1024));
  const { revision } = node.live.view;
  const answers = watch(server, [{ key: btoa("x"), range_end: btoa("y"), prev_kv: true }]);
  equal((await answers.next()).value?.created, true);
  const keys = { start: encodeUtf8("x"), end: encodeUtf8("y") };
  const success = [{ kind: "delete", keys, isPreviousWanted: false }] as const;
  node.apply({ kind: "transaction", conditions: [], success, failure: [] });
  const told: unknown[] = [];
  for (let at = 0; at < 2; at++) {
    const { value } = await answers.next();
    told.push([value?.fragment, value?.events?.length, value?.header?.revision]);
  }
  // A client that resumes after a part gets the whole revision again.
  deepEqual(told, [[true, 32, revision], [false, 8, revision + 1]]);
});
