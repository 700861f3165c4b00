/**
 * `deno task bench exactly_once`: what an idempotency key adds to a put that is applied to `kv.db`,
 * one write a transaction and many, with the window of remembered writes full.
 *
 * @module
 */

import { REMEMBERED_ENTRIES } from "../lib/kv/apply_command.ts";
import { encodeCommand } from "../lib/kv/command_codec.ts";
import { type CommittedEntry, StateMachine } from "../lib/kv/state_machine.ts";
import { openKeyValueStore, type SqliteKeyValueStore } from "../lib/storage/key_value_store.ts";
import { toClusterName, toLogIndex, toNodeId } from "../lib/types.ts";

const VALUE_BYTES = 256;
const KEYS = 10_000;
/** The sizes of the transactions, and how many writes are measured in each. */
const WRITES_BY_BATCH: Readonly<Record<number, number>> = { 1: 4_000, 100: 20_000 };
const FILL_BATCH = 1_000;

const value = crypto.getRandomValues(new Uint8Array(VALUE_BYTES));

function entriesAfter(index: number, count: number, isKeyed: boolean): readonly CommittedEntry[] {
  return Array.from({ length: count }, (_, position) => ({
    index: toLogIndex(index + 1 + position),
    kind: "command",
    data: encodeCommand({
      kind: "put",
      key: `key ${Math.floor(Math.random() * KEYS)}`,
      value,
      ...(isKeyed ? { idempotencyKey: crypto.randomUUID() } : {}),
    }),
  }));
}

/** Applies `count` writes in batches and returns the microseconds that each took. */
function measure(
  store: SqliteKeyValueStore,
  { batch, count, isKeyed }: { batch: number; count: number; isKeyed: boolean },
): number {
  const machine = new StateMachine(store);
  let milliseconds = 0;
  for (let done = 0; done < count; done += batch) {
    const entries = entriesAfter(machine.appliedIndex, batch, isKeyed);
    const startMs = performance.now();
    machine.apply(entries);
    milliseconds += performance.now() - startMs;
  }
  return Math.round(milliseconds / count * 10_000) / 10;
}

/** Measures every size of transaction, without keys and with them. */
function measureAll(store: SqliteKeyValueStore, window: "empty" | "full"): Record<string, number> {
  const figures: Record<string, number> = {};
  for (const [batch, count] of Object.entries(WRITES_BY_BATCH)) {
    for (const isKeyed of [false, true]) {
      const name = `${window}_${batch}_${isKeyed ? "keyed" : "plain"}_us`;
      figures[name] = measure(store, { batch: Number(batch), count, isKeyed });
      console.log(`${name}: ${figures[name]}`);
    }
  }
  return figures;
}

function run(folder: string): Record<string, number> {
  const identity = { cluster: toClusterName("bench"), node: toNodeId("n1") };
  const store = openKeyValueStore({ folder, ...identity });
  try {
    const empty = measureAll(store, "empty");
    measure(store, { batch: FILL_BATCH, count: REMEMBERED_ENTRIES, isKeyed: true });
    const full = measureAll(store, "full");
    store.checkpoint();
    const kv_db_mib = Math.round(Deno.statSync(store.path).size / 2 ** 20);
    return { ...empty, ...full, kv_db_mib };
  } finally {
    store.close();
  }
}

const folder = Deno.makeTempDirSync({ prefix: "floe-bench-" });
try {
  console.log(JSON.stringify({ bench: "exactly_once", ...run(folder) }));
} finally {
  Deno.removeSync(folder, { recursive: true });
}
