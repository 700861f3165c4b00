/**
 * FROST(Ed25519, SHA-512), RFC 9591: t of n participants make one ordinary Ed25519 signature, and
 * the group's secret key exists nowhere. Knows nothing of Raft.
 *
 * @module
 */

export {
  aggregate,
  type AggregateResult,
  type Aggregation,
  verifySignatureShare,
} from "./aggregate.ts";
export { ELEMENT_BYTES, SCALAR_BYTES, SIGNATURE_BYTES } from "./ciphersuite.ts";
export { FrostError, type FrostRefusal } from "./error.ts";
export {
  checkCommitmentList,
  checkNonceCommitment,
  type NonceCommitment,
  type SigningSession,
} from "./group_commitment.ts";
export {
  checkGroupPublicKeys,
  checkSecretShare,
  type Dealing,
  type DealingOptions,
  type GroupPublicKeys,
  type SecretShare,
  trustedDealerKeygen,
} from "./keys.ts";
export { encodePublicKeyInfo, type KeyKind, toPrivateKey, toPublicKey } from "./native_key.ts";
export { checkPublicKey, type PrimeOrderPoint as GroupElement } from "./points.ts";
export { commit, eraseNonces, isErased, type RoundOne, type SigningNonces } from "./round_one.ts";
export { type RoundTwo, type Signer, signShare } from "./round_two.ts";
export { IDENTIFIER_MAX, type RandomBytes } from "./secret_path.ts";
export { verifySignature } from "./verify.ts";
