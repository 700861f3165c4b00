import { deepEqual, equal, match, notEqual, throws } from "node:assert/strict";
import { removeAdminToken, writeAdminToken } from "../../lib/cli/serve/served_api.ts";
import { ADMIN_TOKEN_FILE } from "../../lib/cli/token_source.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { digestSecret } from "../../lib/token_digest.ts";
import { toNodeId } from "../../lib/types.ts";
import { parseToken } from "../../lib/wire/mod.ts";

const NODE = toNodeId("server_1");

function inFolder(work: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "floe-token-" });
  try {
    work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("writeAdminToken() writes a token for its owner alone, and returns what it is known by", () =>
  inFolder((folder) => {
    const file = `${folder}/${ADMIN_TOKEN_FILE}`;
    const { node, secretDigest } = writeAdminToken(folder, NODE);
    equal(node, NODE);
    equal((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
    const text = Deno.readTextFileSync(file);
    match(text, /^floe_admin\.server_1_[A-Za-z0-9_-]{43}\n$/);
    const { holder, secret } = parseToken(text.trim());
    deepEqual(holder, { kind: "admin", node: NODE });
    deepEqual(digestSecret(secret), secretDigest);
    writeAdminToken(folder, NODE);
    notEqual(Deno.readTextFileSync(file), text);
    deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), [ADMIN_TOKEN_FILE]);
  }));

Deno.test("removeAdminToken() removes it, and minds no folder without one", () =>
  inFolder((folder) => {
    writeAdminToken(folder, NODE);
    removeAdminToken(folder);
    removeAdminToken(folder);
    deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("writeAdminToken() says so when the folder does not let it", () => {
  throws(() => writeAdminToken("/nowhere", NODE), EnvironmentError);
});
