/**
 * Key generation by real processes: late, killed, misconfigured and left behind.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex } from "../../lib/bytes.ts";
import { verifyCertificate, verifyGenesis } from "../../lib/certificate/mod.ts";
import { formatClusterConfig, toGenesisRoster } from "../../lib/config/cluster_config.ts";
import { hashConfiguration } from "../../lib/keygen/mod.ts";
import { type NodeKeys, readNodeKeys } from "../../lib/keys/node_keys.ts";
import { writeRecord } from "../../lib/keys/record_file.ts";
import { type NodeId, toTerm } from "../../lib/types.ts";
import { SecretScanner } from "../support/secret_scanner.ts";
import type { ProcessEvent } from "./harness/events.ts";
import { runFloe } from "./harness/floe_process.ts";
import { put as putValue } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";
import { Written } from "./harness/written.ts";

Deno.test("five nodes make one key, the last of them late, and one killed in the middle", async () => {
  await using cluster = new TestCluster({ nodes: 5, keyless: true, absent: 1 });
  const [first, , third, , last] = cluster.ids as [NodeId, NodeId, NodeId, NodeId, NodeId];
  await says(cluster, first, isConnectedToAllBut(last));
  const waiting = await dkgStatus(cluster, first);
  assert.match(waiting, new RegExp(`^${first} +connecting +0 +${last} \\(to connect\\) `, "m"));
  assert.match(waiting, new RegExp(`^${last} +no +unknown +no +no +no +no$`, "m"));
  assert.match(waiting, new RegExp(`^${third} +yes +equal +no +no +no +no$`, "m"));
  const put = await cluster.fetch(first, "/v1/kv/greeting", { method: "PUT", body: "hello" });
  assert.deepEqual([put.status, (await put.json()).code], [503, "no_key"]);
  assert.equal((await cluster.fetch(first, "/readyz")).status, 503);

  cluster.start(last);
  await says(cluster, third, ({ event }) => event === "keygen.attempt");
  await cluster.process(third).end("SIGKILL");
  cluster.start(third);
  await assertOneKey(cluster);

  const leader = await cluster.leader();
  const { term, certificate } = leader;
  verifyCertificate(certificate, cluster.group, { term: toTerm(term), leader: leader.id });
  await putValue(cluster, first, { key: "greeting", value: "hello" });
  assert.match(await dkgStatus(cluster, last), new RegExp(`^${last} +finished +- +- `, "m"));
});

Deno.test("a node with another configuration is named on both sides, and joins once it has the same", async () => {
  await using cluster = new TestCluster({ nodes: 3, keyless: true, absent: 1 });
  const [first, second, last] = cluster.ids as [NodeId, NodeId, NodeId];
  const other = `${cluster.configFile}.other`;
  Deno.writeTextFileSync(other, formatClusterConfig({ ...cluster.config, threshold: 3 }));
  cluster.start(last, other);
  await says(cluster, first, isWaitingForConfiguration(last));
  await says(
    cluster,
    last,
    ({ event, configuration }) =>
      event === "keygen.waiting" && String(configuration) === String([first, second]),
  );
  const named = await says(cluster, first, ({ event }) => event === "configuration.different");
  assert.deepEqual(named.differences, ["threshold is 2 here and 3 there"]);
  const status = await dkgStatus(cluster, first);
  assert.match(status, new RegExp(`${last} \\(to have the same cluster\\.json\\)`));
  assert.match(status, new RegExp(`^${last} +yes +different `, "m"));

  await cluster.process(last).end("SIGTERM");
  cluster.start(last);
  await assertOneKey(cluster);
});

Deno.test("a straggler that had signed finishes from the certificate of those who run", async () => {
  await using cluster = new TestCluster({ nodes: 3, keyless: true });
  const [first, second, last] = cluster.ids as [NodeId, NodeId, NodeId];
  await assertOneKey(cluster);
  await cluster.process(last).end("SIGKILL");
  await cluster.process(second).end("SIGKILL");
  makeStraggler(cluster, last);
  // The first one runs, and is all that the straggler needs.
  await says(cluster, first, ({ event }) => event === "peer.disconnected");
  cluster.start(last);
  await says(cluster, last, ({ event }) => event === "key");
  await cluster.leader(1, [first, last]);
  cluster.start(second);
  await assertOneKey(cluster);
});

Deno.test("a node whose folder was wiped ends, says why and what to do, and the others go on", async () => {
  await using cluster = new TestCluster({ nodes: 3, keyless: true });
  const [first, second, last] = cluster.ids as [NodeId, NodeId, NodeId];
  await assertOneKey(cluster);
  await cluster.process(last).end("SIGKILL");
  wipe(cluster.dataDir(last));
  const wiped = cluster.start(last);
  assert.equal((await wiped.ended).code, 1);
  await wiped.said.waitFor("that it has lost", ({ event }) => event === "keygen.share_lost");
  assert.match(
    wiped.said.otherLines.join("\n"),
    new RegExp(`${last}'s share of it is not on this disk\\. Put the data folder back`),
  );
  await cluster.leader(1, [first, second]);
});

Deno.test("a node without its share in a cluster with a dealt key is told so on both sides", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const [first, , last] = cluster.ids as [NodeId, NodeId, NodeId];
  const leader = await cluster.leader();
  await cluster.process(last).end("SIGKILL");
  wipe(cluster.dataDir(last));
  cluster.start(last);
  const waiting = await says(
    cluster,
    last,
    ({ event, genesis }) => event === "keygen.waiting" && genesis !== undefined,
  );
  assert.match(String(waiting.advice), /If a dealer made the key, put this node's share\.json/);
  const asked = await says(cluster, first, ({ event }) => event === "keygen.asked");
  assert.equal(asked.peer, last);
  const isUp = cluster.ids.filter((id) => id !== last);
  await cluster.leader(leader.term, isUp);
});

Deno.test("nodes encrypt what they keep of key generation where there is a passphrase", async () => {
  const passphraseFile = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(passphraseFile, "correct horse battery staple\n");
    await using cluster = new TestCluster({ nodes: 2, keyless: true, passphraseFile, absent: 1 });
    const [first, last] = cluster.ids as [NodeId, NodeId];
    cluster.start(last);
    await says(cluster, last, ({ event }) => event === "keygen.attempt");
    await cluster.process(last).end("SIGKILL");
    cluster.start(last);
    await assertOneKey(cluster);
    const share = JSON.parse(Deno.readTextFileSync(`${cluster.dataDir(first)}/share.json`));
    assert.equal(share.purpose, "share");
  } finally {
    Deno.removeSync(passphraseFile);
  }
});

/** All nodes say that they have one key, with a genesis that all signed; no share is anywhere else. */
async function assertOneKey(cluster: TestCluster): Promise<void> {
  const said = await Promise.all(cluster.ids.map((id) => says(cluster, id, isKey)));
  const [{ publicKey, genesis } = assert.fail("no nodes")] = said;
  const group = verifyGenesis(String(genesis), toGenesisRoster(cluster.config));
  assert.equal(publicKey, encodeHex(group.publicKey));
  for (const key of said) assert.deepEqual([key.publicKey, key.genesis], [publicKey, genesis]);
  // A node writes its share again, through a file beside it, when it begins to use it.
  const isStarted = ({ event }: ProcessEvent) => event === "node.started";
  await Promise.all(cluster.ids.map((id) => says(cluster, id, isStarted)));
  for (const id of cluster.ids) assertShareIsOnlyIn(cluster, id);
}

/** A share is in its `share.json` and nowhere else: no file, no log, no output. */
function assertShareIsOnlyIn(cluster: TestCluster, owner: NodeId): void {
  const scanner = new SecretScanner();
  scanner.add(
    `share of ${owner}`,
    secretOf(readNodeKeys(cluster.keyFolder(owner), cluster.config)),
  );
  const written = new Written();
  for (const id of cluster.ids) {
    written.addFiles(cluster.dataDir(id), { except: id === owner ? ["share.json"] : [] });
    written.addProcess(`log of ${id}`, cluster.process(id));
  }
  assert.deepEqual(written.scan(scanner), []);
}

function secretOf({ shares }: NodeKeys): Uint8Array {
  return assertDefined(shares.reveal().current?.secret, "no share");
}

/** Takes a node back to when it had signed, and had not heard that all others had as well. */
function makeStraggler(cluster: TestCluster, id: NodeId): void {
  const { config } = cluster;
  const folder = cluster.keyFolder(id);
  const keys = readNodeKeys(folder, config);
  const { genesis } = keys;
  const note = assertDefined(genesis ?? undefined, "no genesis");
  wipe(folder.dataDir);
  const statement = note.slice(0, note.indexOf("\n\n") + 1);
  writeRecord({ folder, config }, {
    configuration: hashConfiguration(toGenesisRoster(config)),
    attempt: 1,
    share: { attempt: 1, statement, secret: secretOf(keys), signed: true },
    genesis: null,
  });
}

/** Deletes everything but the node's identity. */
function wipe(dataDir: string): void {
  for (const { name } of Deno.readDirSync(dataDir)) {
    if (name !== "identity.json") Deno.removeSync(`${dataDir}/${name}`, { recursive: true });
  }
}

function isKey({ event }: ProcessEvent): boolean {
  return event === "key";
}

/** Whether a node says that it waits for one other to connect, and for nothing else of anybody. */
function isConnectedToAllBut(id: NodeId): (event: ProcessEvent) => boolean {
  return ({ event, connection, configuration }) =>
    event === "keygen.waiting" && String(connection) === id && configuration === undefined;
}

/** Whether a node says that it waits for the configuration of one other, and of nobody else. */
function isWaitingForConfiguration(id: NodeId): (event: ProcessEvent) => boolean {
  return ({ event, configuration }) => event === "keygen.waiting" && String(configuration) === id;
}

function says(
  cluster: TestCluster,
  id: NodeId,
  matches: (event: ProcessEvent) => boolean,
): Promise<ProcessEvent> {
  return cluster.process(id).said.waitFor(`${matches}`, matches);
}

/** What `floe dkg status` prints of one node. */
async function dkgStatus(cluster: TestCluster, id: NodeId): Promise<string> {
  const peer = cluster.config.peers.find((candidate) => candidate.id === id);
  const { hostname, port } = assertDefined(peer, `no ${id}`).api;
  const { code, stdout, stderr } = await runFloe([
    ...["--endpoints", `${hostname}:${port}`, "dkg", "status"],
  ]);
  assert.equal(code, 0, stderr);
  return stdout;
}
