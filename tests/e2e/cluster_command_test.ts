import assert from "node:assert/strict";
import { keyFolder } from "../../lib/cli/serve/node_folders.ts";
import {
  loadClusterConfig,
  requirePinned,
  toGenesisRoster,
} from "../../lib/config/cluster_config.ts";
import { newDurableKeyGeneration } from "../../lib/keygen/mod.ts";
import { writeRecord } from "../../lib/keys/record_file.ts";
import { toNodeId } from "../../lib/types.ts";
import { findBasePort } from "../support/free_ports.ts";
import { deadline, WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { FloeProcess, runFloe } from "./harness/floe_process.ts";
import { TestFolder } from "./harness/test_cluster.ts";

const CHEAP_MAIN = new URL("./harness/cheap_main.ts", import.meta.url).pathname;

Deno.test("floe cluster tells of nodes, leader, a death and the end, and exits with 0", async () => {
  using folder = new TestFolder({ nodes: 3 });
  await using cluster = start(folder);
  const leader = await cluster.said.waitFor("a leader", ({ event }) => event === "leader");
  assert.equal(leader.certificate, "valid");
  assert.equal(typeof leader.ms, "number");
  await cluster.said.waitFor("ready", ({ event }) => event === "ready");

  const nodes = cluster.said.events.filter(({ event }) => event === "node");
  assert.equal(nodes.length, 3);
  const pid = Number(nodes.find(({ id }) => id === leader.id)?.pid);
  Deno.kill(pid, "SIGKILL");
  const exit = await cluster.said.waitFor("a death", ({ event }) => event === "exit");
  assert.deepEqual([exit.id, exit.pid, exit.signal], [leader.id, pid, "SIGKILL"]);
  const next = await cluster.said.waitFor(
    "the next leader",
    ({ event, id }) => event === "leader" && id !== leader.id,
  );
  assert.ok(Number(next.term) > Number(leader.term));

  assert.equal((await cluster.end("SIGTERM")).code, 0);
  assert.deepEqual(cluster.said.events.at(-1), { event: "stopped" });
  assert.deepEqual(cluster.said.otherLines, []);
});

Deno.test("floe cluster lets its nodes make their key, and checks the genesis of it", async () => {
  using folder = new TestFolder({ nodes: 3 });
  await using cluster = start(folder);
  const group = await cluster.said.waitFor("its key", ({ event }) => event === "group");
  assert.equal(typeof group.ms, "number");
  await cluster.said.waitFor("ready", ({ event }) => event === "ready");
  assert.deepEqual(cluster.said.events[0]?.event, "starting");

  const clients = ["--config", folder.configFile];
  const shown = await runFloe([...clients, "group", "--genesis"]);
  assert.equal(shown.stdout, group.genesis);
  Deno.writeTextFileSync(`${folder.path}/genesis.note`, shown.stdout);
  const pinned = ["--config", `${folder.path}/data/cluster.json`];
  const verified = await runFloe(["verify", `${folder.path}/genesis.note`, ...pinned]);
  assert.equal(verified.code, 0, verified.stderr);
  const status = await runFloe([...clients, "dkg", "status", "-o", "json"]);
  const { nodes } = JSON.parse(status.stdout);
  assert.deepEqual(nodes.map(({ phase }: { phase: string }) => phase), [
    "finished",
    "finished",
    "finished",
  ]);
});

Deno.test("floe cluster --dealer deals, and the data go on working without the flag", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const keys: unknown[] = [];
  for (const flags of [["--dealer"], []]) {
    await using cluster = start(folder, ...flags);
    const group = await cluster.said.waitFor("its key", ({ event }) => event === "group");
    assert.deepEqual([group.genesis, group.ms], [null, null]);
    keys.push(group.publicKey);
    await cluster.said.waitFor("ready", ({ event }) => event === "ready");
    assert.equal((await cluster.end("SIGTERM")).code, 0);
  }
  assert.equal(keys[0], keys[1]);
});

Deno.test("floe cluster that is killed while the nodes make their key goes on where it was", async () => {
  using folder = new TestFolder({ nodes: 3 });
  for (const last of ["node", "group"]) {
    await using cluster = start(folder);
    const nodes = await Promise.all(folder.config.peers.map(({ id }) => {
      return cluster.said.waitFor(id, (said) => said.event === "node" && said.id === id);
    }));
    await cluster.said.waitFor(last, ({ event }) => event === last);
    await cluster.end("SIGKILL");
    // Some may not even have their folders yet, and would take them later.
    for (const { pid } of nodes) killIfThere(Number(pid));
    await allEnded(folder);
  }
  await using cluster = start(folder);
  await cluster.said.waitFor("ready", ({ event }) => event === "ready");
  assert.equal((await cluster.end("SIGTERM")).code, 0);
});

Deno.test("floe cluster keeps its keys and data, and starts over with --fresh", async () => {
  using folder = new TestFolder({ nodes: 1 });
  const keys: unknown[] = [];
  for (const flags of [[], [], ["--fresh"]]) {
    await using cluster = start(folder, ...flags);
    const group = await cluster.said.waitFor("its key", ({ event }) => event === "group");
    keys.push(group.publicKey);
    await cluster.said.waitFor("ready", ({ event }) => event === "ready");
    assert.equal((await cluster.end("SIGINT")).code, 0);
  }
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[1], keys[2]);
});

Deno.test("floe cluster encrypts its nodes' keys with the passphrase in a file", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const passphrase = `${folder.path}/passphrase`;
  const run = (variables: Readonly<Record<string, string>>) =>
    new FloeProcess("floe cluster", ["cluster", ...options(folder), "-o", "json"], {
      main: CHEAP_MAIN,
      env: variables,
    });
  Deno.writeTextFileSync(passphrase, "correct horse\n", { mode: 0o600 });
  for (const _ of ["made", "opened"]) {
    await using cluster = run({ FLOE_PASSPHRASE_FILE: passphrase });
    await cluster.said.waitFor("ready", ({ event }) => event === "ready");
    assert.equal((await cluster.end("SIGTERM")).code, 0);
    for (const name of ["identity.json", "share.json"]) {
      const text = Deno.readTextFileSync(`${folder.path}/data/server_2/${name}`);
      assert.equal(JSON.parse(text).format, "floe/sealed/v1");
    }
  }
  Deno.writeTextFileSync(passphrase, "incorrect horse\n");
  for (
    const [variables, message] of [
      [{}, /no passphrase was given.*FLOE_PASSPHRASE_FILE/],
      [{ FLOE_PASSPHRASE_FILE: passphrase }, /cannot be decrypted/],
    ] as const
  ) {
    await using refused = run(variables);
    assert.equal((await refused.ended).code, 2);
    assert.match(refused.said.otherLines.join("\n"), message);
  }
});

Deno.test("floe cluster takes its nodes with it when it is killed", async () => {
  using folder = new TestFolder({ nodes: 1 });
  await using cluster = start(folder);
  await cluster.said.waitFor("ready", ({ event }) => event === "ready");
  await cluster.end("SIGKILL");
  // A node holds this lock for as long as it lives; `lock` waits until the system gives it away.
  using guard = Deno.openSync(`${folder.path}/data/server_1/raft.guard`, { write: true });
  await deadline(guard.lock(true), WAIT_TIMEOUT_MS);
});

Deno.test("floe cluster refuses a folder that was made for another cluster", async () => {
  using folder = new TestFolder({ nodes: 1 });
  using other = new TestFolder({ nodes: 2 });
  const data = ["--data-dir", `${folder.path}/data`];
  const dealt = await runFloe(["keygen", "--dealer", "--config", folder.configFile, ...data]);
  assert.equal(dealt.code, 0, dealt.stderr);
  const refused = await runFloe(["cluster", "--config", other.configFile, ...data]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /made for another cluster.*\n[^]*--fresh/);
});

Deno.test("floe cluster refuses nodes with a dealt key beside one that makes its own", async () => {
  using folder = new TestFolder({ nodes: 3 });
  const path = `${folder.path}/data`;
  const deal = ["keygen", "--dealer", "--config", folder.configFile, "--data-dir", path];
  assert.equal((await runFloe(deal)).code, 0);
  const config = requirePinned(await loadClusterConfig(`${path}/cluster.json`), "cluster.json");
  const place = keyFolder({ path, passphrase: null }, toNodeId("server_2"));
  for (const name of ["share.json", "group.json"]) Deno.removeSync(`${place.dataDir}/${name}`);
  const record = newDurableKeyGeneration(toGenesisRoster(config));
  writeRecord({ folder: place, config }, { ...record, attempt: 1 });
  const refused = await runFloe(["cluster", ...options(folder)]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /has a key from a dealer, but other nodes make one.*--fresh/);
});

Deno.test("floe cluster names every port that is in use before it starts anything", async () => {
  using folder = new TestFolder({ nodes: 2 });
  const [first, second] = folder.config.peers;
  assert.ok(first !== undefined && second !== undefined);
  using _peer = Deno.listen(first.peer);
  using _api = Deno.listen(second.api);
  const refused = await runFloe(["cluster", ...options(folder)]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, new RegExp(`${first.peer.port} of server_1: the port is in use`));
  assert.match(refused.stderr, new RegExp(`${second.api.port} of server_2: the port is in use`));
  assert.equal(refused.stderr.match(/in use/g)?.length, 2);
});

function killIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

Deno.test("floe cluster makes five nodes where there is no configuration, and commands find them", async () => {
  const cwd = Deno.makeTempDirSync({ prefix: "floe-empty-" });
  try {
    const flags = ["--base-port", `${findBasePort()}`, "-o", "json"];
    await using cluster = new FloeProcess("floe cluster", ["cluster", ...flags], { cwd });
    await cluster.said.waitFor("ready", ({ event }) => event === "ready");
    const status = await runFloe(["status", "-o", "json"], { cwd });
    assert.equal(status.code, 0, status.stderr);
    assert.equal(JSON.parse(status.stdout).n, 5);
    assert.equal((await cluster.end("SIGTERM")).code, 0);

    // The ports are those of the folder, not the ones that a new cluster gets.
    await using again = new FloeProcess("floe cluster", ["cluster", "-o", "json"], { cwd });
    await again.said.waitFor(
      "its last node",
      ({ event, id }) => event === "node" && id === "server_5",
    );
    const apisOf = ({ said }: FloeProcess) =>
      said.events.filter(({ event }) => event === "node").map(({ api }) => api);
    assert.deepEqual(apisOf(again), apisOf(cluster));
    assert.equal((await again.end("SIGTERM")).code, 0);
  } finally {
    Deno.removeSync(cwd, { recursive: true });
  }
});

/** Waits until no node holds its folder any more: nodes end with whoever started them. */
async function allEnded({ config, path }: TestFolder): Promise<void> {
  for (const { id } of config.peers) {
    using folder = Deno.openSync(`${path}/data/${id}`);
    await deadline(folder.lock(true), WAIT_TIMEOUT_MS);
  }
}

function start(folder: TestFolder, ...flags: readonly string[]): FloeProcess {
  return new FloeProcess("floe cluster", ["cluster", ...options(folder), ...flags, "-o", "json"]);
}

function options(folder: TestFolder): string[] {
  return ["--config", folder.configFile, "--data-dir", `${folder.path}/data`];
}
