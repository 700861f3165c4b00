/**
 * `deno task bench store [KEYS]`: what the store in memory costs: CPU nanoseconds a put, get and range,
 * bytes a key, the longest step that holds the loop, and what watchers cost. By default a million
 * keys of 256-byte values.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { encodeUtf8 } from "../lib/bytes.ts";
import {
  ALL_KEYS,
  encodeCommand,
  keysWithPrefix,
  RangeReader,
  singleKey,
  Store,
  StoreLoader,
  TableWriter,
  WatchHub,
} from "../lib/kv/mod.ts";
import { toLogIndex, toTerm } from "../lib/types.ts";

const KEYS = Number(Deno.args[1] ?? 1_000_000);
const VALUE = new Uint8Array(256).fill(0x61);
const BATCH = 100;
const SAMPLES = 200_000;

const figures: Record<string, number> = {};
/** Milliseconds of the longest slice of a range. */
let longest = 0;
const store = new Store();
const writer = new TableWriter(store);
const order = shuffled(KEYS);
const names = order.map((at) => encodeUtf8(`registry/pods/${String(at).padStart(8, "0")}`));

const startBytes = residentBytes();
figures["nsFirstPut"] = await perItem(names, (batch) => apply(batch));
// Memory is counted with what only history keeps, so it is compacted first: no key has any here.
takeBatches(0);
store.keys.compact(store.keys.revision);
while (store.keys.history.count > 0) store.keys.forget(10_000);
figures["bytesAKeyInArena"] = round(store.keys.records.bytes / KEYS);
figures["bytesAKeyResident"] = round((residentBytes() - startBytes) / KEYS);
figures["bytesOfKeyAndValue"] = VALUE.length + (names[0]?.length ?? 0);

const some = names.slice(0, SAMPLES);
figures["nsOverwrite"] = await perItem(some, (batch) => apply(batch));
figures["nsGet"] = await perItem(some, (batch) => {
  for (const key of batch) {
    const handle = store.keys.get(key);
    if (handle === 0 || store.keys.records.copy(handle).value.length === 0) throw new Error("lost");
  }
});
figures["nsGetAtOlderRevision"] = await perItem(some, (batch) => {
  for (const key of batch) {
    if (store.keys.getAt(key, store.keys.compactedRevision) === 0) throw new Error("lost");
  }
});
figures["usRangeOf100"] = round(
  await perItem(some.slice(0, 2_000), (batch) => {
    for (const key of batch) read({ start: key, end: null }, { limit: 100 });
  }) / 1000,
);
figures["nsARowOfAll"] = round(timed(() => read(ALL_KEYS, {})) * 1e6 / KEYS);
figures["nsAKeyCounted"] = round(timed(() => read(ALL_KEYS, { countOnly: true })) * 1e6 / KEYS);
figures["msLongestSlice"] = round(longest);

writeBehind();
watches();
load();
console.table(figures);
console.log(JSON.stringify({ bench: "store", keys: KEYS, ...figures }));

function apply(keys: readonly Uint8Array[]): void {
  const from = store.appliedIndex;
  store.apply(keys.map((key, at) => ({
    index: toLogIndex(from + 1 + at),
    term: toTerm(1),
    kind: "command" as const,
    data: encodeCommand({
      kind: "transaction",
      conditions: [],
      success: [{ kind: "put", key, value: VALUE, lease: 0, isPreviousWanted: false }],
      failure: [],
    }),
  })));
  takeBatches();
}

/** As a disk that keeps up would. */
function takeBatches(waitingMax = 2_000): void {
  while (writer.waiting > waitingMax && writer.next() !== null) writer.confirm();
}

/** Reads a range in slices, and keeps the longest of them. */
function read(
  keys: { readonly start: Uint8Array; readonly end: Uint8Array | null },
  query: { readonly limit?: number; readonly countOnly?: boolean },
): void {
  const reader = new RangeReader(store.keys, { keys, revision: store.appliedIndex, ...query });
  for (;;) {
    const startMs = performance.now();
    const slice = reader.next(store.appliedIndex);
    longest = Math.max(longest, performance.now() - startMs);
    if (slice.kind !== "slice") throw new Error(slice.kind);
    if (slice.isDone) return;
  }
}

/** What a batch for the tables costs the loop. */
function writeBehind(): void {
  let longestMs = 0;
  let changes = 0;
  let totalMs = 0;
  for (let round = 0; round < 50; round++) {
    apply(some.slice(round * 1_000, (round + 1) * 1_000));
    const startMs = performance.now();
    const batch = writer.next();
    if (batch === null) continue;
    // The rows are made as they are read.
    for (const _ of batch.puts);
    for (const _ of batch.history) changes++;
    const lastedMs = performance.now() - startMs;
    totalMs += lastedMs;
    longestMs = Math.max(longestMs, lastedMs);
    writer.confirm();
  }
  figures["nsAChangeInBatch"] = round(totalMs * 1e6 / changes);
  figures["msLongestBatch"] = round(longestMs);
}

/** 10,000 watchers of a key each, and 100 of a prefix that has every change. */
function watches(): void {
  const hub = new WatchHub(store.keys);
  const before = residentBytes();
  for (const key of some.slice(0, 10_000)) hub.watch({ keys: singleKey(key) });
  figures["bytesAWatcher"] = round((residentBytes() - before) / 10_000);
  for (let count = 0; count < 100; count++) {
    hub.watch({ keys: keysWithPrefix(encodeUtf8("registry/")) });
  }
  let events = 0;
  let milliseconds = 0;
  for (let second = 0; second < 10; second++) {
    apply(some.slice(10_000 + second * 1_000, 11_000 + second * 1_000));
    milliseconds += timed(() => {
      for (const watcher of hub.publish().ready) {
        for (;;) {
          const taken = watcher.take();
          if (taken.kind !== "events") throw new Error(taken.kind);
          events += taken.events.length;
          if (!taken.hasMore) break;
        }
      }
    });
  }
  figures["nsAnEventToAWatcher"] = round(milliseconds * 1e6 / events);
}

/** From rows to a store that serves. */
function load(): void {
  const loader = new StoreLoader();
  const { index, records } = store.keys;
  const milliseconds = timed(() => {
    for (const handle of index.handles()) loader.key(records.view(handle));
  });
  figures["nsAKeyLoaded"] = round(milliseconds * 1e6 / KEYS);
}

/** Nanoseconds an item, given in batches; the loop has its turn between them. */
async function perItem<Item>(
  items: readonly Item[],
  work: (batch: readonly Item[]) => void,
): Promise<number> {
  let milliseconds = 0;
  for (let at = 0; at < items.length; at += BATCH) {
    const batch = items.slice(at, at + BATCH);
    milliseconds += timed(() => work(batch));
    if (at % (BATCH * 100) === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  return round(milliseconds * 1e6 / items.length);
}

/** Milliseconds of CPU time, which other programs on the machine change little. */
function timed(work: () => void): number {
  const start = cpuUsage();
  work();
  const { user, system } = cpuUsage(start);
  return (user + system) / 1000;
}

function residentBytes(): number {
  return Deno.memoryUsage().rss;
}

function shuffled(count: number): readonly number[] {
  const list = Array.from({ length: count }, (_, at) => at);
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [list[at], list[other]] = [list[other] ?? 0, list[at] ?? 0];
  }
  return list;
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}
