import assert from "node:assert/strict";
import { join } from "node:path";
import { Guard } from "../../lib/storage/folder.ts";
import { withFolder } from "./support.ts";

Deno.test("Guard is held by one at a time", () =>
  withFolder(({ folder }) => {
    const path = join(folder, "raft.db.guard");
    const guard = Guard.take(path);
    assert.throws(() => Guard.take(path), {
      name: "EnvironmentError",
      message: /another process is using it .*raft\.db\.guard/,
    });
    guard.release();
    Guard.take(path).release();
  }));

Deno.test("Guard remembers that the database was made", () =>
  withFolder(({ folder }) => {
    const path = join(folder, "raft.db.guard");
    const first = Guard.take(path);
    assert.equal(first.databaseWasMade, false);
    first.markDatabaseMade("raft.db was made\n");
    assert.equal(first.databaseWasMade, true);
    first.release();
    const second = Guard.take(path);
    assert.equal(second.databaseWasMade, true);
    second.release();
    assert.equal(Deno.readTextFileSync(path), "raft.db was made\n");
  }));

Deno.test("Guard says what is wrong when its folder is not there", () =>
  withFolder(({ folder }) => {
    assert.throws(() => Guard.take(join(folder, "missing", "raft.db.guard")), {
      name: "EnvironmentError",
      message: /The data folder must exist and be writable/,
    });
  }));
