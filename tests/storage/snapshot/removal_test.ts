import assert from "node:assert/strict";
import { join } from "node:path";
import { EnvironmentError } from "../../../lib/errors.ts";
import { Removal } from "../../../lib/storage/snapshot/incoming.ts";
import { SnapshotPaths } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { withFolder } from "../support.ts";

function withRemoval(
  work: (parts: { removal: Removal; folder: string; path: string }) => Promise<void> | void,
): Promise<void> {
  return withFolder((options) => {
    const paths = new SnapshotPaths(options.folder);
    Deno.mkdirSync(paths.folder);
    const removal = new Removal(paths);
    return work({ removal, folder: paths.folder, path: join(paths.folder, "large") });
  });
}

Deno.test("Removal frees a file's name at once, and removes the file by its end", () =>
  withRemoval(async ({ removal, folder, path }) => {
    for (const text of ["first", "second"]) {
      Deno.writeTextFileSync(path, text);
      removal.remove(path);
    }
    Deno.writeTextFileSync(path, "third");
    await removal.close();
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["large"]);
    assert.equal(Deno.readTextFileSync(path), "third");
  }));

Deno.test("Removal has nothing to do where there is no file", () =>
  withRemoval(({ removal, path }) => removal.remove(path)));

Deno.test("Removal says what it cannot remove", () =>
  withRemoval(({ removal, path }) => {
    Deno.writeTextFileSync(path, "not a folder");
    assert.throws(() => removal.remove(join(path, "inside")), EnvironmentError);
  }));
