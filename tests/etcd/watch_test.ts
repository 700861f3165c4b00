import { equal, rejects } from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
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
