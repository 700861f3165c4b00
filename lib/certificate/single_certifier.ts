/**
 * The certifier of a cluster with one voter: a plain Ed25519 key, signing natively. The rounds stay,
 * so that the consensus core knows no special case; the commitment is only a token that is good for
 * one request.
 *
 * @module
 */

import { type KeyObject, sign } from "node:crypto";
import { assert } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { type RandomBytes, toPrivateKey, verifySignature } from "../frost/mod.ts";
import { toRawPublicKey } from "../native_key.ts";
import type { ClusterName } from "../types.ts";
import type { Certifier } from "./certifier.ts";
import type { CertifierOptions } from "./frost_certifier.ts";
import type { Group } from "./group.ts";
import { keyId } from "./group_key.ts";
import { SchemeCertifier } from "./scheme_certifier.ts";
import type { SchemeResult, Session, SigningScheme } from "./signing_scheme.ts";

/** Bytes of the token that stands in for a commitment. */
const TOKEN_BYTES = 32;
/** Bytes of an Ed25519 seed (RFC 8032 §5.1.5). */
const SEED_BYTES = 32;

/**
 * A certifier for the only voter.
 *
 * @throws {CertificateError} `not-a-signer` when `self` is not that voter.
 * @throws {InputError} when the seed is not the one behind the group key.
 */
export function createSingleCertifier(options: CertifierOptions): Certifier {
  const { group, self, share, randomBytes } = options;
  assert(group.voters.length === 1, `A single certifier for ${group.voters.length} voters`);
  return new SchemeCertifier(group, self, new SingleScheme(group, share, randomBytes));
}

class SingleScheme implements SigningScheme<Uint8Array> {
  readonly #publicKey: Uint8Array;
  readonly #identifiers: readonly number[];
  readonly #privateKey: KeyObject;
  readonly #randomBytes: RandomBytes;

  constructor(group: Group, seed: Uint8Array, randomBytes: RandomBytes) {
    this.#publicKey = group.publicKey;
    this.#identifiers = group.voters.map(({ identifier }) => identifier);
    this.#privateKey = readSeed(seed);
    this.#randomBytes = randomBytes;
    if (!equalBytes(toRawPublicKey(this.#privateKey), group.publicKey)) {
      throw new InputError("Cannot use share: it does not match the group key");
    }
  }

  commit(): { readonly nonces: Uint8Array; readonly commitment: Uint8Array } {
    const token = this.#randomBytes(TOKEN_BYTES);
    return { nonces: token, commitment: token.slice() };
  }

  checkCommitment(_identifier: number, commitment: Uint8Array): void {
    if (commitment.length !== TOKEN_BYTES) {
      throw new InputError(
        `Cannot read commitment: length ${commitment.length} is not ${TOKEN_BYTES}`,
      );
    }
  }

  sign({ message }: Session, nonces: Uint8Array): Uint8Array {
    this.eraseNonces(nonces);
    return new Uint8Array(sign(null, message, this.#privateKey));
  }

  aggregate({ message }: Session, shares: ReadonlyMap<number, Uint8Array>): SchemeResult {
    const [signature] = shares.values();
    return signature !== undefined && this.verify(message, signature)
      ? { kind: "signature", signature }
      : { kind: "cheaters", identifiers: this.#identifiers };
  }

  eraseNonces(nonces: Uint8Array): void {
    nonces.fill(0);
  }

  keyId(name: ClusterName): Uint8Array {
    return keyId(name, this.#publicKey);
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return verifySignature(this.#publicKey, message, signature);
  }
}

function readSeed(seed: Uint8Array): KeyObject {
  if (seed.length !== SEED_BYTES) {
    throw new InputError(`Cannot use share: length ${seed.length} is not ${SEED_BYTES}`);
  }
  return toPrivateKey("ed25519", seed);
}
