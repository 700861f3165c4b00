import assert from "node:assert/strict";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { openTableFile } from "../../lib/storage/tables/table_file.ts";
import type { Use } from "./owner_child.ts";
import { nodeIn } from "./support.ts";

const CHILD = fileURLToPath(new URL("owner_child.ts", import.meta.url));

/** Only root can make a file of another user; elsewhere these tests skip themselves, visibly. */
const ignore = process.geteuid?.() !== 0;
const NOBODY = 65_534;

interface Case {
  readonly what: string;
  /** What stays root's while all else is the other user's. */
  readonly roots: string;
  readonly use: Use;
}

const cases: readonly Case[] = [
  { what: "a folder", roots: ".", use: "lock" },
  { what: "an identity", roots: "identity.json", use: "readIdentity" },
  { what: "a guard", roots: "kv.db.guard", use: "openStore" },
  { what: "a database", roots: "kv.db", use: "openStore" },
];

for (const { what, roots, use } of cases) {
  Deno.test({
    name: `${what} of another user is reported as that, and not as a disk that fails`,
    ignore,
    fn() {
      const root = Deno.makeTempDirSync();
      const dataDir = `${root}/node`;
      try {
        Deno.chmodSync(root, 0o755);
        Deno.mkdirSync(dataDir, { mode: 0o700 });
        openTableFile(nodeIn(dataDir)).close();
        Deno.writeTextFileSync(`${dataDir}/identity.json`, "{}", { mode: 0o600 });
        giveAway(dataDir, roots);
        const path = roots === "." ? dataDir : `${dataDir}/${roots}`;
        const error = errorOfNobody(use, dataDir);
        assert.match(error, /^EnvironmentError: /);
        assert.ok(error.includes(`${path} belongs to another user (uid 0). Run Floe as`), error);
        assert.doesNotMatch(error, /disk works|free space/);
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
    },
  });
}

function giveAway(dataDir: string, except: string): void {
  for (const name of [".", ...[...Deno.readDirSync(dataDir)].map(({ name }) => name)]) {
    if (name !== except) Deno.chownSync(`${dataDir}/${name}`, NOBODY, NOBODY);
  }
}

/** What a user without rights gets. */
function errorOfNobody(use: Use, dataDir: string): string {
  const { stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CHILD, use, dataDir, `${NOBODY}`],
  }).outputSync();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(decode(stderr), "");
  return decode(stdout);
}
