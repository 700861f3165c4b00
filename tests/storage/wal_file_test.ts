import assert from "node:assert/strict";
import { join } from "node:path";
import { isWalUsable } from "../../lib/storage/wal_file.ts";
import { copyAsIfKilled, flipBit, withFolder, withTables } from "./support.ts";

const HEADER_BYTES = 32;

/** Hands over a write-ahead log as a killed process leaves it. */
function withWal(work: (path: string) => void): Promise<void> {
  return withFolder((options) => {
    const { folder } = withTables(options, () => copyAsIfKilled(options));
    work(join(folder, "kv.db-wal"));
  });
}

Deno.test("isWalUsable() finds the log of a killed process usable", () =>
  withWal((path) => assert.equal(isWalUsable(path), true)));

Deno.test("isWalUsable() finds nothing usable in a missing, short or headless file", () =>
  withWal((path) => {
    assert.equal(isWalUsable(`${path}-missing`), false);
    const whole = Deno.readFileSync(path);
    for (const offset of [0, 3, 8, 16, 24, 31]) {
      Deno.writeFileSync(path, whole);
      flipBit(path, offset);
      assert.equal(isWalUsable(path), false, `byte ${offset}`);
    }
    Deno.truncateSync(path, HEADER_BYTES - 1);
    assert.equal(isWalUsable(path), false);
  }));
