import assert from "node:assert/strict";
import { KeyFileError } from "../../lib/keys/key_file.ts";
import { listSecretFiles, openSecretFiles } from "../../lib/keys/secret_files.ts";

/** What a damaged file of each kind is answered with: no two have the same way back. */
const WAYS_BACK = [
  ["identity.json", /Move it and share\.json away, .*floe keys restore.*make a new identity/],
  ["share.json", /Move it and identity\.json away, .*floe keys restore.*new keys for the whole/],
  [
    "keygen.json",
    /this node has its share\.json, delete this file alone\. To start over, stop every/,
  ],
] as const;

for (const [name, wayBack] of WAYS_BACK) {
  for (
    const [damage, text] of [
      ["is not JSON", "{"],
      ["does not say whose it is", "{}"],
      ["has fields missing", '{"node":"server_1","cluster":"test"}'],
      ["is encrypted, and damaged", '{"ciphertext":""}'],
    ] as const
  ) {
    Deno.test(`openSecretFiles() says the way back from a ${name} that ${damage}`, () => {
      withFile(name, text, (dataDir) => {
        assert.deepEqual(listSecretFiles(dataDir), [`${dataDir}/${name}`]);
        assert.throws(
          () => openSecretFiles(dataDir, []),
          (error) => error instanceof KeyFileError && wayBack.test(error.message),
        );
      });
    });
  }
}

Deno.test("openSecretFiles() tells of no backup for a key generation's record: none has it", () => {
  withFile("keygen.json", "{", (dataDir) => {
    assert.throws(() => openSecretFiles(dataDir, []), (error) => {
      assert.ok(error instanceof KeyFileError);
      assert.doesNotMatch(error.message, /backup|restore/);
      return true;
    });
  });
});

function withFile(name: string, text: string, check: (dataDir: string) => void): void {
  const dataDir = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${dataDir}/${name}`, text, { mode: 0o600 });
    check(dataDir);
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
}
