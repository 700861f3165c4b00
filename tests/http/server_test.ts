import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { EnvironmentError } from "../../lib/errors.ts";
import { Authorizer } from "../../lib/http/authorization.ts";
import { CONNECTIONS_MAX } from "../../lib/http/connections.ts";
import { type ApiServerOptions, startApiServer } from "../../lib/http/server.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { hasOpenssl } from "../e2e/harness/openssl.ts";
import { makeTlsKeys } from "../support/certificate.ts";
import { FakeNode } from "./fake_node.ts";

function start(node = new FakeNode(), options: Partial<ApiServerOptions> = {}) {
  const stop = new AbortController();
  const { signal } = stop;
  const server = startApiServer({ node, hostname: "127.0.0.1", port: 0, signal, ...options });
  const url = `http://127.0.0.1:${server.port}`;
  return { node, server, url, stop };
}

async function stopped({ server, stop }: ReturnType<typeof start>): Promise<void> {
  stop.abort();
  await server.finished;
}

Deno.test("startApiServer() serves a value over a socket, byte for byte", async () => {
  const api = start();
  const value = crypto.getRandomValues(new Uint8Array(VALUE_BYTES_MAX / 8));
  const put = await fetch(`${api.url}/v1/kv/a%2Fb/c`, { method: "PUT", body: value });
  deepEqual(await put.json(), { key: "a/b/c", createRevision: 101, modRevision: 101, version: 1 });
  const get = await fetch(`${api.url}/v1/kv/a/b/c`, {
    headers: { accept: "application/octet-stream" },
  });
  deepEqual(await get.bytes(), value);
  await stopped(api);
});

Deno.test("startApiServer() serves key generation, and the node from the next request on", async () => {
  const running = new FakeNode();
  const authorizer = new Authorizer({ node: running, access: { kind: "local" } });
  const report = { ...running.keyGenerationNow, phase: "connecting" } as const;
  const api = start(running, { node: () => report, authorizer });
  const ask = async (path: string) => await (await fetch(`${api.url}${path}`)).json();
  deepEqual([(await ask("/v1/dkg")).phase, (await ask("/v1/status")).code], [
    "connecting",
    "no_key",
  ]);
  api.server.replaceNode(running);
  deepEqual([(await ask("/v1/dkg")).phase, (await ask("/readyz")).status], ["dealt", "ok"]);
  equal((await ask("/v1/status")).id, "server_1");
  await stopped(api);
});

Deno.test({
  name: "startApiServer() keeps none of the descriptors by which it counts how many there are",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const before = await countNullDevices();
    const api = start();
    equal(api.server.connectionsMax, CONNECTIONS_MAX);
    // Other tests of this process have a few open; the count opens as many as it finds room for.
    ok(await countNullDevices() - before < 100);
    await stopped(api);
  },
});

/** How often this process has the null device open. */
async function countNullDevices(): Promise<number> {
  const args = ["-c", `ls -l /proc/${Deno.pid}/fd | grep -c "/dev/null$"`];
  const { stdout } = await new Deno.Command("sh", { args, stdin: "null" }).output();
  return Number(new TextDecoder().decode(stdout));
}

Deno.test("startApiServer() refuses a value that grows too large while it arrives", async () => {
  const api = start();
  const chunk = new Uint8Array(64 * 1024);
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      sent += 1;
      controller.enqueue(chunk);
      if (sent === 9) controller.close();
    },
  });
  const response = await fetch(`${api.url}/v1/kv/a`, { method: "PUT", body });
  equal(response.status, 413);
  equal((await response.json()).code, "value_too_large");
  equal(api.node.commands.length, 0);
  await stopped(api);
});

Deno.test("startApiServer() sends HEAD the length that GET would have", async () => {
  const api = start();
  await (await fetch(`${api.url}/v1/kv/a`, { method: "PUT", body: "blue" })).body?.cancel();
  for (const path of ["/v1/kv/a", "/v1/status", "/v1/elections/5"]) {
    for (const accept of ["application/octet-stream", "text/plain", "application/json"]) {
      const get = await fetch(api.url + path, { headers: { accept } });
      const { length } = await get.bytes();
      const head = await fetch(api.url + path, { method: "HEAD", headers: { accept } });
      deepEqual([head.status, head.headers.get("content-length")], [200, String(length)]);
    }
  }
  await stopped(api);
});

Deno.test("startApiServer() refuses a path with bytes that are not percent-encoded", async () => {
  const api = start();
  for (const target of ["/v1/kv/\u00e9", "/v1/kv/a b"]) {
    const status = await rawRequest(api.server.port, target);
    match(status, /^HTTP\/1.1 400 /);
  }
  equal(api.node.reads.length, 0);
  await stopped(api);
});

Deno.test("startApiServer() refuses a Host that would become part of the path", async () => {
  const errors: unknown[] = [];
  for (const kind of ["local", "open"] as const) {
    const node = new FakeNode();
    const authorizer = new Authorizer({ node, access: { kind } });
    const api = start(node, { authorizer, onError: (error) => errors.push(error) });
    const { port } = api.server;
    const malformed = ["localhost/v1/kv/a?", "localhost/v1/kv/", "a b", "a@localhost", "[::1%lo]"];
    for (const host of malformed) {
      match(await rawRequest(port, "/livez", host), /^HTTP\/1.1 400 /, host);
    }
    match(await rawRequest(port, "http://localhost?/livez"), /^HTTP\/1.1 400 /);
    for (const host of ["localhost", `127.0.0.1:${port}`, "[::1]:7201", ""]) {
      match(await rawRequest(port, "/livez", host), /^HTTP\/1.1 200 /, host);
    }
    deepEqual([node.reads, errors], [[], []]);
    await stopped(api);
  }
});

/** The status line for a request that `fetch` would not send. */
async function rawRequest(port: number, target: string, host = "localhost"): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = `GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  const [line] = (await new Response(connection.readable).text()).split("\r\n");
  return line ?? "";
}

Deno.test("startApiServer() says what to do when the port is in use", async () => {
  const api = start();
  const { port } = api.server;
  throws(
    () => startApiServer({ ...api, hostname: "127.0.0.1", port, signal: api.stop.signal }),
    (error) => {
      equal(error instanceof EnvironmentError, true);
      match(
        String(error),
        new RegExp(`Cannot listen on 127.0.0.1:${port} for the API: the port is`),
      );
      match(String(error), /change this node's `api` address in cluster.json, or --api-listen/);
      return true;
    },
  );
  await stopped(api);
});

Deno.test({
  name: "startApiServer() serves HTTPS with a certificate, and nothing else on that port",
  ignore: !hasOpenssl,
  async fn() {
    const { cert, key } = makeTlsKeys();
    const stop = new AbortController();
    const place = { hostname: "127.0.0.1", port: 0, signal: stop.signal };
    const server = startApiServer({ ...place, node: new FakeNode(), tls: { cert, key } });
    const url = `https://127.0.0.1:${server.port}/v1/kv/a`;
    using trusting = Deno.createHttpClient({ caCerts: [cert] });
    const put = await fetch(url, { method: "PUT", body: "x", client: trusting });
    equal((await put.json()).version, 1);
    const origin = `https://127.0.0.1:${server.port}`;
    const own = await fetch(url, { headers: { origin }, client: trusting });
    equal((await own.json()).value, "x");
    using strange = Deno.createHttpClient({ caCerts: [] });
    await rejects(
      fetch(url, { client: strange }),
      ({ cause }: Error) => /certificate/.test(`${cause}`),
    );
    await rejects(fetch(url.replace("https", "http")));
    stop.abort();
    await server.finished;
  },
});

Deno.test("startApiServer() says so when certificate and key cannot be used", () => {
  const signal = new AbortController().signal;
  const options = { node: new FakeNode(), hostname: "127.0.0.1", port: 0, signal };
  throws(() => startApiServer({ ...options, tls: { cert: "x", key: "y" } }), (error) => {
    equal(error instanceof EnvironmentError, true);
    match(String(error), /the certificate or its key cannot be used.*--tls-cert and --tls-key/);
    return true;
  });
});

Deno.test("startApiServer() says so when the address is not this machine's", () => {
  const signal = new AbortController().signal;
  const options = { node: new FakeNode(), hostname: "192.0.2.1", port: 0, signal };
  throws(() => startApiServer(options), /this machine does not have that address/);
});

Deno.test("startApiServer() serves nobody without tokens where others than this machine reach it", async () => {
  const node = new FakeNode();
  const stop = new AbortController();
  const options = { node, hostname: "0.0.0.0", port: 0, signal: stop.signal };
  throws(() => startApiServer(options), (error) => {
    equal(error instanceof EnvironmentError, true);
    match(String(error), /on 0.0.0.0 without tokens: others than this machine reach it at 0.0.0.0/);
    return true;
  });
  const server = startApiServer({
    ...options,
    authorizer: new Authorizer({ node, access: { kind: "open" } }),
  });
  stop.abort();
  await server.finished;
});

Deno.test("a stopping server lets the requests under way finish", async () => {
  const api = start();
  const { promise, resolve } = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  api.node.hold = promise;
  const write = api.node.write.bind(api.node);
  api.node.write = (command, options) => {
    arrived.resolve();
    return write(command, options);
  };
  const response = fetch(`${api.url}/v1/kv/a`, { method: "PUT", body: "x" });
  await arrived.promise;
  api.stop.abort();
  resolve();
  equal((await (await response).json()).version, 1);
  await api.server.finished;
  await rejects(fetch(`${api.url}/livez`));
});

Deno.test("startApiServer() stops at once under a signal that is aborted already", async () => {
  const server = startApiServer({
    node: new FakeNode(),
    hostname: "127.0.0.1",
    port: 0,
    signal: AbortSignal.abort(),
  });
  await server.finished;
});
