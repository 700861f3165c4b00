/**
 * A double of the certifier for simulations, and for the one benchmark that asks what the proof
 * costs. NOT A PROOF: it holds no key, and anybody can make its certificates. No configuration and no
 * flag of a node selects it; a node that runs on it was built by a test.
 *
 * It follows every rule of the real one, because those live in {@linkcode SchemeCertifier}: who may
 * sign, one nonce for one request, shares bound to their request, cheaters named. Only the
 * arithmetic is replaced by hashes. Its notes carry a key id of their own kind, so every real
 * verifier refuses them, as it refuses theirs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { concatBytes, encodeUtf8, equalBytes } from "../../lib/bytes.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { KEY_ID_BYTES } from "../../lib/certificate/group_key.ts";
import { SchemeCertifier } from "../../lib/certificate/scheme_certifier.ts";
import type {
  SchemeResult,
  SchemeSession,
  SigningScheme,
} from "../../lib/certificate/signing_scheme.ts";
import { identifierOf, type SignerRoster } from "../../lib/certificate/signing_sessions.ts";
import { InputError } from "../../lib/errors.ts";
import type { RandomBytes } from "../../lib/frost/mod.ts";
import type { ClusterName, NodeId } from "../../lib/types.ts";

/** What a double is made of: no keys at all. */
export interface CertifierDoubleOptions extends SignerRoster {
  /** The voter that it stands for. */
  readonly self: NodeId;
  /** Whether it stands for a voter with a share; it does, unless told otherwise. */
  readonly hasShare?: boolean;
  /** Where its tokens come from; a seeded generator makes all it does repeatable. */
  readonly randomBytes: RandomBytes;
}

/**
 * A certifier that proves nothing. For tests and simulations.
 *
 * @throws {CertificateError} `not-a-signer` when `self` is no voter.
 */
export function createCertifierDouble(options: CertifierDoubleOptions): Certifier {
  const { self, randomBytes, hasShare = true } = options;
  const identifier = hasShare ? identifierOf(options, self, "not-a-signer") : 0;
  return new SchemeCertifier(options, self, new DoubleScheme(identifier, randomBytes));
}

const RANDOM_BYTES = 32;

class DoubleScheme implements SigningScheme<Uint8Array> {
  canSign: boolean;
  readonly #identifier: number;
  readonly #randomBytes: RandomBytes;

  constructor(identifier: number, randomBytes: RandomBytes) {
    this.#identifier = identifier;
    this.canSign = identifier !== 0;
    this.#randomBytes = randomBytes;
  }

  rehearse(): void {}

  commit(): { readonly nonces: Uint8Array; readonly commitment: Uint8Array } {
    const nonces = this.#randomBytes(RANDOM_BYTES);
    return { nonces, commitment: concatBytes(nonces, commitmentTag(this.#identifier, nonces)) };
  }

  checkCommitment(identifier: number, commitment: Uint8Array): void {
    const random = commitment.subarray(0, RANDOM_BYTES);
    const tag = commitment.subarray(RANDOM_BYTES);
    if (!equalBytes(tag, commitmentTag(identifier, random))) {
      throw new InputError("Cannot read commitment: not one of this voter's double");
    }
  }

  sign(session: SchemeSession, nonces: Uint8Array): Uint8Array {
    this.eraseNonces(nonces);
    return shareOf(session, this.#identifier);
  }

  aggregate(session: SchemeSession, shares: ReadonlyMap<number, Uint8Array>): SchemeResult {
    const identifiers = session.signers.map(({ identifier }) => identifier).filter((identifier) => {
      const share = shares.get(identifier);
      return share === undefined || !equalBytes(share, shareOf(session, identifier));
    });
    return identifiers.length === 0
      ? { kind: "signature", signature: signatureOf(session.message) }
      : { kind: "cheaters", identifiers };
  }

  eraseNonces(nonces: Uint8Array): void {
    nonces.fill(0);
  }

  eraseShare(): void {
    this.canSign = false;
  }

  keyId(name: ClusterName): Uint8Array {
    // C2SP signed-note: type 0xff is for kinds of signature without a number, told by a text.
    const text = concatBytes(
      encodeUtf8(`${name}\n`),
      Uint8Array.of(0xff),
      encodeUtf8("floe/double"),
    );
    return sha256("", text).slice(0, KEY_ID_BYTES);
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return equalBytes(signature, signatureOf(message));
  }
}

function commitmentTag(identifier: number, random: Uint8Array): Uint8Array {
  return sha256(`floe/double/commitment ${identifier}\n`, random);
}

function shareOf({ digest }: SchemeSession, identifier: number): Uint8Array {
  return sha256(`floe/double/share ${identifier}\n`, encodeUtf8(digest));
}

function signatureOf(message: Uint8Array): Uint8Array {
  const half = sha256("floe/double/signature\n", message);
  return concatBytes(half, half);
}

function sha256(kind: string, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash("sha256").update(kind).update(bytes).digest());
}
