/**
 * The secrets of a cluster, for a test that looks for them where they must not be.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { assertDefined } from "../../../lib/assert.ts";
import { decodeHex, encodeHex } from "../../../lib/bytes.ts";
import { commit, type SecretShare } from "../../../lib/frost/mod.ts";
import { lagrangeCoefficients } from "../../../lib/frost/lagrange.ts";
import type { KeyParameters, Passphrase } from "../../../lib/node/passphrase.ts";
import { readPrivateJson } from "../../../lib/node/secret_file.ts";
import { sealedTextSchema } from "../../../lib/node/sealed_text.ts";
import { listSecretFiles, openSecretFiles } from "../../../lib/node/secret_files.ts";
import type { NodeId } from "../../../lib/types.ts";
import type { SecretScanner } from "../../support/secret_scanner.ts";
import type { TestCluster } from "./test_cluster.ts";

/** Adds every node's signing and channel secret and its share, and the secret key of the group. */
export function addKeys(scanner: SecretScanner, cluster: TestCluster): void {
  for (const id of cluster.ids) {
    const { dataDir, passphrase } = cluster.keyFolder(id);
    for (const { content, path } of openSecretFiles(dataDir, passphrase ? [passphrase] : [])) {
      for (const name of ["signingSecret", "channelSecret", "secret"]) {
        const value = content[name];
        if (typeof value === "string") scanner.add(`${name} in ${path}`, decodeHex(value));
      }
    }
  }
  scanner.add("the secret key of the group", groupSecret(cluster));
}

/** Adds the keys that a passphrase makes for the files as they are now. */
export function addFileKeys(scanner: SecretScanner, cluster: TestCluster): void {
  for (const { path, key, passphrase } of sealedFiles(cluster)) {
    scanner.add(`the key of ${path}`, passphrase.deriveKey(key).slice());
  }
}

/**
 * Adds the random numbers that the nodes drew (`recording_main.ts`), but the salts in their files: what
 * their nonces and, where they made the key themselves, their polynomials come from. And the nonces:
 * whichever of the numbers went into a node's nonce, that is among these.
 */
export function addRandomNumbers(
  scanner: SecretScanner,
  cluster: TestCluster,
  drawn: readonly Uint8Array[],
): void {
  const salts = sealedFiles(cluster).map(({ key }) => encodeHex(key.salt));
  const secret = drawn.filter((random) => !salts.includes(encodeHex(random)));
  for (const [at, random] of secret.entries()) scanner.add(`random number ${at}`, random);
  for (const id of cluster.ids) {
    const share = shareOf(cluster, id);
    for (const [at, random] of secret.entries()) {
      const { nonces } = commit(share, (length) => random.slice(0, length));
      scanner.add(`nonce ${at} of ${id}`, nonces.hiding);
    }
  }
}

/** RFC 9591 §4.2 at x = 0, which no node ever calculates. */
function groupSecret(cluster: TestCluster): Uint8Array {
  const { Fn } = ed25519.Point;
  const shares = cluster.ids.slice(0, cluster.group.threshold).map((id) => shareOf(cluster, id));
  const weights = lagrangeCoefficients(shares.map(({ identifier }) => identifier));
  const terms = shares.map(({ secret }, at) =>
    Fn.mul(Fn.fromBytes(secret), assertDefined(weights[at], "a weight for each share"))
  );
  return Fn.toBytes(terms.reduce((sum, term) => Fn.add(sum, term)));
}

function shareOf(cluster: TestCluster, id: NodeId): SecretShare {
  const { dataDir, passphrase } = cluster.keyFolder(id);
  const opened = openSecretFiles(dataDir, passphrase ? [passphrase] : []);
  const { content } = assertDefined(opened.find(({ purpose }) => purpose === "share"), id);
  const voter = assertDefined(cluster.group.voters.find((voter) => voter.id === id), id);
  return { identifier: voter.identifier, secret: decodeHex(String(content.secret)) };
}

interface SealedFile {
  readonly path: string;
  readonly key: KeyParameters;
  readonly passphrase: Passphrase;
}

function sealedFiles(cluster: TestCluster): readonly SealedFile[] {
  return cluster.ids.flatMap((id) => {
    const { dataDir, passphrase } = cluster.keyFolder(id);
    if (passphrase === null) return [];
    return listSecretFiles(dataDir).map((path) => {
      const { key } = sealedTextSchema.parse(readPrivateJson(path, NO_REMEDIES));
      return { path, key, passphrase };
    });
  });
}

const NO_REMEDIES = { ifMissing: "", ifDamaged: "", ifKnown: "" };
