import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { ApiCounters, Connections } from "../../lib/http/connections.ts";
import { findHttp } from "../../lib/http/deno_http.ts";
import { connectionsWithin } from "../../lib/http/server.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { makeTlsKeys } from "../support/certificate.ts";
import { GET, RawClient, Served } from "./raw_client.ts";

/** What the API's connections may do, over real sockets. */

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
  const within = (free: number, each = 1, most = 1_024) => connectionsWithin(free, { each, most });
  deepEqual([1_280, 1_024, 960, 272, 10].map((free) => within(free)), [1_024, 768, 704, 16, 16]);
  deepEqual([3_328, 1_024].map((free) => within(free, 3)), [1_024, 256]);
  deepEqual([20_000, 1_024].map((free) => within(free, 1, 12_000)), [12_000, 768]);
  equal(within(1_024, 1, 2), 2);
});
