import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { EnvironmentError } from "../lib/errors.ts";
import { accept, listen, sendAtOnce } from "../lib/listen.ts";

const HERE = {
  hostname: "127.0.0.1",
  port: 0,
  purpose: "the test",
  setting: "the `test` address",
};

Deno.test("listen() takes a port that the system chooses", () => {
  using listener = listen(HERE);
  assert.ok(listener.addr.port > 0);
});

Deno.test("listen() says of a port in use what it is for, and what to change", () => {
  using first = listen(HERE);
  const { port } = first.addr;
  assert.throws(() => listen({ ...HERE, port }), {
    name: "EnvironmentError",
    message:
      `Cannot listen on 127.0.0.1:${port} for the test: the port is in use. Stop the process that ` +
      "uses it (is this node running already?), or change the `test` address.",
  });
});

Deno.test("listen() says of an address that is not this machine's where to start the node", () => {
  assert.throws(
    () => listen({ ...HERE, hostname: "203.0.113.1" }),
    /does not have that address\. Start the node on the machine that does, or change the `test`/,
  );
});

Deno.test("listen() says of whatever else is wrong what it was, and what to check", () => {
  assert.throws(
    () => listen({ ...HERE, hostname: "no such host" }),
    (error) =>
      error instanceof EnvironmentError &&
      /^Cannot listen on no such host:0 for the test: .+\. Check the `test` address\.$/s
        .test(error.message),
  );
});

Deno.test({
  name: "listen() says of a port that it may not take which it could",
  permissions: { net: ["127.0.0.1:1"] },
  fn() {
    assert.throws(
      () => listen({ ...HERE, port: 2 }),
      /Choose a port from 1024 upward for the `test`/,
    );
  },
});

const RESET_CONNECTIONS = 20;

Deno.test("accept() passes over connections that were reset while they waited", async () => {
  using listener = listen(HERE);
  const { port } = listener.addr;
  for (let number = 0; number < RESET_CONNECTIONS; number++) {
    const socket = connect(port, HERE.hostname);
    await once(socket, "connect");
    socket.resetAndDestroy();
    await once(socket, "close");
  }
  using client = await Deno.connect({ hostname: HERE.hostname, port });
  using accepted = await accept(listener);
  assert.deepEqual(accepted.remoteAddr, client.localAddr);
});

Deno.test("accept() tells of whatever else goes wrong", async () => {
  const failures = [
    new Deno.errors.ConnectionAborted(),
    new Deno.errors.BadResource("no descriptor"),
  ];
  const listener = {
    accept: () => Promise.reject(failures.shift() ?? new Error("once too often")),
  };
  await assert.rejects(accept(listener), /no descriptor/);
});

Deno.test("sendAtOnce() leaves it to the first read to say that the other end is gone", async () => {
  using listener = listen(HERE);
  const client = await Deno.connect({ hostname: HERE.hostname, port: listener.addr.port });
  const accepted = await accept(listener);
  client.close();
  accepted.close();
  sendAtOnce(accepted);
});
