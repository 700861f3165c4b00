import assert from "node:assert/strict";
import {
  checkPorts,
  deleteNodeFolders,
  lockFolder,
  openOrDealKeys,
} from "../../../lib/cli/local_cluster/prepare.ts";
import { openIdentities } from "../../../lib/cli/node_folders.ts";
import { EnvironmentError, InputError } from "../../../lib/errors.ts";
import { TestFolder } from "../../e2e/harness/test_cluster.ts";

Deno.test("lockFolder() lets one in at a time", () => {
  using folder = new TestFolder({ nodes: 1 });
  {
    using _lock = lockFolder(`${folder.path}/data`);
    assert.throws(
      () => lockFolder(`${folder.path}/data`),
      (error) => error instanceof EnvironmentError && /another floe cluster/.test(error.message),
    );
  }
  using _lock = lockFolder(`${folder.path}/data`);
});

Deno.test("checkPorts() passes free ports and names all that are not", () => {
  using folder = new TestFolder({ nodes: 2 });
  checkPorts(folder.config);
  using _first = Deno.listen(folder.config.peers[0]?.api ?? { port: 0 });
  using _second = Deno.listen(folder.config.peers[1]?.peer ?? { port: 0 });
  assert.throws(
    () => checkPorts(folder.config),
    (error) =>
      error instanceof EnvironmentError &&
      /of server_1: the port is in use\n.*of server_2: the port is in use/.test(error.message),
  );
});

Deno.test("openOrDealKeys() deals once and opens from then on", () => {
  using folder = new TestFolder({ nodes: 3 });
  const dealt = openOrDealKeys(folder.config, folder);
  assert.deepEqual(openOrDealKeys(folder.config, folder), dealt);
});

Deno.test("openOrDealKeys() refuses a folder where a node has data and no keys", () => {
  using folder = new TestFolder({ nodes: 3 });
  Deno.mkdirSync(`${folder.path}/server_2`);
  Deno.writeTextFileSync(`${folder.path}/server_2/raft.db`, "");
  refuses(folder, /server_1: it holds no keys[^]*server_2: it holds no keys[^]*--fresh/);
});

Deno.test("openOrDealKeys() refuses keys of different key generations", () => {
  using folder = new TestFolder({ nodes: 3 });
  using other = new TestFolder({ nodes: 3 });
  openOrDealKeys(folder.config, folder);
  openOrDealKeys(folder.config, other);
  for (const name of ["group.json", "share.json"]) {
    Deno.copyFileSync(`${other.path}/server_2/${name}`, `${folder.path}/server_2/${name}`);
  }
  refuses(folder, /different key generations[^]*--fresh/);
});

Deno.test("deleteNodeFolders() deletes nodes' folders and nothing else", () => {
  using folder = new TestFolder({ nodes: 1 });
  openOrDealKeys(folder.config, folder);
  Deno.mkdirSync(`${folder.path}/holiday`);
  Deno.writeTextFileSync(`${folder.path}/holiday/photo`, "");
  deleteNodeFolders(folder.path, { keepIdentities: false });
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), [
    "cluster.json",
    "holiday",
  ]);
});

Deno.test("deleteNodeFolders() keeps identities where it is told to, and keys are dealt anew", () => {
  using folder = new TestFolder({ nodes: 3 });
  const first = openOrDealKeys(folder.config, folder);
  const pinned = openIdentities(folder.config, folder);
  deleteNodeFolders(folder.path, { keepIdentities: true });
  for (const { id } of pinned.peers) {
    const names = [...Deno.readDirSync(`${folder.path}/${id}`)].map(({ name }) => name);
    assert.deepEqual(names, ["identity.json"]);
  }
  assert.deepEqual(openIdentities(pinned, folder), pinned);
  assert.notDeepEqual(openOrDealKeys(pinned, folder).publicKey, first.publicKey);
});

function refuses(folder: TestFolder, message: RegExp): void {
  assert.throws(
    () => openOrDealKeys(folder.config, folder),
    (error) => error instanceof InputError && message.test(error.message),
  );
}
