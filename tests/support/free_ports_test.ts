import assert from "node:assert/strict";
import { generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { findFreeAddresses, onFreePorts } from "./free_ports.ts";

Deno.test("findFreeAddresses() finds different addresses at which one can listen", () => {
  const addresses = findFreeAddresses(100);
  assert.equal(new Set(addresses.map(({ port }) => port)).size, 100);
  for (const address of addresses) Deno.listen(address).close();
});

Deno.test("findFreeAddresses() finds none of those that Linux hands out by itself, from 32768 on", () => {
  for (const { port } of findFreeAddresses(100)) assert.ok(port < 32_768, `${port}`);
});

Deno.test("findFreeAddresses() gives no other program the same ones, though nobody listens there", async () => {
  const mine = findFreeAddresses(100).map(({ port }) => port);
  const module = JSON.stringify(import.meta.resolve("./free_ports.ts"));
  const script = `import { findFreeAddresses } from ${module};
    console.log(JSON.stringify(findFreeAddresses(100).map(({ port }) => port)));`;
  const run = () =>
    new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", script] }).output();
  for (const { stdout } of await Promise.all([run(), run(), run()])) {
    const theirs: readonly number[] = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(theirs.length, 100);
    assert.deepEqual(theirs.filter((port) => mine.includes(port)), []);
  }
});

Deno.test("onFreePorts() gives every node two addresses, and changes nothing else", () => {
  const config = generateLocalCluster({ nodes: 3 });
  const moved = onFreePorts(config);
  const ports = moved.peers.flatMap(({ peer, api }) => [peer.port, api.port]);
  assert.equal(new Set(ports).size, 6);
  const back = moved.peers.map(({ id }, at) => ({ ...config.peers[at], id }));
  assert.deepEqual({ ...moved, peers: back }, config);
});
