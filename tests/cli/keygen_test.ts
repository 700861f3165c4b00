import assert from "node:assert/strict";
import { parseGroupKey } from "../../lib/certificate/mod.ts";
import { openIdentities, writePinnedConfig } from "../../lib/cli/serve/node_folders.ts";
import { loadClusterConfig, requirePinned } from "../../lib/config/cluster_config.ts";
import { readPeerCard } from "../../lib/config/peer_card.ts";
import { readIdentity } from "../../lib/keys/identity.ts";
import type { KeyFolder } from "../../lib/keys/key_file.ts";
import { readNodeKeys } from "../../lib/keys/node_keys.ts";
import { lockDataFolder } from "../../lib/keys/private_file.ts";
import { type NodeId, toNodeId } from "../../lib/types.ts";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { floe } from "./fake_terminal.ts";
import "../support/cheap_scrypt.ts";

for (const nodes of [1, 3]) {
  Deno.test(`keygen --dealer gives each of ${nodes} nodes keys that it can start with`, async () => {
    using folder = new TestFolder({ nodes });
    const dealt = await floe(["keygen", ...options(folder), "-o", "json"]);
    assert.equal(dealt.code, 0, dealt.stderr);
    const { publicKey, verifierKey, threshold, nodes: listed } = JSON.parse(dealt.stdout);
    assert.equal(threshold, folder.config.threshold);
    assert.equal(parseGroupKey(verifierKey).publicKey.toHex(), publicKey);
    for (const [index, { id }] of folder.config.peers.entries()) {
      assert.deepEqual(listed[index], { id, folder: `${folder.path}/data/${id}` });
      const keys = readNodeKeys(place(listed[index].folder, id), folder.config);
      assert.equal(keys.group.publicKey.toHex(), publicKey);
    }
  });
}

Deno.test("keygen --dealer prints no secret", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const { stdout, stderr } = await floe(["keygen", ...options(folder)]);
  for (const { id } of folder.config.peers) {
    const secrets = ["share.json", "identity.json"].flatMap((name) => {
      const file = JSON.parse(Deno.readTextFileSync(`${folder.path}/data/${id}/${name}`));
      return [file.secret, file.signingSecret, file.channelSecret].filter(Boolean);
    });
    assert.equal(secrets.length, 3);
    for (const secret of secrets) assert.ok(!(stdout + stderr).includes(secret));
  }
});

Deno.test("keygen --dealer makes identities and a configuration that pins them", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const dealt = await floe(["keygen", ...options(folder), "-o", "json"]);
  const { config: file } = JSON.parse(dealt.stdout);
  const config = requirePinned(await loadClusterConfig(file), file);
  for (const { id, keys } of config.peers) {
    assert.deepEqual(readIdentity(place(`${folder.path}/data/${id}`, id)).keys, keys);
  }
  const { peers, ...rest } = config;
  assert.deepEqual(
    { ...rest, peers: peers.map(({ id, peer, api, etcd }) => ({ id, peer, api, etcd })) },
    folder.config,
  );
});

Deno.test("keygen --dealer leaves the identities behind pinned keys to their operators", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const pinned = writePinnedConfig(openIdentities(folder.config, folder), folder.path);
  const dealt = await floe(["keygen", ...options(folder), "-o", "json"]);
  assert.equal(JSON.parse(dealt.stdout).config, pinned);
  const names = [...Deno.readDirSync(`${folder.path}/data/server_1`)].map(({ name }) => name);
  assert.deepEqual(names.sort(), ["group.json", "share.json"]);
});

Deno.test("keygen --id makes an identity and prints its card, the same one each time", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const args = cardOptions(`${folder.path}/node`);
  const [first, second] = [await floe(args), await floe(args)];
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /^Made .*node\/identity\.json.*floe init\.\n$/);
  assert.match(second.stderr, /^Kept /);
  assert.equal(first.stdout, second.stdout);
  const card = readPeerCard(JSON.parse(first.stdout), "the card");
  assert.deepEqual(card.keys, readIdentity(place(`${folder.path}/node`, toNodeId("alpha"))).keys);
  assert.deepEqual(card.peer, { hostname: "alpha.example", port: 7101 });
  assert.equal((Deno.statSync(`${folder.path}/node/identity.json`).mode ?? 0) & 0o777, 0o600);
  assert.equal((Deno.statSync(`${folder.path}/node`).mode ?? 0) & 0o777, 0o700);
});

Deno.test("keygen --id prints no secret", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const { stdout, stderr } = await floe(cardOptions(`${folder.path}/node`));
  const identity = JSON.parse(Deno.readTextFileSync(`${folder.path}/node/identity.json`));
  for (const secret of [identity.signingSecret, identity.channelSecret]) {
    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.ok(!(stdout + stderr).includes(secret));
  }
});

Deno.test("keygen --id refuses the folder of another node, and addresses that are none", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const dataDir = `${folder.path}/node`;
  await floe(cardOptions(dataDir));
  const other = await floe(["keygen", "--id", "beta", ...cardOptions(dataDir).slice(3)]);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /another node: alpha, not beta/);
  const nowhere = ["keygen", "--id", "a", "--peer", "0.0.0.0:1", "--api", "h:2"];
  const refused = await floe(nowhere);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /--peer: 0\.0\.0\.0 means every interface/);
});

Deno.test("keygen --dealer overwrites nothing when a single node has keys", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const taken = `${folder.path}/data/server_3`;
  Deno.mkdirSync(taken, { recursive: true });
  Deno.writeTextFileSync(`${taken}/share.json`, "precious");
  const refused = await floe(["keygen", ...options(folder)]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /server_3.*never overwritten/);
  assert.equal(Deno.readTextFileSync(`${taken}/share.json`), "precious");
  assert.deepEqual([...Deno.readDirSync(`${folder.path}/data`)].length, 1);
});

Deno.test("keygen --dealer deals to no node that makes a key with others, or runs", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const begun = `${folder.path}/data/server_2`;
  Deno.mkdirSync(begun, { recursive: true });
  {
    using _lock = lockDataFolder(begun);
    const refused = await floe(["keygen", ...options(folder)]);
    assert.match(refused.stderr, /server_2: another process is using it/);
  }
  Deno.writeTextFileSync(`${begun}/keygen.json`, "signed");
  const refused = await floe(["keygen", ...options(folder)]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /begun to make one together in .*server_2\. Let them finish/);
  assert.deepEqual([...Deno.readDirSync(`${folder.path}/data`)].length, 1);
});

Deno.test("keygen takes the folder from FLOE_DATA_DIR and the configuration from FLOE_CONFIG", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const env = { FLOE_DATA_DIR: `${folder.path}/elsewhere`, FLOE_CONFIG: folder.configFile };
  assert.equal((await floe(["keygen", "--dealer"], { env })).code, 0);
  assert.ok(Deno.statSync(`${folder.path}/elsewhere/server_1/share.json`).isFile);
});

for (
  const args of [
    [],
    ["--id", "alpha"],
    ["--id", "alpha", "--peer", "h:1"],
    ["--dealer", "--id", "alpha"],
  ]
) {
  Deno.test(`keygen ${args.join(" ")} is a usage error`, async () => {
    const refused = await floe(["keygen", ...args]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--id, --peer(,| and) --api/);
  });
}

function place(dataDir: string, self: NodeId): KeyFolder {
  return { dataDir, self, passphrase: null };
}

function cardOptions(dataDir: string): string[] {
  const addresses = ["--peer", "alpha.example:7101", "--api", "alpha.example:7201"];
  return ["keygen", "--id", "alpha", ...addresses, "--data-dir", dataDir];
}

function options(folder: TestFolder): string[] {
  return ["--dealer", "--config", folder.configFile, "--data-dir", `${folder.path}/data`];
}
