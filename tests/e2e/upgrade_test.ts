/**
 * From an earlier version of Floe to this one, with real processes of both. Skipped where the repository's history
 * is not here, as in a shallow clone.
 *
 * @module
 */

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { encodeVerifierKey } from "../../lib/certificate/group_key.ts";
import { findBasePort } from "../support/free_ports.ts";
import { WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { FloeProcess, runFloe } from "./harness/floe_process.ts";
import { canMeet, OldVersion } from "./harness/old_version.ts";
import { ask, get, put } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** The last version that landed: another protocol and another format on the disk, and no `floe export`. */
const LANDED = "88ec6d3";
/** A version of the same protocol and format. To be the last release's, once there is one. */
const SAME_FORMATS = "d6dbd19";

/** Away from those of the new cluster, which runs at the same time: both are from this file's block. */
const BASE_PORT = findBasePort() + 40;

const KEYS = ["app/colour", "greeting"];

const [landed, same] = [await OldVersion.take(LANDED), await OldVersion.take(SAME_FORMATS)];
globalThis.addEventListener("unload", () => {
  landed?.[Symbol.dispose]();
  same?.[Symbol.dispose]();
});

/** Runs a command until it succeeds: nodes may be making their key, or electing. */
async function insist(args: readonly string[], main?: string): Promise<string> {
  const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (;;) {
    const { code, stdout, stderr } = await runFloe(args, main === undefined ? {} : { main });
    if (code === 0) return stdout;
    ok(!deadline.aborted, `${args.join(" ")}: ${stderr}`);
  }
}

/** What a cluster of the landed version has, read by its own commands; written first if asked for. */
async function withLanded(
  folder: string,
  work: (run: (...args: readonly string[]) => Promise<string>) => Promise<void>,
): Promise<void> {
  const main = landed?.main ?? "";
  const place = ["--nodes", "3", "--base-port", String(BASE_PORT), "--data-dir", folder];
  await using cluster = new FloeProcess("landed", ["cluster", ...place], { main });
  await work((...args) => insist([...args, "--config", `${folder}/cluster.json`], main));
  await cluster.end("SIGTERM");
}

Deno.test({
  name:
    "a folder of the last landed version is refused with the way on, and that way loses no write",
  ignore: landed === null,
  async fn() {
    const folder = Deno.makeTempDirSync({ prefix: "floe-upgrade-" });
    try {
      await withLanded(folder, async (run) => {
        for (const key of KEYS) await run("put", key, `the value of ${key}`);
      });
      const before = [...Deno.readDirSync(`${folder}/server_1`)].map(({ name }) => name).toSorted();
      const place = ["--config", `${folder}/cluster.json`, "--data-dir", `${folder}/server_1`];
      const refused = await runFloe(["node", "--id", "server_1", ...place]);
      equal(refused.code, 1, refused.stdout);
      match(refused.stderr, /an earlier version of Floe wrote it/);
      match(
        refused.stderr,
        /If that version has no `floe export`, read each key there with `floe get`/,
      );
      const after = [...Deno.readDirSync(`${folder}/server_1`)].map(({ name }) => name).toSorted();
      deepEqual(after, before);
      await moveTo(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

/** The way that the refusal describes: each key is read there, and written here. */
async function moveTo(folder: string): Promise<void> {
  await using cluster = new TestCluster({ nodes: 3 });
  const [first, , last] = cluster.ids;
  ok(first !== undefined && last !== undefined);
  await withLanded(folder, async (run) => {
    for (const key of KEYS) await put(cluster, first, { key, value: await run("get", key) });
  });
  for (const key of KEYS) {
    equal((await get(cluster, last, key)).trimEnd(), `the value of ${key}`);
  }
}

Deno.test({
  name:
    "nodes of an earlier version of the same formats are replaced one by one, and no write is lost",
  ignore: same === null || !canMeet(SAME_FORMATS),
  async fn() {
    await using cluster = new TestCluster({ nodes: 3, main: same?.main ?? "", absent: 3 });
    for (const id of cluster.ids) cluster.start(id);
    const { term } = await cluster.leader();
    ok(term > 0);
    cluster.main = undefined;

    const writes: string[] = [];
    for (const id of cluster.ids) {
      const others = cluster.ids.filter((other) => other !== id);
      await writeWhile(cluster, { through: others, writes }, async () => {
        await cluster.process(id).end("SIGTERM");
        cluster.start(id);
        await cluster.leaderOf(id);
      });
      // The next node stops only once this one is ready, as docs/operators.md says.
      await isReady(cluster, id);
    }
    ok(writes.length > 0);
    for (const id of cluster.ids) {
      const { text } = await ask(cluster, id, { path: "/v1/kv?prefix=write-" });
      const items: readonly { key: string; value: string }[] = JSON.parse(text).items;
      deepEqual(items.map(({ key }) => key), writes.toSorted());
      ok(items.every(({ key, value }) => key === value));
    }
    const group = JSON.parse(await insist(["group", "-o", "json", "--config", cluster.configFile]));
    equal(group.verifierKey, encodeVerifierKey(cluster.config.cluster, cluster.group.publicKey));
  },
});

/** Writes through nodes, one key after the other, as long as the work takes. */
async function writeWhile(
  cluster: TestCluster,
  { through, writes }: {
    readonly through: TestCluster["ids"];
    readonly writes: string[];
  },
  work: () => Promise<void>,
): Promise<void> {
  let isDone = false;
  const working = work().finally(() => isDone = true);
  while (!isDone) {
    for (const id of through) {
      const key = `write-${writes.length}`;
      await put(cluster, id, { key, value: key });
      writes.push(key);
    }
  }
  await working;
}

async function isReady(cluster: TestCluster, id: TestCluster["ids"][number]): Promise<void> {
  const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  for (;;) {
    const response = await cluster.fetch(id, "/readyz");
    const text = await response.text();
    if (response.ok) return;
    ok(!deadline.aborted, text);
  }
}
