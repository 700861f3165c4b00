import assert from "node:assert/strict";
import fc from "fast-check";
import { keyText } from "../../lib/kv/key_range.ts";
import { type RangeItem, type RangeQuery, RangeReader } from "../../lib/kv/range_reader.ts";
import type { Store } from "../../lib/kv/store.ts";
import { toLogIndex } from "../../lib/types.ts";
import { anyEntry, key, keyRange } from "./commands.ts";
import { StoreModel, within } from "../support/store_model.ts";
import { bytes, del, Driver, put, text, toRange } from "./support.ts";

interface Read {
  readonly names: readonly string[];
  readonly count: number;
  readonly hasMore: boolean;
}

function read(
  store: Store,
  query: Omit<RangeQuery, "revision"> & { readonly revision?: number },
  between: () => void = () => {},
): Read {
  const revision = toLogIndex(query.revision ?? store.appliedIndex);
  const reader = new RangeReader(store.keys, { ...query, revision });
  const names: string[] = [];
  for (;;) {
    const slice = reader.next(store.appliedIndex, { keysMax: 2, bytesMax: 1e6 });
    if (slice.kind !== "slice") throw new Error(slice.kind);
    names.push(...slice.items.map(nameOf));
    if (slice.isDone) return { names, count: slice.count, hasMore: slice.hasMore };
    between();
  }
}

function nameOf(item: RangeItem): string {
  return text(item.kind === "row" ? item.row.key : item.name);
}

/** A store with these keys. */
function storeOf(...keys: readonly string[]): Driver {
  const driver = new Driver();
  for (const key of keys) driver.do(put(key, `value of ${key}`));
  return driver;
}

const TREE = ["a", "a/1", "a/2/x", "a/2/y", "a/3", "ab", "b/1"];

Deno.test("a range has its keys in order, either way", () => {
  const { store } = storeOf(...TREE);
  assert.deepEqual(read(store, { keys: toRange("a/*") }).names, ["a/1", "a/2/x", "a/2/y", "a/3"]);
  const keys = { start: bytes("a/2"), end: bytes("ab") };
  assert.deepEqual(read(store, { keys, order: "descending" }).names, ["a/3", "a/2/y", "a/2/x"]);
  assert.deepEqual(read(store, { keys: toRange("ab") }).names, ["ab"]);
  assert.deepEqual(read(store, { keys: { start: bytes("b"), end: bytes("a") } }).names, []);
});

Deno.test("a limit says whether there is more, and counts all only when asked to", () => {
  const { store } = storeOf(...TREE);
  const keys = toRange("a*");
  assert.deepEqual(read(store, { keys, limit: 2 }), {
    names: ["a", "a/1"],
    count: 2,
    hasMore: true,
  });
  assert.deepEqual(read(store, { keys, limit: 2, countAll: true }).count, 6);
  assert.equal(read(store, { keys, limit: 6 }).hasMore, false);
  assert.deepEqual(read(store, { keys, countOnly: true }), { names: [], count: 6, hasMore: false });
});

Deno.test("keysOnly leaves the values out", () => {
  const { store } = storeOf("a");
  const revision = store.appliedIndex;
  const reader = new RangeReader(store.keys, { keys: toRange("a"), revision, keysOnly: true });
  const slice = reader.next(revision);
  assert.ok(slice.kind === "slice" && slice.items[0]?.kind === "row");
  assert.equal(slice.items[0].row.value.length, 0);
  assert.equal(slice.items[0].row.version, 1);
});

Deno.test("a delimiter shows one level, as a folder does", () => {
  const { store } = storeOf(...TREE);
  const delimiter = bytes("/");
  assert.deepEqual(read(store, { keys: toRange("*"), delimiter }).names, ["a", "a/", "ab", "b/"]);
  assert.deepEqual(read(store, { keys: toRange("a/*"), delimiter }).names, ["a/1", "a/2/", "a/3"]);
  assert.deepEqual(
    read(store, { keys: toRange("a/*"), delimiter, order: "descending" }).names,
    ["a/3", "a/2/", "a/1"],
  );
});

Deno.test("a folder is there only while a key in it is", () => {
  const driver = storeOf("a/2/x", "a/3");
  driver.do(del("a/2/x"));
  const delimiter = bytes("/");
  assert.deepEqual(read(driver.store, { keys: toRange("a/*"), delimiter }).names, ["a/3"]);
  const before = { keys: toRange("a/*"), delimiter, revision: 2 };
  assert.deepEqual(read(driver.store, before).names, ["a/2/", "a/3"]);
});

Deno.test("a folder above all other keys ends the range", () => {
  const driver = new Driver();
  const key = Uint8Array.of(0xff, 0xff);
  driver.do({ ...put("a", "1"), key }, { ...put("a", "1"), key: Uint8Array.of(0xff, 0xff, 1) });
  const delimiter = Uint8Array.of(0xff);
  const { names, count } = read(driver.store, { keys: toRange("*"), delimiter });
  assert.equal(names.length, 1);
  assert.equal(count, 1);
});

Deno.test("a page after a folder begins behind all of its keys, either way", () => {
  const { store } = storeOf(...TREE);
  const query = { keys: toRange("a/*"), delimiter: bytes("/"), after: bytes("a/2/") };
  assert.deepEqual(read(store, query).names, ["a/3"]);
  assert.deepEqual(read(store, { ...query, order: "descending" }).names, ["a/1"]);
  assert.deepEqual(read(store, { keys: toRange("a*"), after: bytes("a/2/x") }).names, [
    "a/2/y",
    "a/3",
    "ab",
  ]);
});

Deno.test("a filter keeps what changed in time", () => {
  const driver = storeOf("a", "b", "c");
  driver.do(put("a", "again"));
  const keys = toRange("*");
  assert.deepEqual(read(driver.store, { keys, modRevisionMin: 3 }).names, ["a", "c"]);
  assert.deepEqual(read(driver.store, { keys, createRevisionMax: 1 }).names, ["a"]);
  assert.deepEqual(read(driver.store, { keys, modRevisionMax: 3 }).names, ["b", "c"]);
  assert.deepEqual(read(driver.store, { keys, createRevisionMin: 2 }).names, ["b", "c"]);
});

Deno.test("a reader reads its revision, whatever is written between its slices", () => {
  const driver = storeOf("a", "b", "c", "d", "e");
  let round = 0;
  const { names } = read(driver.store, { keys: toRange("*") }, () => {
    round++;
    driver.do(put(`b${round}`, "new"), del(round === 1 ? "c" : "e"), put("zz", "new"));
  });
  assert.deepEqual(names, ["a", "b", "c", "d", "e"]);
});

Deno.test("a reader whose revision is compacted between two slices says so", () => {
  const driver = storeOf("a", "b", "c");
  const revision = driver.store.appliedIndex;
  const reader = new RangeReader(driver.store.keys, { keys: toRange("*"), revision });
  assert.equal(reader.next(revision, { keysMax: 1, bytesMax: 1 }).kind, "slice");
  driver.do(put("a", "2"));
  driver.apply({ kind: "compact", revision: 4 });
  assert.deepEqual(reader.next(driver.store.appliedIndex), {
    kind: "compacted",
    oldestRevision: 4,
  });
});

Deno.test("a revision that is not there yet is refused", () => {
  const { store } = storeOf("a");
  const reader = new RangeReader(store.keys, { keys: toRange("a"), revision: toLogIndex(2) });
  assert.deepEqual(reader.next(store.appliedIndex), { kind: "future", appliedIndex: 1 });
});

Deno.test("a slice ends when it has enough bytes, but has one item at least", () => {
  const { store } = storeOf("a", "b", "c");
  const revision = store.appliedIndex;
  const reader = new RangeReader(store.keys, { keys: toRange("*"), revision });
  const slice = reader.next(revision, { keysMax: 100, bytesMax: 1 });
  assert.ok(slice.kind === "slice");
  assert.equal(slice.items.length, 1);
  assert.equal(slice.isDone, false);
});

Deno.test("pages by `after` have every key once, at one revision, while others write", () => {
  const order = fc.constantFrom("ascending" as const, "descending" as const);
  const writes = fc.array(anyEntry, { minLength: 5, maxLength: 30, size: "max" });
  const delimiter = fc.constantFrom(undefined, bytes("/"), bytes("2/"));
  fc.assert(
    fc.property(writes, keyRange, order, delimiter, (commands, keys, order, delimiter) => {
      const driver = new Driver();
      const writes = commands.filter(({ kind }) => kind !== "compact");
      const half = Math.floor(writes.length / 2);
      for (const command of writes.slice(0, half)) driver.applied(command);
      const { store } = driver;
      const revision = store.appliedIndex;
      const query = { keys, revision, order, ...(delimiter === undefined ? {} : { delimiter }) };
      const { names } = read(store, query);
      const later = writes.slice(half);
      const paged: string[] = [];
      let after: Uint8Array | undefined;
      for (;;) {
        const page = { ...query, limit: 2, ...(after === undefined ? {} : { after }) };
        const reader = new RangeReader(store.keys, page);
        const slice = reader.next(store.appliedIndex);
        assert.ok(slice.kind === "slice" && slice.isDone);
        paged.push(...slice.items.map(nameOf));
        const last = slice.items.at(-1);
        if (!slice.hasMore || last === undefined) break;
        after = last.kind === "row" ? last.row.key : last.name;
        const write = later.shift();
        if (write !== undefined) driver.applied(write);
      }
      assert.deepEqual(paged, names);
    }),
    { numRuns: 100 },
  );
});

Deno.test("rows, counts and folders are those of the model", () => {
  fc.assert(
    fc.property(
      fc.array(anyEntry, { maxLength: 30, size: "max" }),
      keyRange,
      key,
      (commands, keys, prefix) => {
        const driver = new Driver();
        const model = new StoreModel();
        for (const command of commands) {
          driver.applied(command);
          model.apply(command);
        }
        const rows = within(model.rows, keys);
        const there = read(driver.store, { keys });
        assert.equal(there.count, rows.length);
        assert.deepEqual(there.names, rows.map((row) => text(row.key)));
        const folderKeys = { keys: toRange(`${text(prefix)}*`), delimiter: bytes("/") };
        const folders = new Set(
          within(model.rows, folderKeys.keys).map((row) => {
            const name = keyText(row.key);
            const slash = name.indexOf("/", folderKeys.keys.start.length);
            return slash < 0 ? name : name.slice(0, slash + 1);
          }),
        );
        assert.equal(read(driver.store, folderKeys).count, folders.size);
      },
    ),
    { numRuns: 100 },
  );
});
