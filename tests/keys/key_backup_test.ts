import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { type ClusterConfig, generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { InputError } from "../../lib/errors.ts";
import { restoreBackup, writeBackup } from "../../lib/keys/backup.ts";
import { dealClusterKeys, VoterSecret } from "../../lib/keys/dealing.ts";
import { openOrCreateIdentity, readIdentity } from "../../lib/keys/identity.ts";
import { KeyFileError, type KeyFolder } from "../../lib/keys/key_file.ts";
import { claimShare, readNodeKeys, writeNodeKeys } from "../../lib/keys/node_keys.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";
import { seal, type SecretLabel } from "../../lib/keys/sealed_text.ts";
import { createDataFolder, openRaftStore, type StoreOptions } from "../../lib/storage/mod.ts";
import { toNodeId } from "../../lib/types.ts";
import { TestKeygen } from "../keygen/harness.ts";
import "../support/cheap_scrypt.ts";

const config = generateLocalCluster({ nodes: 3 });
const self = toNodeId("server_2");

/** For all tests, so that their keys are made once. */
const passphrase = new Passphrase(encodeUtf8("correct horse battery staple"));
const another = new Passphrase(encodeUtf8("incorrect horse"));

for (const given of [null, passphrase]) {
  const kind = given === null ? "plain" : "encrypted";

  Deno.test(`a backup of ${kind} files moves a node with its log, always encrypted`, () => {
    withNode(given, ({ folder, backup, moved, secret }) => {
      const summary = writeBackup(backup, { dataDir: folder.dataDir, passphrase });
      assert.deepEqual(summary, {
        node: self,
        cluster: config.cluster,
        files: ["identity.json", "share.json", "group.json"],
      });
      assert.equal((Deno.statSync(backup).mode ?? 0) & 0o777, 0o600);
      assert.ok(!Deno.readTextFileSync(backup).includes(secret));

      makeStores(moved.dataDir);
      assert.deepEqual(restore(backup, moved), summary);
      assert.deepEqual(readIdentity(moved).keys, readIdentity(folder).keys);
      const { isInUse, ...keys } = readNodeKeys(moved, config);
      const { isInUse: _, ...expected } = readNodeKeys(folder, config);
      assert.deepEqual(keys, expected);
      assert.equal(encodeHex(keys.shares.reveal().current?.secret ?? new Uint8Array()), secret);
      assert.equal(isInUse, true);
      for (const name of ["identity.json", "share.json"]) {
        assert.equal((Deno.statSync(`${moved.dataDir}/${name}`).mode ?? 0) & 0o777, 0o600);
      }
    });
  });
}

Deno.test("a backup brings no share to a disk that has forgotten what it was used for", () => {
  for (const claimed of [false, true]) {
    withNode(null, ({ folder, backup, moved }) => {
      // It makes no difference whether the share was in use when the backup was made.
      if (claimed) claimShare(folder, readNodeKeys(folder, config));
      writeBackup(backup, { dataDir: folder.dataDir, passphrase });
      const message = /it has no folder raft, where server_2's votes are\. To move server_2/;
      refuses(() => restore(backup, moved), message);
      assert.throws(() => Deno.statSync(`${moved.dataDir}/share.json`), Deno.errors.NotFound);
      // Nor are the remains of a store that was never made its memory.
      Deno.mkdirSync(`${moved.dataDir}/raft`, { recursive: true, mode: 0o700 });
      for (const name of ["raft/segment-0000000001", "raft.guard"]) {
        Deno.writeTextFileSync(`${moved.dataDir}/${name}`, "");
      }
      refuses(() => restore(backup, moved), message);
    });
  }
});

Deno.test("a share that was restored and then lost its log does not start", () => {
  withNode(null, ({ folder, backup, moved }) => {
    writeBackup(backup, { dataDir: folder.dataDir, passphrase });
    makeStores(moved.dataDir);
    restore(backup, moved);
    for (const name of ["raft", "raft.guard"]) {
      Deno.removeSync(`${moved.dataDir}/${name}`, { recursive: true });
    }
    refuses(() => readNodeKeys(moved, config), /has run with this share, but the folder raft/);
  });
});

Deno.test("a backup brings an identity alone to any disk", () => {
  withNode(null, ({ folder, backup, moved }) => {
    writeBackup(backup, { dataDir: folder.dataDir, passphrase });
    const { files } = restoreBackup(backup, {
      dataDir: moved.dataDir,
      passphrase,
      identityOnly: true,
    });
    assert.deepEqual(files, ["identity.json"]);
    assert.deepEqual([...Deno.readDirSync(moved.dataDir)].map(({ name }) => name), files);
    assert.equal((Deno.statSync(moved.dataDir).mode ?? 0) & 0o777, 0o700);
    assert.deepEqual(readIdentity(moved).keys, readIdentity(folder).keys);
  });
});

Deno.test("a node without a share can be backed up and restored", () => {
  withNode(null, ({ folder, backup, moved }) => {
    for (const name of ["share.json", "group.json"]) Deno.removeSync(`${folder.dataDir}/${name}`);
    const summary = writeBackup(backup, { dataDir: folder.dataDir, passphrase });
    assert.deepEqual(summary, { node: self, cluster: null, files: ["identity.json"] });
    assert.deepEqual(restore(backup, moved), summary);
    assert.deepEqual(readIdentity(moved).keys, readIdentity(folder).keys);
  });
});

Deno.test("a backup keeps the genesis certificate beside the group", () => {
  withNode(null, ({ folder, backup, elsewhere }) => {
    const keygen = new TestKeygen(2, 3);
    keygen.start();
    keygen.deliver();
    const { genesis, secret } = assertDefined(keygen.node(1).key ?? undefined, "no key");
    const node = assertDefined(genesis.voters[0], "no voter").id;
    const source = { ...folder, dataDir: `${folder.dataDir}-of-${node}`, self: node };
    const share = new VoterSecret(node, secret);
    writeNodeKeys(source, { group: genesis, genesis: genesis.note, share });
    openOrCreateIdentity(source);
    writeBackup(backup, { dataDir: source.dataDir, passphrase });
    makeStores(elsewhere.dataDir, { node, cluster: genesis.cluster });
    restore(backup, elsewhere);
    const [from, to] = [source, elsewhere].map(({ dataDir }) =>
      Deno.readTextFileSync(`${dataDir}/group.json`)
    );
    assert.equal(JSON.parse(String(to)).genesis, genesis.note);
    assert.equal(from, to);
  });
});

Deno.test("a key generation's record is in no backup, and nothing is restored over it", () => {
  withNode(null, ({ folder: { dataDir }, backup, moved }) => {
    const record = { cluster: config.cluster, node: self, configuration: "00".repeat(32) };
    const text = JSON.stringify({ ...record, attempt: 1, share: null, genesis: null });
    for (const name of ["share.json", "group.json"]) Deno.removeSync(`${dataDir}/${name}`);
    Deno.writeTextFileSync(`${dataDir}/keygen.json`, text, { mode: 0o600 });
    const { files } = writeBackup(backup, { dataDir, passphrase });
    assert.deepEqual(files, ["identity.json"]);
    Deno.mkdirSync(moved.dataDir, { mode: 0o700 });
    Deno.writeTextFileSync(`${moved.dataDir}/keygen.json`, text, { mode: 0o600 });
    refuses(() => restore(backup, moved), /it holds keys already: .*keygen\.json/);
  });
});

Deno.test("writeBackup() never overwrites, and backs up no less than a whole node", () => {
  withNode(null, ({ folder, backup }) => {
    const { dataDir } = folder;
    Deno.writeTextFileSync(backup, "precious");
    refuses(() => writeBackup(backup, { dataDir, passphrase }), /the file exists already/);
    assert.equal(Deno.readTextFileSync(backup), "precious");
    Deno.removeSync(backup);
    Deno.removeSync(`${dataDir}/group.json`);
    refuses(() => writeBackup(backup, { dataDir, passphrase }), /group\.json: no such file/);
    Deno.removeSync(`${dataDir}/identity.json`);
    refuses(() => writeBackup(backup, { dataDir, passphrase }), /identity\.json: no such file/);
    assert.throws(() => Deno.statSync(backup), Deno.errors.NotFound);
  });
});

Deno.test("writeBackup() refuses keys that do not belong together, or another passphrase", () => {
  withNode(passphrase, ({ folder: { dataDir }, backup }) => {
    refuses(
      () => writeBackup(backup, { dataDir, passphrase: another }),
      /identity\.json: it cannot be decrypted/,
    );
    writeOtherGroup(dataDir, config);
    refuses(
      () => writeBackup(backup, { dataDir, passphrase }),
      /its share does not belong to its group/,
    );
    assert.throws(() => Deno.statSync(backup), Deno.errors.NotFound);
  });
});

Deno.test("restoreBackup() never overwrites a key", () => {
  for (const name of ["identity.json", "share.json"]) {
    withNode(null, ({ folder, backup, moved }) => {
      writeBackup(backup, { dataDir: folder.dataDir, passphrase });
      makeStores(moved.dataDir);
      Deno.writeTextFileSync(`${moved.dataDir}/${name}`, "precious");
      for (const identityOnly of [false, true]) {
        refuses(
          () => restoreBackup(backup, { dataDir: moved.dataDir, passphrase, identityOnly }),
          new RegExp(`it holds keys already: .*${name}\\. Keys are never overwritten`),
        );
      }
      assert.equal(Deno.readTextFileSync(`${moved.dataDir}/${name}`), "precious");
    });
  }
});

Deno.test("restoreBackup() refuses the folder of another node, cluster or key", () => {
  withNode(null, ({ folder, backup, moved, elsewhere }) => {
    writeBackup(backup, { dataDir: folder.dataDir, passphrase });
    makeStores(elsewhere.dataDir, { node: toNodeId("server_3") });
    refuses(() => restore(backup, elsewhere), /belongs to node server_3 .* not to node server_2/);
    makeStores(moved.dataDir);
    writeOtherGroup(moved.dataDir, config);
    refuses(
      () => restore(backup, moved),
      /group\.json: the backup's share belongs to another group key/,
    );
    for (const { dataDir } of [moved, elsewhere]) {
      assert.throws(() => Deno.statSync(`${dataDir}/identity.json`), Deno.errors.NotFound);
      assert.throws(() => Deno.statSync(`${dataDir}/share.json`), Deno.errors.NotFound);
    }
    Deno.copyFileSync(`${folder.dataDir}/group.json`, `${moved.dataDir}/group.json`);
    restore(backup, moved);
  });
});

Deno.test("restoreBackup() refuses another passphrase, and a backup that was changed", () => {
  withNode(null, ({ folder, backup, moved }) => {
    writeBackup(backup, { dataDir: folder.dataDir, passphrase });
    makeStores(moved.dataDir);
    refuses(
      () => restoreBackup(backup, { ...moved, passphrase: another, identityOnly: false }),
      /cannot be decrypted: either the passphrase is wrong, or the file was changed/,
    );
    const text = Deno.readTextFileSync(backup);
    const json = JSON.parse(text);
    const [first = "", ...rest] = json.ciphertext;
    const ciphertext = [first === "A" ? "B" : "A", ...rest].join("");
    for (const change of [{ ciphertext }, { node: "server_1" }, { cluster: null }]) {
      Deno.writeTextFileSync(backup, JSON.stringify({ ...json, ...change }));
      refuses(() => restore(backup, moved), /cannot be decrypted/);
    }
    Deno.writeTextFileSync(backup, text.slice(0, -20));
    refuses(() => restore(backup, moved), /not JSON/);
  });
});

Deno.test("restoreBackup() refuses what is no backup", () => {
  withNode(passphrase, ({ folder, backup, moved }) => {
    refuses(() => restore(backup, moved), /no such file/);
    refuses(() => restore(folder.dataDir, moved), /it is not a file/);
    const group = `${folder.dataDir}/group.json`;
    refuses(() => restore(group, moved), /it is not a backup\. Name a file of floe keys backup/);
    const share = `${folder.dataDir}/share.json`;
    refuses(() => restore(share, moved), /it is a file of the kind "share", not "backup"/);
  });
});

Deno.test("restoreBackup() checks what it decrypts, whoever encrypted it", () => {
  withNode(null, ({ folder: { dataDir }, backup, moved }) => {
    const read = (name: string) => JSON.parse(Deno.readTextFileSync(`${dataDir}/${name}`));
    const [identity, share, group] = [
      read("identity.json"),
      read("share.json"),
      read("group.json"),
    ];
    const label: SecretLabel = { purpose: "backup", cluster: config.cluster, node: self };
    const contents: readonly [unknown, RegExp][] = [
      [{ identity, share, group: null }, /damaged at the top level/],
      [{ identity, share: null, group }, /damaged at the top level/],
      [{ identity, share, group, nonces: [] }, /damaged at the top level/],
      [{ identity: null, share, group }, /damaged at identity/],
      [{ identity: { ...identity, node: "server_1" }, share, group }, /another node: server_1/],
      [{ identity, share: { ...share, node: "server_1" }, group }, /another node: server_1/],
      [{ identity, share: { ...share, cluster: "other" }, group }, /another cluster: other/],
      [{ identity, share: { ...share, epoch: 2 }, group }, /does not belong to its group/],
      [
        { identity, share: { ...share, secret: "11".repeat(32) }, group },
        /does not belong to its group/,
      ],
      [7, /damaged at the top level/],
    ];
    makeStores(moved.dataDir);
    for (const [content, message] of contents) {
      const text = seal(encodeUtf8(JSON.stringify(content)), label, passphrase);
      Deno.writeTextFileSync(backup, text);
      refuses(() => restore(backup, moved), message);
    }
    assert.throws(() => Deno.statSync(`${moved.dataDir}/identity.json`), Deno.errors.NotFound);
  });
});

interface Places {
  /** A node's folder, with keys and without data. */
  readonly folder: KeyFolder;
  /** Where its backup goes. */
  readonly backup: string;
  /** Where it is moved to: nothing yet. */
  readonly moved: KeyFolder;
  /** A third folder: nothing yet. */
  readonly elsewhere: KeyFolder;
  /** The node's share, in hex. */
  readonly secret: string;
}

function withNode(given: Passphrase | null, test: (places: Places) => void): void {
  const parent = Deno.makeTempDirSync({ prefix: "floe-backup-" });
  const folder = { dataDir: `${parent}/node`, self, passphrase: given };
  try {
    const { group, shares } = dealClusterKeys(config, randomBytes);
    const share = assertDefined(shares.find(({ node }) => node === self), "no share");
    writeNodeKeys(folder, { group, genesis: null, share });
    openOrCreateIdentity(folder);
    test({
      folder,
      backup: `${parent}/backup`,
      moved: { dataDir: `${parent}/moved`, self, passphrase },
      elsewhere: { dataDir: `${parent}/elsewhere`, self, passphrase },
      secret: encodeHex(share.reveal()),
    });
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
}

function restore(backup: string, { dataDir }: KeyFolder): object {
  return restoreBackup(backup, { dataDir, passphrase, identityOnly: false });
}

/** The data of a node, its keys apart. */
function makeStores(
  folder: string,
  { node = self, cluster = config.cluster }: Partial<Pick<StoreOptions, "node" | "cluster">> = {},
): void {
  // Released at once: only the files matter.
  createDataFolder(folder);
  openRaftStore({ folder, cluster, node }).abandon();
}

function writeOtherGroup(dataDir: string, { cluster }: ClusterConfig): void {
  const { group, shares: [share] } = dealClusterKeys({ ...config, cluster }, randomBytes);
  const other = `${dataDir}-other`;
  writeNodeKeys(
    { dataDir: other, self: toNodeId("server_1"), passphrase: null },
    { group, genesis: null, share: assertDefined(share, "no share") },
  );
  Deno.copyFileSync(`${other}/group.json`, `${dataDir}/group.json`);
}

function refuses(work: () => unknown, message: RegExp): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof KeyFileError || error instanceof InputError, Deno.inspect(error));
    assert.match(error.message, message);
    return true;
  });
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
