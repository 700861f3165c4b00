import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeIn, withFolder, withNode } from "../support.ts";

const CHILD = fileURLToPath(new URL("receiving_child.ts", import.meta.url));

Deno.test({
  name: "a snapshot for which there is no space is refused, and the node goes on",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async ({ folder }) => {
      const options = nodeIn(join(folder, "node"));
      // The shell lets no file grow above 2 MiB: a write beyond that fails as on a full disk.
      const limited = `trap '' XFSZ; ulimit -f 4096; exec "$@"`;
      const program = [Deno.execPath(), "run", "--allow-read", "--allow-write", CHILD];
      const { stdout } = await new Deno.Command("sh", {
        args: ["-c", limited, "sh", ...program, options.folder],
        stderr: "inherit",
      }).output();
      const [refused, next, wentOn] = new TextDecoder().decode(stdout).split("\n");
      assert.match(
        refused ?? "",
        /^refused EnvironmentError: Cannot keep a snapshot .* free space/,
      );
      assert.equal(next, "next 0", "what was kept makes room for what matters");
      assert.equal(wentOn, "went on");
      await withNode(options, ({ writtenIndex }) => assert.equal(writtenIndex, 3));
    }),
});
