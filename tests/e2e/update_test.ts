/**
 * A member that moves, and one whose identity is made anew, as their operators do it: by the command line.
 *
 * @module
 */

import assert from "node:assert/strict";
import { formatAddress } from "../../lib/address.ts";
import { assertDefined } from "../../lib/assert.ts";
import { encodeVerifierKey } from "../../lib/certificate/group_key.ts";
import type { MembersBody } from "../../lib/wire/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import { WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { FloeProcess, runFloe, runFloeOnceLed } from "./harness/floe_process.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** Elections are not what these tests are about: machines that are slow should hold few. */
const timing = { heartbeatMs: 200, electionTimeoutMs: 2_000, signingTimeoutMs: 1_000 };

/** A cluster and its operators. */
class Operated implements AsyncDisposable {
  readonly cluster = new TestCluster({ nodes: 3, keyless: true, timing });

  /** A command that succeeds. */
  async floe(...args: readonly string[]): Promise<string> {
    const config = ["--config", this.cluster.configFile, "--timeout", "60s"];
    const { code, stdout, stderr } = await runFloeOnceLed([...config, ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  /** A node that does not lead. */
  async follower(): Promise<NodeId> {
    const { id: leader } = await this.cluster.leader();
    return assertDefined(this.cluster.ids.find((id) => id !== leader), "a follower");
  }

  /** Starts a node with the members of today. */
  async startAnew(id: NodeId): Promise<FloeProcess> {
    const folder = this.cluster.dataDir(id);
    const file = `${folder}/cluster.json`;
    await this.floe("members", "export", "--out", file, "--force");
    return new FloeProcess(id, ["node", "--id", id, "--config", file, "--data-dir", folder]);
  }

  /** Waits until the leader reaches a node whose log is current. */
  async untilCurrent(id: NodeId): Promise<void> {
    const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
    for (;;) {
      deadline.throwIfAborted();
      const { members }: MembersBody = JSON.parse(await this.floe("member", "list", "-o", "json"));
      const member = members.find((one) => one.id === id);
      if (member?.reachable === true && member.caughtUp !== false) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}

Deno.test("a member moves: the members hear of it, and it takes its addresses when it starts again", async () => {
  await using world = new Operated();
  const { cluster } = world;
  const mover = await world.follower();
  await world.floe("put", "colour", "green");
  const [peer, api] = findFreeAddresses(2).map(formatAddress);
  assert.ok(peer && api);
  const to = ["--peer", peer, "--api", api];
  const said = await world.floe("member", "update", mover, ...to, "--yes");
  assert.match(said, new RegExp(`Restart ${mover} with a fresh cluster\\.json`));
  const process = cluster.process(mover);
  await process.said.waitFor("that it moves", ({ event }) => event === "members.own_addresses");
  await process.end("SIGTERM");

  await using _moved = await world.startAnew(mover);
  await world.untilCurrent(mover);
  const here = ["--endpoints", api, "--timeout", "60s"];
  const read = await runFloe([...here, "get", "colour"]);
  assert.deepEqual([read.code, read.stdout], [0, "green"], read.stderr);
});

Deno.test("a member's identity is made anew while the node is down, and one key verifies all of it", async () => {
  await using world = new Operated();
  const { cluster } = world;
  const node = await world.follower();
  await world.floe("put", "colour", "green");
  await world.floe("reshare", "--yes");
  await cluster.process(node).end("SIGTERM");

  const folder = cluster.dataDir(node);
  Deno.renameSync(`${folder}/identity.json`, `${folder}/identity.json.old`);
  const { peer, api } = assertDefined(cluster.config.peers.find(({ id }) => id === node), "it");
  const at = ["--peer", formatAddress(peer), "--api", formatAddress(api), "--data-dir", folder];
  const { stdout: card, stderr } = await runFloe(["keygen", "--id", node, ...at]);
  const cardFile = `${cluster.configFile}.card`;
  Deno.writeTextFileSync(cardFile, card);
  assert.match(stderr, /Made .*identity\.json/);
  await world.floe("member", "update", node, "--card", cardFile, "--yes");

  await using _renewed = await world.startAnew(node);
  await world.untilCurrent(node);
  await world.floe("reshare", "--yes");
  const { epoch, members }: MembersBody = JSON.parse(
    await world.floe("member", "list", "-o", "json"),
  );
  assert.equal(epoch, 3);
  const { signingKey, hasShare } = assertDefined(members.find(({ id }) => id === node), "it");
  assert.deepEqual([signingKey, hasShare], [JSON.parse(card).signingKey, true]);

  const key = encodeVerifierKey(cluster.group.cluster, cluster.group.publicKey);
  const notes = [["group", "--genesis"], ["group", "--memberships"], ["leader", "--cert"]];
  const files = await Promise.all(notes.map(async (args, at) => {
    const file = `${cluster.configFile}.${at}`;
    Deno.writeTextFileSync(file, await world.floe(...args));
    return file;
  }));
  const audited = await runFloe(["verify", ...files, "--key", key, "-o", "json"]);
  assert.equal(audited.code, 0, audited.stderr);
  const last = JSON.parse(audited.stdout).memberships.at(-1);
  assert.equal(last.members.length, 3);
});
