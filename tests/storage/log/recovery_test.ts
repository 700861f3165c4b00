import assert from "node:assert/strict";
import { join } from "node:path";
import { CorruptionError } from "../../../lib/storage/storage_error.ts";
import { toLogIndex, toTerm } from "../../../lib/types.ts";
import { batch, certificate, entries, flipBit, hardState, persist } from "../support.ts";
import { fill, find, type LogFolder, namesIn, usedBytes, withLogFolder } from "./support.ts";

const COUNT = 12;

/** Runs `work` with the log that {@linkcode fill} wrote and a normal end left. */
function withFilled(work: (log: LogFolder) => void | Promise<void>): Promise<void> {
  return withLogFolder(async (log) => {
    const store = log.open();
    await fill(store, { count: COUNT });
    await store.close();
    await work(log);
  });
}

function refuses(log: LogFolder, message: RegExp): void {
  const open = () => find(log);
  assert.throws(open, (error: unknown) => {
    assert.ok(error instanceof CorruptionError, `${error}`);
    assert.match(error.message, message);
    assert.match(error.message, /old key share.*cannot be made again/);
    return true;
  });
  // Refusing must not have changed what there is to see.
  assert.throws(open, CorruptionError);
}

const segments = (folder: string) => namesIn(folder).filter((name) => name.startsWith("segment"));
const last = (folder: string) => join(folder, segments(folder).at(-1) ?? "");

Deno.test("a start finds a log over several segments, as it was written", () =>
  withFilled((log) => {
    assert.ok(segments(log.folder).length >= 3, `${namesIn(log.folder)}`);
    const found = find(log);
    assert.deepEqual(found.hardState, hardState(COUNT, "server_1"));
    assert.deepEqual(
      found.entries,
      Array.from({ length: COUNT }, (_, at) => entries(at + 1, at + 1, at + 1)[0]),
    );
    assert.equal(found.currentTermNote, certificate(COUNT).note);
    assert.equal(found.elections.length, COUNT);
  }));

Deno.test("a start takes a record that was cut short anywhere for one that never was", () =>
  withLogFolder(async (log) => {
    const store = log.open();
    await fill(store, { count: 1 });
    const before = Math.ceil(usedBytes(last(log.folder)) / 8) * 8;
    await fill(store, { from: 2, count: 1 });
    store.abandon();
    const path = last(log.folder);
    const whole = Deno.readFileSync(path);
    for (let end = before + 1; end < usedBytes(path); end += 7) {
      Deno.writeFileSync(path, whole.subarray(0, end));
      assert.deepEqual(find(log).hardState, hardState(1, "server_1"), `${end} bytes`);
      Deno.writeFileSync(path, whole);
      const holed = whole.slice();
      holed.fill(0, before, end);
      Deno.writeFileSync(path, holed);
      assert.deepEqual(find(log).hardState, hardState(1, "server_1"), `from byte ${end}`);
      Deno.writeFileSync(path, whole);
    }
    assert.deepEqual(find(log).hardState, hardState(2, "server_1"));
  }));

Deno.test("a start removes what a cut record left, and goes on there", () =>
  withLogFolder(async (log) => {
    const store = log.open();
    await fill(store, { count: 2 });
    store.abandon();
    const path = last(log.folder);
    const used = usedBytes(path);
    Deno.truncateSync(path, used - 3);
    const again = log.open();
    assert.equal(again.load().entries.length, 1);
    await fill(again, { from: 2, count: 1 });
    again.abandon();
    assert.equal(find(log).entries.length, 2);
    assert.equal(usedBytes(path), used);
  }));

Deno.test("a start refuses a flipped bit of any record that another one follows", () =>
  withFilled((log) => {
    const path = join(log.folder, segments(log.folder)[0] ?? "");
    const whole = Deno.readFileSync(path);
    for (let offset = 0; offset < usedBytes(path); offset += 5) {
      flipBit(path, offset);
      try {
        find(log);
        // 4 bytes of a record's head, and those between two records, say nothing.
        assert.equal(whole[offset], 0, `byte ${offset} is flipped and not missed`);
      } catch (error) {
        assert.ok(error instanceof CorruptionError, `byte ${offset}: ${error}`);
      }
      Deno.writeFileSync(path, whole);
    }
  }));

Deno.test("a start refuses a last record that is damaged when a normal end wrote another after it", () =>
  withLogFolder(async (log) => {
    const store = log.open();
    await fill(store, { count: 1 });
    await store.close();
    flipBit(last(log.folder), usedBytes(last(log.folder)) - 100);
    refuses(log, /segment-0000000001: record 2 is damaged, and record 3 was written after it/);
  }));

for (
  const [what, damage, message] of [
    [
      "whose newest segment is gone",
      (folder) => Deno.removeSync(last(folder)),
      /the file is missing, and the log goes on in it/,
    ],
    [
      "whose middle segment is gone",
      (folder) => Deno.removeSync(join(folder, "segment-0000000002")),
      /segment-0000000002: the file with entry 1 is missing/,
    ],
    [
      "whose first segment is gone",
      (folder) => Deno.removeSync(join(folder, "segment-0000000001")),
      /segment-0000000001: the file with entry 1 is missing/,
    ],
    [
      "of which nothing is there",
      (folder) => {
        for (const name of namesIn(folder)) Deno.removeSync(join(folder, name));
      },
      /raft: its files are missing/,
    ],
    [
      "with a segment that is cut off",
      (folder) => Deno.truncateSync(join(folder, "segment-0000000001"), 900),
      /segment-0000000001: record \d+ is damaged or missing/,
    ],
    [
      "with a segment that is empty",
      (folder) => Deno.truncateSync(join(folder, "segment-0000000002"), 0),
      /segment-0000000002: its first bytes are not as they were written/,
    ],
    [
      "with a segment in the place of another",
      (folder) =>
        Deno.copyFileSync(join(folder, "segment-0000000001"), join(folder, "segment-0000000002")),
      /segment-0000000002: it does not go on where the file before it ends/,
    ],
    [
      "with an older copy of a segment",
      (folder) => {
        const path = last(folder);
        Deno.writeFileSync(path, Deno.readFileSync(path).subarray(0, 20));
      },
      /its first bytes are not as they were written/,
    ],
  ] as readonly [string, (folder: string) => void, RegExp][]
) {
  Deno.test(`a start refuses a log ${what}`, () =>
    withFilled((log) => {
      damage(log.folder);
      refuses(log, message);
    }));
}

Deno.test("a start goes on in a segment whose successor was only being made", () =>
  withLogFolder(async (log) => {
    const store = log.open();
    await fill(store, { count: 1 });
    store.abandon();
    for (const left of [new Uint8Array(0), new Uint8Array(100).fill(7)]) {
      Deno.writeFileSync(join(log.folder, "segment-0000000002"), left);
      assert.equal(find(log).entries.length, 1);
      assert.deepEqual(namesIn(log.folder), ["segment-0000000001"]);
    }
  }));

Deno.test("a start refuses a log whose end is gone when a successor was being made", () =>
  withFilled((log) => {
    const [first = "", second = ""] = segments(log.folder);
    for (const name of segments(log.folder).slice(2)) Deno.removeSync(join(log.folder, name));
    // The second segment as it was at its beginning, and the first one without its last records.
    const path = join(log.folder, second);
    const head = Deno.readFileSync(path);
    const text = new TextDecoder("latin1").decode(head);
    Deno.writeFileSync(path, head.subarray(0, text.indexOf("}\n") + 2));
    const whole = Deno.readFileSync(join(log.folder, first));
    Deno.writeFileSync(join(log.folder, first), whole.subarray(0, 700));
    refuses(log, /segment-0000000001: record \d+ is damaged or missing/);
  }));

Deno.test("a start removes an older segment whose removal was undone, behind a gap", () =>
  withFilled(async (log) => {
    const oldest = Deno.readFileSync(join(log.folder, "segment-0000000001"));
    await compact(log, COUNT);
    const kept = namesIn(log.folder);
    Deno.writeFileSync(join(log.folder, "segment-0000000001"), oldest);
    assert.deepEqual(find(log).entries, []);
    assert.deepEqual(namesIn(log.folder), kept);
  }));

/** The log begins after `index`, and what stands before it is removed. */
async function compact(log: LogFolder, index: number): Promise<void> {
  const store = log.open();
  const position = { index: toLogIndex(index), term: toTerm(index) };
  await persist(
    store,
    batch(COUNT + 1, { logStart: { position, keepsRest: true, members: null } }),
  );
  // The next record says what became of the certificates.
  await persist(store, batch(COUNT + 2, {}));
  await store.close();
}

Deno.test("a compacted log is in its last segments, and every certificate is kept", () =>
  withFilled(async (log) => {
    const before = segments(log.folder);
    await compact(log, COUNT - 1);
    const after = segments(log.folder);
    assert.ok(after.length < before.length, `${before} became ${after}`);
    const found = find(log);
    assert.deepEqual(found.logStart, { index: COUNT - 1, term: COUNT - 1 });
    assert.deepEqual(found.entries, entries(COUNT, COUNT, COUNT));
    assert.deepEqual(found.hardState, hardState(COUNT, "server_1"));
    const notes = Array.from({ length: COUNT }, (_, at) => certificate(COUNT - at).note);
    assert.deepEqual(found.elections, notes);
  }));

for (
  const [what, damage, message] of [
    ["gone", (path) => Deno.removeSync(path), /elections: the file is missing/],
    ["cut off", (path) => Deno.truncateSync(path, usedBytes(path) - 1), /elections: record 2 of 2/],
    ["flipped", (path) => flipBit(path, usedBytes(path) - 20), /elections: record 2 of 2/],
    ["flipped at its head", (path) => flipBit(path, 3), /elections: its first bytes/],
  ] as readonly [string, (path: string) => void, RegExp][]
) {
  Deno.test(`a start refuses a compacted log whose file of elections is ${what}`, () =>
    withFilled(async (log) => {
      await compact(log, COUNT - 1);
      damage(join(log.folder, "elections"));
      refuses(log, message);
    }));
}

Deno.test("a start that finds certificates of which the log does not know yet goes on", () =>
  withFilled(async (log) => {
    const path = join(log.folder, "elections");
    const store = log.open();
    const position = { index: toLogIndex(COUNT), term: toTerm(COUNT) };
    await persist(
      store,
      batch(COUNT + 1, { logStart: { position, keepsRest: true, members: null } }),
    );
    await store.close();
    // As if the power had failed before it was synced: no record of the log says that it is there.
    const whole = Deno.readFileSync(path);
    for (const bytes of [whole.length, 60, 20, 0]) {
      Deno.writeFileSync(path, whole.subarray(0, bytes));
      assert.equal(find(log).elections.length, COUNT, `${bytes} bytes`);
    }
    await compact(log, COUNT);
    assert.equal(find(log).elections.length, COUNT);
  }));

Deno.test("a snapshot that replaces the log makes its segments superfluous", () =>
  withFilled(async (log) => {
    const store = log.open();
    const position = { index: toLogIndex(500), term: toTerm(COUNT) };
    await persist(
      store,
      batch(COUNT + 1, { logStart: { position, keepsRest: false, members: null } }),
    );
    await persist(store, batch(COUNT + 2, { entries: entries(501, 501, COUNT) }));
    await store.close();
    assert.equal(segments(log.folder).length, 1);
    const found = find(log);
    assert.deepEqual([found.logStart, found.entries], [position, entries(501, 501, COUNT)]);
  }));

Deno.test("entries that were replaced never come back, over segments and compaction", () =>
  withFilled(async (log) => {
    const store = log.open();
    const replaced = batch(COUNT + 1, {
      hardState: hardState(COUNT + 1),
      entries: entries(3, 6, COUNT + 1),
    });
    await persist(store, replaced);
    await store.close();
    const found = find(log).entries;
    assert.deepEqual(found.slice(2), entries(3, 6, COUNT + 1));
    assert.equal(found.length, 6);
  }));
