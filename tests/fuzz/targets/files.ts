/**
 * Files that people write, hand over and restore: configurations, cards, keys.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import { parseAddress } from "../../../lib/address.ts";
import {
  type ClusterConfig,
  ClusterConfigError,
  formatClusterConfig,
  generateLocalCluster,
  parseClusterConfig,
} from "../../../lib/config/cluster_config.ts";
import { describeDifferences } from "../../../lib/config/config_difference.ts";
import {
  createPeerCard,
  PeerCardError,
  readPeerCard,
  toPeerCardJson,
} from "../../../lib/config/peer_card.ts";
import { dealClusterKeys } from "../../../lib/keys/dealing.ts";
import {
  type NodeIdentity,
  openOrCreateIdentity,
  readIdentity,
} from "../../../lib/keys/identity.ts";
import { KeyFileError, type KeyFolder } from "../../../lib/keys/key_file.ts";
import { readNodeKeys, writeNodeKeys } from "../../../lib/keys/node_keys.ts";
import { Passphrase } from "../../../lib/keys/passphrase.ts";
import { toPrivateKey, toRawPublicKey } from "../../../lib/native_key.ts";
import { CONFIGURATION_BYTES_MAX, toKeyPair } from "../../../lib/transport/mod.ts";
import { toNodeId } from "../../../lib/types.ts";
import { seededBytes } from "../../frost/seeded_bytes.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { type Json, mutateJson } from "../mutate_json.ts";
import {
  ACCEPTED,
  bytesTarget,
  type OpenTarget,
  type Outcome,
  refusing,
  type Target,
  textTarget,
} from "../target.ts";

const SELF = toNodeId("server_2");
const CONFIG = withKeys(generateLocalCluster({ nodes: 3 }));
const CONFIG_JSON = JSON.parse(formatClusterConfig(CONFIG)) as Json;

/** `cluster.json`: what is used says the same when it is written again. */
export const clusterConfigs: Target = textTarget({
  name: "cluster-json",
  share: 20,
  draw: (random) => mutateJson(CONFIG_JSON, random),
  give: (text) =>
    refusing([ClusterConfigError], () => {
      const config = parseClusterConfig(text);
      assert.deepEqual(parseClusterConfig(formatClusterConfig(config)), config);
    }),
});

/** The configuration that a peer sends when it connects: it can always be told how it differs. */
export const peerConfigurations: Target = bytesTarget({
  name: "peer-configurations",
  share: 12,
  draw: (random) => {
    const bytes = encodeUtf8(mutateJson(CONFIG_JSON, random));
    const changed = random.chance(0.2) ? mutateBytes(bytes, random) : bytes;
    return changed.subarray(0, CONFIGURATION_BYTES_MAX);
  },
  give: (bytes) => {
    const differences = describeDifferences(CONFIG, bytes);
    if (differences.length === 0) return ACCEPTED;
    return differences[0]?.startsWith("its configuration cannot") ? "unreadable" : "different";
  },
});

const CARD = createPeerCard(makeIdentity(1), {
  peer: parseAddress("alpha.example:7101"),
  api: parseAddress("[::1]:7201"),
});

/** A peer card that verifies is the one that was signed. */
export const peerCards: Target = textTarget({
  name: "peer-cards",
  share: 25,
  draw: (random) => mutateJson(toPeerCardJson(CARD), random),
  give: (text) =>
    refusing([PeerCardError, SyntaxError], () => {
      // Whoever reads cards parses the JSON first, and says so when it is none.
      assert.deepEqual(readPeerCard(JSON.parse(text), "a card"), CARD);
    }),
});

/** The files of a node, plain: what is read is what was written. */
export const keyFiles: Target = {
  name: "key-files",
  share: 4,
  open: () => new KeyFiles(null),
};

/** The same, encrypted. */
export const sealedKeyFiles: Target = {
  name: "sealed-key-files",
  share: 4,
  open: () => new KeyFiles(new Passphrase(encodeUtf8("correct horse battery staple"))),
};

const FILES = ["identity.json", "share.json", "group.json"] as const;

/** One node's folder, in which one file at a time is another. */
class KeyFiles implements OpenTarget {
  readonly #folder: KeyFolder;
  readonly #genuine: ReadonlyMap<string, string>;
  readonly #read: ReturnType<KeyFiles["read"]>;

  constructor(passphrase: Passphrase | null) {
    const dataDir = Deno.makeTempDirSync({ prefix: "floe-fuzz-" });
    Deno.chmodSync(dataDir, 0o700);
    this.#folder = { dataDir, self: SELF, passphrase };
    const { group, shares } = dealClusterKeys(CONFIG, seededBytes(1));
    const share = shares.find(({ node }) => node === SELF);
    assert.ok(share !== undefined);
    writeNodeKeys(this.#folder, { group, genesis: null, share });
    openOrCreateIdentity(this.#folder);
    this.#genuine = new Map(
      FILES.map((name) => [name, Deno.readTextFileSync(`${dataDir}/${name}`)]),
    );
    this.#read = this.read();
  }

  draw(random: Random) {
    const name = random.pick(FILES);
    const genuine = this.#genuine.get(name) ?? "";
    let bytes = encodeUtf8(mutateJson(JSON.parse(genuine) as Json, random));
    if (random.chance(0.2)) bytes = mutateBytes(bytes, random) as typeof bytes;
    // A key of other parameters takes scrypt half a second, as it should.
    if (asksForAnotherKey(genuine, bytes)) bytes = encodeUtf8(genuine);
    return {
      show: () => `${name}: ${bytes.toHex()}`,
      bytes: bytes.length,
      run: () => this.#give(name, bytes),
    };
  }

  #give(name: string, bytes: Uint8Array): Outcome {
    const path = `${this.#folder.dataDir}/${name}`;
    Deno.writeFileSync(path, bytes);
    try {
      return refusing([KeyFileError], () => {
        const { identity, keys } = this.read();
        assert.deepEqual(
          keys.shares.reveal().current?.secret,
          this.#read.keys.shares.reveal().current?.secret,
        );
        assert.deepEqual(identity.keys, this.#read.identity.keys);
      });
    } finally {
      Deno.writeTextFileSync(path, this.#genuine.get(name) ?? "");
    }
  }

  read() {
    return {
      identity: readIdentity(this.#folder),
      keys: readNodeKeys(this.#folder, CONFIG),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#folder.passphrase?.[Symbol.dispose]();
    await Deno.remove(this.#folder.dataDir, { recursive: true });
  }
}

/** Whether a file is well enough encrypted under a key that is not at hand. */
function asksForAnotherKey(genuine: string, bytes: Uint8Array): boolean {
  const [own, other] = [genuine, new TextDecoder().decode(bytes)].map((text) => {
    try {
      return JSON.stringify((JSON.parse(text) as { scrypt?: unknown } | null)?.scrypt);
    } catch {
      return undefined;
    }
  });
  return own !== undefined && other !== undefined && own !== other;
}

function withKeys(config: ClusterConfig): ClusterConfig {
  return {
    ...config,
    peers: config.peers.map((peer, at) => ({ ...peer, keys: makeIdentity(10 + 2 * at).keys })),
  };
}

function makeIdentity(seed: number): NodeIdentity {
  const signingKey = toPrivateKey("ed25519", new Uint8Array(32).fill(seed));
  const channelKeys = toKeyPair(toPrivateKey("x25519", new Uint8Array(32).fill(seed + 1)));
  const keys = { signingKey: toRawPublicKey(signingKey), channelKey: channelKeys.publicKey };
  return { node: toNodeId("alpha"), keys, signingKey, channelKeys };
}
