import { equal, match, throws } from "node:assert/strict";
import { EnvironmentError } from "../../lib/errors.ts";
import { openHttp } from "../../lib/http/server.ts";

const serve = openHttp();

const INTERNAL = Symbol("Deno.internal");

for (
  const [name, deno] of [
    ["without internals", {}],
    ["with other internals", { internal: INTERNAL, [INTERNAL]: {} }],
    ["with another function of that name", {
      internal: INTERNAL,
      [INTERNAL]: { serveHttpOnConnection: (_connection: unknown, _options: unknown) => {} },
    }],
  ] as const
) {
  Deno.test(`openHttp() refuses a Deno ${name}, and says which one to run`, () => {
    throws(() => openHttp(deno), (error) => {
      equal(error instanceof EnvironmentError, true);
      match(String(error), /does not let Floe bound its connections. Run Floe with Deno 2.9.6/);
      return true;
    });
  });
}

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
