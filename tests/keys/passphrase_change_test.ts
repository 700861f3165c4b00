import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { dealClusterKeys } from "../../lib/keys/dealing.ts";
import { openOrCreateIdentity, readIdentity } from "../../lib/keys/identity.ts";
import { KeyFileError, type KeyFolder } from "../../lib/keys/key_file.ts";
import { readNodeKeys, writeNodeKeys } from "../../lib/keys/node_keys.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";
import { RECORD, RECORD_FILE } from "../../lib/keys/secret_kinds.ts";
import { isEncrypted, readSecretFile, writeSecretFile } from "../../lib/keys/secret_file.ts";
import { changePassphrase } from "../../lib/keys/secret_kinds.ts";
import { toNodeId } from "../../lib/types.ts";
import "../support/cheap_scrypt.ts";

const config = generateLocalCluster({ nodes: 3 });
const self = toNodeId("server_2");
const NAMES = ["identity.json", "share.json"];

/** For all tests, so that their keys are made once. */
const [one, other, stranger] = [
  passphrase("the first one"),
  passphrase("the other one"),
  passphrase("a stranger's"),
];

for (
  const [what, from, to] of [
    ["adds", null, one],
    ["changes", one, other],
    ["removes", one, null],
  ] as const
) {
  Deno.test(`changePassphrase() ${what} the passphrase of every secret file`, () => {
    withFolder(from, (folder) => {
      const before = readAll(folder);
      const changed = changePassphrase(folder.dataDir, { from, to });
      assert.deepEqual(changed, NAMES.map((name) => `${folder.dataDir}/${name}`));
      assert.deepEqual(readAll({ ...folder, passphrase: to }), before);
      for (const name of NAMES) {
        const path = `${folder.dataDir}/${name}`;
        assert.equal(isEncrypted(path), to !== null);
        assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
      }
      assert.throws(() => readAll(folder), KeyFileError);
    });
  });
}

Deno.test("changePassphrase() finishes what was cut short", () => {
  withFolder(one, (folder) => {
    const before = readAll(folder);
    const share = `${folder.dataDir}/share.json`;
    const old = Deno.readTextFileSync(share);
    changePassphrase(folder.dataDir, { from: one, to: other });
    Deno.writeTextFileSync(share, old);
    assert.deepEqual(changePassphrase(folder.dataDir, { from: one, to: other }), [share]);
    assert.deepEqual(readAll({ ...folder, passphrase: other }), before);
    assert.deepEqual(changePassphrase(folder.dataDir, { from: one, to: other }), []);
  });
});

Deno.test("changePassphrase() takes a key generation's record with it, share and all", () => {
  withFolder(null, ({ dataDir }) => {
    const secret = "5e".repeat(32);
    const record = {
      path: `${dataDir}/${RECORD_FILE}`,
      purpose: "key generation",
      cluster: config.cluster,
      node: self,
    } as const;
    writeSecretFile({ ...record, passphrase: null }, {
      cluster: config.cluster,
      node: self,
      configuration: "00".repeat(32),
      attempt: 1,
      share: { attempt: 1, statement: "", secret, signed: true },
      genesis: null,
    });
    const changed = changePassphrase(dataDir, { from: null, to: one });
    assert.deepEqual(changed, [...NAMES, RECORD_FILE].map((name) => `${dataDir}/${name}`));
    assert.equal(Deno.readTextFileSync(record.path).includes(secret), false);
    const { share } = readSecretFile({ ...record, passphrase: one }, {
      schema: RECORD.schema,
      remedies: { ifMissing: "", ifDamaged: "", ifKnown: "" },
    });
    assert.equal(encodeHex(share?.secret ?? new Uint8Array()), secret);
  });
});

Deno.test("changePassphrase() encrypts a share that a dealer left plain beside the identity", () => {
  withFolder(null, (folder) => {
    const before = readAll(folder);
    const plain = Deno.readTextFileSync(`${folder.dataDir}/share.json`);
    changePassphrase(folder.dataDir, { from: null, to: one });
    Deno.writeTextFileSync(`${folder.dataDir}/share.json`, plain);
    changePassphrase(folder.dataDir, { from: one, to: one });
    assert.deepEqual(readAll({ ...folder, passphrase: one }), before);
  });
});

Deno.test("changePassphrase() leaves no earlier text of a file behind", () => {
  withFolder(null, ({ dataDir }) => {
    Deno.copyFileSync(`${dataDir}/share.json`, `${dataDir}/share.json.4242.tmp`);
    changePassphrase(dataDir, { from: null, to: one });
    const names = [...Deno.readDirSync(dataDir)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["group.json", ...NAMES]);
  });
});

Deno.test("changePassphrase() writes nothing unless it can open everything", () => {
  withFolder(one, ({ dataDir }) => {
    const texts = NAMES.map((name) => Deno.readTextFileSync(`${dataDir}/${name}`));
    const refuses = (message: RegExp, from: Passphrase | null) => {
      assert.throws(
        () => changePassphrase(dataDir, { from, to: other }),
        (error) => error instanceof KeyFileError && message.test(error.message),
      );
    };
    refuses(/identity\.json: it cannot be decrypted: either the passphrase is wrong/, stranger);
    Deno.writeTextFileSync(`${dataDir}/share.json`, "{");
    refuses(/share\.json: not JSON/, one);
    assert.equal(Deno.readTextFileSync(`${dataDir}/identity.json`), texts[0]);
  });
});

Deno.test("changePassphrase() refuses files that were exchanged, damaged or open to others", () => {
  withFolder(one, ({ dataDir }) => {
    const refuses = (message: RegExp) => {
      assert.throws(
        () => changePassphrase(dataDir, { from: one, to: other }),
        (error) => error instanceof KeyFileError && message.test(error.message),
      );
    };
    Deno.copyFileSync(`${dataDir}/share.json`, `${dataDir}/identity.json`);
    refuses(/identity\.json: it is a file of the kind "share", not "identity"/);
    Deno.writeTextFileSync(`${dataDir}/identity.json`, `{"node":"server_2"}`);
    refuses(/identity\.json: damaged at/);
    Deno.writeTextFileSync(`${dataDir}/identity.json`, `{"node":"a b"}`);
    refuses(/identity\.json: damaged at node/);
    Deno.chmodSync(`${dataDir}/identity.json`, 0o644);
    refuses(/identity\.json: other users can read it \(mode 644\)/);
    Deno.removeSync(`${dataDir}/identity.json`);
    Deno.removeSync(`${dataDir}/share.json`);
    refuses(/it holds no keys/);
  });
});

function passphrase(text: string): Passphrase {
  return new Passphrase(encodeUtf8(text));
}

function withFolder(passphrase: Passphrase | null, test: (folder: KeyFolder) => void): void {
  const parent = Deno.makeTempDirSync({ prefix: "floe-change-" });
  const folder = { dataDir: `${parent}/node`, self, passphrase };
  try {
    const { group, shares } = dealClusterKeys(
      config,
      (length) => crypto.getRandomValues(new Uint8Array(length)),
    );
    const share = assertDefined(shares.find(({ node }) => node === self), "no share");
    writeNodeKeys(folder, { group, genesis: null, share });
    openOrCreateIdentity(folder);
    test(folder);
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
}

function readAll(folder: KeyFolder): object {
  const keys = readNodeKeys(folder, config);
  return {
    identity: readIdentity(folder).keys,
    keys,
    secret: keys.shares.reveal().current?.secret,
  };
}
