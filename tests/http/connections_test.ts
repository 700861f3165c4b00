import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import {
  ApiCounters,
  Connections,
  HEADER_BYTES_MAX,
  HEADERS_MAX,
} from "../../lib/http/connections.ts";
import {
  type ApiServerOptions,
  connectionsWithin,
  findHttp,
  startApiServer,
} from "../../lib/http/server.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { makeTlsKeys } from "../support/certificate.ts";
import { FakeNode } from "./fake_node.ts";

/** What the API's connections may do, over real sockets. */

/** A server, or just its connections, with what a test needs to know of it. */
class Served implements AsyncDisposable {
  readonly node = new FakeNode();
  readonly #stop = new AbortController();
  readonly #server;

  constructor(options: Partial<ApiServerOptions> = {}) {
    const { node } = this;
    const signal = this.#stop.signal;
    this.#server = startApiServer({ node, hostname: "127.0.0.1", port: 0, signal, ...options });
  }

  get port(): number {
    return this.#server.port;
  }

  async counters(): Promise<Record<string, number>> {
    const response = await fetch(`http://127.0.0.1:${this.port}/v1/status`);
    return (await response.json()).counters;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }
}

/** A client that says what a test wants, byte for byte, and reads until the end. */
class RawClient implements Disposable {
  readonly #connection: Deno.Conn;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends a text; a server that has hung up meanwhile does not matter. */
  async send(text: string): Promise<void> {
    const bytes = encodeUtf8(text);
    try {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#connection.write(bytes.subarray(sent));
      }
    } catch (error) {
      if (!isHangUp(error)) throw error;
    }
  }

  /** The next bytes as text, null at the end. */
  async read(): Promise<string | null> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      const count = await this.#connection.read(buffer);
      return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
    } catch (error) {
      if (!isHangUp(error)) throw error;
      return null;
    }
  }

  /** Everything until the server ends the connection. */
  async readAll(): Promise<string> {
    let all = "";
    for (let text = await this.read(); text !== null; text = await this.read()) all += text;
    return all;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

function isHangUp(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

const GET = "GET /livez HTTP/1.1\r\nhost: localhost\r\n";
const soon = { expireIntervalMs: 1 };
/** Longer than any test runs. */
const IDLE_MS = 60_000;

Deno.test("a connection that says nothing is ended, and so is one that says it bit by bit", async () => {
  await using api = new Served({ limits: { silentMs: 5, ...soon } });
  using silent = await RawClient.connect(api.port);
  equal(await silent.readAll(), "");
  using slow = await RawClient.connect(api.port);
  const ended = slow.readAll();
  let isOpen = true;
  void ended.then(() => isOpen = false);
  await slow.send(GET);
  // Slowloris: always one field more, never the last.
  for (let field = 0; isOpen && field < 1e6; field++) {
    await slow.send("x");
    await new Promise((resolve) => setTimeout(resolve));
  }
  equal(await ended, "");
});

Deno.test({
  name: "a TLS handshake that does not end is ended, and makes room as silence does",
  ignore: !hasOpenssl,
  async fn() {
    const tls = makeTlsKeys();
    // What a ClientHello begins with: a record of 512 bytes, of which none ever comes.
    for (const begun of ["", "\x16\x03\x01\x02\x00"]) {
      await using api = new Served({ tls, limits: { silentMs: 5, ...soon } });
      using client = await RawClient.connect(api.port);
      await client.send(begun);
      equal(await client.readAll(), "");
    }
    await using api = new Served({ tls, limits: { connectionsMax: 1 } });
    using silent = await RawClient.connect(api.port);
    using trusting = Deno.createHttpClient({ caCerts: [tls.cert] });
    const answer = await fetch(`https://127.0.0.1:${api.port}/livez`, { client: trusting });
    equal(answer.status, 200);
    await answer.body?.cancel();
    equal(await silent.readAll(), "");
  },
});

Deno.test("a connection that has asked is kept for a while, and then ended too", async () => {
  const counters = new ApiCounters();
  const connections = new Connections({
    serve: assertDefined(findHttp(), "this Deno serves connections"),
    counters,
    answer: () => new Response("ok"),
    silentMs: Infinity,
    idleMs: IDLE_MS,
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await RawClient.connect(listener.addr.port);
  connections.add(await listener.accept());
  const connectedMs = performance.now();
  await client.send(`${GET}\r\n`);
  // The answer is taken, however long that takes, before anybody looks.
  match(await client.read() ?? "", /^HTTP\/1.1 200 OK\r\n[^]*ok$/);
  connections.expire(connectedMs + IDLE_MS - 1);
  equal(connections.size, 1);
  passSeconds(connections, { fromMs: connectedMs + IDLE_MS, until: () => connections.size === 0 });
  equal(await client.read(), null);
  equal(counters.counts["api.connection_expired"], 1);
});

/** Looks at the connections every second, as a server does, until something is so. */
function passSeconds(
  connections: Connections,
  { fromMs, until }: { readonly fromMs: number; readonly until: () => boolean },
): number {
  let nowMs = fromMs;
  for (; !until(); nowMs += 1_000) connections.expire(nowMs);
  return nowMs - fromMs;
}

Deno.test("while this process stands still, no connection is silent or idle", () => {
  const ended: string[] = [];
  const connections = new Connections({
    counters: new ApiCounters(),
    serve: () => ({
      finished: new Promise(() => {}),
      shutdown: () => {},
      cancel: () => ended.push("cancel"),
    }),
    answer: () => new Response("ok"),
    silentMs: 10_000,
  });
  connections.add({} as Deno.Conn);
  const startMs = performance.now();
  connections.expire(startMs);
  connections.expire(startMs + 60_000);
  equal(connections.size, 1);
  const neededMs = passSeconds(connections, {
    fromMs: startMs + 61_000,
    until: () => connections.size === 0,
  });
  ok(neededMs >= 8_000, `after ${neededMs} ms`);
  deepEqual(ended, ["cancel"]);
});

Deno.test("a body that does not arrive is given up, and a client is told", async () => {
  await using api = new Served({ bodyTimeoutMs: 5 });
  for (const framing of ["content-length: 100", "transfer-encoding: chunked"]) {
    using client = await RawClient.connect(api.port);
    const body = framing.startsWith("c") ? "abc" : "3\r\nabc\r\n";
    await client.send(`PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n${framing}\r\n\r\n${body}`);
    // To the end: nobody waits for the rest of the body behind the answer.
    match(await client.readAll(), /^HTTP\/1.1 408 [^]*"code":"body_timeout"/);
  }
  equal(api.node.commands.length, 0);
});

Deno.test("an answer that is not taken in time is given up", async () => {
  const counters = new ApiCounters();
  const large = new Uint8Array(64 * 1024 * 1024);
  const connections = new Connections({
    serve: assertDefined(findHttp(), "this Deno serves connections"),
    counters,
    answer: () => new Response(large),
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await RawClient.connect(listener.addr.port);
  connections.add(await listener.accept());
  await client.send(`${GET}\r\n`);
  await client.read();
  connections.expire(Infinity);
  equal(connections.size, 0);
  equal(counters.counts["api.connection_expired"], 1);
  ok((await client.readAll()).length < large.length);
});

Deno.test("a request under way is no idleness, however long it takes", async () => {
  const counters = new ApiCounters();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  const connections = new Connections({
    serve: assertDefined(findHttp(), "this Deno serves connections"),
    counters,
    answer: () => {
      asked.resolve();
      return answer.promise;
    },
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await RawClient.connect(listener.addr.port);
  connections.add(await listener.accept());
  await client.send(`${GET}\r\n`);
  await asked.promise;
  connections.expire(Infinity);
  equal(connections.size, 1);
  answer.resolve(new Response("late"));
  match(await client.read() ?? "", /^HTTP\/1.1 200/);
  await connections.close({ cutOff: Promise.resolve(), giveUp: new Promise(() => {}) });
  equal(connections.size, 0);
});

Deno.test("when all places are taken, who never asked makes room first, then who is idle longest", async () => {
  await using api = new Served({ limits: { connectionsMax: 3 } });
  const clients: RawClient[] = [];
  try {
    for (const asks of [true, true, false]) {
      const client = await RawClient.connect(api.port);
      clients.push(client);
      if (!asks) continue;
      await client.send(`${GET}\r\n`);
      match(await client.read() ?? "", /^HTTP\/1.1 200/);
    }
    const [first, second, silent] = clients;
    using fourth = await RawClient.connect(api.port);
    equal(await silent?.read(), null);
    await fourth.send(`${GET}\r\n`);
    match(await fourth.read() ?? "", /^HTTP\/1.1 200/);
    using fifth = await RawClient.connect(api.port);
    equal(await first?.read(), null);
    await fifth.send(`${GET}connection: close\r\n\r\n`);
    match(await fifth.readAll(), /^HTTP\/1.1 200/);
    await second?.send(`${GET}\r\n`);
    match(await second?.read() ?? "", /^HTTP\/1.1 200/);
    equal((await api.counters())["api.connection_evicted"], 2);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

Deno.test("when every place has a request under way, a new connection is refused and counted", async () => {
  await using api = new Served({ limits: { connectionsMax: 2 } });
  const { promise, resolve } = Promise.withResolvers<void>();
  api.node.hold = promise;
  const put = () => fetch(`http://127.0.0.1:${api.port}/v1/kv/a`, { method: "PUT", body: "x" });
  const arrived = Promise.withResolvers<void>();
  const write = api.node.write.bind(api.node);
  api.node.write = (command, options) => {
    if (api.node.timeouts.length === 1) arrived.resolve();
    return write(command, options);
  };
  const answers = [put(), put()];
  await arrived.promise;
  using third = await RawClient.connect(api.port);
  await third.send(`${GET}\r\n`);
  equal(await third.read(), null);
  resolve();
  deepEqual((await Promise.all(answers)).map(({ status }) => status), [200, 200]);
  for (const answer of answers) await (await answer).body?.cancel();
  equal((await api.counters())["api.connection_refused"], 1);
});

Deno.test("a crowd of silent connections keeps nobody out", async () => {
  await using api = new Served({ limits: { connectionsMax: 50 } });
  const crowd = await Promise.all(
    Array.from({ length: 500 }, () => RawClient.connect(api.port)),
  );
  try {
    const response = await fetch(`http://127.0.0.1:${api.port}/v1/kv/a`, {
      method: "PUT",
      body: "x",
    });
    equal(response.status, 200);
    await response.body?.cancel();
    ok(Number((await api.counters())["api.connection_evicted"]) >= 450);
  } finally {
    for (const client of crowd) client[Symbol.dispose]();
  }
});

Deno.test("the head of a request has limits in bytes and in fields", async () => {
  await using api = new Served();
  const head = async (fields: readonly string[], path = "/livez") => {
    using client = await RawClient.connect(api.port);
    const lines = ["host: localhost", "connection: close", ...fields].join("\r\n");
    await client.send(`GET ${path} HTTP/1.1\r\n${lines}\r\n\r\n`);
    return (await client.readAll()).slice(9, 12);
  };
  const fields = (count: number) => Array.from({ length: count }, (_, at) => `x${at}: 1`);
  // The request line and two fields take less than 100 bytes.
  equal(await head([`x: ${"a".repeat(HEADER_BYTES_MAX - 100)}`]), "200");
  equal(await head([`x: ${"a".repeat(HEADER_BYTES_MAX)}`]), "400");
  equal(await head([], `/${"a".repeat(HEADER_BYTES_MAX)}`), "400");
  equal(await head(fields(HEADERS_MAX - 2)), "200");
  equal(await head(fields(HEADERS_MAX - 1)), "400");
});

Deno.test("a body above the limit is refused before it is sent, and one that grows above it", async () => {
  await using api = new Served();
  using declared = await RawClient.connect(api.port);
  const head = "PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n";
  await declared.send(`${head}content-length: 524289\r\n\r\n`);
  match(await declared.read() ?? "", /^HTTP\/1.1 413 [^]*"value_too_large"/);
  using chunked = await RawClient.connect(api.port);
  await chunked.send(`${head}transfer-encoding: chunked\r\n\r\n`);
  const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`;
  await chunked.send(chunk.repeat(8) + "1\r\na\r\n");
  match(await chunked.read() ?? "", /^HTTP\/1.1 413 [^]*"value_too_large"/);
  equal(api.node.commands.length, 0);
});

Deno.test("a request that two parsers could read in two ways is refused", async () => {
  await using api = new Served();
  for (
    const framing of [
      "content-length: 3\r\ntransfer-encoding: chunked",
      "content-length: 3\r\ncontent-length: 4",
      "content-length: -1",
      "transfer-encoding: chunked, gzip",
      " x: 1",
      "x : 1",
    ]
  ) {
    using client = await RawClient.connect(api.port);
    await client.send(`PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n${framing}\r\n\r\nabc`);
    match(await client.readAll(), /^HTTP\/1.1 [45]\d\d /, framing);
  }
  equal(api.node.commands.length, 0);
});

Deno.test("a stopping server ends what is idle or silent at once", async () => {
  const api = new Served();
  using silent = await RawClient.connect(api.port);
  using idle = await RawClient.connect(api.port);
  await idle.send(`${GET}\r\n`);
  match(await idle.read() ?? "", /^HTTP\/1.1 200/);
  await api[Symbol.asyncDispose]();
  deepEqual([await silent.read(), await idle.read()], [null, null]);
  await rejects(RawClient.connect(api.port));
});

Deno.test("Connections that are closed wait in the end for no request that hangs", async () => {
  let isCancelled = false;
  const connections = new Connections({
    serve: () => ({
      finished: new Promise(() => {}),
      shutdown: () => {},
      cancel: () => void (isCancelled = true),
    }),
    answer: () => new Response(),
    counters: new ApiCounters(),
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  using _client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using connection = await accepting;
  connections.add(connection);
  await connections.close({ cutOff: Promise.resolve(), giveUp: Promise.resolve() });
  ok(isCancelled);
});

Deno.test("connectionsWithin() leaves descriptors to the peers and to files", () => {
  deepEqual([1_280, 1_024, 960, 272, 10].map((free) => connectionsWithin(free, 1)), [
    ...[1_024, 768, 704, 16, 16],
  ]);
  deepEqual([3_328, 1_024].map((free) => connectionsWithin(free, 3)), [1_024, 256]);
});

Deno.test("what follows a CONNECT is not the next request", async () => {
  for (const length of ["", "content-length: 60\r\n"]) {
    await using api = new Served();
    using client = await RawClient.connect(api.port);
    const hidden = "DELETE /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n\r\n";
    await client.send(`CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n${length}\r\n${hidden}`);
    const answers = await client.readAll();
    match(answers, /^HTTP\/1.1 404 /);
    equal(answers.split("HTTP/1.1").length, 2, "one answer, and the end");
    equal(api.node.commands.length, 0);
  }
});

Deno.test("Expect: 100-continue is refused without its body, and nothing is applied", async () => {
  await using api = new Served();
  const head = (path: string, more: string) =>
    `PUT ${path} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n${more}\r\n\r\n`;
  for (
    const [request, status] of [
      [head("/v1/kv/a", "content-length: 999999"), 413],
      [head("/v1/kv/a?unknown=1", "content-length: 3"), 400],
      [head("/v1/kv/a", "content-length: 3\r\norigin: http://evil.example"), 403],
    ] as const
  ) {
    using client = await RawClient.connect(api.port);
    await client.send(request);
    // Deno invites the body by itself, before anybody is asked; the refusal does not wait for it.
    let answer = "";
    while (!answer.includes(`HTTP/1.1 ${status} `)) answer += await client.read() ?? "";
    match(answer, /connection: close/i);
  }
  equal(api.node.commands.length, 0);
});

Deno.test("a request without Host is for the address that it came to", async () => {
  await using api = new Served();
  for (
    const head of ["GET /livez HTTP/1.0", "GET /livez HTTP/1.1", "GET /livez HTTP/1.1\r\nhost:"]
  ) {
    using client = await RawClient.connect(api.port);
    await client.send(`${head}\r\n\r\n`);
    match(await client.read() ?? "", /^HTTP\/1.[01] 200 /);
  }
});
