import { equal, match, throws } from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { findHttp } from "../../lib/http/deno_http.ts";
import { startApiServer } from "../../lib/http/server.ts";
import { FakeNode } from "./fake_node.ts";

const serve = assertDefined(findHttp(), "this Deno serves connections");

const INTERNAL = Symbol("Deno.internal");

const OTHER_DENOS = [
  ["without internals", {}],
  ["with other internals", { internal: INTERNAL, [INTERNAL]: {} }],
  ["with another function of that name", {
    internal: INTERNAL,
    [INTERNAL]: { serveHttpOnConnection: (_connection: unknown, _options: unknown) => {} },
  }],
] as const;
for (const [name, deno] of OTHER_DENOS) {
  Deno.test(`a Deno ${name} serves the API as well, without its bounds`, async () => {
    equal(findHttp(deno), null);
    const stop = new AbortController();
    const node = new FakeNode();
    const place = { node, hostname: "127.0.0.1", port: 0, signal: stop.signal, deno };
    const server = startApiServer(place);
    equal(server.connectionsMax, null);
    const url = `http://127.0.0.1:${server.port}/v1/kv/a`;
    const written = await fetch(url, { method: "PUT", body: "x" });
    equal((await written.json()).key, "a");
    equal((await (await fetch(url)).json()).value, "x");
    throws(() => server.replaceTlsKeys({ cert: "x", key: "y" }), /Restart the node/);
    stop.abort();
    await server.finished;
  });
}

Deno.test("a Deno without the internals is held to what its access was made for, too", () => {
  const place = { node: new FakeNode(), hostname: "0.0.0.0", port: 0, deno: {} };
  const { signal } = new AbortController();
  throws(() => startApiServer({ ...place, signal }), /without tokens/);
  const tls = { cert: "x", key: "y" };
  const local = { ...place, hostname: "127.0.0.1", tls, signal };
  throws(() => startApiServer(local), /cannot be used: .*--tls-cert and --tls-key/);
});

const GET = new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\n\r\n");

/** Both ends of a connection. */
async function connect(): Promise<{ readonly client: Deno.Conn; readonly server: Deno.Conn }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  return { client, server };
}

async function readText(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(1000);
  const count = await connection.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

Deno.test("a served connection hands over each request, and ends when the client does", async () => {
  const { client, server } = await connect();
  const paths: string[] = [];
  const served = serve(server, (request) => {
    paths.push(request.url);
    return Promise.resolve(new Response("hello"));
  });
  for (let count = 1; count <= 2; count++) {
    await client.write(GET);
    match(await readText(client), /^HTTP\/1.1 200 OK[^]*hello$/);
    equal(paths.length, count);
  }
  client.close();
  await served.finished;
});

Deno.test("a served connection ends at once, and to end it again does no harm", async () => {
  const { client, server } = await connect();
  const served = serve(server, () => Promise.resolve(new Response()));
  served.cancel();
  served.cancel();
  equal(await client.read(new Uint8Array(1)), null);
  await served.finished;
  served.cancel();
  served.shutdown();
  client.close();
});

Deno.test("a served connection answers 500 where nothing else was answered", async () => {
  const { client, server } = await connect();
  const served = serve(server, () => Promise.reject(new Error("on purpose")));
  await client.write(GET);
  match(await readText(client), /^HTTP\/1.1 500 /);
  served.shutdown();
  await served.finished;
  client.close();
});

Deno.test("a served connection takes what is no HTTP for the client's affair", async () => {
  const { client, server } = await connect();
  const served = serve(server, () => Promise.resolve(new Response()));
  await client.write(new Uint8Array(100).fill(0x16));
  await served.finished;
  client.close();
});
