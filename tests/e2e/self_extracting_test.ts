import assert from "node:assert/strict";
import { writeSelfExtracting } from "../../scripts/self_extracting.ts";

const folder = Deno.makeTempDirSync({ prefix: "floe-packed-" });
const executable = `${folder}/packed`;
const worker = `${folder}/storage_worker.ts`;

Deno.test.beforeAll(async () => {
  Deno.writeTextFileSync(
    `${folder}/main.ts`,
    `console.log(JSON.stringify([Deno.args, Deno.env.get("FLOE_EXECUTABLE")]));
     if (Deno.args[0] !== "worker") Deno.exit(Number(Deno.args[0] ?? 0));
     const url = new URL("./storage_worker.ts", import.meta.url);
     const worker = new Worker(url, { type: "module" });
     worker.onmessage = ({ data }) => Deno.exit(data);
     worker.postMessage(41);`,
  );
  Deno.writeTextFileSync(worker, "self.onmessage = ({ data }) => self.postMessage(data + 1);");
  await writeSelfExtracting({
    main: `${folder}/main.ts`,
    worker,
    output: executable,
    options: ["--allow-env=FLOE_*", "--allow-read"],
  });
});

Deno.test.afterAll(() => Deno.removeSync(folder, { recursive: true }));

Deno.test("a self-extracting file hands on arguments, exit code and its own name", async () => {
  const { code, stdout } = await run(executable, ["7", "two words", "$HOME"]);
  assert.equal(code, 7);
  assert.deepEqual(JSON.parse(stdout), [["7", "two words", "$HOME"], executable]);
});

Deno.test("a self-extracting file starts by a relative path and through a symbolic link", async () => {
  Deno.symlinkSync(executable, `${folder}/link`);
  assert.equal(JSON.parse((await run("sh", ["-c", "./packed"])).stdout)[1], `${folder}/./packed`);
  assert.equal((await run(`${folder}/link`)).code, 0);
});

Deno.test("a self-extracting file starts the worker that it holds", async () => {
  assert.equal((await run(executable, ["worker"])).code, 42);
});

Deno.test("any number of processes may unpack a self-extracting file at once", async () => {
  const runs = await Promise.all(
    Array.from({ length: 5 }, () => run(executable, [], `${folder}/crowded`)),
  );
  assert.deepEqual(runs.map(({ code, stderr }) => [code, stderr]), Array(5).fill([0, ""]));
  assert.deepEqual(
    namesBelow(`${folder}/crowded`).filter((name) => name.includes(".unpack")),
    [],
  );
});

Deno.test("a self-extracting file unpacks again what a crash has cut short", async () => {
  const cache = `${folder}/cut`;
  await run(executable, [], cache);
  const [program] = namesBelow(cache).filter((name) => name.endsWith("/floe.js"));
  assert.ok(program !== undefined);
  Deno.truncateSync(program);
  assert.equal((await run(executable, ["3"], cache)).code, 3);
});

Deno.test("a self-extracting file keeps what it unpacks from others", async () => {
  const cache = `${folder}/private`;
  await run(executable, [], cache);
  for (const name of namesBelow(cache)) {
    assert.equal((Deno.statSync(name).mode ?? 0) & 0o077, 0, name);
  }
});

Deno.test("a self-extracting file that is not whole says so", async () => {
  const half = `${folder}/half`;
  Deno.writeFileSync(half, Deno.readFileSync(executable).subarray(0, 1_000_000), { mode: 0o755 });
  const { code, stderr } = await run(half, [], `${folder}/half-cache`);
  assert.equal(code, 1);
  assert.match(stderr, /floe: Cannot unpack: this file is damaged/);
});

async function run(path: string, args: readonly string[] = [], cache = `${folder}/cache`) {
  const { code, stdout, stderr } = await new Deno.Command(path, {
    args: [...args],
    cwd: folder,
    env: { FLOE_CACHE_DIR: cache },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** Everything in a folder's folders, the one that Deno keeps for itself left out. */
function namesBelow(path: string): string[] {
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) => {
    if (name === "cache") return [];
    return isDirectory
      ? [`${path}/${name}`, ...namesBelow(`${path}/${name}`)]
      : [`${path}/${name}`];
  });
}
