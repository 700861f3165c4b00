/**
 * What an auditor can tell of a cluster without a dealer, from files alone.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodePem } from "../../lib/certificate/group_key.ts";
import { formatClusterConfig } from "../../lib/config/cluster_config.ts";
import { runFloe, runFloeOnceLed } from "./harness/floe_process.ts";
import { hasOpenssl, opensslAccepts } from "./harness/openssl.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** The two notes of a cluster that is gone by the time they are looked at, and who signed. */
async function gather(folder: string) {
  await using cluster = new TestCluster({ nodes: 3, keyless: true });
  await cluster.leader();
  for (
    const [name, args] of [["genesis", "group --genesis"], ["leader", "leader --cert"]] as const
  ) {
    const shown = await runFloeOnceLed(["--config", cluster.configFile, ...args.split(" ")]);
    assert.equal(shown.code, 0, shown.stderr);
    Deno.writeTextFileSync(`${folder}/${name}`, shown.stdout);
  }
  Deno.copyFileSync(cluster.configFile, `${folder}/cluster.json`);
  return cluster.config;
}

Deno.test("an auditor goes from the operators' keys to the leader, without a cluster", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "floe-audit-" });
  try {
    await audit(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

async function audit(folder: string): Promise<void> {
  const config = await gather(folder);
  const verify = (configFile: string) =>
    runFloe([
      ...["verify", `${folder}/leader`, `${folder}/genesis`],
      ...["--config", configFile, "-o", "json"],
    ]);

  const proven = await verify(`${folder}/cluster.json`);
  assert.equal(proven.code, 0, proven.stderr);
  const { elections, genesis } = JSON.parse(proven.stdout);
  assert.equal(elections.length, 1);
  assert.ok(config.peers.some(({ id }) => id === elections[0].leader));
  assert.deepEqual(
    genesis.voters.map((
      { id, identityKey }: { id: string; identityKey: string },
    ) => [id, identityKey]),
    config.peers.map(({ id, keys }) => [id, keys.signingKey.toHex()]),
  );

  const [first, second, third] = config.peers;
  assert.ok(first && second && third);
  const swapped = [{ ...first, keys: second.keys }, { ...second, keys: first.keys }, third];
  const other = formatClusterConfig({ ...config, peers: swapped });
  Deno.writeTextFileSync(`${folder}/other.json`, other);
  const refused = await verify(`${folder}/other.json`);
  assert.equal(refused.code, 7);
  assert.match(refused.stderr, /server_1 has another identity key in it/);

  await assertOpensslAgrees(Deno.readTextFileSync(`${folder}/genesis`), config);
}

/** Each founder's signature is an ordinary one, over the text before the empty line. */
async function assertOpensslAgrees(
  genesis: string,
  { peers }: Awaited<ReturnType<typeof gather>>,
): Promise<void> {
  if (!hasOpenssl) return;
  const [text = "", signatures = ""] = genesis.split(/(?<=\n)\n/);
  const lines = signatures.trimEnd().split("\n");
  assert.equal(lines.length, peers.length);
  for (const [at, { keys }] of peers.entries()) {
    const pem = encodePem(keys.signingKey);
    const signature = Uint8Array.fromBase64(lines[at]?.split(" ")[2] ?? "").subarray(4);
    assert.equal(await opensslAccepts({ pem, statement: text, signature }), true);
    const forged = text.replace(/^threshold 2$/m, "threshold 3");
    assert.equal(await opensslAccepts({ pem, statement: forged, signature }), false);
  }
}
