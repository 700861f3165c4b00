import assert from "node:assert/strict";
import { ChannelError, TcpChannel } from "../../lib/transport/channel.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import { readToEnd } from "./raw_peer.ts";

const { signal } = new AbortController();

/** A channel and the socket at its other end. */
async function connectPair() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const channel = await TcpChannel.connect(listener.addr, signal);
  const socket = await accepted;
  listener.close();
  return { channel, socket };
}

Deno.test("TcpChannel reads what the other end writes, then its end", async () => {
  const { channel, socket } = await connectPair();
  await socket.write(new Uint8Array([1, 2, 3]));
  assert.deepEqual(await channel.read(), new Uint8Array([1, 2, 3]));
  socket.close();
  assert.equal(await channel.read(), null);
  channel.close();
});

Deno.test("TcpChannel writes everything, also what the network takes only in parts", async () => {
  const { channel, socket } = await connectPair();
  const sent = new Uint8Array(3 * 1024 * 1024).map((_, index) => index % 251);
  const written = channel.write(sent).then(() => channel.close());
  const received = await readToEnd(socket);
  await written;
  assert.equal(received.length, sent.length);
  assert.ok(received.every((byte, index) => byte === index % 251));
  socket.close();
});

Deno.test("TcpChannel fails a read and a write under way when it is closed", async () => {
  const { channel, socket } = await connectPair();
  const read = channel.read();
  const write = channel.write(new Uint8Array(64 * 1024 * 1024));
  channel.close();
  channel.close();
  await Promise.all([assert.rejects(read, ChannelError), assert.rejects(write, ChannelError)]);
  await assert.rejects(channel.write(new Uint8Array(1)), ChannelError);
  socket.close();
});

Deno.test("TcpChannel.connect() says whom it could not reach", async () => {
  const [nowhere = assert.fail("no address")] = findFreeAddresses(1);
  await assert.rejects(
    TcpChannel.connect(nowhere, signal),
    (error) =>
      error instanceof ChannelError &&
      error.message.startsWith(`Cannot connect to 127.0.0.1:${nowhere.port}: Connection refused`),
  );
});

Deno.test("TcpChannel.connect() gives up when its signal says so", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await assert.rejects(TcpChannel.connect(listener.addr, AbortSignal.abort()), ChannelError);
  listener.close();
});
