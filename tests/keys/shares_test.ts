/** The shares of two epochs in one file: what a node keeps while the members change. */

import assert from "node:assert/strict";
import { encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { generateLocalCluster } from "../../lib/config/cluster_config.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { dealClusterKeys } from "../../lib/keys/dealing.ts";
import { KeyFileError, type KeyFolder } from "../../lib/keys/key_file.ts";
import {
  claimShare,
  hasKeyFiles,
  readNodeKeys,
  writeJoinerKeys,
  writeNodeKeys,
  writeShares,
} from "../../lib/keys/node_keys.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";
import { toEpoch, toNodeId } from "../../lib/types.ts";
import "../support/cheap_scrypt.ts";

const config = generateLocalCluster({ nodes: 3 });
const self = toNodeId("server_2");
const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const { group, shares } = dealClusterKeys(config, randomBytes);
const CHANGE = "ab".repeat(32);

function share(epoch: number, fill: number, change: string | null = CHANGE) {
  return { epoch: toEpoch(epoch), change, secret: new Uint8Array(32).fill(fill) };
}

/** A node's folder after its first start. */
function withNode(passphrase: Passphrase | null, test: (folder: KeyFolder) => void): void {
  const path = Deno.makeTempDirSync({ prefix: "floe-shares-" });
  const folder = { dataDir: `${path}/node`, self, passphrase };
  try {
    const own = shares.find(({ node }) => node === self);
    assert.ok(own !== undefined);
    writeNodeKeys(folder, { group, genesis: null, share: own });
    claimShare(folder, readNodeKeys(folder, config));
    Deno.writeTextFileSync(`${folder.dataDir}/raft.guard`, "it voted");
    test(folder);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

for (const isEncrypted of [false, true]) {
  Deno.test(`readNodeKeys() reads what writeShares() wrote, ${isEncrypted ? "" : "not "}encrypted`, () => {
    withNode(isEncrypted ? new Passphrase(encodeUtf8("a passphrase")) : null, (folder) => {
      const current = readNodeKeys(folder, config).shares.reveal().current;
      assert.ok(current !== null);
      // A running node keeps what it needs to write, and no more.
      folder.passphrase?.keepOwnKey();
      const given = { current: { ...current, secret: current.secret.slice() }, next: share(2, 7) };
      writeShares(folder, group, given);
      assert.deepEqual([...given.current.secret, ...given.next.secret], Array(64).fill(0));
      const again = new Passphrase(encodeUtf8("a passphrase"));
      const later = { ...folder, passphrase: isEncrypted ? again : null };
      const kept = readNodeKeys(later, config);
      assert.deepEqual(kept.shares.reveal(), { current, next: share(2, 7) });
      assert.equal(kept.isInUse, true);
      const text = Deno.readTextFileSync(`${folder.dataDir}/share.json`);
      assert.equal(text.includes(encodeHex(share(2, 7).secret)), !isEncrypted);
      writeShares(folder, group, { current: share(2, 7), next: null });
      assert.deepEqual(readNodeKeys(later, config).shares.reveal(), {
        current: share(2, 7),
        next: null,
      });
    });
  });
}

Deno.test("writeShares() keeps the shares that are there when the disk refuses others", () => {
  withNode(null, (folder) => {
    const before = Deno.readTextFileSync(`${folder.dataDir}/share.json`);
    const given = { current: share(2, 3), next: null };
    const { renameSync } = Deno;
    Deno.renameSync = () => {
      throw new Error("No space left on device (os error 28)");
    };
    try {
      assert.throws(() => writeShares(folder, group, given), (error) => {
        assert.ok(error instanceof EnvironmentError);
        assert.match(error.message, /share\.json.*space/s);
        return true;
      });
    } finally {
      Deno.renameSync = renameSync;
    }
    assert.equal(Deno.readTextFileSync(`${folder.dataDir}/share.json`), before);
    assert.deepEqual(given.current.secret, new Uint8Array(32));
  });
});

Deno.test("a node that was removed, or has no share yet, keeps none", () => {
  withNode(null, (folder) => {
    writeShares(folder, group, { current: null, next: null });
    assert.deepEqual(readNodeKeys(folder, config).shares.reveal(), { current: null, next: null });
  });
});

Deno.test("writeJoinerKeys() says what is known of the cluster, and never in place of keys", () => {
  const path = Deno.makeTempDirSync({ prefix: "floe-shares-" });
  const folder = { dataDir: `${path}/node`, self: toNodeId("server_9"), passphrase: null };
  try {
    writeJoinerKeys(folder, { group, genesis: null, founding: null });
    assert.ok(hasKeyFiles(folder.dataDir));
    // Its cluster.json has other voters than the key was made for.
    const read = readNodeKeys(folder, generateLocalCluster({ nodes: 5 }));
    assert.deepEqual([read.isInUse, read.shares.reveal().current], [false, null]);
    assert.throws(
      () => writeJoinerKeys(folder, { group, genesis: null, founding: null }),
      /holds keys already/,
    );
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

const FAULTS = [
  ["a share of no epoch", { current: { ...share(2, 1), epoch: 0, secret: "11".repeat(32) } }],
  ["a secret that is too short", { current: { epoch: 2, change: CHANGE, secret: "11" } }],
  ["a change that is none", { current: { epoch: 2, change: "x", secret: "11".repeat(32) } }],
  ["a later share of the first epoch", {
    current: { epoch: 1, change: CHANGE, secret: "11".repeat(32) },
  }],
] as const;

for (const [what, damage] of FAULTS) {
  Deno.test(`readNodeKeys() refuses ${what}, and quotes no secret`, () => {
    withNode(null, (folder) => {
      writeShares(folder, group, { current: share(2, 1), next: null });
      const file = `${folder.dataDir}/share.json`;
      const content = JSON.parse(Deno.readTextFileSync(file));
      Deno.writeTextFileSync(file, JSON.stringify({ ...content, ...damage }));
      assert.throws(() => readNodeKeys(folder, config), (error) => {
        assert.ok(error instanceof KeyFileError, `${error}`);
        return !Deno.inspect(error).includes("11".repeat(8));
      });
    });
  });
}
