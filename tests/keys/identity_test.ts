import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { verifySignature } from "../../lib/frost/mod.ts";
import {
  checkPinned,
  hasIdentity,
  openOrCreateIdentity,
  readIdentity,
} from "../../lib/keys/identity.ts";
import { KeyFileError, type KeyFolder } from "../../lib/keys/key_file.ts";
import { toNodeId } from "../../lib/types.ts";
import "../support/cheap_scrypt.ts";

const SELF = toNodeId("alpha");

Deno.test("openOrCreateIdentity() makes an identity once, for its owner alone", () => {
  withFolder((folder) => {
    assert.equal(hasIdentity(folder), false);
    const made = openOrCreateIdentity(place(folder));
    assert.equal(hasIdentity(folder), true);
    const opened = openOrCreateIdentity(place(folder));
    assert.deepEqual(opened.keys, made.keys);
    assert.deepEqual(readIdentity(place(folder)).keys, made.keys);
    assert.equal((Deno.statSync(`${folder}/identity.json`).mode ?? 0) & 0o777, 0o600);
    assert.equal((Deno.statSync(folder).mode ?? 0) & 0o777, 0o700);
    assert.deepEqual([...Deno.readDirSync(folder)].length, 1);
  });
});

Deno.test("an identity's private keys are those behind its public ones", () => {
  withFolder((folder) => {
    const { keys, signingKey, channelKeys } = openOrCreateIdentity(place(folder));
    const message = encodeUtf8("message");
    const signature = new Uint8Array(sign(null, message, signingKey));
    assert.ok(verifySignature(keys.signingKey, message, signature));
    assert.deepEqual(channelKeys.publicKey, keys.channelKey);
  });
});

Deno.test("two identities have no key in common", () => {
  withFolder((folder) => {
    const [one, other] = [
      openOrCreateIdentity(place(folder)),
      openOrCreateIdentity(place(`${folder}/b`)),
    ];
    assert.notDeepEqual(one.keys.signingKey, other.keys.signingKey);
    assert.notDeepEqual(one.keys.channelKey, other.keys.channelKey);
  });
});

Deno.test("readIdentity() says how to get one where there is none", () => {
  withFolder((folder) => {
    refuses(
      folder,
      /identity\.json: no such file\. .* restore its identity .*: floe keygen --id ID --peer/,
    );
  });
});

Deno.test("readIdentity() refuses an identity that other users can read", () => {
  for (const mode of [0o640, 0o604, 0o660]) {
    withIdentity((folder) => {
      Deno.chmodSync(`${folder}/identity.json`, mode);
      refuses(folder, new RegExp(`mode ${mode.toString(8)}.*chmod 600 .*delete it and make a new`));
    });
  }
});

Deno.test("readIdentity() refuses another node's identity", () => {
  withIdentity((folder) => {
    edit(folder, (content) => ({ ...content, node: "beta" }));
    refuses(folder, /it is of another node: beta, not alpha/);
  });
});

for (const field of ["node", "signingKey", "channelKey", "signingSecret", "channelSecret"]) {
  Deno.test(`readIdentity() refuses an identity without ${field}, and quotes nothing of it`, () => {
    withIdentity((folder) => {
      edit(folder, ({ [field]: _, ...rest }) => rest);
      refuses(folder, new RegExp(`damaged at ${field}\\. .*restore both from a backup`));
    });
  });
}

Deno.test("readIdentity() refuses what is not JSON, and fields that it does not know", () => {
  withIdentity((folder) => {
    edit(folder, (content) => ({ ...content, extra: 1 }));
    refuses(folder, /damaged at the top level/);
    const file = `${folder}/identity.json`;
    Deno.writeTextFileSync(file, Deno.readTextFileSync(file).slice(1));
    refuses(folder, /not JSON/);
  });
});

for (const field of ["signingSecret", "channelSecret"]) {
  Deno.test(`readIdentity() refuses a ${field} that is not the one behind its public key`, () => {
    withIdentity((folder) => {
      edit(folder, (content) => ({ ...content, [field]: "5b".repeat(32) }));
      refuses(folder, /secret keys do not belong to its public ones/);
    });
  });
}

Deno.test("checkPinned() passes the pinned identity and names the key that is another", () => {
  withIdentity((folder) => {
    const identity = readIdentity(place(folder));
    checkPinned(folder, identity, identity.keys);
    for (const name of ["signingKey", "channelKey"]) {
      const pinned = { ...identity.keys, [name]: new Uint8Array(32).fill(1) };
      assert.throws(
        () => checkPinned(folder, identity, pinned),
        (error) =>
          error instanceof KeyFileError &&
          new RegExp(`its ${name} is [0-9a-f]{64}, but cluster.json says that alpha's is (01){32}`)
            .test(error.message),
      );
    }
  });
});

Deno.test("an identity shows no secret, whatever it is turned into", () => {
  withIdentity((folder, secrets) => {
    const identity = readIdentity(place(folder));
    const shown = Deno.inspect(identity, { depth: 10, showHidden: true }) +
      JSON.stringify(identity);
    for (const secret of secrets) assert.equal(shown.includes(secret), false);
  });
});

function place(dataDir: string): KeyFolder {
  return { dataDir, self: SELF, passphrase: null };
}

function withIdentity(test: (folder: string, secrets: readonly string[]) => void): void {
  withFolder((folder) => {
    openOrCreateIdentity(place(folder));
    test(folder, secretsIn(folder));
  });
}

function withFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "floe-identity-" });
  try {
    test(`${folder}/node`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function edit(
  folder: string,
  change: (content: Record<string, unknown>) => Record<string, unknown>,
): void {
  const file = `${folder}/identity.json`;
  const changed = change(JSON.parse(Deno.readTextFileSync(file)));
  Deno.writeTextFileSync(file, JSON.stringify(changed));
}

function secretsIn(folder: string): string[] {
  if (!hasIdentity(folder)) return [];
  const text = Deno.readTextFileSync(`${folder}/identity.json`);
  return [...text.matchAll(/Secret": ?"([0-9a-f]{64})"/g)].map(([, secret]) => secret ?? "");
}

function refuses(folder: string, message: RegExp): void {
  assert.throws(() => readIdentity(place(folder)), (error) => {
    assert.ok(error instanceof KeyFileError, `${error}`);
    assert.match(error.message, message);
    for (const secret of secretsIn(folder)) assert.ok(!Deno.inspect(error).includes(secret));
    return true;
  });
}
