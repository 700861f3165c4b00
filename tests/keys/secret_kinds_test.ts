import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { restoreBackup, writeBackup } from "../../lib/keys/backup.ts";
import { dealClusterKeys } from "../../lib/keys/dealing.ts";
import { openOrCreateIdentity, readIdentity } from "../../lib/keys/identity.ts";
import { KeyFileError, type KeyFolder } from "../../lib/keys/key_file.ts";
import { claimShare, readNodeKeys, writeNodeKeys } from "../../lib/keys/node_keys.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";
import {
  IDENTITY,
  listSecretFiles,
  openSecretFiles,
  readOwnSecret,
  type SecretKind,
  SHARE,
  writeOwnSecret,
} from "../../lib/keys/secret_kinds.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import "../support/cheap_scrypt.ts";

/** What a damaged file of each kind is answered with: no two have the same way back. */
const WAYS_BACK = [
  ["identity.json", /Move it and share\.json away, .*floe keys restore.*make a new identity/],
  ["share.json", /Move it and identity\.json away, .*floe keys restore.*replace the node/],
  [
    "keygen.json",
    /this node has its share\.json, delete this file alone\. To start over, stop every/,
  ],
] as const;

for (const [name, wayBack] of WAYS_BACK) {
  for (
    const [damage, text] of [
      ["is not JSON", "{"],
      ["does not say whose it is", "{}"],
      ["has fields missing", '{"node":"server_1","cluster":"test"}'],
      ["is encrypted, and damaged", '{"ciphertext":""}'],
    ] as const
  ) {
    Deno.test(`openSecretFiles() says the way back from a ${name} that ${damage}`, () => {
      withFile(name, text, (dataDir) => {
        assert.deepEqual(listSecretFiles(dataDir), [`${dataDir}/${name}`]);
        assert.throws(
          () => openSecretFiles(dataDir, []),
          (error) => error instanceof KeyFileError && wayBack.test(error.message),
        );
      });
    });
  }
}

Deno.test("openSecretFiles() tells of no backup for a key generation's record: none has it", () => {
  withFile("keygen.json", "{", (dataDir) => {
    assert.throws(() => openSecretFiles(dataDir, []), (error) => {
      assert.ok(error instanceof KeyFileError);
      assert.doesNotMatch(error.message, /backup|restore/);
      return true;
    });
  });
});

const config = generateLocalCluster({ nodes: 3 });
const self = toNodeId("server_2");
const other = toNodeId("server_1");

Deno.test("readOwnSecret() refuses a file of another node or cluster", () => {
  withNode((folder) => {
    for (const kind of [IDENTITY, SHARE] as const) {
      const { cluster } = kind === SHARE ? config : { cluster: null };
      assert.throws(
        () => readOwnSecret<object>(kind, { ...folder, self: other }, cluster),
        refusal(/it is of another node: server_2, not server_1\. Check --config, --id/),
      );
    }
    assert.throws(
      () => readOwnSecret(SHARE, folder, toClusterName("other")),
      refusal(/it is of another cluster: floe-local, not other/),
    );
  });
});

Deno.test("writeOwnSecret() writes what readOwnSecret() reads", () => {
  withNode((folder) => {
    const content = readOwnSecret(SHARE, folder, config.cluster);
    writeOwnSecret(SHARE, folder, { ...content, isInUse: true });
    assert.deepEqual(readOwnSecret(SHARE, folder, config.cluster), { ...content, isInUse: true });
  });
});

const wrongOwner = (folder: KeyFolder) => ({ ...folder, self: other });

/** Each way to read secrets and fail, or to need them for a moment only. */
for (
  const [what, kind, read] of [
    ["readIdentity(), which hands over keys", IDENTITY, (folder) => readIdentity(folder)],
    ["readIdentity() of another node", IDENTITY, (folder) => readIdentity(wrongOwner(folder))],
    ["readIdentity() of keys that do not fit", IDENTITY, (folder) => {
      edit(folder, "identity.json", { signingKey: "11".repeat(32) });
      readIdentity(folder);
    }],
    ["readNodeKeys() of another node", SHARE, (folder) => readNodeKeys(wrongOwner(folder), config)],
    ["readNodeKeys() of another cluster", SHARE, (folder) => {
      readNodeKeys(folder, { ...config, cluster: toClusterName("other") });
    }],
    ["readNodeKeys() without a group", SHARE, (folder) => {
      Deno.removeSync(`${folder.dataDir}/group.json`);
      readNodeKeys(folder, config);
    }],
    ["readNodeKeys() of another epoch", SHARE, (folder) => {
      edit(folder, "share.json", { epoch: 2 });
      readNodeKeys(folder, config);
    }],
    ["readNodeKeys() where the votes are gone", SHARE, (folder) => {
      claimShare(folder, readNodeKeys(folder, config));
      secretsRead.length = 0;
      readNodeKeys(folder, config);
    }],
    ["openSecretFiles()", SHARE, (folder) => openSecretFiles(folder.dataDir, [])],
    ["writeBackup()", IDENTITY, (folder) => backUp(folder)],
    ["writeBackup() and the share", SHARE, (folder) => backUp(folder)],
    ["writeBackup() of a share of another group", SHARE, (folder) => {
      edit(folder, "share.json", { epoch: 2 });
      backUp(folder);
    }],
    ["restoreBackup() where there are keys", SHARE, (folder) => {
      backUp(folder);
      restoreBackup(`${folder.dataDir}/backup`, {
        dataDir: folder.dataDir,
        passphrase: passphrase(),
        identityOnly: false,
      });
    }],
  ] as const satisfies readonly (readonly [
    string,
    SecretKind<object>,
    (folder: KeyFolder) => unknown,
  ])[]
) {
  Deno.test(`${what} leaves no secret behind`, () => {
    withNode((folder) => {
      const secrets = watchSecrets<object>(kind, () => {
        try {
          read(folder);
        } catch (error) {
          assert.ok(error instanceof KeyFileError, `${error}`);
        }
      });
      assert.notEqual(secrets.length, 0);
      for (const secret of secrets) assert.ok(secret.every((byte) => byte === 0));
    });
  });
}

/** Every secret that was read of a kind while `work` ran. */
const secretsRead: Uint8Array[] = [];

function watchSecrets<Content>(
  kind: SecretKind<Content>,
  work: () => void,
): readonly Uint8Array[] {
  const { secretsOf } = kind;
  secretsRead.length = 0;
  kind.secretsOf = (content) => {
    const secrets = secretsOf(content);
    secretsRead.push(...secrets);
    return secrets;
  };
  try {
    work();
  } finally {
    kind.secretsOf = secretsOf;
  }
  return secretsRead;
}

function backUp(folder: KeyFolder): void {
  writeBackup(`${folder.dataDir}/backup`, { dataDir: folder.dataDir, passphrase: passphrase() });
}

function passphrase(): Passphrase {
  return new Passphrase(encodeUtf8("correct horse battery staple"));
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof KeyFileError && message.test(error.message);
}

function edit({ dataDir }: KeyFolder, name: string, change: object): void {
  const content = JSON.parse(Deno.readTextFileSync(`${dataDir}/${name}`));
  Deno.writeTextFileSync(`${dataDir}/${name}`, JSON.stringify({ ...content, ...change }));
}

/** A folder with the identity and the share of `self`. */
function withNode(test: (folder: KeyFolder) => void): void {
  const root = Deno.makeTempDirSync();
  const folder = { dataDir: `${root}/node`, self, passphrase: null };
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const { group, shares: [, share] } = dealClusterKeys(config, randomBytes);
  assert.ok(share !== undefined);
  try {
    openOrCreateIdentity(folder);
    writeNodeKeys(folder, { group, genesis: null, share });
    test(folder);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

function withFile(name: string, text: string, check: (dataDir: string) => void): void {
  const dataDir = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${dataDir}/${name}`, text, { mode: 0o600 });
    check(dataDir);
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
}
