/**
 * FROST(Ed25519, SHA-512), RFC 9591: t of n participants make one ordinary Ed25519 signature, and
 * the group's secret key exists nowhere. This folder does not depend on Raft.
 *
 * The steps of a signature, in the order in which to read the files:
 *
 * 1. `keys.ts`: a dealer gives each participant a share, and gives all participants the public keys. Or
 *    `dkg.ts`: the participants make both together, and no dealer ever knows the secret key.
 * 2. `signing.ts`, round one: each signer draws two nonces, keeps them, and sends their commitment.
 * 3. `signing.ts`, round two: each signer receives the message and all commitments, sends a signature
 *    share, and erases its nonces.
 * 4. `aggregate.ts`: the coordinator sums the shares and verifies the sum. If it is wrong, each share
 *    is checked, and the wrong ones are named.
 *
 * `reshare.ts` makes new shares of the same key, for other participants or another threshold.
 *
 * Two paths run through these steps. The secret path (dealing, polynomials, nonces, shares) is
 * `@noble/curves`' own FROST, behind `noble.ts`. The public path (the commitment list, `aggregate.ts`) is
 * Floe's: it reuses the group commitment of round two and verifies natively.
 *
 * Points from outside are validated once, when they arrive, by a native function (`points.ts`): before,
 * validation took most of the time. `edwards.ts` adds public points.
 *
 * Everything here is a function of its arguments. Randomness is a parameter. The caches (of validated
 * points and of the last verification key) change only how long a call takes.
 *
 * @example Three of five participants sign
 * ```ts
 * import { randomBytes } from "node:crypto";
 *
 * const random = (length: number) => new Uint8Array(randomBytes(length));
 * const options = { maxParticipants: 5, minParticipants: 3, randomBytes: random };
 * const { group, shares } = trustedDealerKeygen(options);
 *
 * // Round one: each signer keeps its nonces and sends the commitment.
 * const signers = shares.slice(0, 3).map((share) => ({ share, roundOne: commit(share, random) }));
 * const commitments = signers.map(({ roundOne }) => roundOne.commitment);
 * const session = { group, message: new TextEncoder().encode("hello"), commitments };
 *
 * // Round two: each signer sends its share of the signature, and its nonces are erased.
 * const signatureShares = new Map(
 *   signers.map((signer) => [signer.share.identifier, signShare(session, signer).signatureShare]),
 * );
 * const result = aggregate(session, { signatureShares });
 * if (result.kind === "cheaters") throw new Error(`wrong shares from ${result.identifiers}`);
 * const isValid = verifySignature(group.groupPublicKey, session.message, result.signature);
 * if (!isValid) throw new Error("the signature is an ordinary Ed25519 signature");
 * ```
 *
 * @module
 */

export { encodePublicKeyInfo, type KeyKind, toPrivateKey, toPublicKey } from "../native_key.ts";
export {
  aggregate,
  type AggregateResult,
  type Aggregation,
  verifySignature,
  verifySignatureShare,
} from "./aggregate.ts";
export { ELEMENT_BYTES, SIGNATURE_BYTES } from "./ciphersuite.ts";
export {
  beginKeyGeneration,
  type CheckedShare,
  checkPairwiseShare,
  combineShares,
  dealShares,
  type DkgBeginning,
  type DkgContributions,
  erasePolynomial,
  type PairwiseShare,
} from "./dkg.ts";
export {
  type CheckedCommitment,
  checkPolynomialCommitment,
  type DkgParameters,
  hashPolynomialCommitment,
  type PolynomialCommitment,
} from "./dkg_commitment.ts";
export { FrostError, type FrostRefusal } from "./error.ts";
export {
  checkCommitmentList,
  checkNonceCommitment,
  type NonceCommitment,
  type SigningSession,
} from "./signing.ts";
export {
  checkGroupPublicKeys,
  checkSecretShare,
  type Dealing,
  type DealingOptions,
  type GroupPublicKeys,
  type SecretShare,
  trustedDealerKeygen,
} from "./keys.ts";
export { checkEd25519Key, PrimeOrderPoint } from "./points.ts";
export { IDENTIFIER_MAX, type RandomBytes } from "./noble.ts";
export { type SecretPolynomial } from "./polynomial.ts";
export {
  type CheckedReshareCommitment,
  type CheckedSubShare,
  checkReshareCommitment,
  checkReshareParameters,
  checkSubShare,
  combineSubShares,
  dealReshare,
  type ReshareCommitment,
  type ReshareContributions,
  type ReshareDeal,
  type ReshareParameters,
  type SubShare,
  toResharedGroup,
} from "./reshare.ts";
export {
  commit,
  eraseNonces,
  isErased,
  type RoundOne,
  type RoundTwo,
  type Signer,
  type SigningNonces,
  signShare,
} from "./signing.ts";
