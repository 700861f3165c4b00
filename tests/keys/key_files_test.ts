import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { encodeHex } from "../../lib/bytes.ts";
import type { Group } from "../../lib/certificate/certifier.ts";
import { type ClusterConfig, generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { dealClusterKeys, VoterSecret } from "../../lib/keys/dealing.ts";
import { KeyFileError, type KeyFolder } from "../../lib/keys/key_file.ts";
import {
  claimShare,
  hasKeyFiles,
  readNodeKeys,
  writeGeneratedKeys,
  writeNodeKeys,
} from "../../lib/keys/node_keys.ts";
import { type NodeId, toClusterName, toNodeId } from "../../lib/types.ts";
import { certifyGenesis } from "../certificate/founders.ts";
import { BAD_ENCODINGS } from "../frost/weak_points.ts";
import { TestKeygen } from "../keygen/harness.ts";
import "../support/cheap_scrypt.ts";

const config = generateLocalCluster({ nodes: 3 });
const self = toNodeId("server_2");

for (const nodes of [1, 2, 3, 5]) {
  Deno.test(`readNodeKeys() reads what writeNodeKeys() wrote, for a cluster of ${nodes}`, () => {
    const config = generateLocalCluster({ nodes });
    const { group, shares } = dealClusterKeys(config, randomBytes);
    for (const share of shares) {
      withFolder((folder) => {
        writeNodeKeys(place(folder, share.node), { group, genesis: null, share });
        const keys = readNodeKeys(place(folder, share.node), config);
        const { shares: _, ...rest } = keys;
        assert.deepEqual(rest, { group, genesis: null, founding: null, isInUse: false });
        assert.deepEqual(keys.shares.reveal().current?.secret, share.reveal());
      });
    }
  });
}

Deno.test("writeNodeKeys() lets only the owner read the share and enter the folder", () => {
  withKeys((folder) => {
    assert.equal((Deno.statSync(`${folder}/share.json`).mode ?? 0) & 0o777, 0o600);
    assert.equal((Deno.statSync(folder).mode ?? 0) & 0o777, 0o700);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "group.json",
      "share.json",
    ]);
  });
});

Deno.test("writeNodeKeys() never overwrites keys", () => {
  withKeys((folder) => {
    const before = Deno.readTextFileSync(`${folder}/share.json`);
    const { group, shares: [, share] } = dealClusterKeys(config, randomBytes);
    assert.ok(share !== undefined);
    assert.throws(
      () => writeNodeKeys(place(folder, share.node), { group, genesis: null, share }),
      refusal(/holds keys already/),
    );
    assert.equal(Deno.readTextFileSync(`${folder}/share.json`), before);
  });
});

Deno.test("claimShare() marks a share as in use, and changes nothing else", () => {
  withKeys((folder) => {
    const keys = readNodeKeys(place(folder), config);
    claimShare(place(folder), keys);
    Deno.writeTextFileSync(`${folder}/raft.guard`, "anything");
    const claimed = readNodeKeys(place(folder), config);
    assert.deepEqual(claimed, { ...keys, isInUse: true });
    assert.deepEqual(claimed.shares.reveal().current?.secret, keys.shares.reveal().current?.secret);
    assert.equal((Deno.statSync(`${folder}/share.json`).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("claimShare() leaves no copy of the share that a crash has left", () => {
  withKeys((folder) => {
    const left = `${folder}/share.json.4711.tmp`;
    // Until it is gone, the share is not in use, so that the next start sees to it.
    Deno.mkdirSync(`${left}/not-empty`, { recursive: true });
    const keys = readNodeKeys(place(folder), config);
    assert.throws(() => claimShare(place(folder), keys), EnvironmentError);
    assert.equal(readNodeKeys(place(folder), config).isInUse, false);
    Deno.removeSync(left, { recursive: true });

    Deno.copyFileSync(`${folder}/share.json`, left);
    claimShare(place(folder), keys);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "group.json",
      "share.json",
    ]);
  });
});

Deno.test("readNodeKeys() refuses a share in use whose node has lost what it voted", () => {
  withKeys((folder) => {
    claimShare(place(folder), readNodeKeys(place(folder), config));
    assert.throws(
      () => readNodeKeys(place(folder), config),
      refusal(/server_2 has run with this share, but the folder raft/),
    );
    // What a store leaves that was begun and never made remembers nothing.
    Deno.mkdirSync(`${folder}/raft`);
    for (const name of ["raft/segment-0000000001", "raft.guard"]) {
      Deno.writeTextFileSync(`${folder}/${name}`, "");
    }
    assert.throws(() => readNodeKeys(place(folder), config), refusal(/raft.* is gone/));
    Deno.writeTextFileSync(`${folder}/raft.guard`, "raft was made");
    assert.equal(readNodeKeys(place(folder), config).isInUse, true);
  });
});

Deno.test("hasKeyFiles() tells an empty folder and a missing one from one with keys", () => {
  withFolder((folder) => {
    assert.equal(hasKeyFiles(folder), false);
    assert.equal(hasKeyFiles(`${folder}/none`), false);
    Deno.writeTextFileSync(`${folder}/group.json`, "{}");
    assert.equal(hasKeyFiles(folder), true);
  });
});

const WAYS_BACK = [
  [
    "share.json",
    "Move it and identity\\.json away, and restore both .*replace the node",
  ],
  ["group.json", "Copy it from another node"],
] as const;

for (const [name, wayBack] of WAYS_BACK) {
  Deno.test(`readNodeKeys() refuses a missing ${name}`, () => {
    withKeys((folder) => {
      Deno.removeSync(`${folder}/${name}`);
      refuses(folder, new RegExp(`${name}: no such file`));
    });
  });

  Deno.test(`readNodeKeys() refuses a ${name} that is not JSON, without quoting it`, () => {
    withKeys((folder, secret) => {
      const file = `${folder}/${name}`;
      Deno.writeTextFileSync(file, Deno.readTextFileSync(file).slice(1));
      refuses(
        folder,
        new RegExp(`${name}: not JSON at line [0-9]+, column [0-9]+\\. ${wayBack}`),
        secret,
      );
    });
  });

  Deno.test(`readNodeKeys() refuses a ${name} with an unknown field`, () => {
    withKeys((folder, secret) => {
      edit(`${folder}/${name}`, (content) => ({ ...content, extra: 1 }));
      refuses(folder, new RegExp(`${name}: damaged`), secret);
    });
  });

  Deno.test(`readNodeKeys() refuses a ${name} of another cluster`, () => {
    withKeys((folder, secret) => {
      edit(`${folder}/${name}`, (content) => ({ ...content, cluster: "elsewhere" }));
      refuses(folder, new RegExp(`${name}: it is of another cluster: elsewhere, not`), secret);
    });
  });

  for (const [field, value] of [["publicKey", "00"], ["epoch", 0], ["cluster", "a b"]] as const) {
    Deno.test(`readNodeKeys() refuses a ${name} whose ${field} is ${value}`, () => {
      withKeys((folder, secret) => {
        edit(`${folder}/${name}`, (content) => ({ ...content, [field]: value }));
        refuses(folder, new RegExp(`${name}: damaged at ${field}`), secret);
      });
    });
  }
}

Deno.test("readNodeKeys() refuses a share that other users can read", () => {
  for (const mode of [0o640, 0o604, 0o660]) {
    withKeys((folder) => {
      Deno.chmodSync(`${folder}/share.json`, mode);
      refuses(folder, new RegExp(`mode ${mode.toString(8)}.*chmod 600`));
    });
  }
});

Deno.test("readNodeKeys() refuses another node's share", () => {
  withKeys((folder, secret) => {
    edit(`${folder}/share.json`, (content) => ({ ...content, node: "server_1" }));
    refuses(folder, /another node: server_1, not server_2/, secret);
  });
});

Deno.test("readNodeKeys() refuses a secret that is not the one behind the verifying share", () => {
  withKeys((folder, secret) => {
    const other = dealClusterKeys(config, randomBytes).shares[1];
    assert.ok(other !== undefined);
    edit(`${folder}/share.json`, (content) => ({ ...content, secret: encodeHex(other.reveal()) }));
    refuses(folder, /does not match .*group\.json/, secret);
  });
});

Deno.test("readNodeKeys() refuses a secret that is no scalar, without quoting it", () => {
  withKeys((folder) => {
    edit(`${folder}/share.json`, (content) => ({ ...content, secret: "ff".repeat(32) }));
    refuses(folder, /does not match .*group\.json/, "ffff");
  });
});

Deno.test("readNodeKeys() refuses a single voter's secret that is not the group's", () => {
  const config = generateLocalCluster({ nodes: 1 });
  const { group, shares: [share] } = dealClusterKeys(config, randomBytes);
  assert.ok(share !== undefined);
  withFolder((folder) => {
    writeNodeKeys(place(folder, share.node), {
      genesis: null,
      group,
      share: new VoterSecret(share.node, randomBytes(32)),
    });
    assert.throws(
      () => readNodeKeys(place(folder, share.node), config),
      refusal(/does not match/),
    );
  });
});

for (const [what, , encoding] of BAD_ENCODINGS) {
  if (encoding.length !== 32) continue;
  Deno.test(`readNodeKeys() refuses a single voter's group key that is ${what}`, () => {
    const config = generateLocalCluster({ nodes: 1 });
    const { group, shares: [share] } = dealClusterKeys(config, randomBytes);
    assert.ok(share !== undefined);
    withFolder((folder) => {
      const voters = group.voters.map((voter) => ({ ...voter, verifyingShare: encoding }));
      const wrong = { ...group, publicKey: encoding, voters };
      writeNodeKeys(place(folder, share.node), { genesis: null, group: wrong, share });
      assert.throws(
        () => readNodeKeys(place(folder, share.node), config),
        refusal(/group\.json: Cannot read element/),
      );
    });
  });
}

Deno.test("readNodeKeys() refuses a share of another dealing or epoch", () => {
  withKeys((folder, secret) => {
    edit(`${folder}/share.json`, (content) => ({ ...content, epoch: 2 }));
    refuses(folder, /does not match .*group\.json/, secret);
  });
});

Deno.test("readNodeKeys() refuses a group whose verifying shares do not make its key", () => {
  withKeys((folder) => {
    const other = dealClusterKeys(config, randomBytes).group;
    edit(
      `${folder}/group.json`,
      (content) => ({ ...content, publicKey: encodeHex(other.publicKey) }),
    );
    refuses(folder, /group\.json: .*verifying shares do not make the group key/);
  });
});

Deno.test("readNodeKeys() refuses a group with another threshold or other voters", () => {
  withKeys((folder) => {
    refuses(folder, /another set of voters: 2 of .*, not 3 of/, undefined, {
      ...config,
      threshold: 3,
    });
    refuses(folder, /another set of voters/, undefined, generateLocalCluster({ nodes: 4 }));
    refuses(folder, /another cluster/, undefined, { ...config, cluster: toClusterName("other") });
  });
});

Deno.test("a genesis certificate is kept with the group that it proves", () => {
  withGenesis((folder, { genesis }) => {
    assert.equal(readNodeKeys(place(folder), config).genesis, genesis);
  });
});

Deno.test("readNodeKeys() refuses a genesis certificate that proves another group, or nothing", () => {
  withGenesis((folder, { others }) => {
    edit(`${folder}/group.json`, (content) => ({ ...content, genesis: others }));
    refuses(folder, /group\.json: its genesis certificate is of another group.*Copy it from/);
  });
  withGenesis((folder, { genesis }) => {
    const flipped = genesis.replace(/transcript ./, (found) => found.endsWith("0") ? "1" : "0");
    edit(`${folder}/group.json`, (content) => ({ ...content, genesis: flipped }));
    refuses(folder, /group\.json: Cannot (read|accept) genesis/);
  });
  withGenesis((folder) => {
    edit(`${folder}/group.json`, (content) => ({ ...content, genesis: 1 }));
    refuses(folder, /group\.json: damaged at genesis/);
  });
});

Deno.test("writeGeneratedKeys() replaces a group without a share, and never a share", () => {
  withGenesis((folder, { keys }) => {
    Deno.removeSync(`${folder}/share.json`);
    Deno.writeTextFileSync(`${folder}/group.json`, "{}");
    writeGeneratedKeys(place(folder), keys);
    const read = readNodeKeys(place(folder), config);
    assert.deepEqual([read.group, read.genesis, read.isInUse], [keys.group, keys.genesis, false]);
    assert.deepEqual(read.shares.reveal().current?.secret, keys.share.reveal());
    assert.throws(() => writeGeneratedKeys(place(folder), keys), InvariantError);
  });
});

/** Keys with a genesis: the founders' key in a cluster of the same name and nodes. */
function withGenesis(
  test: (
    folder: string,
    made: { readonly genesis: string; readonly others: string; readonly keys: GeneratedKeys },
  ) => void,
): void {
  const [made, other] = [1, 2].map((seed) => {
    const keygen = new TestKeygen(2, 3, seed);
    keygen.start();
    keygen.deliver();
    const { genesis, secret } = keygen.node(2).key ?? assert.fail("no key");
    const statement = { ...genesis, cluster: config.cluster };
    const note = certifyGenesis(
      { ...keygen.founders, roster: { ...keygen.founders.roster, cluster: config.cluster } },
      statement,
    );
    const group = groupOf(statement);
    return { group, genesis: note, share: new VoterSecret(self, secret) };
  });
  assert.ok(made !== undefined && other !== undefined);
  withFolder((folder) => {
    writeNodeKeys(place(`${folder}/node`), made);
    test(`${folder}/node`, { genesis: made.genesis, others: other.genesis, keys: made });
  });
}

type GeneratedKeys = Parameters<typeof writeGeneratedKeys>[1];

/** What a group file keeps of a genesis beside the note. */
function groupOf({ cluster, epoch, threshold, publicKey, voters }: Group): Group {
  return {
    cluster,
    epoch,
    threshold,
    publicKey,
    voters: voters.map(({ id, identifier, verifyingShare }) => ({
      id,
      identifier,
      verifyingShare,
    })),
  };
}

function place(dataDir: string, node: NodeId = self): KeyFolder {
  return { dataDir, self: node, passphrase: null };
}

function withKeys(test: (folder: string, secret: string) => void): void {
  const { group, shares } = dealClusterKeys(config, randomBytes);
  const share = shares.find(({ node }) => node === self);
  assert.ok(share !== undefined);
  withFolder((folder) => {
    writeNodeKeys(place(`${folder}/node`), { group, genesis: null, share });
    test(`${folder}/node`, encodeHex(share.reveal()));
  });
}

function withFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "floe-keys-" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function edit(
  file: string,
  change: (content: Record<string, unknown>) => Record<string, unknown>,
): void {
  const changed = change(JSON.parse(Deno.readTextFileSync(file)));
  Deno.writeTextFileSync(file, JSON.stringify(changed));
}

function refuses(folder: string, message: RegExp, secret?: string, using: ClusterConfig = config) {
  assert.throws(() => readNodeKeys(place(folder), using), refusal(message, secret));
}

function refusal(message: RegExp, secret = "no secret"): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof KeyFileError, `${error}`);
    assert.match(error.message, message);
    const told = Deno.inspect(error);
    assert.equal(told.includes(secret.slice(0, 16)), false, "the message quotes the secret");
    return true;
  };
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
