import assert from "node:assert/strict";
import process from "node:process";
import { EnvironmentError } from "../../lib/errors.ts";
import { readIdentity } from "../../lib/keys/identity.ts";
import { lockDataFolder } from "../../lib/keys/private_file.ts";
import { openKeyValueStore } from "../../lib/storage/key_value_store.ts";
import { nodeIn } from "./support.ts";

/** Only root can make a file of another user; elsewhere these tests skip themselves, visibly. */
const ignore = process.geteuid?.() !== 0;
const NOBODY = 65_534;

interface Case {
  readonly what: string;
  /** What stays root's while all else is the other user's. */
  readonly roots: string;
  readonly use: (dataDir: string) => void;
}

const cases: readonly Case[] = [
  { what: "a folder", roots: ".", use: (dataDir) => lockDataFolder(dataDir) },
  { what: "an identity", roots: "identity.json", use: readAlphas },
  { what: "a guard", roots: "kv.db.guard", use: openStore },
  { what: "a database", roots: "kv.db", use: openStore },
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
        openStore(dataDir);
        Deno.writeTextFileSync(`${dataDir}/identity.json`, "{}", { mode: 0o600 });
        giveAway(dataDir, roots);
        assert.throws(() => asNobody(() => use(dataDir)), (error) => {
          assert.ok(error instanceof EnvironmentError);
          const path = roots === "." ? dataDir : `${dataDir}/${roots}`;
          assert.ok(error.message.includes(`${path} belongs to another user (uid 0). Run Floe as`));
          assert.doesNotMatch(error.message, /disk works|free space/);
          return true;
        });
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
    },
  });
}

function openStore(dataDir: string): void {
  openKeyValueStore(nodeIn(dataDir)).close();
}

function readAlphas(dataDir: string): void {
  readIdentity({ dataDir, self: nodeIn(dataDir).node, passphrase: null });
}

function giveAway(dataDir: string, except: string): void {
  for (const name of [".", ...[...Deno.readDirSync(dataDir)].map(({ name }) => name)]) {
    if (name !== except) Deno.chownSync(`${dataDir}/${name}`, NOBODY, NOBODY);
  }
}

/** Runs `work` as a user without rights. Without `await`: the whole process is that user meanwhile. */
function asNobody(work: () => void): void {
  process.seteuid?.(NOBODY);
  try {
    work();
  } finally {
    process.seteuid?.(0);
  }
}
