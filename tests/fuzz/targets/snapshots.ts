/**
 * Snapshot files: whatever a leader sends is opened as an SQLite database. Its author can make every
 * digest in it right.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import { InputError } from "../../../lib/errors.ts";
import { encodeResult } from "../../../lib/kv/apply_command.ts";
import { Database } from "../../../lib/storage/database.ts";
import { SqliteKeyValueStore } from "../../../lib/storage/key_value_store.ts";
import { digestKeyValue, digestRememberedWrite } from "../../../lib/storage/row_digest.ts";
import { checkSnapshot } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { KEY_VALUE_WAY_BACK } from "../../../lib/storage/storage_error.ts";
import { type LogIndex, toLogIndex } from "../../../lib/types.ts";
import type { Random } from "../../simulator/random.ts";
import { withStores, write } from "../../storage/snapshot/support.ts";
import { nodeIn } from "../../storage/support.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { type OpenTarget, refusing, type Target } from "../target.ts";
import { drawNumber, drawText } from "../values.ts";

const ROWS = 12;
const CLUSTER = nodeIn("").cluster;

/** A snapshot that passes can be read whole, by every way in. */
export const snapshots: Target = {
  name: "snapshots",
  share: 3,
  open: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "floe-fuzz-" });
    await withStores(nodeIn(join(folder, "maker")), async (stores) => {
      write(stores, ROWS);
      await stores.snapshots.make();
      Deno.copyFileSync(join(folder, "maker/snapshots/outgoing"), join(folder, "genuine"));
    });
    return new Snapshots(folder);
  },
};

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
        return refusing([InputError], () => {
          const index = checkSnapshot(path, CLUSTER);
          readAll(path, index);
        });
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
    const table = random.pick(["kv", "remembered", "applied", "meta"]);
    const columns = connection.prepare(`PRAGMA table_info(${table})`).all();
    const column = String(random.pick(columns)["name"]);
    connection.prepare(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`)
      .run(drawValue(random), random.between(1, ROWS));
  },
  (connection, random) => {
    const key = random.chance(0.5) ? encodeUtf8(drawText(random)) : random.bytes(3);
    const row = {
      key: "",
      value: random.bytes(20),
      createRevision: drawIndex(random),
      modRevision: drawIndex(random),
      version: drawIndex(random),
    };
    const { value, createRevision, modRevision, version } = row;
    connection.prepare("INSERT INTO kv VALUES (?, ?, ?, ?, ?, ?)")
      .run(key, value, createRevision, modRevision, version, digestKeyValue(row, key));
  },
  (connection, random) => {
    const revision = random.chance(0.3) ? -random.below(100) as LogIndex : drawIndex(random);
    const idempotencyKey = encodeUtf8(drawText(random));
    const encoded = random.chance(0.7)
      ? encodeResult({ kind: "delete", revision, deleted: true })
      : random.bytes(9);
    const commandDigest = random.bytes(random.pick([0, 32]));
    const written = {
      idempotencyKey: "",
      commandDigest,
      result: { kind: "delete", revision, deleted: true },
    } as const;
    const digest = digestRememberedWrite(written, { idempotencyKey, result: encoded });
    connection.prepare("INSERT INTO remembered VALUES (?, ?, ?, ?, ?)")
      .run(revision, idempotencyKey, commandDigest, encoded, digest);
  },
  (connection, random) => {
    connection.exec(random.pick([
      "CREATE TABLE more (id)",
      "CREATE VIEW v AS SELECT * FROM kv",
      "CREATE TRIGGER t AFTER UPDATE ON meta BEGIN DELETE FROM kv; END",
      "DROP TABLE remembered",
      "CREATE INDEX i ON kv (version)",
      "DELETE FROM kv",
      "PRAGMA user_version = -1",
      "PRAGMA application_id = 7",
      "PRAGMA encoding = 'UTF-16'",
      "VACUUM",
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'kv'",
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE kv (x)' " +
      "WHERE name = 'kv'",
    ]));
  },
];

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

function drawIndex(random: Random): LogIndex {
  return random.chance(0.8)
    ? toLogIndex(random.between(0, 2 * ROWS))
    : toLogIndex(Number.MAX_SAFE_INTEGER);
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

/** As a node reads it that has installed it: all rows, and each by its key. */
function readAll(path: string, index: LogIndex): void {
  const connection = new DatabaseSync(path);
  try {
    const store = new SqliteKeyValueStore(() =>
      new Database({ path, connection, guard: null, wayBack: KEY_VALUE_WAY_BACK })
    );
    assert.equal(store.appliedIndex, index);
    for (const row of store.rows()) assert.deepEqual(store.get(row.key), row);
    const keys = connection.prepare("SELECT idempotency_key FROM remembered").all();
    const read = [...store.remembered.rows()];
    assert.equal(read.length, keys.length, "a remembered write is not among its table's rows");
    for (const write of read) {
      assert.deepEqual(store.remembered.get(write.idempotencyKey), write);
    }
  } finally {
    connection.close();
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
