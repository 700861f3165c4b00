import assert from "node:assert/strict";
import {
  checkPorts,
  deleteNodeFolders,
  lockFolder,
  noteRemoved,
  prepareKeys,
  readRemoved,
} from "../../../lib/cli/local_cluster/prepare.ts";
import { openIdentities } from "../../../lib/cli/serve/node_folders.ts";
import { EnvironmentError, InputError } from "../../../lib/errors.ts";
import { toNodeId } from "../../../lib/types.ts";
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

Deno.test("prepareKeys() leaves it to several nodes to make their key, and makes that of one", () => {
  using several = new TestFolder({ nodes: 3 });
  openIdentities(several.config, several);
  Deno.writeTextFileSync(`${several.path}/server_1/node.log`, "started before the others came");
  assert.equal(prepareKeys(several.config, { folders: several, dealer: false }), null);
  using alone = new TestFolder({ nodes: 1 });
  const made = prepareKeys(alone.config, { folders: alone, dealer: false });
  assert.deepEqual([made?.group.voters.length, made?.genesis], [1, null]);
});

Deno.test("prepareKeys() deals once where that is asked for, and opens from then on", () => {
  using folder = new TestFolder({ nodes: 3 });
  const dealt = deal(folder);
  assert.equal(dealt?.genesis, null);
  for (const dealer of [true, false]) {
    assert.deepEqual(prepareKeys(folder.config, { folders: folder, dealer }), dealt);
  }
});

Deno.test("prepareKeys() leaves a key that is being made to the nodes, and no dealer near it", () => {
  using folder = new TestFolder({ nodes: 3 });
  openIdentities(folder.config, folder);
  Deno.writeTextFileSync(`${folder.path}/server_2/keygen.json`, "");
  assert.equal(prepareKeys(folder.config, { folders: folder, dealer: false }), null);
  assert.throws(
    () => deal(folder),
    (error) =>
      error instanceof InputError &&
      /begun to make one together in .*server_2\. Leave out --dealer\..*--fresh/.test(
        error.message,
      ),
  );
});

Deno.test("prepareKeys() lets nodes finish where others have their keys, and misses none", () => {
  using folder = new TestFolder({ nodes: 3 });
  deal(folder);
  for (const name of ["group.json", "share.json"]) {
    Deno.removeSync(`${folder.path}/server_2/${name}`);
  }
  refuses(folder, /server_2: it holds no keys[^]*--fresh/);
  Deno.writeTextFileSync(`${folder.path}/server_2/keygen.json`, "");
  assert.equal(prepareKeys(folder.config, { folders: folder, dealer: false }), null);
});

Deno.test("prepareKeys() refuses a folder where a node has data and no keys", () => {
  using folder = new TestFolder({ nodes: 3 });
  Deno.mkdirSync(`${folder.path}/server_2/raft`, { recursive: true });
  refuses(folder, /server_1: it holds no keys[^]*server_2: it holds no keys[^]*--fresh/);
});

Deno.test("prepareKeys() refuses keys of different key generations", () => {
  using folder = new TestFolder({ nodes: 3 });
  using other = new TestFolder({ nodes: 3 });
  deal(folder);
  prepareKeys(folder.config, { folders: other, dealer: true });
  for (const name of ["group.json", "share.json"]) {
    Deno.copyFileSync(`${other.path}/server_2/${name}`, `${folder.path}/server_2/${name}`);
  }
  refuses(folder, /different key generations[^]*--fresh/);
});

Deno.test("deleteNodeFolders() deletes nodes' folders and nothing else", () => {
  using folder = new TestFolder({ nodes: 1 });
  deal(folder);
  Deno.mkdirSync(`${folder.path}/server_2`);
  Deno.writeTextFileSync(`${folder.path}/server_2/keygen.json`, "");
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
  const first = deal(folder);
  const pinned = openIdentities(folder.config, folder);
  deleteNodeFolders(folder.path, { keepIdentities: true });
  for (const { id } of pinned.peers) {
    const names = [...Deno.readDirSync(`${folder.path}/${id}`)].map(({ name }) => name);
    assert.deepEqual(names, ["identity.json"]);
  }
  assert.deepEqual(openIdentities(pinned, folder), pinned);
  const second = prepareKeys(pinned, { folders: folder, dealer: true });
  assert.notDeepEqual(second?.group.publicKey, first?.group.publicKey);
});

Deno.test("a founder that was removed needs no folder, until the cluster starts over", () => {
  using folder = new TestFolder({ nodes: 3 });
  const dealt = deal(folder);
  const pinned = openIdentities(folder.config, folder);
  const gone = toNodeId("server_2");
  noteRemoved(folder.path, gone);
  noteRemoved(folder.path, gone);
  noteRemoved(folder.path, toNodeId("server_9"));
  const removed = readRemoved(folder.path);
  assert.deepEqual([...removed], ["server_2", "server_9"]);
  Deno.removeSync(`${folder.path}/${gone}`, { recursive: true });
  assert.deepEqual(prepareKeys(pinned, { folders: folder, dealer: false, removed }), dealt);
  assert.deepEqual(openIdentities(pinned, folder, removed), pinned);
  refuses(folder, /server_2: it holds no keys/);
  deleteNodeFolders(folder.path, { keepIdentities: false });
  assert.equal(readRemoved(folder.path).size, 0);
});

function deal(folder: TestFolder) {
  return prepareKeys(folder.config, { folders: folder, dealer: true });
}

function refuses(folder: TestFolder, message: RegExp): void {
  assert.throws(
    () => prepareKeys(folder.config, { folders: folder, dealer: false }),
    (error) => error instanceof InputError && message.test(error.message),
  );
}
