import assert from "node:assert/strict";
import { assertDefined } from "../../../lib/assert.ts";
import type { PinnedClusterConfig } from "../../../lib/config/cluster_config.ts";
import type { DurableKeyGeneration } from "../../../lib/keygen/mod.ts";
import { dealClusterKeys, VoterSecret } from "../../../lib/keys/dealing.ts";
import { KeyFileError } from "../../../lib/keys/key_file.ts";
import { claimShare, hasKeyFiles, writeNodeKeys } from "../../../lib/keys/node_keys.ts";
import {
  hasRecord,
  type KeyPlace,
  readRecord,
  writeRecord,
} from "../../../lib/keys/record_file.ts";
import { KeyGenerationRun } from "../../../lib/node/key_generation/key_generation_run.ts";
import { openOwnKeys, prepareKeyGeneration } from "../../../lib/node/key_generation/own_keys.ts";
import { TestKeygen } from "../../keygen/harness.ts";
import { MemoryCluster } from "./memory_cluster.ts";

const cluster = new MemoryCluster(3);
const { three: [self] } = cluster;
const ALONE: PinnedClusterConfig = {
  ...cluster.config,
  threshold: 1,
  peers: cluster.config.peers.slice(0, 1),
};
const KEYGEN = finishedKeygen();
const FINISHED = KEYGEN.node(1).disk;
const UNFINISHED: DurableKeyGeneration = { ...FINISHED, genesis: null };

Deno.test("openOwnKeys() finds none in an empty folder, nor beside a record", async () => {
  await withFolder((place) => {
    assert.equal(openOwnKeys(place), null);
    for (const record of [UNFINISHED, FINISHED]) {
      writeRecord(place, structuredClone(record));
      assert.equal(openOwnKeys(place), null);
    }
    assert.equal(hasKeyFiles(place.folder.dataDir), false);
  });
});

Deno.test("openOwnKeys() makes the key of a cluster of one, once", async () => {
  await withFolder((place) => {
    const keys = assertDefined(openOwnKeys(place) ?? undefined, "no key");
    assert.deepEqual([keys.genesis, keys.isInUse, keys.group.voters.length], [null, false, 1]);
    assert.deepEqual(openOwnKeys(place), keys);
  }, ALONE);
});

Deno.test("openOwnKeys() makes the key of a cluster of one again after a crash before its share", async () => {
  await withFolder((place) => {
    const { dataDir } = place.folder;
    const cutShort = assertDefined(openOwnKeys(place) ?? undefined, "no key");
    Deno.removeSync(`${dataDir}/share.json`);
    const keys = assertDefined(openOwnKeys(place) ?? undefined, "no key");
    assert.notDeepEqual(keys.group.publicKey, cutShort.group.publicKey);

    Deno.removeSync(`${dataDir}/share.json`);
    Deno.writeTextFileSync(`${dataDir}/raft.guard`, "it voted");
    refuses(place, /share\.json: no such file/);
  }, ALONE);
});

for (const left of ["raft.guard", "raft.db", "raft.db.guard", "group.json"]) {
  Deno.test(`openOwnKeys() refuses a folder where a share is gone and ${left} is left`, async () => {
    await withFolder((place) => {
      Deno.writeTextFileSync(`${place.folder.dataDir}/${left}`, "left");
      refuses(place, /share\.json: no such file/);
    });
  });
}

Deno.test("a finished record becomes key files without anybody's help, and goes", async () => {
  await withFolder(async (place) => {
    writeRecord(place, structuredClone(FINISHED));
    await finish(place);
    const keys = assertDefined(openOwnKeys(place) ?? undefined, "no keys");
    assert.equal(keys.genesis, FINISHED.genesis);
    assert.deepEqual(keys.shares.reveal().current?.secret, FINISHED.share?.secret);
    assert.equal(keys.isInUse, false);
    assert.equal(hasRecord(place.folder.dataDir), false);
  });
});

Deno.test("a group that a crash has left without its share is written again", async () => {
  await withFolder(async (place) => {
    writeRecord(place, structuredClone(FINISHED));
    Deno.writeTextFileSync(`${place.folder.dataDir}/group.json`, "{}");
    assert.equal(openOwnKeys(place), null);
    await finish(place);
    assert.notEqual(openOwnKeys(place), null);
  });
});

Deno.test("a record that a crash has left beside its keys goes, and the share's use is kept", async () => {
  await withFolder(async (place) => {
    writeRecord(place, structuredClone(FINISHED));
    await finish(place);
    const keys = assertDefined(openOwnKeys(place) ?? undefined, "no keys");
    claimShare(place.folder, keys);
    writeRecord(place, structuredClone(FINISHED));
    Deno.writeTextFileSync(`${place.folder.dataDir}/raft.guard`, "it voted");
    assert.equal(openOwnKeys(place)?.isInUse, true);
    assert.equal(hasRecord(place.folder.dataDir), false);

    // The guard against a wiped disk holds all the same.
    Deno.removeSync(`${place.folder.dataDir}/raft.guard`);
    refuses(place, /has run with this share, but the folder raft/);
  });
});

Deno.test("openOwnKeys() refuses keys beside a key generation that is not finished", async () => {
  await withFolder((place) => {
    const { genesis } = assertDefined(KEYGEN.node(1).key ?? undefined, "no key");
    const secret = assertDefined(FINISHED.share?.secret, "no share");
    const share = new VoterSecret(self, secret.slice());
    const keys = { group: genesis, genesis: genesis.note, share };
    writeNodeKeys(place.folder, keys);
    writeRecord(place, structuredClone(UNFINISHED));
    refuses(place, /keygen\.json: key generation is not finished.*delete keygen\.json; else/);
    assert.ok(hasRecord(place.folder.dataDir));
  });
});

Deno.test("openOwnKeys() keeps the share of a finished key generation beside a dealer's", async () => {
  await withFolder((place) => {
    writeRecord(place, structuredClone(FINISHED));
    const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
    const { group, shares: [share] } = dealClusterKeys(place.config, randomBytes);
    writeNodeKeys(place.folder, { group, genesis: null, share: assertDefined(share, "no share") });
    refuses(place, /keygen\.json: it holds the share .* another\. If .* delete keygen\.json; else/);
    assert.deepEqual(readRecord(place)?.share?.secret, FINISHED.share?.secret);
  });
});

/** Runs key generation on a network that leads nowhere. */
async function finish(place: KeyPlace): Promise<void> {
  const options = prepareKeyGeneration(place, cluster.peersOf(self));
  const run = new KeyGenerationRun(options);
  run.start();
  await run.finished;
}

function finishedKeygen(): TestKeygen {
  const keygen = new TestKeygen(2, 3);
  keygen.start();
  keygen.deliver();
  return keygen;
}

async function withFolder(
  test: (place: KeyPlace) => void | Promise<void>,
  config: PinnedClusterConfig = cluster.config,
): Promise<void> {
  const dataDir = Deno.makeTempDirSync({ prefix: "floe-own-keys-" });
  try {
    await test({ folder: { dataDir, self, passphrase: null }, config });
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
}

function refuses(place: KeyPlace, message: RegExp): void {
  assert.throws(
    () => openOwnKeys(place),
    (error) => error instanceof KeyFileError && message.test(error.message),
  );
}
