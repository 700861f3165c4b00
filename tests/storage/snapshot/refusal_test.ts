import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { concatBytes, encodeUtf8 } from "../../../lib/bytes.ts";
import type { SnapshotFile } from "../../../lib/storage/snapshot/snapshot_file.ts";
import type { Stores } from "../../../lib/storage/stores.ts";
import { toLogIndex } from "../../../lib/types.ts";
import { flipBit } from "../support.ts";
import { snapshotFiles, withMade } from "./support.ts";

/** A snapshot is whatever a leader says it is: what is not this cluster's kv.db is refused. */

const REFUSED = { name: "InputError" };

/** Sends the bytes of a file under a name. */
function sendFile(snapshot: SnapshotFile, { path, to }: { path: string; to: Stores }): void {
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
  return withMade(30, async ({ maker, receiver, stores, snapshot }) => {
    const path = join(maker.folder, "changed");
    Deno.copyFileSync(join(maker.folder, "snapshots", "outgoing"), path);
    change(path);
    const name = isNamedAnew ? nameOf(path, index) : { ...snapshot, index: toLogIndex(index) };
    sendFile(name, { path, to: stores });
    await assert.rejects(stores.snapshots.finish(name), { ...REFUSED, message });
    assert.deepEqual(snapshotFiles(receiver), []);
    // What was refused may come again, as it should be.
    sendFile(snapshot, { path: join(maker.folder, "snapshots", "outgoing"), to: stores });
    await stores.snapshots.finish(snapshot);
    assert.deepEqual(snapshotFiles(receiver), ["ready-30"]);
  });
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
    /its format is 1, and this version of Floe knows 3/,
  ],
  [
    "with a damaged row",
    sql("UPDATE kv SET version = 9 WHERE mod_revision = 3"),
    /the row of key "key 3" is damaged/,
  ],
  [
    "with a damaged remembered write",
    sql("UPDATE remembered SET idempotency_key = x'41' WHERE revision = 3"),
    /the row of the remembered write 3 is damaged/,
  ],
  [
    "with a token that allows more than it did",
    sql("UPDATE tokens SET scopes = 7 WHERE create_revision = 3"),
    /the row of a token is damaged/,
  ],
  [
    "with a damaged applied index",
    sql("UPDATE applied SET applied_index = 31"),
    /its applied index is damaged/,
  ],
  ["without an applied index", sql("DELETE FROM applied"), /its applied index is missing/],
  ["without a table", sql("DROP TABLE remembered"), /it has other tables than kv\.db/],
  ["with one more table", sql("CREATE TABLE more (id)"), /it has other tables than kv\.db/],
  [
    "with a trigger",
    sql("CREATE TRIGGER t AFTER INSERT ON kv BEGIN DELETE FROM kv; END"),
    /it has other tables than kv\.db/,
  ],
  [
    "with a row above the limit",
    sql("UPDATE kv SET value = zeroblob(2000000) WHERE mod_revision = 3"),
    /too big/,
  ],
  [
    "with a number that JavaScript cannot hold",
    sql("UPDATE kv SET version = 9223372036854775807 WHERE mod_revision = 3"),
    /^Cannot use snapshot: Value is too large/,
  ],
  [
    // A client's retry would find it, and stop the node.
    "with a remembered write before the first entry",
    sql("INSERT INTO remembered VALUES (-1, x'41', x'', x'', x'')"),
    /remembered has 31 rows, of which 30 can be read/,
  ],
  [
    "that is not SQLite's",
    (path) => Deno.writeFileSync(path, new Uint8Array(9000)),
    /not a database/,
  ],
  [
    "whose index hides a remembered write from its retry",
    (path) => {
      const file = Deno.readFileSync(path);
      // The key stands in the table and in the index; its rowid follows it only in the index.
      const at = findBytes(file, concatBytes(encodeUtf8("write 17"), Uint8Array.of(17)));
      file[at] = "W".charCodeAt(0);
      Deno.writeFileSync(path, file);
    },
    /^Cannot use snapshot: SQLite's check says/,
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
