import assert from "node:assert/strict";
import { join } from "node:path";
import { createDataFolder, syncFolder } from "../../lib/storage/folder.ts";
import { withFolder } from "./support.ts";

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test("createDataFolder() makes the folder and those above it for this user only", () =>
  withFolder(({ folder }) => {
    createDataFolder(join(folder, "above", "node"));
    assert.equal(modeOf(join(folder, "above")), 0o700);
    assert.equal(modeOf(join(folder, "above", "node")), 0o700);
  }));

Deno.test("createDataFolder() leaves a folder that is there as it is", () =>
  withFolder(({ folder }) => {
    Deno.writeTextFileSync(join(folder, "share.json"), "{}");
    Deno.chmodSync(folder, 0o750);
    createDataFolder(folder);
    assert.equal(modeOf(folder), 0o750);
    assert.equal(Deno.readTextFileSync(join(folder, "share.json")), "{}");
  }));

Deno.test("createDataFolder() refuses a file in the folder's place, or above it", () =>
  withFolder(({ folder }) => {
    const file = join(folder, "file");
    Deno.writeTextFileSync(file, "");
    assert.throws(() => createDataFolder(file), {
      name: "EnvironmentError",
      message: /as data folder: it is a file\. Name another with --data-dir/,
    });
    assert.throws(() => createDataFolder(join(file, "node")), { name: "EnvironmentError" });
  }));

Deno.test("syncFolder() says which folder it could not sync", () =>
  withFolder(({ folder }) => {
    syncFolder(folder);
    const missing = join(folder, "missing");
    assert.throws(() => syncFolder(missing), { name: "EnvironmentError", message: /missing/ });
  }));
