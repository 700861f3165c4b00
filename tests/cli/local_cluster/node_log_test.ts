import assert from "node:assert/strict";
import { NodeLog } from "../../../lib/cli/local_cluster/node_process.ts";
import { EnvironmentError } from "../../../lib/errors.ts";

Deno.test("NodeLog appends to what an earlier run wrote, and remembers the last lines", async () => {
  await withFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/node.log`, "before\n");
    const log = new NodeLog(folder);
    await log.copyFrom(chunks("one\ntwo\nth", "ree\nfour\nfive\nsix\n"));
    assert.deepEqual(log.lastLines, ["two", "three", "four", "five", "six"]);
    assert.equal(
      Deno.readTextFileSync(log.path),
      "before\none\ntwo\nthree\nfour\nfive\nsix\n",
    );
  });
});

Deno.test("NodeLog puts a full file aside, once, and goes on in a new one", async () => {
  await withFolder(async (folder) => {
    const log = new NodeLog(folder, 10);
    await log.copyFrom(chunks("12345678\n", "abcdefgh\n", "ABCDEFGH\n"));
    assert.equal(Deno.readTextFileSync(log.path), "ABCDEFGH\n");
    assert.equal(Deno.readTextFileSync(`${log.path}.1`), "abcdefgh\n");
    assert.equal([...Deno.readDirSync(folder)].length, 2);
  });
});

Deno.test("NodeLog is for its owner alone, and says when it cannot be", async () => {
  await withFolder(async (folder) => {
    const log = new NodeLog(folder);
    await log.copyFrom(chunks());
    assert.equal((Deno.statSync(log.path).mode ?? 0) & 0o777, 0o600);
    assert.throws(() => new NodeLog(`${folder}/none`), EnvironmentError);
  });
});

function chunks(...texts: readonly string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(texts.map((text) => new TextEncoder().encode(text)));
}

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "floe-log-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
