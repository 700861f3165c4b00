import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { EventEmitter } from "node:events";
import http2 from "node:http2";
import type { Socket } from "node:net";
import { GrpcConnections } from "../../lib/etcd/grpc_connections.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { bytes } from "../kv/support.ts";
import { type CertificateFiles, makeTlsKeys, TestAuthority } from "../support/certificate.ts";
import { OPTIONS, PUT, RANGE, TestClient, WATCH, withServer } from "./grpc_client.ts";
import { ADMIN_TOKEN, grantToken, openNode, serveGrpc, TOKENS } from "./support.ts";

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

Deno.test("at its limit a server ends the connection that is silent", OPTIONS, async () => {
  const server = await serveGrpc(openNode(), { connectionsMax: 1 });
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  using first = new TestClient(server.port);
  await first.call(...RANGE, { key: bytes("a") });
  await untilEnd(silent);
  equal(server.connections(), 1);
  await server.close();
});

Deno.test("at the limit the longest idle connection makes room, and none with a running call", () => {
  const connections = new GrpcConnections(2);
  const [busy, first, second, third] = [1, 2, 3, 4].map((port) => new FakeSocket(port));
  ok(busy && first && second && third);
  for (const socket of [busy, first]) ok(connections.add(asSocket(socket)));
  const end = connections.begin(busy);
  connections.begin(first)();
  ok(connections.add(asSocket(second)));
  deepEqual([busy, first, second].map(({ isEnded }) => isEnded), [false, true, false]);
  connections.begin(second);
  equal(connections.add(asSocket(third)), false);
  deepEqual([busy, second, third].map(({ isEnded }) => isEnded), [false, false, true]);
  end();
  ok(connections.add(asSocket(new FakeSocket(5))));
  deepEqual([busy.isEnded, second.isEnded, connections.size], [true, false, 2]);
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

/** A connection that remembers whether it was ended. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress = "127.0.0.1";
  isEnded = false;

  constructor(readonly remotePort: number) {
    super();
  }

  destroy(): void {
    this.isEnded = true;
    this.emit("close");
  }
}

function asSocket(socket: FakeSocket): Socket {
  return socket as unknown as Socket;
}

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
