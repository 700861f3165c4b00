import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { AnswerGate, type AnswerHold } from "../../lib/etcd/answers.ts";
import * as messages from "../../lib/etcd/messages.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { bytes } from "../kv/support.ts";
import { makeTlsKeys } from "../support/certificate.ts";
import { OPTIONS, PUT, RANGE, TestClient, WATCH, withServer } from "./grpc_client.ts";
import { grantToken, openNode, serveGrpc, TOKENS } from "./support.ts";

Deno.test("a client puts and gets over gRPC", OPTIONS, async () => {
  await withServer(openNode(), async (port) => {
    using client = new TestClient(port);
    const put = await client.call(...PUT, { key: bytes("a"), value: bytes("b") });
    equal(put.header?.revision, 101);
    const got = await client.call(...RANGE, { key: bytes("a") });
    deepEqual(got.kvs.map(({ value }) => value), [bytes("b")]);
  });
});

Deno.test("a refusal has gRPC's code and etcd's text", OPTIONS, async () => {
  await withServer(openNode(), async (port) => {
    using client = new TestClient(port);
    await rejects(client.call(...PUT, {}), {
      code: 3,
      details: "etcdserver: key is not provided",
    });
  });
});

Deno.test("bytes that are no message are refused as such", OPTIONS, async () => {
  await withServer(openNode(), async (port) => {
    using client = new TestClient(port);
    const wrong = [messages.compactionRequest, messages.rangeResponse] as const;
    await rejects(client.call(RANGE[0], wrong, { revision: 5 }), { code: 3 });
  });
});

Deno.test("a watch tells what changes, until it is canceled", OPTIONS, async () => {
  const server = openNode();
  await withServer(server, async (port) => {
    using client = new TestClient(port);
    const stream = client.stream("/etcdserverpb.Watch/Watch", WATCH);
    stream.write({ create_request: { key: bytes("a") } });
    const told: string[] = [];
    for await (const answer of stream as AsyncIterable<messages.WatchResponse>) {
      if (answer.created === true) server.node.put("a", "1");
      else if (answer.canceled === true) break;
      else {
        told.push(...(answer.events ?? []).map(({ type }) => type ?? "PUT"));
        if (told.length === 1) server.node.remove("a");
        else stream.write({ cancel_request: { watch_id: answer.watch_id ?? 0 } });
      }
    }
    deepEqual(told, ["PUT", "DELETE"]);
  });
});

Deno.test(
  "leases are kept alive on a stream, and one that is gone has no time to live",
  OPTIONS,
  async () => {
    const server = openNode();
    await withServer(server, async (port) => {
      using client = new TestClient(port);
      await client.call("/etcdserverpb.Lease/LeaseGrant", [
        messages.leaseGrantRequest,
        messages.leaseGrantResponse,
      ], { ID: 9, TTL: 30 });
      const shapes = [messages.leaseRequest, messages.leaseKeepAliveResponse] as const;
      const stream = client.stream("/etcdserverpb.Lease/LeaseKeepAlive", shapes);
      stream.write({ ID: 9 });
      stream.write({ ID: 10 });
      stream.end();
      const left: unknown[] = [];
      for await (const { ID, TTL } of stream as AsyncIterable<messages.LeaseKeepAliveResponse>) {
        left.push([ID, TTL]);
      }
      deepEqual(left, [[9, 30], [10, 0]]);
    });
  },
);

Deno.test(
  "a server that stops ends its streams as one that clients come back from",
  OPTIONS,
  async () => {
    const server = openNode();
    const { port, close } = await serveGrpc(server);
    using client = new TestClient(port);
    const stream = client.stream("/etcdserverpb.Watch/Watch", WATCH);
    stream.write({ create_request: { key: bytes("a") } });
    const read = async () => {
      for await (const { created } of stream as AsyncIterable<messages.WatchResponse>) {
        if (created === true) void close();
      }
    };
    await rejects(read(), { code: 14 });
  },
);

Deno.test("a port that is taken is refused with what to do", OPTIONS, async () => {
  const server = openNode();
  await withServer(server, async (port) => {
    const { startGrpcServer } = await import("../../lib/etcd/mod.ts");
    const { rpcs, authorizer: admission } = server;
    const again = startGrpcServer({ rpcs, admission, hostname: "127.0.0.1", port });
    await rejects(again, (error: Error) => {
      match(error.message, /etcd` address in cluster.json/);
      return true;
    });
  });
});

Deno.test("a watch of keys that a token may not read is refused over gRPC", OPTIONS, async () => {
  const server = openNode(TOKENS);
  const token = grantToken(server, { scopes: ["read"], prefixes: ["a/"] });
  await withServer(server, async (port) => {
    using client = new TestClient(port, { token });
    const watched = async (prefix: string) => {
      const stream = client.stream("/etcdserverpb.Watch/Watch", WATCH);
      const range_end = bytes(prefix.replace("/", "0"));
      stream.write({ create_request: { key: bytes(prefix), range_end } });
      for await (const answer of stream as AsyncIterable<messages.WatchResponse>) {
        stream.cancel();
        return answer;
      }
      throw new Error("The watch was not answered");
    };
    const own = await watched("a/");
    equal(own.canceled ?? false, false);
    const others = await watched("b/");
    equal(others.canceled, true);
    match(others.cancel_reason ?? "", /permission denied/);
  });
});

Deno.test({
  name: "gRPC has TLS where the API has it, with another certificate after a reload",
  ignore: !hasOpenssl,
  ...OPTIONS,
  fn: async () => {
    const { rpcs, authorizer: admission } = openNode();
    const { startGrpcServer } = await import("../../lib/etcd/mod.ts");
    const keys = makeTlsKeys();
    const place = { hostname: "127.0.0.1", port: 0 };
    const server = await startGrpcServer({ rpcs, admission, ...place, tls: keys });
    try {
      using client = new TestClient(server.port, {}, keys.cert);
      equal((await client.call(...RANGE, { key: bytes("a") })).count, 0);
      using plain = new TestClient(server.port);
      await rejects(plain.call(...RANGE, { key: bytes("a") }), { code: 14 });
      const others = makeTlsKeys();
      using stranger = new TestClient(server.port, {}, others.cert);
      await rejects(stranger.call(...RANGE, { key: bytes("a") }), { code: 14 });
      server.replaceTlsKeys(others);
      using renewed = new TestClient(server.port, {}, others.cert);
      equal((await renewed.call(...RANGE, { key: bytes("a") })).count, 0);
    } finally {
      await server.close();
    }
  },
});

/** A gate that says when its newest answer was released. */
class WatchedGate extends AnswerGate {
  #released = Promise.withResolvers<void>();

  get released(): Promise<void> {
    return this.#released.promise;
  }

  override open(): AnswerHold {
    const released = this.#released = Promise.withResolvers<void>();
    const hold = super.open();
    const release = hold.release.bind(hold);
    hold.release = () => {
      release();
      released.resolve();
    };
    return hold;
  }
}

Deno.test("answers over gRPC count until they are read", OPTIONS, async () => {
  const node = openNode();
  node.node.put("a", "v".repeat(1024));
  const few = await serveGrpc(node, { answers: new AnswerGate(1024) });
  using refused = new TestClient(few.port);
  await rejects(refused.call(...RANGE, { key: bytes("a") }), { code: 8 });
  await few.close();
  // More calls than there is room for answers, one after the other.
  const answers = new WatchedGate(1025);
  const server = await serveGrpc(node, { answers });
  using client = new TestClient(server.port);
  for (let left = 3; left > 0; left--) {
    equal((await client.call(...RANGE, { key: bytes("a") })).count, 1);
    await answers.released;
    equal(answers.bytes, 0);
  }
  await server.close();
});
