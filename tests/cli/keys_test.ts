import assert from "node:assert/strict";
import { createDataFolder, openRaftStore } from "../../lib/storage/mod.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import { TestFolder } from "../e2e/harness/test_cluster.ts";
import { floe, type Outcome, type Surroundings } from "./fake_terminal.ts";
import "../support/cheap_scrypt.ts";

const [FIRST, SECOND] = ["correct horse battery staple", "tr0ub4dor and three"];

Deno.test("keygen --encrypt asks twice, and the card can be had again for the same passphrase", async () => {
  using place = new Place();
  const args = ["keygen", "--id", "alpha", "--peer", "h:1", "--api", "h:2", ...place.dataDir];
  const made = await floe([...args, "--encrypt"], { typed: [FIRST, FIRST] });
  assert.equal(made.code, 0, made.stderr);
  assert.deepEqual(made.questions, [
    `New passphrase of ${place.node}: `,
    "The same passphrase again: ",
  ]);
  assert.equal(place.isEncrypted("identity.json"), true);
  const again = await floe(args, { typed: [FIRST] });
  assert.equal(again.stdout, made.stdout);
  assert.deepEqual(again.questions, [`Passphrase of ${place.node}: `]);
  refuses(await floe(args, { typed: [SECOND] }), /identity\.json: it cannot be decrypted/);
  refuses(await floe(args), /it is encrypted, and no passphrase was given.*FLOE_PASSPHRASE_FILE/);
});

Deno.test("keygen --encrypt refuses two passphrases that are not the same, and a terminal that is none", async () => {
  using place = new Place();
  const args = ["keygen", "--id", "alpha", "--peer", "h:1", "--api", "h:2", ...place.dataDir];
  const differ = await floe([...args, "--encrypt"], { typed: [FIRST, SECOND] });
  refuses(differ, /the two inputs differ/);
  refuses(await floe([...args, "--encrypt"], { typed: ["short", "short"] }), /below 8 bytes/);
  refuses(await floe([...args, "--encrypt"]), /this is not a terminal.*FLOE_PASSPHRASE_FILE/);
  assert.deepEqual([...Deno.readDirSync(place.path)], []);
});

Deno.test("keygen encrypts with the file that FLOE_PASSPHRASE_FILE names, unasked", async () => {
  using folder = new TestFolder({ nodes: 1 });
  using place = new Place();
  const env = { FLOE_PASSPHRASE_FILE: place.passphraseFile("first", FIRST) };
  const options = ["--config", folder.configFile, "--data-dir", place.path];
  const dealt = await floe(["keygen", "--dealer", ...options], { env });
  assert.equal(dealt.code, 0, dealt.stderr);
  for (const name of ["identity.json", "share.json"]) {
    const { format } = JSON.parse(Deno.readTextFileSync(`${place.path}/server_1/${name}`));
    assert.equal(format, "floe/sealed/v1");
  }
});

Deno.test("a passphrase file that others can read stops every command that would use it", async () => {
  using place = new Place();
  const file = place.passphraseFile("first", FIRST);
  Deno.chmodSync(file, 0o644);
  const surroundings = { env: { FLOE_PASSPHRASE_FILE: file } };
  const addresses = ["--id", "alpha", "--peer", "h:1", "--api", "h:2"];
  for (
    const args of [
      ["keygen", ...addresses, ...place.dataDir],
      ["keys", "backup", "--out", `${place.path}/backup`, ...place.dataDir],
      ["keys", "restore", `${place.path}/backup`, ...place.dataDir],
    ]
  ) {
    refuses(
      await floe(args, surroundings),
      /first: other users can read it \(mode 644\).*chmod 600/,
    );
  }
});

Deno.test("keys passphrase adds, changes and removes a passphrase", async () => {
  using place = await Place.withIdentity();
  const passphrase = async (args: readonly string[], surroundings: Surroundings) =>
    await floe(["keys", "passphrase", ...args, ...place.dataDir], surroundings);
  const identity = `${place.node}/identity.json`;

  const added = await passphrase([], { typed: [FIRST, FIRST] });
  assert.equal(added.stdout, `${identity}: encrypted with the new passphrase\n`, added.stderr);
  assert.equal(place.isEncrypted("identity.json"), true);

  const file = place.passphraseFile("second", SECOND);
  const changed = await passphrase(["--new-passphrase-file", file, "-o", "json"], {
    env: { FLOE_PASSPHRASE_FILE: place.passphraseFile("first", FIRST) },
  });
  assert.deepEqual(
    JSON.parse(changed.stdout),
    { dataDir: place.node, changed: [identity], encrypted: true },
  );

  refuses(await passphrase(["--remove"], { typed: [FIRST] }), /it cannot be decrypted/);
  const removed = await passphrase(["--remove"], { typed: [SECOND] });
  assert.equal(removed.stdout, `${identity}: no longer encrypted\n`, removed.stderr);
  assert.equal(place.isEncrypted("identity.json"), false);
  const nothing = await passphrase(["--remove"], {});
  assert.equal(nothing.stdout, `Nothing to change in ${place.node}\n`);
});

Deno.test("keys passphrase refuses a folder in use, and options that exclude each other", async () => {
  using place = await Place.withIdentity();
  const args = ["keys", "passphrase", ...place.dataDir, "--remove"];
  {
    using folder = Deno.openSync(place.node);
    assert.ok(folder.tryLockSync(true));
    const busy = await floe(args);
    assert.equal(busy.code, 1);
    assert.match(busy.stderr, /another process is using it\. Stop that node first/);
  }
  refuses(await floe([...args, "--new-passphrase-file", "f"]), /--remove goes without/);
  refuses(
    await floe(["keys", "passphrase"], { env: {} }),
    /Name the node's folder with --data-dir/,
  );
  refuses(
    await floe(["keys", "passphrase", "--data-dir", `${place.path}/none`, "--remove"]),
    /there is no such folder/,
  );
});

Deno.test("keys backup and keys restore move a node's keys, beside its log", async () => {
  using folder = new TestFolder({ nodes: 3 });
  using place = new Place();
  await floe(["keygen", "--dealer", "--config", folder.configFile, "--data-dir", folder.path]);
  const from = ["--data-dir", `${folder.path}/server_1`];
  const out = `${place.path}/backup`;
  const backup = await floe(["keys", "backup", ...from, "--out", out], { typed: [FIRST, FIRST] });
  assert.equal(
    backup.stdout,
    `${out}: identity.json, share.json, group.json of server_1, encrypted\n`,
    backup.stderr,
  );
  assert.deepEqual(backup.questions, [
    "New passphrase of the backup: ",
    "The same passphrase again: ",
  ]);

  const restore = ["keys", "restore", out, ...place.dataDir];
  refuses(await floe(restore, { typed: [FIRST] }), /no folder raft.*stop it, copy its whole data/);
  makeStores(place.node, folder.config.cluster);
  refuses(await floe(restore, { typed: [SECOND] }), /it cannot be decrypted/);
  const restored = await floe([...restore, "-o", "json"], { typed: [FIRST] });
  assert.deepEqual(JSON.parse(restored.stdout), {
    node: "server_1",
    cluster: folder.config.cluster,
    files: ["identity.json", "share.json", "group.json"],
    dataDir: place.node,
  });
  refuses(await floe(restore, { typed: [FIRST] }), /it holds keys already/);
  assert.equal(place.isEncrypted("share.json"), true);
});

Deno.test("keys restore --identity-only needs nothing but the backup", async () => {
  using place = await Place.withIdentity();
  const out = `${place.path}/backup`;
  const env = { FLOE_PASSPHRASE_FILE: place.passphraseFile("first", FIRST) };
  assert.equal((await floe(["keys", "backup", ...place.dataDir, "--out", out], { env })).code, 0);
  Deno.removeSync(place.node, { recursive: true });
  const restored = await floe(["keys", "restore", out, ...place.dataDir, "--identity-only"], {
    env,
  });
  assert.equal(
    restored.stdout,
    `${place.node}: identity.json of alpha, encrypted with the backup's passphrase\n`,
    restored.stderr,
  );
});

/** A folder for a node's own. */
class Place implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "floe-keys-" });
  readonly node = `${this.path}/node`;
  readonly dataDir = ["--data-dir", this.node];

  static async withIdentity(): Promise<Place> {
    const place = new Place();
    const args = ["keygen", "--id", "alpha", "--peer", "h:1", "--api", "h:2", ...place.dataDir];
    assert.equal((await floe(args)).code, 0);
    return place;
  }

  passphraseFile(name: string, passphrase: string): string {
    const path = `${this.path}/${name}`;
    Deno.writeTextFileSync(path, `${passphrase}\n`, { mode: 0o600 });
    return path;
  }

  isEncrypted(name: string): boolean {
    return "ciphertext" in JSON.parse(Deno.readTextFileSync(`${this.node}/${name}`));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function makeStores(folder: string, cluster: string): void {
  const node = toNodeId("server_1");
  createDataFolder(folder);
  openRaftStore({ folder, cluster: toClusterName(cluster), node }).abandon();
}

function refuses({ code, stderr, stdout }: Outcome, message: RegExp): void {
  assert.equal(code, 2, stdout + stderr);
  assert.match(stderr, message);
  for (const secret of [FIRST, SECOND]) assert.ok(!(stdout + stderr).includes(secret));
}

Deno.test("keys asks for no passphrase where it would be typed for nothing", async () => {
  using place = await Place.withIdentity();
  const [none, there] = [`${place.path}/none`, `${place.path}/there`];
  Deno.writeTextFileSync(there, "");
  const nothing = ["--data-dir", none];
  for (
    const [args, message] of [
      [
        ["restore", none, ...place.dataDir],
        /none: there is no such file\. Name one that floe keys/,
      ],
      [["backup", "--out", there, ...place.dataDir], /there: the file exists already/],
      [["backup", "--out", none, ...nothing], /none: there is no such folder/],
      [["passphrase", ...nothing], /none: there is no such folder/],
      [["passphrase", "--new-passphrase-file", none, ...place.dataDir], /none/],
    ] as const
  ) {
    const outcome = await floe(["keys", ...args], { typed: [] });
    assert.deepEqual(outcome.questions, []);
    refuses(outcome, message);
  }
});
