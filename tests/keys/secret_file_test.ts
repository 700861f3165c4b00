import assert from "node:assert/strict";
import { z } from "zod";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { KEY_FILE_BYTES_MAX, KeyFileError } from "../../lib/keys/key_file.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";
import {
  isEncrypted,
  readSecretFile,
  type SecretFile,
  writeSecretFile,
} from "../../lib/keys/secret_file.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import "../support/cheap_scrypt.ts";

const SECRET = "5ec2e75ec2e75ec2e7";
const schema = z.strictObject({ secret: z.string().regex(/^[0-9a-f]+$/) });
const remedies = {
  ifMissing: "Make one.",
  ifDamaged: "Restore it from a backup.",
  ifKnown: "make another",
};

/** One for all tests, so that its key is made once. */
const passphrase = new Passphrase(encodeUtf8("correct horse battery staple"));
const another = new Passphrase(encodeUtf8("incorrect horse"));

for (const given of [null, passphrase]) {
  const kind = given === null ? "a plain" : "an encrypted";

  Deno.test(`readSecretFile() reads what writeSecretFile() wrote as ${kind} file`, () => {
    withFile(given, (file) => {
      assert.deepEqual(read(file), { secret: SECRET });
      assert.equal(isEncrypted(file.path), given !== null);
      assert.equal(Deno.readTextFileSync(file.path).includes(SECRET), given === null);
    });
  });

  Deno.test(`writeSecretFile() lets nobody else read ${kind} file or enter its folder`, () => {
    withFile(given, (file, folder) => {
      assert.equal((Deno.statSync(file.path).mode ?? 0) & 0o777, 0o600);
      assert.equal((Deno.statSync(folder).mode ?? 0) & 0o777, 0o700);
      writeSecretFile(file, { secret: "00" });
      assert.deepEqual(read(file), { secret: "00" });
      assert.equal((Deno.statSync(file.path).mode ?? 0) & 0o777, 0o600);
      assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["file.json"]);
    });
  });

  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666]) {
    Deno.test(`readSecretFile() refuses ${kind} file of mode ${mode.toString(8)}`, () => {
      withFile(given, (file) => {
        Deno.chmodSync(file.path, mode);
        refuses(
          file,
          new RegExp(
            `other users can read it \\(mode ${mode.toString(8)}\\)\\. ` +
              `If none did, run chmod 600 ${file.path}; else make another\\.$`,
          ),
        );
        Deno.chmodSync(file.path, 0o400);
        assert.deepEqual(read(file), { secret: SECRET });
      });
    });
  }

  for (const mode of [0o750, 0o705, 0o720, 0o701, 0o777]) {
    Deno.test(`${kind} file is neither read nor written in a folder of mode ${mode.toString(8)}`, () => {
      withFile(given, (file, folder) => {
        Deno.chmodSync(folder, mode);
        const message = new RegExp(
          `other users can enter its folder \\(mode ${mode.toString(8)}\\)\\. ` +
            `Run chmod 700 ${folder}, and check`,
        );
        refuses(file, message);
        assert.throws(() => writeSecretFile(file, { secret: "00" }), refusal(message));
        Deno.chmodSync(folder, 0o700);
        assert.deepEqual(read(file), { secret: SECRET });
      });
    });
  }

  Deno.test(`readSecretFile() refuses ${kind} file that is not JSON, without quoting it`, () => {
    withFile(given, (file) => {
      const text = Deno.readTextFileSync(file.path);
      for (const wrong of ["", text.slice(1), text.slice(0, -3), `${text},`, "\xff"]) {
        Deno.writeTextFileSync(file.path, wrong);
        refuses(
          file,
          /file\.json: not JSON at line [0-9]+, column [0-9]+\. Restore it from a backup\.$/,
        );
      }
      Deno.writeFileSync(file.path, Uint8Array.of(0x22, 0xff, 0x22));
      refuses(file, /file\.json: not JSON/);
    });
  });

  Deno.test(`readSecretFile() refuses ${kind} file whose content is not what it should be`, () => {
    withFile(given, (file) => {
      for (const content of [{}, { secret: 7 }, { secret: `${SECRET}x` }]) {
        writeSecretFile(file, content);
        refuses(file, /file\.json: damaged at secret\. Restore/);
      }
      writeSecretFile(file, { secret: SECRET, extra: SECRET });
      refuses(file, /file\.json: damaged at the top level\. Restore/);
    });
  });
}

Deno.test("readSecretFile() says what to do where there is no file", () => {
  withFile(null, (file, folder) => {
    refuses({ ...file, path: `${folder}/none` }, /none: no such file\. Make one\.$/);
    refuses({ ...file, path: `${folder}/none/none` }, /none: no such file\. Make one\.$/);
    assert.equal(isEncrypted(`${folder}/none`), false);
  });
});

Deno.test("readSecretFile() does not follow a symbolic link, nor read what is no file", () => {
  withFile(null, (file, folder) => {
    Deno.symlinkSync(file.path, `${folder}/link`);
    refuses({ ...file, path: `${folder}/link` }, /symbolic link.*Put the file itself there/);
    Deno.symlinkSync(`${folder}/none`, `${folder}/dangling`);
    refuses({ ...file, path: `${folder}/dangling` }, /symbolic link/);
    Deno.mkdirSync(`${folder}/folder`);
    refuses({ ...file, path: `${folder}/folder` }, /it is not a file/);
    // Opened, a pipe would wait for its writer for ever.
    new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).outputSync();
    refuses({ ...file, path: `${folder}/pipe` }, /it is not a file/);
    for (const name of ["link", "dangling", "folder", "pipe"]) {
      assert.equal(isEncrypted(`${folder}/${name}`), false);
    }
  });
});

Deno.test("readSecretFile() reads no more than a key file can hold", () => {
  withFile(null, (file) => {
    using opened = Deno.openSync(file.path, { write: true });
    opened.truncateSync(KEY_FILE_BYTES_MAX + 1);
    refuses(file, new RegExp(`it holds more than ${KEY_FILE_BYTES_MAX} bytes`));
  });
});

Deno.test("readSecretFile() tells an environment that fails from a file that is bad", () => {
  withFile(null, (file, folder) => {
    const name = "x".repeat(300);
    assert.throws(() => read({ ...file, path: `${folder}/${name}` }), EnvironmentError);
  });
});

Deno.test("readSecretFile() refuses an encrypted file without a passphrase, and says how", () => {
  withFile(passphrase, (file) => {
    refuses(
      { ...file, passphrase: null },
      /it is encrypted, and no passphrase was given\. .*FLOE_PASSPHRASE_FILE, or .* in a terminal/,
    );
  });
});

Deno.test("readSecretFile() refuses a plain file when there is a passphrase", () => {
  withFile(null, (file) => {
    refuses(
      { ...file, passphrase },
      /it is not encrypted, but a passphrase was given\. Run floe keys passphrase/,
    );
  });
});

Deno.test("readSecretFile() says that a passphrase may be wrong, or the file changed", () => {
  withFile(passphrase, (file) => {
    const message =
      /cannot be decrypted: either the passphrase is wrong, or the file was changed\. Check the passphrase first\. Restore/;
    refuses({ ...file, passphrase: another }, message);
    const json = JSON.parse(Deno.readTextFileSync(file.path));
    const [first = "", ...rest] = json.ciphertext;
    const changed = { ...json, ciphertext: [first === "A" ? "B" : "A", ...rest].join("") };
    Deno.writeTextFileSync(file.path, JSON.stringify(changed));
    refuses(file, message);
  });
});

Deno.test("readSecretFile() refuses a file that was put in another's place", () => {
  withFile(passphrase, (file) => {
    refuses(
      { ...file, purpose: "identity" },
      /it is a file of the kind "share", not "identity"\. Put every file back/,
    );
    refuses({ ...file, node: toNodeId("beta") }, /it is of another node: alpha, not beta/);
    refuses(
      { ...file, cluster: toClusterName("other") },
      /it is of another cluster: demo, not other/,
    );
    refuses({ ...file, cluster: null }, /it is of another cluster: demo, not none/);
  });
});

Deno.test("readSecretFile() is not deceived by a label that was changed", () => {
  withFile(passphrase, (file) => {
    const text = Deno.readTextFileSync(file.path);
    for (
      const [field, value] of [["purpose", "identity"], ["cluster", null], [
        "node",
        "beta",
      ]] as const
    ) {
      Deno.writeTextFileSync(file.path, JSON.stringify({ ...JSON.parse(text), [field]: value }));
      const deceived = { ...file, purpose: "identity", cluster: null, node: toNodeId("beta") };
      refuses({ ...file, [field]: deceived[field] }, /cannot be decrypted/);
    }
  });
});

Deno.test("readSecretFile() spends nothing on a file that asks for a key that is too dear", () => {
  withFile(passphrase, (file) => {
    const json = JSON.parse(Deno.readTextFileSync(file.path));
    for (const logN of [10, 16, 21, 40]) {
      const asking = { ...json, scrypt: { ...json.scrypt, logN } };
      Deno.writeTextFileSync(file.path, JSON.stringify(asking));
      refuses(file, /file\.json: damaged at scrypt\.logN\. Restore/);
    }
  });
});

function withFile(
  given: Passphrase | null,
  test: (file: SecretFile, folder: string) => void,
): void {
  const parent = Deno.makeTempDirSync({ prefix: "floe-secret-" });
  const folder = `${parent}/node`;
  const file: SecretFile = {
    path: `${folder}/file.json`,
    purpose: "share",
    cluster: toClusterName("demo"),
    node: toNodeId("alpha"),
    passphrase: given,
  };
  try {
    writeSecretFile(file, { secret: SECRET });
    test(file, folder);
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
}

function read(file: SecretFile): { readonly secret: string } {
  return readSecretFile(file, { schema, remedies });
}

function refuses(file: SecretFile, message: RegExp): void {
  assert.throws(() => read(file), refusal(message));
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof KeyFileError, Deno.inspect(error));
    assert.match(error.message, message);
    assert.equal(Deno.inspect(error).includes(SECRET), false, "the error quotes the secret");
    return true;
  };
}
