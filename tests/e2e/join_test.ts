/**
 * A lost disk, as an operator meets it: a node joins by `floe join` in the place of a dead one, everything by
 * the command line.
 *
 * @module
 */

import assert from "node:assert/strict";
import { formatAddress } from "../../lib/address.ts";
import { assertDefined } from "../../lib/assert.ts";
import { encodeVerifierKey } from "../../lib/certificate/group_key.ts";
import { findFreeAddresses } from "../support/free_ports.ts";
import type { ProcessEvent } from "./harness/events.ts";
import { FloeProcess, runFloe, runFloeOnceLed } from "./harness/floe_process.ts";
import { ask } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** Elections are not what this test is about: machines that are slow should hold few. */
const timing = { heartbeatMs: 200, electionTimeoutMs: 2_000, signingTimeoutMs: 1_000 };

Deno.test("a dead node is replaced by one that joins, and one key verifies all of it", async () => {
  await using cluster = new TestCluster({ nodes: 3, keyless: true, timing });
  const { id: leader } = await cluster.leader();
  const dead = assertDefined(cluster.ids.find((id) => id !== leader), "a follower");
  const config = ["--config", cluster.configFile];
  const floe = async (...args: readonly string[]) => {
    const result = await runFloeOnceLed([...config, "--timeout", "60s", ...args]);
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  };
  await floe("put", "colour", "green");
  const key = encodeVerifierKey(cluster.group.cluster, cluster.group.publicKey);
  const from = cluster.config.peers.filter(({ id }) => id !== dead)
    .map(({ api }) => formatAddress(api)).join(",");
  await cluster.process(dead).end("SIGKILL");

  const folder = cluster.dataDir(dead).replace(/[^/]*$/, "joiner");
  const [peer, api] = findFreeAddresses(2);
  assert.ok(peer && api);
  const joining = [
    ...["join", "--key", key, "--from", from, "--id", "server_4", "--data-dir", folder],
    ...["--peer", formatAddress(peer), "--api", formatAddress(api), "--log-format", "json"],
  ];
  const joiner = new FloeProcess("server_4", [...config, ...joining]);
  await using _joiner = joiner;
  const card = await joiner.said.waitFor("its card", ({ signature }) => signature !== undefined);
  const cardFile = `${cluster.configFile}.card`;
  Deno.writeTextFileSync(cardFile, JSON.stringify(card));
  await floe("member", "replace", dead, cardFile, "--yes");

  const { members } = JSON.parse(await floe("member", "list", "-o", "json"));
  const roles = members.map(({ id, role, hasShare }: Record<string, unknown>) => [
    id,
    role,
    hasShare,
  ]);
  const left = cluster.ids.filter((id) => id !== dead);
  assert.deepEqual(roles, [
    ...left.map((id) => [id, "voter", true]),
    ["server_4", "voter", true],
    [dead, "removed", false],
  ]);

  // Its cluster.json is of today's members, and theirs of the founders: nobody minds.
  const isOfFiles = ({ event }: ProcessEvent) => event === "configuration.different";
  assert.deepEqual(joiner.said.events.filter(isOfFiles), []);
  const { text: metrics } = await ask(cluster, leader, { path: "/metrics" });
  assert.match(metrics, /^floe_configuration_different_total 0$/m);

  await joiner.end("SIGTERM");
  const node = ["node", "--id", "server_4", "--config", `${folder}/cluster.json`];
  await using restarted = new FloeProcess("server_4", [
    ...node,
    "--data-dir",
    folder,
    "-o",
    "json",
  ]);
  await restarted.said.waitFor("its start", ({ event }) => event === "started");
  const here = ["--endpoints", formatAddress(api), "--timeout", "60s"];
  const read = await runFloe([...here, "get", "colour"]);
  assert.deepEqual([read.code, read.stdout], [0, "green"], read.stderr);

  for (
    const [name, args] of [["g", "group --genesis"], ["m", "group --memberships"], [
      "l",
      "leader --cert",
    ]] as const
  ) {
    Deno.writeTextFileSync(`${cluster.configFile}.${name}`, await floe(...args.split(" ")));
  }
  const files = ["g", "m", "l"].map((name) => `${cluster.configFile}.${name}`);
  const audited = await runFloe(["verify", ...files, "--key", key, "-o", "json"]);
  assert.equal(audited.code, 0, audited.stderr);
  const { memberships, elections } = JSON.parse(audited.stdout);
  const last = memberships.at(-1);
  assert.deepEqual(last.members.map(({ id }: Record<string, unknown>) => id), [
    ...left,
    "server_4",
  ]);
  assert.equal(elections.length, 1);
});
