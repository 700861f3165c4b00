import assert from "node:assert/strict";
import { deepEqual, equal, match } from "node:assert/strict";
import { startApiServer } from "../../lib/http/server.ts";
import { FakeNode } from "../http/fake_node.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import { floe } from "./fake_terminal.ts";

// The client against real sockets: what `fetch` really throws, which other tests only imitate.

/** An address at which nothing listens. */
function unusedAddress(): string {
  const [{ hostname, port } = assert.fail("no address")] = findFreeAddresses(1);
  return `${hostname}:${port}`;
}

Deno.test("put passes over an address where nothing listens, and get reads it back", async () => {
  const stop = new AbortController();
  const node = new FakeNode();
  const server = startApiServer({ node, hostname: "127.0.0.1", port: 0, signal: stop.signal });
  const env = { FLOE_ENDPOINTS: `${unusedAddress()},127.0.0.1:${server.port}` };
  const value = crypto.getRandomValues(new Uint8Array(1000));
  equal((await floe(["put", "a/b", "-"], { env, fetch, stdin: value })).code, 0);
  const { code, stdoutBytes } = await floe(["get", "a/b"], { env, fetch });
  equal(code, 0);
  deepEqual(stdoutBytes, value);
  stop.abort();
  await server.finished;
});

Deno.test("a refused connection is known to have sent nothing", async () => {
  const address = unusedAddress();
  const outcome = await floe(["put", "a", "x"], { env: { FLOE_ENDPOINTS: address }, fetch });
  deepEqual([outcome.code, outcome.waitedMs], [5, 0]);
  match(outcome.stderr, new RegExp(`No node is reachable:\n {2}${address}: connection refused\n`));
});

Deno.test("a connection that breaks after the request leaves a write to the next node", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1024));
  })();
  const stop = new AbortController();
  const node = new FakeNode();
  const server = startApiServer({ node, hostname: "127.0.0.1", port: 0, signal: stop.signal });
  const env = { FLOE_ENDPOINTS: `127.0.0.1:${listener.addr.port},127.0.0.1:${server.port}` };
  const outcome = await floe(["put", "a", "x"], { env, fetch });
  deepEqual([outcome.code, outcome.stderr, node.commands.length], [0, "", 1]);
  await serving;
  listener.close();
  stop.abort();
  await server.finished;
});

Deno.test("a node that never answers leaves a write's outcome open", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const env = { FLOE_ENDPOINTS: `127.0.0.1:${listener.addr.port}` };
  const outcome = await floe(["put", "a", "x", "--timeout", "20ms"], { env, fetch });
  equal(outcome.code, 5);
  match(outcome.stderr, /no answer in time\nThe write may have been applied\./);
  listener.close();
});
