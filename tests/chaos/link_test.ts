import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import { Link } from "./link.ts";

/** Both ends of a connection through a link. */
async function connect(link: Link, server: Deno.TcpListener): Promise<[Deno.Conn, Deno.Conn]> {
  return await Promise.all([Deno.connect({ port: link.port }), server.accept()]);
}

async function readText(connection: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(100);
  const length = await connection.read(buffer);
  return length === null ? null : new TextDecoder().decode(buffer.subarray(0, length));
}

/** Null at the end, also where that is a reset. */
async function readEnd(connection: Deno.Conn): Promise<string | null> {
  try {
    return await readText(connection);
  } catch {
    return null;
  }
}

function listen(): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

Deno.test("a link carries bytes both ways, and the end", async () => {
  using server = listen();
  await using link = new Link(server.addr.port);
  const [near, far] = await connect(link, server);
  await near.write(encodeUtf8("there"));
  assert.equal(await readText(far), "there");
  await far.write(encodeUtf8("and back"));
  assert.equal(await readText(near), "and back");
  far.close();
  assert.equal(await readEnd(near), null);
  near.close();
});

for (const kind of ["clogged", "slow"] as const) {
  Deno.test(`a ${kind} link keeps bytes and passes them on in the end`, async () => {
    using server = listen();
    await using link = new Link(server.addr.port);
    const [near, far] = await connect(link, server);
    link.set(kind === "slow" ? { kind, delayMs: 20 } : { kind });
    await near.write(encodeUtf8("late"));
    let hasArrived = false;
    const arrived = readText(far).then((text) => {
      hasArrived = true;
      return text;
    });
    // A turn around another, open link: time enough for what is not kept.
    await using open = new Link(server.addr.port);
    const [otherNear, otherFar] = await connect(open, server);
    await otherNear.write(encodeUtf8("soon"));
    assert.equal(await readText(otherFar), "soon");
    if (kind === "clogged") assert.equal(hasArrived, false);
    if (kind === "clogged") link.set({ kind: "open" });
    assert.equal(await arrived, "late");
    for (const connection of [near, far, otherNear, otherFar]) connection.close();
  });
}

Deno.test("a cut link ends its connections, and new ones at once, until it is open again", async () => {
  using server = listen();
  await using link = new Link(server.addr.port);
  const [near, far] = await connect(link, server);
  link.set({ kind: "cut" });
  assert.equal(await readEnd(near), null);
  assert.equal(await readEnd(far), null);
  const refused = await Deno.connect({ port: link.port });
  assert.equal(await readEnd(refused), null);

  link.set({ kind: "open" });
  const [again, there] = await connect(link, server);
  await again.write(encodeUtf8("hello"));
  assert.equal(await readText(there), "hello");
  for (const connection of [near, far, refused, again, there]) connection.close();
});

Deno.test("a link to where nobody listens ends its connections", async () => {
  const [nowhere] = findFreeAddresses(1);
  await using link = new Link(nowhere?.port ?? 0);
  using near = await Deno.connect({ port: link.port });
  assert.equal(await readEnd(near), null);
});
