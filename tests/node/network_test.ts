import assert from "node:assert/strict";
import { keyFolder, openIdentities } from "../../lib/cli/serve/node_folders.ts";
import type { PinnedClusterConfig } from "../../lib/config/cluster_config.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { readIdentity } from "../../lib/keys/identity.ts";
import { Network, type NetworkUser } from "../../lib/node/network.ts";
import type { NodeId } from "../../lib/types.ts";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { Inbox, readIndexRequest } from "../transport/harness.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import { settle } from "../support/settle.ts";

Deno.test("Network hands what comes to whoever uses it now, and keeps its connections", async () => {
  await withPair(async ({ first, second, networkOf }) => {
    const [alpha, beta] = [networkOf(first), networkOf(second)];
    const [before, after] = [new User(), new User()];
    alpha.use(before);
    const sender = new User();
    beta.use(sender);
    assert.equal(alpha.isConfigurationEqual(second), null);
    for (const each of [alpha, beta, alpha]) each.start();
    assert.equal(await before.connected.take(), second);
    await sender.connected.take();

    beta.send(readIndexRequest(second, first, 1));
    await before.messages.take();
    assert.equal(alpha.isConfigurationEqual(second), true);
    alpha.use(after);
    const transcriptHash = new Uint8Array(32);
    const ready = { kind: "ready", from: second, to: first, attempt: 1, transcriptHash } as const;
    const sent = { ...ready, configuration: "c".repeat(64) };
    assert.ok(beta.isConnected(first) && beta.sendKeyGeneration(sent));
    assert.deepEqual(await after.keyGenerations.take(), sent);
    beta.send(readIndexRequest(second, first, 2));
    await after.messages.take();
    assert.deepEqual([before.messages.length, before.keyGenerations.length], [0, 0]);
    assert.equal(alpha.counters["peer.connected"], 1);

    await beta.close();
    assert.equal(await after.disconnected.take(), second);
    await alpha.close();
    assert.equal(beta.send(readIndexRequest(second, first, 3)), false);
  });
});

Deno.test("Network drops what comes while nobody uses it", async () => {
  await withPair(async ({ first, second, networkOf }) => {
    const [alpha, beta] = [networkOf(first), networkOf(second)];
    const [sender, user] = [new User(), new User()];
    beta.use(sender);
    for (const each of [alpha, beta]) each.start();
    await sender.connected.take();
    beta.send(readIndexRequest(second, first, 1));
    while (alpha.counters["message.received"] === 0) await settle();
    alpha.use(user);
    beta.send(readIndexRequest(second, first, 2));
    assert.deepEqual(await user.messages.take(), readIndexRequest(second, first, 2));
    await Promise.all([alpha.close(), beta.close()]);
  });
});

Deno.test("Network says who takes its port, and can be closed all the same", async () => {
  await withPair(async ({ first, networkOf }) => {
    const [one, other] = [networkOf(first), networkOf(first)];
    one.start();
    assert.throws(() => other.start(), EnvironmentError);
    await Promise.all([one.close(), other.close(), other.close()]);
  });
});

Deno.test("a Network listens elsewhere than at its address in the configuration, if it is told to", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const folders = { path: folder.path, passphrase: null };
  const config = openIdentities(folder.config, folders);
  const [peer] = config.peers;
  const [listen] = findFreeAddresses(1);
  assert.ok(peer !== undefined && listen !== undefined);
  const identity = readIdentity(keyFolder(folders, peer.id));
  const network = new Network({ config, self: peer.id, identity, listen });
  network.start();
  (await Deno.connect(listen)).close();
  await assert.rejects(Deno.connect(peer.peer), Deno.errors.ConnectionRefused);
  await network.close();
});

class User implements NetworkUser {
  readonly messages = new Inbox<unknown>();
  readonly keyGenerations = new Inbox<unknown>();
  readonly connected = new Inbox<NodeId>();
  readonly disconnected = new Inbox<NodeId>();
  onMessage(message: unknown): void {
    this.messages.put(message);
  }
  onKeyGenerationMessage(message: unknown): void {
    this.keyGenerations.put(message);
  }
  onConnected(peer: NodeId): void {
    this.connected.put(peer);
  }
  onDisconnected(peer: NodeId): void {
    this.disconnected.put(peer);
  }
}

interface Pair {
  readonly first: NodeId;
  readonly second: NodeId;
  readonly networkOf: (self: NodeId) => Network;
}

async function withPair(test: (pair: Pair) => Promise<void>): Promise<void> {
  using folder = new TestFolder({ nodes: 2 });
  const folders = { path: folder.path, passphrase: null };
  const config: PinnedClusterConfig = openIdentities(folder.config, folders);
  const [first, second] = config.peers.map(({ id }) => id);
  assert.ok(first !== undefined && second !== undefined);
  const networkOf = (self: NodeId) =>
    new Network({ config, self, identity: readIdentity(keyFolder(folders, self)) });
  await test({ first, second, networkOf });
}
