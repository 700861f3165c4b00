/**
 * Imported by a test or a node's program, this puts a cheap function in the place of scrypt. A key then
 * still depends on passphrase, salt and cost, but takes no half second. The files look the same, so
 * both ends must use it. Real keys are made in `tests/keys/scrypt_test.ts`, `sealed_text_test.ts` beside
 * it, and `tests/e2e/key_generation_test.ts`.
 *
 * @module
 */

import nodeCrypto from "node:crypto";

const { scryptSync } = nodeCrypto;

/** N = 2, by far the least that scrypt takes; the cost goes into the salt, so it still counts. */
const cheap: typeof scryptSync = (passphrase, salt, length, options = {}) => {
  const { N = 0, r = 8, p = 1 } = options;
  const saltBytes = typeof salt === "string" || ArrayBuffer.isView(salt)
    ? salt
    : new Uint8Array(salt);
  const salted = nodeCrypto.createHash("sha256").update(saltBytes).update(`${N}`).digest();
  return scryptSync(passphrase, salted, length, { N: 2, r, p });
};

Object.assign(nodeCrypto, { scryptSync: cheap });
