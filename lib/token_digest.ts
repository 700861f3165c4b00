/**
 * The digest by which the nodes know a token's secret. It is not in `request.ts`, because loading Node's
 * cryptography takes longer than loading all schemas.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** SHA-256 of a secret, 32 bytes. A node keeps only this digest. */
export function digestSecret(secret: Uint8Array): Uint8Array {
  return createHash("sha256").update(secret).digest();
}
