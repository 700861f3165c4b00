/**
 * The digest by which the nodes know a token's secret. Not exported by `wire.ts`: to load Node's cryptography takes
 * longer than all schemas together.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** SHA-256 of a secret, 32 bytes. A node keeps only this digest. */
export function digestSecret(secret: Uint8Array): Uint8Array {
  return createHash("sha256").update(secret).digest();
}
