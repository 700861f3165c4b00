/**
 * The secrets of a cluster, for a test that looks for them where they must not be.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { assertDefined } from "../../../lib/assert.ts";
import { decodeHex, encodeHex } from "../../../lib/bytes.ts";
import { lagrangeCoefficients } from "../../../lib/frost/ciphersuite.ts";
import { commit, type SecretShare } from "../../../lib/frost/mod.ts";
import {
  drawPolynomial,
  evaluatePolynomial,
  type SecretPolynomial,
} from "../../../lib/frost/polynomial.ts";
import type { KeyParameters, Passphrase } from "../../../lib/keys/passphrase.ts";
import { sealedTextSchema } from "../../../lib/keys/sealed_text.ts";
import { readPrivateJson } from "../../../lib/keys/secret_file.ts";
import { listSecretFiles, openSecretFiles } from "../../../lib/keys/secret_kinds.ts";
import type { NodeId } from "../../../lib/types.ts";
import type { SecretScanner } from "../../support/secret_scanner.ts";
import type { TestCluster } from "./test_cluster.ts";

const { Fn } = ed25519.Point;

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
 * Adds the random numbers that the nodes drew (`recording_main.ts`), but the salts in their files. And
 * the nonces: whichever of the numbers went into a node's nonce, that is among these.
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

/**
 * Adds the polynomials that the nodes drew, where they made the key themselves, and the values of
 * them that they sent each other. `drawn` is what each process drew, in order.
 */
export function addPolynomials(
  scanner: SecretScanner,
  cluster: TestCluster,
  drawn: readonly (readonly Uint8Array[])[],
): void {
  const polynomials = drawn.map((randoms) => polynomialsOf(cluster, randoms));
  for (const [at, polynomial] of polynomials.flat().entries()) {
    for (const coefficient of polynomial.coefficients) {
      scanner.add(`a coefficient of polynomial ${at}`, coefficient);
    }
    for (const receiver of cluster.ids.keys()) {
      const share = evaluatePolynomial(polynomial, receiver + 1);
      scanner.add(`the value of polynomial ${at} for ${receiver + 1}`, share);
    }
  }
  // Those of the attempt that succeeded, each process' last, make the key: they are the right ones.
  const last = polynomials.flatMap((attempts) => attempts.at(-1) ?? []);
  assert.equal(last.length, cluster.ids.length, "each node drew a polynomial");
  const sum = last.reduce(
    (sum, polynomial) => Fn.add(sum, Fn.fromBytes(constantOf(polynomial))),
    0n,
  );
  assert.deepEqual(Fn.toBytes(sum), groupSecret(cluster), "the polynomials are not the key's");
}

/** One for each attempt: its coefficients and its proof's nonce are all that is drawn in this length. */
function polynomialsOf(
  { ids, group: { threshold } }: TestCluster,
  drawn: readonly Uint8Array[],
): readonly SecretPolynomial[] {
  const randoms = drawn.filter(({ length }) => length === SCALAR_RANDOM_BYTES);
  const parameters = {
    minParticipants: threshold,
    maxParticipants: ids.length,
    context: new Uint8Array(),
  };
  const polynomials: SecretPolynomial[] = [];
  for (let at = 0; at < randoms.length; at += threshold + 1) {
    let next = at;
    const randomBytes = () =>
      assertDefined(randoms[next++], "a random number of this attempt").slice();
    polynomials.push(drawPolynomial(parameters, { identifier: 1, randomBytes }).polynomial);
  }
  return polynomials;
}

/** How many random bytes become a coefficient (RFC 9380 §5.2). */
const SCALAR_RANDOM_BYTES = 48;

function constantOf({ coefficients }: SecretPolynomial): Uint8Array {
  return assertDefined(coefficients[0], "a polynomial without a constant term");
}

/** RFC 9591 §4.2 at x = 0, which no node ever calculates. */
function groupSecret(cluster: TestCluster): Uint8Array {
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
