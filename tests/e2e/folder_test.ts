import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import type { NodeId } from "../../lib/types.ts";
import { get, put } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

Deno.test("a node on an older copy of its folder says so, is not ready, and so says its leader", async () => {
  await using cluster = new TestCluster({ nodes: 3, logLevel: "info" });
  const { leader, follower } = await roles(cluster);
  const dataDir = cluster.dataDir(follower);
  await putMany(cluster, leader, "before");
  await get(cluster, follower, "before-9");
  await cluster.process(follower).end("SIGKILL");
  copyFolder(dataDir, `${dataDir}.older`);
  await cluster.start(follower).said.waitFor("it started", ({ event }) => event === "started");
  await putMany(cluster, leader, "after");
  await get(cluster, follower, "after-9");
  await cluster.process(follower).end("SIGKILL");
  Deno.removeSync(dataDir, { recursive: true });
  Deno.renameSync(`${dataDir}.older`, dataDir);

  const process = cluster.start(follower);
  await process.said.waitFor("it started", ({ event }) => event === "started");
  const own = await process.said.waitFor("the loss", ({ event }) => event === "log.entries_lost");
  assert.match(String(own.advice), /its data folder is an older copy/);
  const told = await cluster.process(leader).said.waitFor(
    "the follower's loss",
    ({ event }) => event === "follower.lost_entries",
  );
  assert.equal(told.peer, follower);
  const ready = await cluster.fetch(follower, "/readyz");
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /in trouble: it has acknowledged entry .*an older copy/);
  for (
    const [id, counter] of [[leader, "follower.lost_entries"], [
      follower,
      "log.entries_lost",
    ]] as const
  ) {
    const { counters } = JSON.parse(await (await cluster.fetch(id, "/v1/status")).text());
    assert.equal(counters[counter], 1);
  }
  assert.equal(await get(cluster, leader, "after-9"), "x");
});

for (
  const [what, change, message] of [
    ["removed", (folder) => Deno.removeSync(folder, { recursive: true }), /was removed/],
    ["replaced by a copy", (folder) => {
      copyFolder(folder, `${folder}.copy`);
      Deno.renameSync(folder, `${folder}.old`);
      Deno.renameSync(`${folder}.copy`, folder);
    }, /was replaced/],
  ] as const satisfies readonly (readonly [string, (folder: string) => void, RegExp])[]
) {
  Deno.test(`a node whose folder is ${what} while it runs stops and says why`, async () => {
    await using cluster = new TestCluster({ nodes: 3, logLevel: "info" });
    const { leader, follower } = await roles(cluster);
    await putMany(cluster, leader, "key");
    const process = cluster.process(follower);
    change(cluster.dataDir(follower));
    const failed = await process.said.waitFor(
      "that it failed",
      ({ event }) => event === "node.failed",
    );
    assert.match(String(failed.error), message);
    assert.notEqual((await process.ended).code, 0);
    assert.equal(await get(cluster, leader, "key-9"), "x");
  });
}

async function roles(
  cluster: TestCluster,
): Promise<{ readonly leader: NodeId; readonly follower: NodeId }> {
  const { id: leader } = await cluster.leader();
  const follower = assertDefined(cluster.ids.find((id) => id !== leader), "a follower");
  return { leader, follower };
}

async function putMany(cluster: TestCluster, id: NodeId, name: string): Promise<void> {
  for (let at = 0; at < 10; at++) await put(cluster, id, { key: `${name}-${at}`, value: "x" });
}

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { mode: 0o700 });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}
