import { deepEqual, equal, match } from "node:assert/strict";
import { generateLocalCluster } from "../../lib/config/mod.ts";
import { formatClusterConfig } from "../../lib/config/cluster_config.ts";
import { RequestError } from "../../lib/node/mod.ts";
import { FakeNode } from "../http/fake_node.ts";
import { floe, type Host } from "./fake_terminal.ts";

const asked = (host: Host) => ({ hosts: { "a:1": host } });

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "floe-snapshot-" });
  try {
    await work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const filesIn = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name);

Deno.test("snapshot save writes a file that inspect finds whole, and overwrites none", () =>
  withFolder(async (folder) => {
    const node = new FakeNode();
    const file = `${folder}/saved`;
    const { code, stdout, stderr } = await floe(["snapshot", "save", file], asked(node));
    equal(code, 0, stderr);
    match(stdout, /^cluster +floe-test$/m);
    match(stdout, /^bytes +704128$/m);
    const inspected = await floe(["snapshot", "inspect", file], {});
    equal(inspected.stdout, stdout);
    deepEqual(filesIn(folder), ["saved"]);
    equal(node.snapshotsClosed, 1);
    const again = await floe(["snapshot", "save", file], asked(node));
    deepEqual([again.code, node.snapshotsClosed], [2, 1]);
    match(again.stderr, /exists already/);
  }));

Deno.test("snapshot save says how far a long one is", () =>
  withFolder(async (folder) => {
    const node = new FakeNode();
    node.snapshotBytes = new Uint8Array(70 * 1024 * 1024);
    const { code, stderr } = await floe(["snapshot", "save", `${folder}/saved`], asked(node));
    equal(code, 0);
    match(stderr, /^6[0-9] MiB saved$/m);
  }));

Deno.test("snapshot save leaves nothing of one that broke off, was cut short or is damaged", () =>
  withFolder(async (folder) => {
    const broken = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            controller.enqueue(new Uint8Array(5_000));
            controller.error(new Error("gone"));
          },
        }),
      );
    const save = (host: Host) => floe(["snapshot", "save", `${folder}/saved`], asked(host));
    const gone = await save(broken);
    equal(gone.code, 5);
    match(gone.stderr, /broke it off/);
    const short = await save(() => new Response(new Uint8Array(5_000)));
    equal(short.code, 2);
    match(short.stderr, /does not begin as a saved snapshot does/);
    deepEqual(filesIn(folder), []);
  }));

Deno.test("snapshot save tells why no node makes one", () =>
  withFolder(async (folder) => {
    const node = new FakeNode();
    node.failure = new RequestError("snapshot_failed", "no space left", { maybeApplied: false });
    const { code, stderr } = await floe(["snapshot", "save", `${folder}/saved`], asked(node));
    equal(code, 5);
    match(stderr, /no space left/);
    const away = await floe(["snapshot", "save", `${folder}/no/saved`], asked(new FakeNode()));
    equal(away.code, 2);
    deepEqual(filesIn(folder), []);
  }));

Deno.test("snapshot inspect and restore refuse what is no snapshot, and leave no data", () =>
  withFolder(async (folder) => {
    const file = `${folder}/saved`;
    equal((await floe(["snapshot", "inspect", file])).code, 2);
    await floe(["snapshot", "save", file], asked(new FakeNode()));
    const config = `${folder}/cluster.json`;
    Deno.writeTextFileSync(config, formatClusterConfig(generateLocalCluster({ nodes: 3 })));
    const target = `${folder}/target`;
    const place = ["--config", config, "--data-dir", target];
    const restore = (id: string) => floe(["snapshot", "restore", file, "--id", id, ...place]);
    // Whole as a file, but what is in it is no database.
    const refused = await restore("server_1");
    equal(refused.code, 2);
    match(refused.stderr, /Cannot use snapshot/);
    deepEqual(filesIn(target), []);
    equal((await restore("server_9")).code, 2);
    Deno.writeTextFileSync(`${target}/share.json`, "{}");
    match((await restore("server_1")).stderr, /holds a key share or a group key/);
    const bytes = Deno.readFileSync(file);
    Deno.writeFileSync(file, bytes.subarray(0, -1));
    match((await floe(["snapshot", "inspect", file])).stderr, /cut off at byte 704127 of 704128/);
  }));
