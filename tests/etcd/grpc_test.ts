import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { AnswerGate } from "../../lib/etcd/answers.ts";
import * as messages from "../../lib/etcd/messages.ts";
import { decodeMessage, encodeMessage } from "../../lib/etcd/protobuf.ts";
import type { Draft, Message, Read } from "../../lib/etcd/shape.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { bytes } from "../kv/support.ts";
import { type CertificateFiles, makeTlsKeys, TestAuthority } from "../support/certificate.ts";
import { ADMIN_TOKEN, type EtcdNode, grantToken, openNode, serveGrpc, TOKENS } from "./support.ts";

/** A client that speaks with etcd's messages. */
class TestClient implements Disposable {
  readonly #client: grpc.Client;
  readonly #metadata = new grpc.Metadata();

  constructor(
    port: number,
    headers: Readonly<Record<string, string>> = {},
    rootCert: string | null = null,
    own: CertificateFiles | null = null,
  ) {
    const [key, cert] = [own?.key, own?.cert].map((file) =>
      file === undefined ? null : Buffer.from(Deno.readFileSync(file))
    );
    const credentials = rootCert === null
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(Buffer.from(rootCert), key, cert);
    this.#client = new grpc.Client(`localhost:${port}`, credentials);
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name, value);
  }

  call<In extends Message, Out extends Message>(
    path: string,
    [input, output]: readonly [In, Out],
    request: Draft<In>,
  ): Promise<Read<Out>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        (draft: Draft<In>) => Buffer.from(encodeMessage(input, draft)),
        (raw: Buffer) => decodeMessage(output, new Uint8Array(raw)),
        request,
        this.#metadata,
        (error, answer) => error || answer === undefined ? reject(error) : resolve(answer),
      );
    });
  }

  stream<In extends Message, Out extends Message>(
    path: string,
    [input, output]: readonly [In, Out],
  ): grpc.ClientDuplexStream<Draft<In>, Read<Out>> {
    return this.#client.makeBidiStreamRequest(
      path,
      (draft: Draft<In>) => Buffer.from(encodeMessage(input, draft)),
      (raw: Buffer) => decodeMessage(output, new Uint8Array(raw)),
      this.#metadata,
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

async function withServer(
  server: EtcdNode,
  work: (port: number) => Promise<void>,
): Promise<void> {
  const { port, close } = await serveGrpc(server);
  try {
    await work(port);
  } finally {
    await close();
  }
}

const PUT = ["/etcdserverpb.KV/Put", [messages.putRequest, messages.putResponse]] as const;
const RANGE = ["/etcdserverpb.KV/Range", [messages.rangeRequest, messages.rangeResponse]] as const;

const WATCH = [messages.watchRequest, messages.watchResponse] as const;

/** gRPC keeps timers of its own while connections end. */
const OPTIONS = { sanitizeOps: false, sanitizeResources: false };

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

Deno.test("tokens come as etcd's clients send them, and hold", OPTIONS, async () => {
  await withServer(openNode(TOKENS), async (port) => {
    using nobody = new TestClient(port);
    await rejects(nobody.call(...RANGE, { key: bytes("a") }), {
      code: 3,
      details: "etcdserver: user name is empty",
    });
    using somebody = new TestClient(port, { token: "wrong" });
    await rejects(somebody.call(...RANGE, { key: bytes("a") }), { code: 16 });
    using admin = new TestClient(port, { token: ADMIN_TOKEN });
    equal((await admin.call(...RANGE, { key: bytes("a") })).count, 0);
    using bearer = new TestClient(port, { authorization: `Bearer ${ADMIN_TOKEN}` });
    equal((await bearer.call(...RANGE, { key: bytes("a") })).count, 0);
  });
});

Deno.test("a watch tells what changes, until it is canceled", OPTIONS, async () => {
  const server = openNode();
  await withServer(server, async (port) => {
    using client = new TestClient(port);
    const shapes = [messages.watchRequest, messages.watchResponse] as const;
    const stream = client.stream("/etcdserverpb.Watch/Watch", shapes);
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
    const shapes = [messages.watchRequest, messages.watchResponse] as const;
    const stream = client.stream("/etcdserverpb.Watch/Watch", shapes);
    stream.write({ create_request: { key: bytes("a") } });
    const read = async () => {
      for await (const { created } of stream as AsyncIterable<messages.WatchResponse>) {
        if (created === true) void close();
      }
    };
    await rejects(read(), { code: 14 });
  },
);

Deno.test("at its limit a server ends the connection that is silent or idle", OPTIONS, async () => {
  const server = await serveGrpc(openNode(), { connectionsMax: 1 });
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  using first = new TestClient(server.port);
  await first.call(...RANGE, { key: bytes("a") });
  await untilEnd(silent);
  using second = new TestClient(server.port);
  await second.call(...RANGE, { key: bytes("a") });
  equal(server.connections(), 1);
  await server.close();
});

Deno.test(
  "a connection with a running call stays, and the next one is refused",
  OPTIONS,
  async () => {
    const server = await serveGrpc(openNode(), { connectionsMax: 1 });
    using first = new TestClient(server.port);
    const stream = first.stream("/etcdserverpb.Watch/Watch", WATCH);
    stream.on("error", () => {});
    stream.write({ create_request: { key: bytes("a") } });
    await new Promise((resolve) => stream.once("data", resolve));
    await untilEnd(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
    stream.write({ create_request: { key: bytes("b") } });
    await new Promise((resolve) => stream.once("data", resolve));
    equal(server.connections(), 1);
    await server.close();
  },
);

/** Waits until the server has ended a connection. */
async function untilEnd(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1024);
  while (await connection.read(buffer).catch(() => null) !== null);
  connection.close();
}

/** A call whose message never arrives whole; answers with the code of its refusal. */
function halfCall(session: http2.ClientHttp2Session, path: string): Promise<number> {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  // The frame of a message of 1,024 bytes, and one of them.
  stream.write(Uint8Array.of(0, 0, 0, 4, 0, 1));
  return new Promise((resolve) => {
    stream.on("response", (headers) => {
      stream.close();
      resolve(Number(headers["grpc-status"]));
    });
  });
}

async function withSession(
  port: number,
  work: (session: http2.ClientHttp2Session) => Promise<void>,
): Promise<void> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  try {
    await work(session);
  } finally {
    session.destroy();
  }
}

Deno.test("a call without a token is refused before its message has arrived", OPTIONS, async () => {
  await withServer(openNode(TOKENS), (port) =>
    withSession(port, async (session) => {
      equal(await halfCall(session, PUT[0]), 3);
      equal(await halfCall(session, "/etcdserverpb.Watch/Watch"), 3);
    }));
});

Deno.test(
  "a message that does not arrive is given up, and its call is no more",
  OPTIONS,
  async () => {
    const server = await serveGrpc(openNode(), { messageTimeoutMs: 1 });
    await withSession(server.port, async (session) => {
      equal(await halfCall(session, PUT[0]), 4);
    });
    await server.close();
    equal(server.calls(), 0);
  },
);

Deno.test(
  "of calls without a token, few wait for a message: the oldest is given up",
  OPTIONS,
  async () => {
    await withServer(openNode(TOKENS), (port) =>
      withSession(port, async (session) => {
        const path = "/etcdserverpb.Auth/Authenticate";
        const calls = Array.from({ length: 33 }, () => halfCall(session, path));
        equal(await calls[0], 8);
      }));
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
      const shapes = [messages.watchRequest, messages.watchResponse] as const;
      const stream = client.stream("/etcdserverpb.Watch/Watch", shapes);
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

Deno.test({
  name: "gRPC knows a client by its certificate, and refuses other ones",
  ignore: !hasOpenssl,
  ...OPTIONS,
  fn: async () => {
    const server = openNode(TOKENS);
    grantToken(server, { id: "a".repeat(16), name: "reader", scopes: ["read"], prefixes: [] });
    const { rpcs, authorizer: admission } = server;
    const { startGrpcServer } = await import("../../lib/etcd/mod.ts");
    using authority = new TestAuthority();
    using strangers = new TestAuthority();
    const keys = makeTlsKeys();
    const tls = (isRequired: boolean) => ({ ...keys, clients: { ca: authority.ca, isRequired } });
    const place = { hostname: "127.0.0.1", port: 0 };
    const key = { key: bytes("a") };
    for (const isRequired of [true, false]) {
      const grpcServer = await startGrpcServer({ rpcs, admission, ...place, tls: tls(isRequired) });
      const { port } = grpcServer;
      const ask = async (own: CertificateFiles | null, headers = {}) => {
        using client = new TestClient(port, headers, keys.cert, own);
        return await client.call(...RANGE, key);
      };
      try {
        equal((await ask(authority.issue("reader"))).count, 0);
        using writer = new TestClient(port, {}, keys.cert, authority.issue("reader"));
        await rejects(writer.call(...PUT, { ...key, value: bytes("x") }), { code: 7 });
        await rejects(ask(authority.issue("unknown")), { code: 16 });
        const token = { token: ADMIN_TOKEN };
        await rejects(ask(strangers.issue("reader"), token), { code: 14 });
        await rejects(ask(authority.issue("reader", { days: -1 }), token), { code: 14 });
        if (isRequired) await rejects(ask(null, token), { code: 14 });
        else equal((await ask(null, token)).count, 0);
      } finally {
        await grpcServer.close();
      }
    }
  },
});

Deno.test("answers over gRPC count until they are read", OPTIONS, async () => {
  const node = openNode();
  node.node.put("a", "v".repeat(1024));
  const few = await serveGrpc(node, { answers: new AnswerGate(1024) });
  using refused = new TestClient(few.port);
  await rejects(refused.call(...RANGE, { key: bytes("a") }), { code: 8 });
  await few.close();
  // More calls than there is room for answers, one after the other.
  const answers = new AnswerGate(1025);
  const server = await serveGrpc(node, { answers });
  using client = new TestClient(server.port);
  for (let left = 3; left > 0; left--) {
    equal((await client.call(...RANGE, { key: bytes("a") })).count, 1);
    while (answers.bytes > 0) await new Promise((resolve) => setTimeout(resolve));
  }
  await server.close();
});
