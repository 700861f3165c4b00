import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openRaftStore } from "../../lib/storage/raft_store.ts";
import { childEntry, termOf } from "./persisting_child.ts";
import { nodeIn, type TestNode, withFolder, withNode } from "./support.ts";

/** The stores under a real process that dies, and on a real disk that refuses a write. */

const CHILD = fileURLToPath(new URL("persisting_child.ts", import.meta.url));
const CHILD_COMMAND = [Deno.execPath(), "run", "--allow-read", "--allow-write", CHILD];

function spawn(command: readonly string[]): Deno.ChildProcess {
  const [program, ...args] = command;
  assert.ok(program !== undefined);
  return new Deno.Command(program, { args, stdout: "piped", stderr: "inherit" }).spawn();
}

/** The lines that a process prints, as it prints them. */
async function* readLines(child: Deno.ChildProcess): AsyncIterable<string> {
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** The highest index that the child said was durable, over a run that ends by kill -9. */
async function runAndKill(
  folder: string,
  { afterLines, whileRunning }: { afterLines: number; whileRunning?: () => void },
): Promise<number> {
  const child = spawn([...CHILD_COMMAND, folder, "kv.db"]);
  let acknowledged = 0;
  let lines = 0;
  for await (const line of readLines(child)) {
    acknowledged = Number(line.split(" ")[1]);
    lines += 1;
    if (lines !== afterLines) continue;
    whileRunning?.();
    child.kill("SIGKILL");
  }
  await child.status;
  return acknowledged;
}

function checkEverythingIsThere(node: TestNode, acknowledged: number): void {
  const { hardState, entries } = node.raft.load();
  assert.ok(entries.length >= acknowledged, `${entries.length} entries of ${acknowledged}`);
  entries.forEach((entry, position) => {
    assert.deepEqual(entry, childEntry(position + 1, termOf(position + 1)));
  });
  assert.deepEqual(hardState, { currentTerm: termOf(entries.length), votedFor: "server_1" });
  assert.ok(node.writtenIndex >= acknowledged);
  assert.equal(node.store.keys.liveKeys, node.writtenIndex);
}

// The later kills come after checkpoints and in the middle of the log's second round.
for (const afterLines of [1, 7, 300]) {
  Deno.test(`openStores() finds every acknowledged batch after kill -9 at batch ${afterLines}`, () =>
    withFolder(async ({ folder }) => {
      const options = nodeIn(join(folder, "node"));
      const acknowledged = await runAndKill(options.folder, { afterLines });
      assert.ok(acknowledged >= afterLines * 10);
      await withNode(options, (node) => checkEverythingIsThere(node, acknowledged));
    }));
}

Deno.test("openRaftStore() refuses a folder while another process uses it, and not after", () =>
  withFolder(async (options) => {
    const whileRunning = () => {
      const message = /another process is using it .*raft\.guard.*Stop that node first/;
      assert.throws(() => openRaftStore(options), { name: "EnvironmentError", message });
    };
    const acknowledged = await runAndKill(options.folder, { afterLines: 5, whileRunning });
    await withNode(options, (node) => checkEverythingIsThere(node, acknowledged));
  }));

for (const file of ["raft", "kv.db"]) {
  Deno.test({
    name: `a write to ${file} that the disk refuses is the last use of the store`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      withFolder(async ({ folder }) => {
        const options = nodeIn(join(folder, "node"));
        // The shell lets no file grow above 2 MiB: a write beyond that fails as on a full disk.
        const limited = `trap '' XFSZ; ulimit -f 4096; exec "$@"`;
        const command = ["sh", "-c", limited, "sh", ...CHILD_COMMAND, options.folder, file];
        const child = spawn(command);
        const [durable, failed, refused] = (await Array.fromAsync(readLines(child))).slice(-3);
        assert.equal((await child.status).success, true);
        assert.match(failed ?? "", new RegExp(`^failed .*Cannot .*${file}: .*The node must stop`));
        assert.match(refused ?? "", new RegExp(`^refused .*${file}: it failed before`));
        await withNode(options, ({ raft }) => {
          const { length } = raft.load().entries;
          assert.ok(length > 0 && length >= Number(durable?.split(" ")[1]));
        });
      }),
  });
}
