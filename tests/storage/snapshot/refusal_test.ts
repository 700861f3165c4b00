import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { concatBytes, encodeUtf8 } from "../../../lib/bytes.ts";
import { StorageJobs } from "../../../lib/storage/storage_jobs.ts";
import { atOnce, RowLoader } from "../../../lib/storage/tables/rows.ts";
import type { SnapshotFile } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { toLogIndex } from "../../../lib/types.ts";
import { flipBit, type TestNode, withFolder } from "../support.ts";
import { snapshotFiles, withMade } from "./support.ts";

/** A snapshot is whatever a leader says it is: what is not this cluster's kv.db is refused. */

/** Sends the bytes of a file under a name. */
function sendFile(snapshot: SnapshotFile, { path, to }: { path: string; to: TestNode }): void {
  const data = Deno.readFileSync(path).subarray(0, snapshot.bytes);
  assert.equal(to.snapshots.store({ snapshot, offset: 0, data }), snapshot.bytes);
}

/** The right name for whatever is in a file, but for its index. */
function nameOf(path: string, index: number): SnapshotFile {
  const data = Deno.readFileSync(path);
  const sha256 = createHash("sha256").update(data).digest();
  return { index: toLogIndex(index), bytes: data.length, sha256 };
}

/** A snapshot of 30 entries that was changed on the way, under a name that fits the change or not. */
function refusesChanged(
  change: (path: string) => void,
  { message, isNamedAnew, index = 30 }: { message: RegExp; isNamedAnew: boolean; index?: number },
): Promise<void> {
  return withFolder(async ({ folder, cluster }) => {
    const path = join(folder, "changed");
    Deno.writeFileSync(path, await genuine());
    const name = nameOf(path, index);
    change(path);
    const snapshot = isNamedAnew ? nameOf(path, index) : name;
    const jobs = new StorageJobs();
    // What `finish` has a worker do.
    assert.throws(() => {
      jobs.openArrived({ path, snapshot, cluster });
      const loader = new RowLoader({});
      for (let rows = jobs.read(null); rows !== null; rows = jobs.read(null)) {
        atOnce(loader.add(rows));
      }
      atOnce(loader.finish());
    }, { message });
    jobs.drop({ path });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
}

let made: Promise<Uint8Array> | null = null;

/** A snapshot of 30 entries. */
function genuine(): Promise<Uint8Array> {
  made ??= new Promise((resolve) =>
    withMade(30, ({ maker }) => {
      resolve(Deno.readFileSync(join(maker.folder, "snapshots", "outgoing")));
    })
  );
  return made;
}

for (
  const [what, change, isNamedAnew, message] of [
    ["with a changed byte", (path: string) => flipBit(path, 5000), false, /its SHA-256 is not/],
    [
      "with a damaged row",
      sql("UPDATE keys SET row = zeroblob(50) WHERE rowid = 2"),
      true,
      /^Cannot use snapshot: the row of key "key 2" is damaged/,
    ],
  ] as const
) {
  Deno.test(`finish() refuses a snapshot ${what}, and takes it as it should be`, () =>
    withMade(30, async ({ maker, receiver, node, snapshot }) => {
      const path = join(maker.folder, "changed");
      Deno.copyFileSync(join(maker.folder, "snapshots", "outgoing"), path);
      change(path);
      const name = isNamedAnew ? nameOf(path, 30) : snapshot;
      sendFile(name, { path, to: node });
      await assert.rejects(node.snapshots.finish(name), { name: "InputError", message });
      assert.deepEqual(snapshotFiles(receiver), []);
      sendFile(snapshot, { path: join(maker.folder, "snapshots", "outgoing"), to: node });
      await node.snapshots.finish(snapshot);
      assert.deepEqual(snapshotFiles(receiver), ["ready-30-2"]);
    }));
}

function sql(...statements: readonly string[]): (path: string) => void {
  return (path) => {
    const connection = new DatabaseSync(path);
    for (const statement of statements) connection.exec(statement);
    connection.close();
  };
}

for (const offset of [0, 20, 5000, -1]) {
  Deno.test(`finish() refuses a snapshot whose byte ${offset} has changed`, () =>
    refusesChanged((path) => flipBit(path, offset), {
      message: /its SHA-256 is not the one that was announced/,
      isNamedAnew: false,
    }));
}

const changes: readonly (readonly [what: string, change: (path: string) => void, RegExp])[] = [
  [
    "of another cluster",
    sql("UPDATE meta SET value = 'another' WHERE name = 'cluster'"),
    /it belongs to cluster another, not to floe-test/,
  ],
  [
    "of another format",
    sql("UPDATE meta SET value = '1' WHERE name = 'format'"),
    /its format is 1, and this version of Floe knows 6/,
  ],
  [
    "with a damaged row",
    sql("UPDATE keys SET row = zeroblob(50) WHERE key = CAST('key 4' AS BLOB)"),
    /the row of key "key 4" is damaged/,
  ],
  [
    "with a damaged remembered write",
    sql("UPDATE remembered SET row = zeroblob(50)"),
    /a row of remembered is damaged/,
  ],
  [
    "with a token that is another's",
    sql("UPDATE tokens SET row = (SELECT row FROM tokens WHERE rowid = 1) WHERE rowid = 2"),
    /a row of tokens is damaged/,
  ],
  [
    "with a damaged applied index",
    sql("UPDATE state SET row = zeroblob(50)"),
    /its applied index is damaged/,
  ],
  ["without an applied index", sql("DELETE FROM state"), /its applied index is missing/],
  ["without history", sql("DELETE FROM keys WHERE rowid = 2"), /does not fit its key/],
  ["without a table", sql("DROP TABLE remembered"), /it has other tables than kv\.db/],
  ["with one more table", sql("CREATE TABLE more (id)"), /it has other tables than kv\.db/],
  [
    "with a trigger",
    sql("CREATE TRIGGER t AFTER INSERT ON keys BEGIN DELETE FROM keys; END"),
    /it has other tables than kv\.db/,
  ],
  [
    "with a row above the limit",
    sql("UPDATE keys SET row = zeroblob(2000000) WHERE rowid = 3"),
    /too big/,
  ],
  [
    "with a row before where reading begins",
    sql("UPDATE keys SET rowid = -1 WHERE rowid = 3"),
    /keys has 20 rows, of which 19 can be read/,
  ],
  [
    "that is not SQLite's",
    (path) => Deno.writeFileSync(path, new Uint8Array(9000)),
    /not a database/,
  ],
  [
    "whose index does not lead to a key",
    (path) => {
      const file = Deno.readFileSync(path);
      // The key stands in the table and in the index; its rowid follows it only in the index.
      const at = findBytes(file, concatBytes(encodeUtf8("key 17"), Uint8Array.of(12)));
      file[at] = "K".charCodeAt(0);
      Deno.writeFileSync(path, file);
    },
    /SQLite's check says/,
  ],
  ["with a damaged head", (path) => flipBit(path, 20), /Cannot use snapshot/],
  [
    "that is cut off",
    (path) => Deno.truncateSync(path, Deno.statSync(path).size - 4096),
    /Cannot use snapshot/,
  ],
];

function findBytes(haystack: Uint8Array, needle: Uint8Array): number {
  const at = decodeLatin1(haystack).indexOf(decodeLatin1(needle));
  assert.notEqual(at, -1);
  return at;
}

function decodeLatin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

for (const [what, change, message] of changes) {
  Deno.test(`finish() refuses a snapshot ${what}, though its SHA-256 is right`, () =>
    refusesChanged(change, { message, isNamedAnew: true }));
}

for (const index of [29, 31]) {
  Deno.test(`finish() refuses a snapshot at entry 30 that is said to be at ${index}`, () =>
    refusesChanged(() => {}, {
      message: new RegExp(`effects of entries up to 30, not ${index}`),
      isNamedAnew: false,
      index,
    }));
}
