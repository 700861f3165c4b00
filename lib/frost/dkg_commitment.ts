/**
 * The public side of key generation: the commitment that each participant broadcasts to its secret
 * polynomial, and what the others compute from it.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { concatBytes, equalBytes } from "../bytes.ts";
import { catching } from "../errors.ts";
import type { Brand } from "../types.ts";
import {
  deserializeScalar,
  ELEMENT_BYTES,
  HDKG,
  HReveal,
  serializeScalar,
  SIGNATURE_BYTES,
} from "./ciphersuite.ts";
import { FrostError } from "./error.ts";
import { PrimeOrderPoint } from "./points.ts";

const { Fn } = PrimeOrderPoint;

/** What all participants of one key generation must agree on beforehand. */
export interface DkgParameters {
  /** MIN_PARTICIPANTS, t: how many must sign, from 2 to `maxParticipants`. */
  readonly minParticipants: number;
  /** MAX_PARTICIPANTS, n: how many take part. Their identifiers are 1 to n. */
  readonly maxParticipants: number;
  /**
   * The context string of the FROST paper: any bytes, the same for all participants. It makes a proof of
   * one run useless in every other run. With an empty context, the proofs are those of frost-core and of
   * `@noble/curves`, which have no context.
   */
  readonly context: Uint8Array;
}

/** What a participant broadcasts in round one. Public. */
export interface PolynomialCommitment {
  /** The sender. */
  readonly identifier: number;
  /** C_i, the vss_commitment of RFC 9591 Appendix C.2: phi_i0 to phi_i(t-1), 32 bytes each. */
  readonly vssCommitment: readonly Uint8Array[];
  /** sigma_i: R_i (32 bytes), then mu_i (32 bytes). */
  readonly proofOfKnowledge: Uint8Array;
}

/**
 * A commitment that {@linkcode checkPolynomialCommitment} has accepted. Everything after round one takes
 * only checked commitments, so no caller can replace one by another. `@noble/curves` before 2.4.0 had that
 * flaw: its last round took the commitments from its caller again.
 */
export type CheckedCommitment = Brand<PolynomialCommitment, "CheckedCommitment">;

/**
 * The hash of a commitment, 64 bytes. It is sent before any commitment is revealed, so that no participant
 * can choose its polynomial after seeing another's. Floe's own step; the FROST paper does not have it.
 */
export function hashPolynomialCommitment(
  { context }: DkgParameters,
  commitment: PolynomialCommitment,
): Uint8Array<ArrayBuffer> {
  const { identifier, vssCommitment, proofOfKnowledge } = commitment;
  return HReveal(concatBytes(
    serializeScalar(BigInt(context.length)),
    context,
    serializeScalar(BigInt(identifier)),
    serializeScalar(BigInt(vssCommitment.length)),
    ...vssCommitment,
    proofOfKnowledge,
  ));
}

/**
 * Checks a revealed commitment against the hash that the participant sent before. Then checks its
 * content: t elements, each canonical, of prime order and not the identity, and a proof that the sender
 * knows the constant term. Returns a copy that shares no bytes with the argument.
 *
 * @throws {FrostError} `bad-identifier`, `wrong-commitment-length`, one of the element refusals,
 * `wrong-commitment-hash` or `bad-proof`, each naming the sender. FROST paper, Figure 1, round 1,
 * step 5.
 */
export function checkPolynomialCommitment(
  parameters: DkgParameters,
  commitment: PolynomialCommitment,
  hash: Uint8Array,
): CheckedCommitment {
  checkShape(parameters, commitment);
  const { identifier } = commitment;
  if (!equalBytes(hashPolynomialCommitment(parameters, commitment), hash)) {
    throw refused("wrong-commitment-hash", identifier, "it does not match the hash sent before");
  }
  for (const element of commitment.vssCommitment) checkElement(identifier, element);
  if (!verifiesProof(parameters, commitment)) {
    throw refused("bad-proof", identifier, "its proof of knowledge does not verify");
  }
  return copyOf(commitment) as CheckedCommitment;
}

/** c_i = HDKG(context || i || phi_i0 || R_i). FROST paper, Figure 1, round 1, step 2. */
export function proofChallenge(
  { context }: DkgParameters,
  proof: {
    readonly identifier: number;
    readonly vssCommitment: readonly Uint8Array[];
    readonly R: Uint8Array;
  },
): bigint {
  const { identifier, vssCommitment, R } = proof;
  const constant = assertDefined(vssCommitment[0], "A commitment to no coefficient");
  return HDKG(concatBytes(context, serializeScalar(BigInt(identifier)), constant, R));
}

/**
 * The public side of a polynomial's value: the sum of [x^j]phi_j for x = `identifier`. Horner's rule
 * needs only a few doublings for each coefficient, because identifiers are small. RFC 9591 Appendix C.2
 * (vss_verify).
 */
export function evaluateCommitment(
  vssCommitment: readonly PrimeOrderPoint[],
  identifier: number,
): PrimeOrderPoint {
  return vssCommitment.reduceRight(
    (value, coefficient) => multiplySmall(value, identifier).add(coefficient),
    PrimeOrderPoint.ZERO,
  );
}

/**
 * The commitment to the sum of all polynomials, whose value at 0 is the group key. FROST paper,
 * Figure 1, round 2, step 4.
 */
export function addCommitments(commitments: readonly CheckedCommitment[]): PrimeOrderPoint[] {
  const [first, ...others] = commitments.map(({ vssCommitment }) =>
    vssCommitment.map((element) => PrimeOrderPoint.fromBytes(element))
  );
  return others.reduce(
    (sums, next) =>
      sums.map((sum, at) =>
        sum.add(assertDefined(next[at], "the commitments have different lengths"))
      ),
    assertDefined(first, "there are no commitments"),
  );
}

function checkShape(
  { minParticipants, maxParticipants }: DkgParameters,
  { identifier, vssCommitment, proofOfKnowledge }: PolynomialCommitment,
): void {
  if (!Number.isInteger(identifier) || identifier < 1 || identifier > maxParticipants) {
    throw refused("bad-identifier", identifier, `it is not from 1 to ${maxParticipants}`);
  }
  if (vssCommitment.length !== minParticipants) {
    const why = `it has ${vssCommitment.length} elements, not ${minParticipants}`;
    throw refused("wrong-commitment-length", identifier, why);
  }
  if (proofOfKnowledge.length !== SIGNATURE_BYTES) {
    const why = `its proof has ${proofOfKnowledge.length} bytes, not ${SIGNATURE_BYTES}`;
    throw refused("bad-proof", identifier, why);
  }
}

function checkElement(identifier: number, element: Uint8Array): void {
  catching(FrostError, () => PrimeOrderPoint.fromBytes(element), (cause) => {
    throw new FrostError(cause.refusal, cause.message, { identifier, cause });
  });
}

/** R_i = [mu_i]B - [c_i]phi_i0. FROST paper, Figure 1, round 1, step 5. All values are public. */
function verifiesProof(parameters: DkgParameters, commitment: PolynomialCommitment): boolean {
  const { identifier, vssCommitment, proofOfKnowledge } = commitment;
  const R = proofOfKnowledge.subarray(0, ELEMENT_BYTES);
  const constant = assertDefined(vssCommitment[0], "A commitment to no coefficient");
  const challenge = proofChallenge(parameters, { identifier, vssCommitment, R });
  try {
    const mu = deserializeScalar(proofOfKnowledge.subarray(ELEMENT_BYTES));
    const expected = PrimeOrderPoint.sumOfProducts(
      [PrimeOrderPoint.BASE, PrimeOrderPoint.fromBytes(constant)],
      [mu, Fn.neg(challenge)],
    );
    return expected.equals(PrimeOrderPoint.fromBytes(R));
  } catch (error) {
    if (error instanceof FrostError) return false;
    throw error;
  }
}

/** [factor]point by doubling and adding, in variable time: for public values only. */
function multiplySmall(point: PrimeOrderPoint, factor: number): PrimeOrderPoint {
  let product = PrimeOrderPoint.ZERO;
  for (const bit of factor.toString(2)) {
    product = product.double();
    if (bit === "1") product = product.add(point);
  }
  return product;
}

function copyOf(commitment: PolynomialCommitment): PolynomialCommitment {
  const { identifier, vssCommitment, proofOfKnowledge } = commitment;
  return {
    identifier,
    vssCommitment: vssCommitment.map((element) => element.slice()),
    proofOfKnowledge: proofOfKnowledge.slice(),
  };
}

function refused(
  refusal: "bad-identifier" | "wrong-commitment-length" | "wrong-commitment-hash" | "bad-proof",
  identifier: number,
  why: string,
): FrostError {
  return new FrostError(
    refusal,
    `Cannot accept participant ${identifier}'s commitment: ${why}`,
    { identifier },
  );
}
