import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";
import { readPassphraseFile } from "../../lib/keys/passphrase_file.ts";

const TEXT = "correct horse battery staple";

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
