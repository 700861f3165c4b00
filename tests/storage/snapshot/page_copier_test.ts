import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PageCopier } from "../../../lib/storage/snapshot/jobs.ts";
import { withFolder } from "../support.ts";
import { withPair, withStores, write } from "./support.ts";

const CHILD = fileURLToPath(new URL("opening_child.ts", import.meta.url));
const PAGE_BYTES = 4096;

/** A file of whole pages, each filled with its number. */
function pages(numbers: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(numbers.length * PAGE_BYTES);
  numbers.forEach((number, at) => bytes.fill(number, at * PAGE_BYTES, (at + 1) * PAGE_BYTES));
  return bytes;
}

/** What another program hears that wants to write to a database. */
async function openElsewhere(path: string): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", CHILD, path],
    stderr: "inherit",
  }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("PageCopier copies a file, and then pages of it wherever they are", () =>
  withFolder(({ folder }) => {
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    const copier = new PageCopier();
    Deno.writeFileSync(to, new Uint8Array(100 * PAGE_BYTES).fill(255));
    Deno.writeFileSync(from, pages([1, 2, 3, 4, 5]));
    copier.copy({ from, to, pages: null });
    assert.deepEqual(Deno.readFileSync(to), pages([1, 2, 3, 4, 5]));
    Deno.writeFileSync(from, pages([11, 12, 13, 14, 15, 16, 17]));
    copier.copy({ from, to, pages: [7, 2, 6, 3] });
    assert.deepEqual(Deno.readFileSync(to), pages([1, 12, 13, 4, 5, 16, 17]));
    copier.copy({ from, to, pages: [] });
    copier.copy({ from, to, pages: [8] });
    assert.deepEqual(Deno.readFileSync(to), pages([1, 12, 13, 4, 5, 16, 17]));
  }));

Deno.test("PageCopier takes the file that has the name now, not the one that had it", () =>
  withFolder(({ folder }) => {
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    const copier = new PageCopier();
    for (const number of [1, 2]) {
      Deno.writeFileSync(`${from}.new`, pages([number]));
      Deno.renameSync(`${from}.new`, from);
      copier.copy({ from, to, pages: null });
      assert.deepEqual(Deno.readFileSync(to), pages([number]));
    }
  }));

Deno.test("a copy does not let other programs into the database", () =>
  withPair(({ maker }) =>
    withStores(maker, async (stores) => {
      write(stores, 10);
      assert.match(await openElsewhere(stores.keyValues.path), /database is locked/);
      await stores.snapshots.make();
      await stores.snapshots.make();
      assert.match(await openElsewhere(stores.keyValues.path), /database is locked/);
    })
  ));
