/**
 * No secret of a cluster is in anything that it writes: logs, answers, messages, errors, databases,
 * snapshots, backups, the process list. Its secret files are left out only where they are not encrypted.
 *
 * @module
 */

import assert from "node:assert/strict";
import { decodeHex, encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import type { NodeId } from "../../lib/types.ts";
import { parseToken } from "../../lib/wire/mod.ts";
import { floe } from "../cli/fake_terminal.ts";
import "../support/cheap_scrypt.ts";
import { SecretScanner } from "../support/secret_scanner.ts";
import {
  addFileKeys,
  addKeys,
  addPolynomials,
  addRandomNumbers,
} from "./harness/cluster_secrets.ts";
import { runFloe } from "./harness/floe_process.ts";
import { ask, put } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";
import { Written } from "./harness/written.ts";

const PASSPHRASE = "correct horse battery staple";
const NEW_PASSPHRASE = "tr0ub4dor and three";
const RECORDING_MAIN = new URL("./harness/recording_main.ts", import.meta.url).pathname;
const CHEAP_MAIN = new URL("./harness/cheap_main.ts", import.meta.url).pathname;
const SECRET_FILES = ["identity.json", "share.json"];

/** The least limits that a node takes, and more small writes than that: so there is a snapshot. */
const LOG = { entriesMax: 1_000, bytesMax: 8 * 1024 * 1024 };
const [WRITES, WRITERS] = [1_100, 16];

Deno.test("nothing that a cluster with a dealt key writes beside its key files holds a secret", async () => {
  await searchEverything({ keyless: false, encrypted: false });
});

Deno.test("nothing that a cluster that makes its key and encrypts its files writes holds a secret", async () => {
  await searchEverything({ keyless: true, encrypted: true });
});

async function searchEverything(
  { keyless, encrypted }: { readonly keyless: boolean; readonly encrypted: boolean },
): Promise<void> {
  using workshop = new Workshop();
  await using cluster = new TestCluster({
    nodes: 3,
    log: LOG,
    main: RECORDING_MAIN,
    env: { FLOE_TEST_RANDOM: workshop.random, FLOE_DEBUG: "1" },
    ...(keyless ? { keyless } : {}),
    ...(encrypted ? { passphraseFile: workshop.passphraseFile } : {}),
  });
  const use = { cluster, written: new Written(), workshop };
  await runNodes(use);
  await runCommands(use);
  const except = encrypted ? [] : SECRET_FILES;
  for (const id of cluster.ids) use.written.addFiles(cluster.dataDir(id), { except });
  // What these hold is encrypted in any case.
  use.written.addFiles(workshop.backups, { except: [] });

  checkThatPlantedIsFound(use);
  const secrets = secretsOf(use);
  if (keyless) addPolynomials(secrets, cluster, workshop.drawn());
  assert.deepEqual(use.written.scan(secrets), []);
}

function secretsOf({ cluster, workshop }: Use): SecretScanner {
  const scanner = new SecretScanner();
  for (const text of [PASSPHRASE, NEW_PASSPHRASE]) scanner.add("passphrase", encodeUtf8(text));
  for (const token of workshop.tokens) scanner.add("token", token);
  addKeys(scanner, cluster);
  assert.equal(scanner.count, 2 + 1 + 3 * cluster.ids.length + 1);
  addFileKeys(scanner, cluster);
  const drawn = workshop.drawn().flat();
  addRandomNumbers(scanner, cluster, drawn);
  assert.ok(drawn.length > 10, `${drawn.length} random numbers`);
  return scanner;
}

interface Use {
  readonly cluster: TestCluster;
  readonly written: Written;
  readonly workshop: Workshop;
}

/** A key, elections, writes, a snapshot for one that was down, every answer, and an end of either kind. */
async function runNodes(use: Use): Promise<void> {
  const { cluster, written } = use;
  const { id: leader } = await cluster.leader();
  const [late, other] = cluster.ids.filter((id) => id !== leader);
  assert.ok(late !== undefined && other !== undefined);
  await endNode(use, late, "SIGKILL");
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let number = writer; number < WRITES; number += WRITERS) {
        await put(cluster, leader, { key: `small-${number}`, value: "x" });
      }
    }),
  );
  // Either of them may be the one that sends the snapshot.
  for (const id of [leader, other]) {
    await cluster.process(id).said.waitFor("a log", ({ event }) => event === "log.compacted");
  }
  cluster.start(late);
  await cluster.process(late).said.waitFor("it", ({ event }) => event === "snapshot.installed");
  await plant(use, late);
  for (const id of cluster.ids) {
    written.addProcessList(id, cluster.process(id).pid);
    await written.addAnswers(cluster, id);
  }
  await useToken(use, leader);
  await askWithCommands(use);
  await endNode(use, late, "SIGTERM");
  for (const id of [leader, other]) await endNode(use, id, "SIGKILL");
}

async function endNode(
  { cluster, written }: Use,
  id: NodeId,
  signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
  await cluster.process(id).end(signal);
  written.addProcess(`log of ${id}`, cluster.process(id));
}

/** A value that all nodes hold, and an answer with it: what the search must find. */
async function plant({ cluster, written, workshop }: Use, id: NodeId): Promise<void> {
  await put(cluster, id, { key: "planted", value: workshop.planted });
  for (const reader of cluster.ids) {
    const { text } = await ask(cluster, reader, { path: "/v1/kv/planted" });
    if (reader === id) written.add("planted answer", text);
  }
}

/** A token of the API, which is shown once, to whoever made it; and one that is none. */
async function useToken({ cluster, written, workshop }: Use, id: NodeId): Promise<void> {
  const made = await floe(
    ["token", "create", "--scope", "admin", "--config", cluster.configFile],
    { fetch, env: {} },
  );
  const token = made.stdout.trim();
  workshop.tokens.push(parseToken(token).secret);
  written.add("floe token create", made.stderr);
  for (
    const presented of [token, token.slice(0, -1), token.replace(/_.*_/, `_${"0".repeat(16)}_`)]
  ) {
    const headers = { authorization: `Bearer ${presented}` };
    const response = await cluster.fetch(id, "/v1/tokens", { headers });
    written.add("/v1/tokens with a token", `${response.status} ${await response.text()}`);
  }
}

async function askWithCommands({ cluster, written, workshop }: Use): Promise<void> {
  const missing = encodeHex(workshop.planted);
  const commands = [
    "status",
    "leader",
    "elections",
    "group",
    "dkg status",
    "token list",
    "get small-1",
    `get ${missing}`,
  ];
  for (const command of [...commands, "leader --cert", "put a b", "del a", "leader transfer"]) {
    for (const format of ["table", "json"]) {
      const args = [...command.split(" "), "-o", format, "--config", cluster.configFile];
      const { stdout, stderr } = await floe(args, { fetch, env: { FLOE_DEBUG: "1" } });
      written.add(`floe ${command}`, stdout + stderr);
    }
  }
}

/** Commands that read secret files, and those that fail at it. */
async function runCommands({ cluster, written, workshop }: Use): Promise<void> {
  const { passphraseFile, newPassphraseFile, backups } = workshop;
  const [id, other] = cluster.ids;
  assert.ok(id !== undefined && other !== undefined);
  const dataDir = cluster.dataDir(id);
  const run = async (args: readonly string[], passphrase?: string) => {
    const env = {
      FLOE_DEBUG: "1",
      ...(passphrase === undefined ? {} : { FLOE_PASSPHRASE_FILE: passphrase }),
    };
    const { code, stdout, stderr } = await runFloe(args, { env, main: CHEAP_MAIN });
    written.add(`floe ${args.join(" ")}`, `${code}\n${stdout}${stderr}`);
    return code;
  };
  const node = ["node", "--id", id, "--config", cluster.configFile, "--data-dir"];
  const isEncrypted = cluster.keyFolder(id).passphrase !== null;
  assert.equal(await run([...node, dataDir], newPassphraseFile), 2);
  if (isEncrypted) assert.equal(await run([...node, dataDir]), 2);
  for (const damage of DAMAGES) {
    const broken = workshop.copy(dataDir, { name: `broken ${damage.name}` });
    damage.inflict(`${broken}/share.json`);
    assert.equal(await run([...node, broken], isEncrypted ? passphraseFile : undefined), 2);
    Deno.removeSync(broken, { recursive: true });
  }
  const keys = ["--data-dir", dataDir];
  assert.equal(
    await run(["keys", "backup", ...keys, "--out", `${backups}/one`], passphraseFile),
    0,
  );
  const moved = workshop.copy(dataDir, { name: "moved", except: SECRET_FILES });
  const restore = ["keys", "restore", `${backups}/one`, "--data-dir"];
  assert.equal(await run([...restore, moved], passphraseFile), 0);
  assert.equal(await run([...restore, moved], newPassphraseFile), 2);
  assert.equal(await run([...restore, dataDir], passphraseFile), 2);
  const change = ["keys", "passphrase", "--data-dir", moved, "--new-passphrase-file"];
  assert.equal(await run([...change, newPassphraseFile], passphraseFile), 0);
}

interface Damage {
  readonly name: string;
  readonly inflict: (share: string) => void;
}

const DAMAGES: readonly Damage[] = [
  { name: "cut short", inflict: (share) => Deno.truncateSync(share, 200) },
  { name: "open", inflict: (share) => Deno.chmodSync(share, 0o644) },
  {
    name: "with a field too much",
    inflict: (share) => {
      const content = JSON.parse(Deno.readTextFileSync(share));
      Deno.writeTextFileSync(share, JSON.stringify({ ...content, extra: content.secret ?? "" }));
    },
  },
];

/** The search would have found a secret in a database, an answer, a message, the process list. */
function checkThatPlantedIsFound({ cluster, written, workshop }: Use): void {
  const scanner = new SecretScanner();
  scanner.add("planted", workshop.planted);
  scanner.add("path", encodeUtf8(cluster.configFile));
  const places = written.scan(scanner).map(({ place }) => place);
  for (const id of cluster.ids) {
    const found = (name: string) =>
      places.some((place) => place.startsWith(`${cluster.dataDir(id)}/${name}`));
    for (const name of ["raft/segment-0000000001", "kv.db"]) {
      assert.ok(found(name), `${name} of ${id}`);
    }
    assert.ok(places.includes(`${id} cmdline`));
    assert.ok(written.places.includes(`log of ${id}`));
  }
  assert.ok(places.includes("planted answer"));
  assert.ok(places.includes(`floe get ${encodeHex(workshop.planted)}`));
}

/** What the test itself needs, apart from the cluster. */
class Workshop implements Disposable {
  /** The secrets of the API's tokens. */
  readonly tokens: Uint8Array[] = [];
  readonly planted = crypto.getRandomValues(new Uint8Array(32));
  readonly #path = Deno.makeTempDirSync({ prefix: "floe-secrets-" });
  readonly random = this.#folder("random");
  readonly backups = this.#folder("backups");
  readonly passphraseFile = this.#file("passphrase", PASSPHRASE);
  readonly newPassphraseFile = this.#file("new passphrase", NEW_PASSPHRASE);

  /** The random numbers that each process drew, in order, those of a few bytes apart. */
  drawn(): readonly (readonly Uint8Array[])[] {
    return [...Deno.readDirSync(this.random)].map(({ name }) => {
      const lines = Deno.readTextFileSync(`${this.random}/${name}`).trim().split("\n");
      return lines.filter(({ length }) => length >= 64).map(decodeHex);
    });
  }

  /** A copy of a node's folder, among the backups. */
  copy(
    folder: string,
    { name, except = [] }: { readonly name: string; readonly except?: readonly string[] },
  ): string {
    const copy = `${this.backups}/${name}`;
    copyFolder(folder, { to: copy, except });
    return copy;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#path, { recursive: true });
  }

  #folder(name: string): string {
    const path = `${this.#path}/${name}`;
    Deno.mkdirSync(path, { mode: 0o700 });
    return path;
  }

  #file(name: string, text: string): string {
    const path = `${this.#path}/${name}`;
    Deno.writeTextFileSync(path, `${text}\n`, { mode: 0o600 });
    return path;
  }
}

/** Copies files and the folders among them, but those named. */
function copyFolder(
  folder: string,
  { to, except }: { readonly to: string; readonly except: readonly string[] },
): void {
  Deno.mkdirSync(to, { mode: 0o700 });
  for (const { name, isFile, isDirectory } of Deno.readDirSync(folder)) {
    if (except.includes(name)) continue;
    const [source, target] = [`${folder}/${name}`, `${to}/${name}`];
    if (isFile) Deno.copyFileSync(source, target);
    if (isDirectory) copyFolder(source, { to: target, except });
  }
}
