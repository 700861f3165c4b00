import assert from "node:assert/strict";
import { keyFolder, openIdentities, writePinnedConfig } from "../../lib/cli/serve/node_folders.ts";
import { openOrCreateIdentity } from "../../lib/keys/identity.ts";
import { toNodeId } from "../../lib/types.ts";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { floe } from "./fake_terminal.ts";

Deno.test("node needs an id, and one of the configuration's", async () => {
  using folder = new TestFolder({ nodes: 3 });
  assert.equal((await floe(["node"])).code, 2);
  const refused = await floe(["node", "--id", "server_9", "--config", folder.configFile]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /server_9.*server_1, server_2, server_3/);
});

Deno.test("node refuses a folder where it has run and its share is gone", async () => {
  using folder = pinnedFolder({ nodes: 3 });
  Deno.writeTextFileSync(`${folder.path}/server_1/raft.guard`, "it voted");
  const refused = await floe(["node", ...options(folder, "server_1")]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /share\.json: no such file\. Restore the node's own share/);
});

Deno.test("node refuses a configuration without keys, and says how to get one", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const refused = await floe(["node", ...options(folder, "server_1")]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /cluster\.json: 1 fault\n.*no signingKey and channelKey.*floe init/);
});

Deno.test("node says how to get an identity, and refuses another than the pinned one", async () => {
  using folder = pinnedFolder({ nodes: 1 });
  const file = `${folder.path}/server_1/identity.json`;
  Deno.removeSync(file);
  const missing = await floe(["node", ...options(folder, "server_1")]);
  assert.equal(missing.code, 2);
  assert.match(
    missing.stderr,
    /identity\.json: no such file\. .* floe keygen --id ID/,
  );

  openOrCreateIdentity(keyFolder(folder, toNodeId("server_1")));
  const another = await floe(["node", ...options(folder, "server_1")]);
  assert.equal(another.code, 2);
  assert.match(
    another.stderr,
    /the members know it by other keys than those in its identity\.json\. .*floe init/,
  );

  Deno.chmodSync(file, 0o640);
  const open = await floe(["node", ...options(folder, "server_1")]);
  assert.match(open.stderr, /identity\.json: other users can read it \(mode 640\).*chmod 600/);
});

Deno.test("node refuses another node's folder, and a share that others can read", async () => {
  using folder = new TestFolder({ nodes: 3 });
  await floe(["keygen", "--dealer", "--config", folder.configFile, "--data-dir", folder.path]);
  const other = await floe([
    ...["node", "--id", "server_1", "--config", folder.configFile],
    ...["--data-dir", `${folder.path}/server_2`],
  ]);
  assert.equal(other.code, 2);
  assert.match(other.stderr, /identity\.json: it is of another node: server_2, not server_1/);

  Deno.chmodSync(`${folder.path}/server_1/share.json`, 0o644);
  const open = await floe(["node", ...options(folder, "server_1")]);
  assert.equal(open.code, 2);
  assert.match(open.stderr, /other users can read it.*chmod 600/);
});

Deno.test("node reports every fault of its configuration", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const config = JSON.parse(Deno.readTextFileSync(folder.configFile));
  Deno.writeTextFileSync(
    folder.configFile,
    JSON.stringify({ ...config, threshold: 1, cluster: "a b", extra: true }),
  );
  const refused = await floe(["node", ...options(folder, "server_1")]);
  assert.equal(refused.code, 2);
  for (const fault of [/3 faults/, /threshold: 1 of 3/, /cluster: /, /extra: unknown field/]) {
    assert.match(refused.stderr, fault);
  }
});

Deno.test("node refuses a log level that is none before it does anything", async () => {
  const refused = await floe(["node", "--id", "server_1", "--log-level", "loud"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /"loud".*debug, info, warn, error/);
});

/** A folder whose configuration pins the keys of the identities in it. */
function pinnedFolder(shape: { readonly nodes: number }): TestFolder {
  const folder = new TestFolder(shape);
  writePinnedConfig(openIdentities(folder.config, folder), folder.path);
  return folder;
}

function options(folder: TestFolder, id: string): string[] {
  return ["--id", id, "--config", folder.configFile, "--data-dir", `${folder.path}/${id}`];
}
