import assert from "node:assert/strict";
import { readNodeKeys } from "../../lib/node/key_files.ts";
import { parseGroupKey } from "../../lib/certificate/mod.ts";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { floe } from "./fake_terminal.ts";

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
      const keys = readNodeKeys(listed[index].folder, { config: folder.config, self: id });
      assert.equal(keys.group.publicKey.toHex(), publicKey);
    }
  });
}

Deno.test("keygen --dealer prints no secret", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const { stdout, stderr } = await floe(["keygen", ...options(folder)]);
  for (const { id } of folder.config.peers) {
    const share = JSON.parse(Deno.readTextFileSync(`${folder.path}/data/${id}/share.json`));
    assert.ok(!(stdout + stderr).includes(share.secret));
  }
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

Deno.test("keygen takes the folder from FLOE_DATA_DIR and the configuration from FLOE_CONFIG", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const env = { FLOE_DATA_DIR: `${folder.path}/elsewhere`, FLOE_CONFIG: folder.configFile };
  assert.equal((await floe(["keygen", "--dealer"], { env })).code, 0);
  assert.ok(Deno.statSync(`${folder.path}/elsewhere/server_1/share.json`).isFile);
});

Deno.test("keygen without --dealer is a usage error", async () => {
  assert.equal((await floe(["keygen"])).code, 2);
});

function options(folder: TestFolder): string[] {
  return ["--dealer", "--config", folder.configFile, "--data-dir", `${folder.path}/data`];
}
