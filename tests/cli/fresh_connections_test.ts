import assert from "node:assert/strict";
import { failureOfError } from "../../lib/client/failure.ts";
import { FreshConnections } from "../../lib/cli/process_context.ts";
import { findFreeAddresses } from "../support/free_ports.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** A node that answers one request, and dies when it has read the next one, of whatever connection. */
class DyingServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #requests = 0;
  readonly #serving = this.#serve();

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}/v1/kv/key`;
  }

  get requests(): number {
    return this.#requests;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#serving;
  }

  async #serve(): Promise<void> {
    using listener = this.#listener;
    while (this.#requests < 2) {
      using connection = await listener.accept();
      const buffer = new Uint8Array(4096);
      while (this.#requests < 2 && await connection.read(buffer) !== null) {
        if (++this.#requests === 1) await connection.write(new TextEncoder().encode(OK));
      }
    }
  }
}

Deno.test("FreshConnections sends a write once, and a node that dies at it may have done it", async () => {
  await using server = new DyingServer();
  using fresh = new FreshConnections();
  const { url } = server;
  const first = await fresh.fetch(url, { method: "PUT", body: "a" });
  assert.equal(await first.text(), "ok");

  const error = await fresh.fetch(url, { method: "PUT", body: "b" }).then(
    () => assert.fail("nobody answered"),
    (error: unknown) => error,
  );
  assert.equal(server.requests, 2);
  assert.equal(failureOfError(error).maybeApplied, true);
});

Deno.test("FreshConnections tells a node that is not there from one that died", async () => {
  using fresh = new FreshConnections();
  const [nowhere] = findFreeAddresses(1);
  const url = `http://127.0.0.1:${nowhere?.port}/`;
  const error = await fresh.fetch(url, { method: "PUT", body: "a" }).catch(
    (error: unknown) => error,
  );
  assert.equal(failureOfError(error).maybeApplied, false);
  assert.equal(failureOfError(error).notReached, "nothing there");
});
