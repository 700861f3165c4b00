/**
 * The error for everything that a certifier refuses.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import type { NodeId } from "../types.ts";
import type { CertificateRefusal } from "./certifier.ts";

/** A certificate, a commitment or a signing request is refused. */
export class CertificateError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "CertificateError";
  /** Which rule refused it. */
  readonly refusal: CertificateRefusal;
  /** The voter at fault, where one can be named. */
  readonly voter: NodeId | null;

  /** `message` says what was refused, the value and what was expected. */
  constructor(
    refusal: CertificateRefusal,
    message: string,
    options: { readonly voter?: NodeId; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.refusal = refusal;
    this.voter = options.voter ?? null;
  }
}
