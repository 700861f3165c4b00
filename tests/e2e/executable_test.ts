import assert from "node:assert/strict";
import { FloeProcess, runFloe, runFloeOnceLed } from "./harness/floe_process.ts";
import { TestFolder } from "./harness/test_cluster.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;

Deno.test("the compiled executable runs a cluster and talks to it", async () => {
  const compiled = await new Deno.Command(Deno.execPath(), {
    args: ["task", "compile"],
    cwd: PROJECT,
  }).output();
  assert.equal(compiled.code, 0, new TextDecoder().decode(compiled.stderr));

  using folder = new TestFolder({ nodes: 3 });
  const options = {
    executable: `${PROJECT}dist/floe`,
    cwd: folder.path,
    env: { FLOE_CACHE_DIR: `${folder.path}/cache` },
  };
  await using cluster = new FloeProcess("dist/floe cluster", ["cluster", "-o", "json"], options);
  await cluster.said.waitFor("ready", ({ event }) => event === "ready");
  const group = await cluster.said.waitFor("its key", ({ event }) => event === "group");

  const put = await runFloe(["put", "greeting", "hello"], options);
  assert.equal(put.code, 0, put.stderr);
  const get = await runFloe(["get", "greeting"], options);
  assert.match(get.stdout, /hello/);
  const { stdout: note } = await runFloeOnceLed(["leader", "--cert"], options);
  Deno.writeTextFileSync(`${folder.path}/leader.note`, note);
  const verified = await runFloe(
    ["verify", "leader.note", "--key", String(group.verifierKey)],
    options,
  );
  assert.equal(verified.code, 0, verified.stderr);
  assert.equal((await cluster.end("SIGTERM")).code, 0);
});
