import assert from "node:assert/strict";
import { NodeLog } from "../../../lib/cli/local_cluster/node_process.ts";

Deno.test("NodeLog appends to what an earlier run wrote, and remembers the last lines", async () => {
  await withFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/node.log`, "before\n");
    const log = openLog(folder);
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
    const log = openLog(folder, { bytesMax: 10 });
    await log.copyFrom(chunks("12345678\n", "abcdefgh\n", "ABCDEFGH\n"));
    assert.equal(Deno.readTextFileSync(log.path), "ABCDEFGH\n");
    assert.equal(Deno.readTextFileSync(`${log.path}.1`), "abcdefgh\n");
    assert.equal([...Deno.readDirSync(folder)].length, 2);
  });
});

Deno.test("NodeLog is for its owner alone", async () => {
  await withFolder(async (folder) => {
    const log = openLog(folder);
    await log.copyFrom(chunks("a\n"));
    assert.equal((Deno.statSync(log.path).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("NodeLog goes on in a new file when somebody removed the full one", async () => {
  await withFolder(async (folder) => {
    const failures: string[] = [];
    const log = openLog(folder, { bytesMax: 10, failures });
    await log.copyFrom(chunks("12345678\n", () => Deno.removeSync(log.path), "abcdefgh\n"));
    assert.equal(Deno.readTextFileSync(log.path), "abcdefgh\n");
    assert.deepEqual([failures, [...Deno.readDirSync(folder)].length], [[], 1]);
  });
});

Deno.test("NodeLog reports once that it cannot write, and later how much is missing", async () => {
  await withFolder(async (folder) => {
    const failures: string[] = [];
    const log = openLog(folder, { failures });
    Deno.mkdirSync(log.path);
    await log.copyFrom(chunks("lost\n", "lost\n", () => Deno.removeSync(log.path), "kept\n"));
    assert.equal(Deno.readTextFileSync(log.path), "\n(10 bytes of this log were lost)\nkept\n");
    assert.equal(failures.length, 1);
    assert.deepEqual(log.lastLines, ["lost", "lost", "kept"]);
  });
});

Deno.test("NodeLog goes on when the old log cannot be put aside, and when its folder is gone", async () => {
  await withFolder(async (folder) => {
    const failures: string[] = [];
    const log = openLog(folder, { bytesMax: 10, failures });
    Deno.mkdirSync(`${log.path}.1`);
    await log.copyFrom(chunks("12345678\n", "abcdefgh\n", "ABCDEFGH\n"));
    assert.equal(Deno.readTextFileSync(log.path), "12345678\n");
    assert.equal(failures.length, 1);
    const nowhere = openLog(`${folder}/none`, { failures });
    await nowhere.copyFrom(chunks("lost\n"));
    assert.equal(failures.length, 2);
  });
});

function openLog(
  folder: string,
  { failures = [], ...options }: { bytesMax?: number; failures?: string[] } = {},
): NodeLog {
  return new NodeLog(folder, { ...options, onFailure: (reason) => failures.push(reason) });
}

/** The texts, one after the other, and what is to happen between them. */
async function* chunksOf(parts: readonly (string | (() => void))[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (typeof part === "string") yield await Promise.resolve(new TextEncoder().encode(part));
    else part();
  }
}

function chunks(...parts: readonly (string | (() => void))[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunksOf(parts));
}

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "floe-log-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
