import assert from "node:assert/strict";
import { NoSmallDiskError, SmallDisk } from "./small_disk.ts";

/** Runs a shell command that sees the disk. */
async function run(disk: SmallDisk, script: string, folder: string): Promise<string> {
  const { path, args } = disk.command;
  const { success, stdout, stderr } = await new Deno.Command(path, {
    args: [...args, "sh", "-c", script, "sh", folder],
  }).output();
  return new TextDecoder().decode(success ? stdout : stderr);
}

Deno.test("a small disk holds what was in the folder, can be filled and freed, and leaves nothing", async (test) => {
  const folder = Deno.makeTempDirSync({ prefix: "floe-disk-" });
  try {
    Deno.writeTextFileSync(`${folder}/share.json`, "a secret\n");
    const disk = await mountOrNull(folder);
    if (disk === null) {
      await test.step({ name: "this system permits no mount", ignore: true, fn: () => {} });
      return;
    }
    await using mounted = disk;
    assert.equal(await run(mounted, `cat "$1"/share.json`, folder), "a secret\n");
    await mounted.fill();
    assert.match(
      await run(mounted, `cat "$1"/share.json > "$1"/new.db`, folder),
      /No space left on device/,
    );
    await mounted.free();
    assert.equal(await run(mounted, `cat "$1"/share.json > "$1"/new.db`, folder), "");

    // Nobody else sees it, until a copy is left outside.
    assert.throws(() => Deno.statSync(`${folder}/new.db`), Deno.errors.NotFound);
    await mounted.copyOut();
    assert.equal(Deno.readTextFileSync(`${folder}/new.db`), "a secret\n");
  } finally {
    // It fails where a mount is left behind.
    Deno.removeSync(folder, { recursive: true });
  }
});

async function mountOrNull(folder: string): Promise<SmallDisk | null> {
  try {
    return await SmallDisk.mount(folder, 1024 * 1024);
  } catch (error) {
    if (error instanceof NoSmallDiskError) return null;
    throw error;
  }
}
