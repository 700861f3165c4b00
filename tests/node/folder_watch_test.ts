import assert from "node:assert/strict";
import { EnvironmentError } from "../../lib/errors.ts";
import { FolderWatch } from "../../lib/node/folder_watch.ts";

const FILES = { same: ["raft"], there: ["kv"] };

Deno.test("a folder that stays as it is, or is written to, has not changed", () => {
  withFolder((folder) => {
    const watch = new FolderWatch(folder, FILES);
    Deno.writeTextFileSync(`${folder}/raft`, "more", { append: true });
    Deno.writeTextFileSync(`${folder}/another`, "");
    assert.equal(watch.look(), null);
    // As an installed snapshot takes the place of what was there.
    Deno.renameSync(`${folder}/another`, `${folder}/kv`);
    assert.equal(watch.look(), null);
  });
});

for (
  const [what, change, message] of [
    ["removed", (folder) => Deno.removeSync(folder, { recursive: true }), /node was removed/],
    ["moved away", (folder) => Deno.renameSync(folder, `${folder}.old`), /node was removed/],
    ["put in another's place", (folder) => {
      Deno.renameSync(folder, `${folder}.old`);
      Deno.mkdirSync(folder);
      for (const name of ["raft", "kv"]) {
        Deno.copyFileSync(`${folder}.old/${name}`, `${folder}/${name}`);
      }
    }, /node was replaced/],
    ["emptied", (folder) => {
      for (const name of ["raft", "kv"]) Deno.removeSync(`${folder}/${name}`);
    }, /node\/raft was removed/],
    ["one of another log", (folder) => {
      Deno.writeTextFileSync(`${folder}/other`, "");
      Deno.renameSync(`${folder}/other`, `${folder}/raft`);
    }, /node\/raft was replaced/],
    ["without its data", (folder) => Deno.removeSync(`${folder}/kv`), /node\/kv was removed/],
  ] as const satisfies readonly (readonly [string, (folder: string) => void, RegExp])[]
) {
  Deno.test(`a folder that is ${what} while the node runs is noticed`, () => {
    withFolder((folder) => {
      const watch = new FolderWatch(folder, FILES);
      change(folder);
      const error = watch.look();
      assert.ok(error instanceof EnvironmentError);
      assert.match(error.message, message);
      assert.match(error.message, /while the node ran.* do not start the node with an older copy/);
    });
  });
}

Deno.test("start() reports a change once, and looks no more afterwards", async () => {
  await withFolderAsync(async (folder) => {
    const watch = new FolderWatch(folder, FILES);
    const errors: EnvironmentError[] = [];
    const changed = Promise.withResolvers<void>();
    watch.start((error) => {
      errors.push(error);
      changed.resolve();
    }, 1);
    Deno.removeSync(`${folder}/raft`);
    await changed.promise;
    assert.equal(errors.length, 1);
    // A timer that still ran would be a leak, which the test runner reports.
  });
});

function withFolder(test: (folder: string) => void): void {
  const root = Deno.makeTempDirSync();
  try {
    test(makeFolder(root));
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

async function withFolderAsync(test: (folder: string) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync();
  try {
    await test(makeFolder(root));
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

function makeFolder(root: string): string {
  const folder = `${root}/node`;
  Deno.mkdirSync(folder);
  for (const name of ["raft", "kv"]) Deno.writeTextFileSync(`${folder}/${name}`, name);
  return folder;
}
