import assert from "node:assert/strict";
import { EnvironmentError } from "../../lib/errors.ts";
import { lockDataFolder } from "../../lib/keys/private_file.ts";

Deno.test("lockDataFolder() lets one in at a time, and leaves nothing in the folder", () => {
  const folder = Deno.makeTempDirSync({ prefix: "floe-lock-" });
  try {
    {
      using _lock = lockDataFolder(folder);
      assert.throws(
        () => lockDataFolder(folder),
        (error) =>
          error instanceof EnvironmentError &&
          /another process is using it\. Stop that node first/.test(error.message),
      );
    }
    lockDataFolder(folder)[Symbol.dispose]();
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("lockDataFolder() has nothing to take where there is no folder", () => {
  lockDataFolder("/nowhere/at/all")[Symbol.dispose]();
});
