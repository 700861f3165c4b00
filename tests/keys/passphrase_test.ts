import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import {
  isReadOnlyOfRoot,
  Passphrase,
  PASSPHRASE_BYTES_MAX,
  PASSPHRASE_BYTES_MIN,
  readPassphraseFile,
  SALT_BYTES,
  SCRYPT_LOG_N,
  SCRYPT_LOG_N_MAX,
} from "../../lib/keys/passphrase.ts";
import "../support/cheap_scrypt.ts";

const TEXT = "correct horse battery staple";

Deno.test("deriveKey() remembers few keys, and erases what it forgets", () => {
  using passphrase = new Passphrase(encodeUtf8(TEXT));
  const parameters = (byte: number) => ({
    logN: SCRYPT_LOG_N,
    salt: new Uint8Array(SALT_BYTES).fill(byte),
  });
  const first = passphrase.deriveKey(parameters(0));
  assert.equal(passphrase.deriveKey(parameters(0)), first);
  const others = [1, 2, 3].map((byte) => passphrase.deriveKey(parameters(byte)));
  assert.ok(first.some((byte) => byte !== 0));
  passphrase.deriveKey(parameters(4));
  assert.ok(first.every((byte) => byte === 0));
  for (const key of others) assert.ok(key.some((byte) => byte !== 0));
});

Deno.test("a passphrase is of use no more once it is erased, nor is any key of it", () => {
  const bytes = encodeUtf8(TEXT);
  const passphrase = new Passphrase(bytes);
  const key = passphrase.deriveKey(passphrase.ownParameters);
  passphrase[Symbol.dispose]();
  for (const secret of [bytes, key]) assert.ok(secret.every((byte) => byte === 0));
  assert.throws(() => passphrase.deriveKey(passphrase.ownParameters), InvariantError);
});

Deno.test("deriveKey() is never asked for a key that is too cheap or too dear", () => {
  using passphrase = new Passphrase(encodeUtf8(TEXT));
  const salt = new Uint8Array(SALT_BYTES);
  for (const logN of [0, SCRYPT_LOG_N - 1, SCRYPT_LOG_N_MAX + 1, NaN]) {
    assert.throws(() => passphrase.deriveKey({ logN, salt }), InvariantError);
  }
});

Deno.test("two passphrases of one text have different salts", () => {
  using one = new Passphrase(encodeUtf8(TEXT));
  using other = new Passphrase(encodeUtf8(TEXT));
  assert.notDeepEqual(one.ownParameters.salt, other.ownParameters.salt);
});

for (
  const [what, text, message] of [
    ["too short", "1234567", /it is below 8 bytes/],
    ["nothing", "", /it is below 8 bytes/],
    ["too long", "x".repeat(PASSPHRASE_BYTES_MAX + 1), /it is above 1024 bytes/],
    ["two lines", "first line\nsecond", /more than one line/],
    ["two lines of an old Mac", "first line\rsecond", /more than one line/],
    ["a NUL", "with a \0 within", /more than one line of text/],
  ] as const
) {
  Deno.test(`a passphrase that is ${what} is refused, without being quoted, and erased`, () => {
    const bytes = encodeUtf8(text);
    assert.throws(() => new Passphrase(bytes), (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, message);
      assert.ok(text === "" || !error.message.includes(text));
      return true;
    });
    assert.ok(bytes.every((byte) => byte === 0));
  });
}

Deno.test("a passphrase may be as short and as long as its limits say", () => {
  for (const length of [PASSPHRASE_BYTES_MIN, PASSPHRASE_BYTES_MAX]) {
    using passphrase = new Passphrase(new Uint8Array(length).fill(0x61));
    assert.equal(passphrase.ownParameters.salt.length, SALT_BYTES);
  }
});

Deno.test("a passphrase shows neither itself nor a key, whatever it is turned into", () => {
  using passphrase = new Passphrase(encodeUtf8(TEXT));
  const key = passphrase.deriveKey(passphrase.ownParameters);
  const shown = Deno.inspect(passphrase, { depth: 10, showHidden: true, iterableLimit: 1000 }) +
    JSON.stringify(passphrase) + String(passphrase);
  const forms = [encodeUtf8(TEXT), key].flatMap((secret) => [
    new TextDecoder().decode(secret),
    secret.toHex(),
    [...secret].slice(0, 4).join(", "),
  ]);
  for (const form of forms) assert.equal(shown.includes(form), false);
});

Deno.test("readPassphraseFile() reads a line, with or without its end", () => {
  withFile((path) => {
    using expected = new Passphrase(encodeUtf8(TEXT));
    const key = expected.deriveKey(expected.ownParameters);
    for (const end of ["", "\n", "\r\n"]) {
      Deno.writeTextFileSync(path, TEXT + end);
      using passphrase = readPassphraseFile(path);
      assert.deepEqual(passphrase.deriveKey(expected.ownParameters), key);
    }
  });
});

Deno.test("readPassphraseFile() follows a link, as those who mount secrets make them", () => {
  withFile((path) => {
    Deno.symlinkSync(path, `${path}.link`);
    readPassphraseFile(`${path}.link`)[Symbol.dispose]();
  });
});

for (const mode of [0o640, 0o604, 0o620, 0o644]) {
  Deno.test(`readPassphraseFile() refuses a file of mode ${mode.toString(8)}`, () => {
    withFile((path) => {
      Deno.chmodSync(path, mode);
      refuses(
        path,
        new RegExp(`other users can read it \\(mode ${mode.toString(8)}\\)\\. .*chmod 600`),
      );
    });
  });
}

for (
  const [what, text, message] of [
    ["nothing", "", /it is below 8 bytes/],
    ["an empty line", "\n", /it is below 8 bytes/],
    ["too little", "1234567\n", /it is below 8 bytes/],
    ["too much", "x".repeat(1025), /it is above 1024 bytes/],
    ["very much", "x".repeat(1_000_000), /it is above 1024 bytes/],
    ["two lines", `${TEXT}\n${TEXT}\n`, /more than one line/],
    ["an empty line more", `${TEXT}\n\n`, /more than one line/],
  ] as const
) {
  Deno.test(`readPassphraseFile() refuses a file with ${what} in it, without quoting it`, () => {
    withFile((path) => {
      Deno.writeTextFileSync(path, text);
      refuses(path, message);
    });
  });
}

Deno.test("readPassphraseFile() takes as much as a passphrase may be, with the end of its line", () => {
  withFile((path) => {
    Deno.writeTextFileSync(path, "x".repeat(1024) + "\r\n");
    readPassphraseFile(path)[Symbol.dispose]();
  });
});

Deno.test("readPassphraseFile() says that there is no file, and reads nothing else for one", () => {
  withFile((path) => {
    refuses(`${path}.none`, /there is no such file/);
    Deno.mkdirSync(`${path}.folder`, { mode: 0o700 });
    refuses(`${path}.folder`, /there is no such file/);
    new Deno.Command("mkfifo", { args: ["-m", "600", `${path}.pipe`] }).outputSync();
    refuses(`${path}.pipe`, /there is no such file/);
  });
});

function withFile(test: (path: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "floe-passphrase-" });
  try {
    const path = `${folder}/passphrase`;
    Deno.writeTextFileSync(path, `${TEXT}\n`, { mode: 0o600 });
    test(path);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function refuses(path: string, message: RegExp): void {
  assert.throws(() => readPassphraseFile(path), (error) => {
    assert.ok(error instanceof InputError, Deno.inspect(error));
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(`Cannot take a passphrase from ${path}: `));
    for (const secret of [TEXT, "1234567", "xxxx"]) {
      assert.ok(!Deno.inspect(error).includes(secret));
    }
    return true;
  });
}

Deno.test("readPassphraseFile() takes a container's secret from the private mount that is named, and from no other place", () => {
  const folder = Deno.makeTempDirSync({ prefix: "floe-mount-" });
  try {
    const [mount, elsewhere] = [`${folder}/mount`, `${folder}/elsewhere`];
    for (const place of [mount, elsewhere]) {
      Deno.mkdirSync(`${place}/..data`, { recursive: true });
      Deno.writeTextFileSync(`${place}/..data/passphrase`, "correct horse\n");
      Deno.chmodSync(`${place}/..data/passphrase`, 0o444);
      // As Kubernetes does it.
      Deno.symlinkSync("..data/passphrase", `${place}/passphrase`);
    }
    Deno.symlinkSync(`${elsewhere}/passphrase`, `${mount}/away`);
    const refused = /other users can read it \(mode 444\).*FLOE_PRIVATE_MOUNT/;
    assert.throws(() => readPassphraseFile(`${mount}/passphrase`), refused);
    assert.throws(() => readPassphraseFile(`${elsewhere}/passphrase`, mount), refused);
    assert.throws(() => readPassphraseFile(`${mount}/away`, mount), refused);
    assert.throws(() => readPassphraseFile(`${mount}/passphrase`, `${folder}/mou`), refused);
    const { uid } = Deno.statSync(mount);
    const read = () => readPassphraseFile(`${mount}/passphrase`, mount)[Symbol.dispose]();
    if (uid === 0) read();
    else {assert.throws(
        read,
        new RegExp(`mode 444, user ${uid}: in a private mount, root must own it`),
      );}
    Deno.chmodSync(`${mount}/..data/passphrase`, 0o664);
    assert.throws(read, /mode 664, user [0-9]+: in a private mount, root must own it/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("isReadOnlyOfRoot() takes what root alone can write", () => {
  for (const mode of [0o444, 0o644, 0o440, 0o400]) {
    assert.equal(isReadOnlyOfRoot({ uid: 0, mode: 0o100000 | mode }), true);
    assert.equal(isReadOnlyOfRoot({ uid: 1000, mode: 0o100000 | mode }), false);
  }
  for (const mode of [0o664, 0o646, 0o666]) assert.equal(isReadOnlyOfRoot({ uid: 0, mode }), false);
  assert.equal(isReadOnlyOfRoot({ uid: null, mode: null }), false);
});
