/**
 * Snapshot files: whatever a leader sends is opened as an SQLite database. Its author can make every
 * digest in it right.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { concatBytes, encodeUtf8 } from "../../../lib/bytes.ts";
import { InputError } from "../../../lib/errors.ts";
import { ByteWriter } from "../../../lib/kv/byte_fields.ts";
import { restoreSnapshot } from "../../../lib/storage/snapshot/restore.ts";
import { openSnapshot } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { CorruptionError } from "../../../lib/storage/storage_error.ts";
import { atOnce, RowLoader, TABLES } from "../../../lib/storage/tables/rows.ts";
import type { Random } from "../../simulator/random.ts";
import { readSaved, write } from "../../storage/snapshot/support.ts";
import { nodeIn, withNode } from "../../storage/support.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { ACCEPTED, type OpenTarget, type Outcome, refusing, type Target } from "../target.ts";
import { drawNumber, drawText } from "../values.ts";

const ROWS = 12;
const CLUSTER = nodeIn("").cluster;

/** A snapshot that passes can be made a store of, all of it. */
export const snapshots: Target = {
  name: "snapshots",
  share: 3,
  open: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "floe-fuzz-" });
    await withNode(nodeIn(join(folder, "maker")), async (node) => {
      await write(node, ROWS);
      await node.snapshots.make();
      Deno.copyFileSync(join(folder, "maker/snapshots/outgoing"), join(folder, "genuine"));
    });
    return new Snapshots(folder);
  },
};

/** Saved files, on their way into a folder: what is refused leaves nothing there. */
export const savedSnapshots: Target = {
  name: "saved-snapshots",
  share: 2,
  open: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "floe-fuzz-" });
    const genuine = await withNode(nodeIn(join(folder, "maker")), async (node) => {
      await write(node, ROWS);
      return await readSaved(await node.snapshots.save());
    });
    return new SavedSnapshots(folder, genuine);
  },
};

class SavedSnapshots implements OpenTarget {
  readonly #folder: string;
  readonly #genuine: Uint8Array<ArrayBuffer>;

  constructor(folder: string, genuine: Uint8Array<ArrayBuffer>) {
    this.#folder = folder;
    this.#genuine = genuine;
  }

  draw(random: Random) {
    const bytes = random.chance(0.02) ? this.#genuine : this.#change(random);
    return { show: () => bytes.toHex(), bytes: bytes.length, run: () => this.#restore(bytes) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }

  /** Half of them with a digest that is right. */
  #change(random: Random): Uint8Array {
    const changed = random.chance(0.5)
      ? mutateBytes(this.#genuine, random)
      : changePages(this.#genuine, random);
    if (random.chance(0.5) || changed.length < 32) return changed;
    const content = changed.subarray(0, -32);
    return concatBytes(content, createHash("sha256").update(content).digest());
  }

  async #restore(bytes: Uint8Array): Promise<Outcome> {
    const [path, folder] = [join(this.#folder, "saved"), join(this.#folder, "restored")];
    Deno.writeFileSync(path, bytes);
    try {
      await restoreSnapshot(path, nodeIn(folder));
      return ACCEPTED;
    } catch (error) {
      assert.ok(error instanceof InputError || error instanceof CorruptionError, String(error));
      assert.deepEqual([...Deno.readDirSync(folder)], []);
      return error.name;
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }
}

class Snapshots implements OpenTarget {
  readonly #folder: string;
  readonly #genuine: Uint8Array;

  constructor(folder: string) {
    this.#folder = folder;
    this.#genuine = Deno.readFileSync(join(folder, "genuine"));
  }

  draw(random: Random) {
    const bytes = this.#draw(random);
    return {
      show: () => bytes.toHex(),
      bytes: bytes.length,
      run: () => {
        const path = this.#write(bytes);
        return refusing([InputError, CorruptionError], () => load(path));
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }

  #draw(random: Random): Uint8Array {
    if (random.chance(0.05)) return this.#genuine;
    const bytes = random.chance(0.6) ? this.#rewrite(random) : this.#genuine;
    return random.chance(0.5) ? changePages(bytes, random) : bytes;
  }

  /** As one who can write whatever the tables take. */
  #rewrite(random: Random): Uint8Array {
    const path = this.#write(this.#genuine);
    const connection = new DatabaseSync(path);
    try {
      for (let changes = random.between(1, 3); changes > 0; changes--) {
        try {
          random.pick(REWRITES)(connection, random);
        } catch {
          // The tables do not take it; so nobody can send it this way.
        }
      }
    } finally {
      connection.close();
    }
    return Deno.readFileSync(path);
  }

  #write(bytes: Uint8Array): string {
    const path = join(this.#folder, "changed");
    for (const suffix of ["", "-wal", "-shm", "-journal"]) removeIfThere(path + suffix);
    Deno.writeFileSync(path, bytes);
    return path;
  }
}

type Rewrite = (connection: DatabaseSync, random: Random) => void;

const REWRITES: readonly Rewrite[] = [
  (connection, random) => {
    const table = random.pick([...TABLES, "meta"]);
    const columns = connection.prepare(`PRAGMA table_info(${table})`).all();
    const column = String(random.pick(columns)["name"]);
    connection.prepare(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`)
      .run(drawValue(random), random.between(1, ROWS));
  },
  // A row of its own, or one in the place of another.
  (connection, random) => {
    const table = random.pick(TABLES);
    const found = connection.prepare(`SELECT key FROM ${table} LIMIT 1`).get()?.["key"];
    const known = found instanceof Uint8Array ? found : new Uint8Array(1);
    const key = random.pick([known, encodeUtf8(drawText(random)), random.bytes(12)]);
    connection.prepare(`INSERT OR REPLACE INTO ${table} VALUES (?, ?)`)
      .run(key, sealRow(table, { key, rest: drawRest(connection, { table, random }) }));
  },
  (connection, random) => {
    connection.exec(random.pick([
      "CREATE TABLE more (id)",
      "CREATE VIEW v AS SELECT * FROM keys",
      "CREATE TRIGGER t AFTER UPDATE ON meta BEGIN DELETE FROM keys; END",
      "DROP TABLE remembered",
      "CREATE INDEX i ON keys (row)",
      "DELETE FROM keys",
      "DELETE FROM history",
      "PRAGMA user_version = -1",
      "PRAGMA application_id = 7",
      "PRAGMA encoding = 'UTF-16'",
      "VACUUM",
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'keys'",
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE keys (x)' " +
      "WHERE name = 'keys'",
    ]));
  },
];

/** What is to stand beside a key, with a digest that is right. */
function sealRow(
  table: typeof TABLES[number],
  { key, rest }: { readonly key: Uint8Array; readonly rest: Uint8Array },
): Uint8Array {
  const content = new ByteWriter().byte(TABLES.indexOf(table)).bytes(key).raw(rest).finish();
  return concatBytes(rest, createHash("sha256").update(content).digest());
}

/** A row of the table's that was changed, or anything. */
function drawRest(
  connection: DatabaseSync,
  { table, random }: { readonly table: string; readonly random: Random },
): Uint8Array {
  const row = connection.prepare(`SELECT row FROM ${table} LIMIT 1`).get()?.["row"];
  if (!(row instanceof Uint8Array) || random.chance(0.2)) return random.bytes(random.below(60));
  const rest = row.subarray(0, -32);
  return random.chance(0.3) ? rest : mutateBytes(rest, random);
}

function drawValue(random: Random): SQLInputValue {
  switch (random.below(5)) {
    case 0:
      return null;
    case 1:
      return drawText(random);
    case 2:
      return random.pick([0n, -1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]);
    case 3:
      return random.bytes(random.below(40));
    default:
      return drawNumber(random);
  }
}

/** In the header, where it is read first, or anywhere. */
function changePages(bytes: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.2)) return mutateBytes(bytes, random);
  const changed = bytes.slice();
  const end = random.chance(0.3) ? 100 : random.pick([4096, changed.length]);
  for (let changes = random.between(1, 8); changes > 0; changes--) {
    changed[random.below(end)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
  }
  return changed;
}

/** As a node does that gets it. */
function load(path: string): void {
  const tables = openSnapshot(path, CLUSTER);
  try {
    const loader = new RowLoader({});
    for (let rows = tables.read(); rows !== null; rows = tables.read()) atOnce(loader.add(rows));
    const store = atOnce(loader.finish());
    assert.equal(store.appliedIndex, tables.appliedIndex);
  } finally {
    tables.close();
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
