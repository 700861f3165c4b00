/**
 * Asserting refusals.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CertificateError, type CertificateRefusal } from "../../lib/certificate/certifier.ts";
import type { NodeId } from "../../lib/types.ts";

/** Asserts that something is refused by this rule, and returns who was named. */
export function assertRefused(refusal: CertificateRefusal, act: () => unknown): NodeId | null {
  try {
    act();
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    assert.equal(error.refusal, refusal, error.message);
    return error.voter;
  }
  assert.fail(`nothing was refused, ${refusal} was expected`);
}
