import { scrypt } from "@noble/hashes/scrypt.js";
import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";

const TEXT = "correct horse battery staple";

// The one test of a passphrase that waits for scrypt: the others have `cheap_scrypt.ts`.
Deno.test("deriveKey() is scrypt with the parameters that it says, by another's account", () => {
  using passphrase = new Passphrase(encodeUtf8(TEXT));
  const { logN, salt } = passphrase.ownParameters;
  assert.equal(logN, 17);
  const expected = scrypt(encodeUtf8(TEXT), salt, { N: 2 ** 17, r: 8, p: 1, dkLen: 32 });
  assert.deepEqual(passphrase.deriveKey({ logN, salt }), expected);
});
