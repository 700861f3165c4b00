/** One state machine, two stores and a model in ten lines: the same rows, results and digest. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Command, CommandResult, KeyValue } from "../../lib/kv/command.ts";
import { MemoryKeyValueStore } from "../../lib/kv/memory_store.ts";
import { digestState } from "../../lib/kv/state_digest.ts";
import { type CommittedEntry, StateMachine } from "../../lib/kv/state_machine.ts";
import type { KeyValueStore } from "../../lib/kv/store.ts";
import { openKeyValueStore } from "../../lib/storage/key_value_store.ts";
import { toLogIndex } from "../../lib/types.ts";
import { certificateEntry, commandEntry, rawEntry } from "../kv/support.ts";
import { withFolder } from "./support.ts";

/** Few keys, so that they are often overwritten; one with U+0000, one outside the BMP. */
const keys = fc.constantFrom("a", "a\u0000", "ab", "\uffee", "\u{10000}", "z".repeat(1024));
const values = fc.uint8Array({ maxLength: 20 });

const commands = fc.oneof(
  fc.tuple(keys, values).map(([key, value]): Command => ({ kind: "put", key, value })),
  keys.map((key): Command => ({ kind: "delete", key })),
);

/** What an entry holds: a command, a certificate, or bytes that are no command. */
const contents = fc.oneof(
  { weight: 8, arbitrary: commands },
  { weight: 1, arbitrary: fc.constantFrom("certificate" as const, "garbage" as const) },
);

const logs = fc.array(contents, { minLength: 1, maxLength: 40 });
const batchSizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });

type Content = Command | "certificate" | "garbage";

function toEntry(content: Content, position: number): CommittedEntry {
  const index = position + 1;
  if (content === "certificate") return certificateEntry(index);
  if (content === "garbage") return rawEntry(index, Uint8Array.of(1, 2, 3));
  return commandEntry(index, content);
}

/** The state machine as one would first write it down. */
function applyToModel(
  model: Map<string, KeyValue>,
  content: Content,
  position: number,
): CommandResult | null {
  if (content === "certificate" || content === "garbage") return null;
  const revision = toLogIndex(position + 1);
  const { kind, key } = content;
  const before = model.get(key);
  if (kind === "delete") return { kind, revision, deleted: model.delete(key) };
  const createRevision = before === undefined ? revision : before.createRevision;
  const version = before === undefined ? 1 : before.version + 1;
  const { value } = content;
  model.set(key, { key, value, createRevision, modRevision: revision, version });
  return { kind, revision, createRevision, version };
}

/** Applies a log in batches of these sizes, over and over; a new machine each time, as restarts. */
function applyInBatches(
  store: KeyValueStore,
  log: readonly CommittedEntry[],
  sizes: readonly number[],
): readonly (CommandResult | null)[] {
  const results: (CommandResult | null)[] = [];
  for (let round = 0, start = 0; start < log.length; round++) {
    const end = start + (sizes[round % sizes.length] ?? 1);
    for (const applied of new StateMachine(store).apply(log.slice(start, end))) {
      results.push(applied.kind === "command" ? applied.result : null);
    }
    start = end;
  }
  return results;
}

Deno.test("StateMachine does on SQLite, in memory and in any batches what a plain map does", () =>
  withFolder((options) => {
    let runs = 0;
    const property = fc.property(logs, batchSizes, (contents, sizes) => {
      const model = new Map<string, KeyValue>();
      const expected = contents.map((content, at) => applyToModel(model, content, at));
      const log = contents.map(toEntry);
      const folder = `${options.folder}/${++runs}`;
      Deno.mkdirSync(folder);
      const sqlite = openKeyValueStore({ ...options, folder });
      const memory = new MemoryKeyValueStore();
      const whole = new MemoryKeyValueStore();
      try {
        assert.deepEqual(applyInBatches(sqlite, log, sizes), expected);
        assert.deepEqual(applyInBatches(memory, log, sizes.toReversed()), expected);
        assert.deepEqual(applyInBatches(whole, log, [log.length]), expected);
        assert.deepEqual([...sqlite.rows()], [...memory.rows()]);
        assert.deepEqual(new Map([...memory.rows()].map((row) => [row.key, row])), model);
        for (const [key, row] of model) assert.deepEqual(sqlite.get(key), row);
        assert.deepEqual(digestState(sqlite), digestState(whole));
        assert.deepEqual(digestState(memory), digestState(whole));
      } finally {
        sqlite.close();
      }
    });
    fc.assert(property, { numRuns: 50 });
  }));
