import fc from "fast-check";
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type {
  Command,
  CommandResult,
  KeyValue,
  WriteOptions,
  WriteResult,
} from "../../lib/kv/command.ts";
import {
  type CommittedEntry,
  type KeyValueStore,
  StateMachine,
} from "../../lib/kv/state_machine.ts";
import type { NewToken, Token, TokenScope } from "../../lib/kv/token.ts";
import { openKeyValueStore } from "../../lib/storage/key_value_store.ts";
import { type LogIndex, toLogIndex } from "../../lib/types.ts";
import { certificateEntry, commandEntry, rawEntry } from "../kv/support.ts";
import { MemoryKeyValueStore } from "../support/memory_store.ts";
import { digestState } from "../support/state_digest.ts";
import { withFolder } from "./support.ts";

/** One state machine, two stores and a plain model: the same rows, results and digest. */

/** Few keys, so that they are often overwritten; one with U+0000, one outside the BMP. */
const keys = fc.constantFrom("a", "a\u0000", "ab", "\uffee", "\u{10000}", "z".repeat(1024));
const values = fc.uint8Array({ maxLength: 20 });

/** Few idempotency keys and revisions, so that they are often repeated and often hold. */
const options: fc.Arbitrary<WriteOptions> = fc.record({
  ifModRevision: fc.nat(20).map(toLogIndex),
  idempotencyKey: fc.constantFrom("k1", "k2", "k3"),
}, { requiredKeys: [] });

/** Few ids, so that they are often taken. */
const tokenIds = fc.constantFrom("0".repeat(16), "f".repeat(16));
const newTokens: fc.Arbitrary<NewToken> = fc.record({
  id: tokenIds,
  secretDigest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  name: fc.constantFrom("", "ci"),
  scopes: fc.constantFrom<readonly TokenScope[]>(["read"], ["read", "write"]),
  prefixes: fc.array(keys, { maxLength: 2 }),
});
const tokenOptions = fc.record({
  idempotencyKey: fc.constantFrom("k1", "k2", "k3"),
}, { requiredKeys: [] });

const commands = fc.oneof(
  fc.tuple(keys, values, options).map(([key, value, options]): Command => ({
    kind: "put",
    key,
    value,
    ...options,
  })),
  fc.tuple(keys, options).map(([key, options]): Command => ({ kind: "delete", key, ...options })),
  fc.tuple(newTokens, tokenOptions).map(([token, options]): Command => ({
    kind: "createToken",
    ...token,
    ...options,
  })),
  fc.tuple(tokenIds, tokenOptions).map(([id, options]): Command => ({
    kind: "revokeToken",
    id,
    ...options,
  })),
);

/** What an entry holds: a command, a certificate, or bytes that are no command. */
const contents = fc.oneof(
  { weight: 8, arbitrary: commands },
  { weight: 1, arbitrary: fc.constantFrom("certificate" as const, "garbage" as const) },
);

/** Each content with how often it is sent: clients repeat what they have no answer to. */
const attempts = fc.array(fc.tuple(contents, fc.integer({ min: 1, max: 3 })), {
  minLength: 1,
  maxLength: 20,
});

/** The attempts in the order in which they reach the log: any. */
const logs = attempts.chain((attempts) => {
  const all = attempts.flatMap(([content, times]) => Array.from({ length: times }, () => content));
  return fc.shuffledSubarray(all, { minLength: all.length });
});
const windows = fc.integer({ min: 1, max: 30 });
const batchSizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });

type Content = Command | "certificate" | "garbage";

/** What a client is told. */
interface Outcome {
  readonly isReplay: boolean;
  readonly result: CommandResult;
}

function toEntry(content: Content, position: number): CommittedEntry {
  const index = position + 1;
  if (content === "certificate") return certificateEntry(index);
  if (content === "garbage") return rawEntry(index, Uint8Array.of(1, 2, 3));
  return commandEntry(index, content);
}

/** The state machine as one would first write it down: it never forgets, but looks at the window. */
class Model {
  readonly rows = new Map<string, KeyValue>();
  readonly tokens = new Map<string, Token>();
  readonly #remembered = new Map<string, { readonly command: Command; readonly at: WriteResult }>();
  readonly #window: number;

  constructor(window: number) {
    this.#window = window;
  }

  apply(content: Content, position: number): Outcome | null {
    if (content === "certificate" || content === "garbage") return null;
    const revision = toLogIndex(position + 1);
    const { idempotencyKey = "" } = content;
    const first = this.#remembered.get(idempotencyKey);
    if (first !== undefined && first.at.revision + this.#window > revision) {
      if (isDeepStrictEqual(first.command, content)) return { isReplay: true, result: first.at };
      const kind = "idempotencyKeyReused";
      return { isReplay: false, result: { kind, revision, firstRevision: first.at.revision } };
    }
    const result = this.#write(content, revision);
    if (idempotencyKey !== "") {
      this.#remembered.set(idempotencyKey, { command: content, at: result });
    }
    return { isReplay: false, result };
  }

  #write(command: Command, revision: LogIndex): WriteResult {
    if (command.kind === "createToken") {
      const { id, kind: _kind, idempotencyKey: _key, ...rest } = command;
      if (this.tokens.has(id)) return { kind: "tokenRefused", revision, reason: "exists" };
      this.tokens.set(id, { id, ...rest, createRevision: revision });
      return { kind: "tokenCreated", revision };
    }
    if (command.kind === "revokeToken") {
      return { kind: "tokenRevoked", revision, revoked: this.tokens.delete(command.id) };
    }
    const { kind, key, ifModRevision } = command;
    const before = this.rows.get(key);
    const modRevision = before === undefined ? toLogIndex(0) : before.modRevision;
    if (ifModRevision !== undefined && ifModRevision !== modRevision) {
      return { kind: "preconditionFailed", revision, modRevision };
    }
    if (kind === "delete") return { kind, revision, deleted: this.rows.delete(key) };
    const createRevision = before === undefined ? revision : before.createRevision;
    const version = before === undefined ? 1 : before.version + 1;
    const { value } = command;
    this.rows.set(key, { key, value, createRevision, modRevision: revision, version });
    return { kind, revision, createRevision, version };
  }
}

/** Applies a log in batches of these sizes, over and over; a new machine each time, as restarts. */
function applyInBatches(
  store: KeyValueStore,
  log: readonly CommittedEntry[],
  { sizes, window }: { readonly sizes: readonly number[]; readonly window: number },
): readonly (Outcome | null)[] {
  const outcomes: (Outcome | null)[] = [];
  for (let round = 0, start = 0; start < log.length; round++) {
    const end = start + (sizes[round % sizes.length] ?? 1);
    const machine = new StateMachine(store, { rememberedEntries: window });
    for (const applied of machine.apply(log.slice(start, end))) {
      const isReplay = applied.kind === "replayed";
      outcomes.push("result" in applied ? { isReplay, result: applied.result } : null);
    }
    start = end;
  }
  return outcomes;
}

Deno.test("StateMachine does on SQLite, in memory and in any batches what a plain model does", () =>
  withFolder((options) => {
    let runs = 0;
    const property = fc.property(logs, batchSizes, windows, (contents, sizes, window) => {
      const model = new Model(window);
      const expected = contents.map((content, at) => model.apply(content, at));
      const log = contents.map(toEntry);
      const folder = `${options.folder}/${++runs}`;
      Deno.mkdirSync(folder);
      const sqlite = openKeyValueStore({ ...options, folder });
      const memory = new MemoryKeyValueStore();
      const whole = new MemoryKeyValueStore();
      try {
        assert.deepEqual(applyInBatches(sqlite, log, { sizes, window }), expected);
        const reversed = { sizes: sizes.toReversed(), window };
        assert.deepEqual(applyInBatches(memory, log, reversed), expected);
        assert.deepEqual(applyInBatches(whole, log, { sizes: [log.length], window }), expected);
        assert.deepEqual([...sqlite.rows()], [...memory.rows()]);
        assert.deepEqual([...sqlite.remembered.rows()], [...memory.remembered.rows()]);
        assert.deepEqual(new Map([...memory.rows()].map((row) => [row.key, row])), model.rows);
        assert.deepEqual([...sqlite.tokens.rows()], [...memory.tokens.rows()]);
        assert.equal(sqlite.tokens.count, model.tokens.size);
        for (const [id, token] of model.tokens) assert.deepEqual(sqlite.tokens.get(id), token);
        for (const [key, row] of model.rows) assert.deepEqual(sqlite.get(key), row);
        assert.deepEqual(digestState(sqlite), digestState(whole));
        assert.deepEqual(digestState(memory), digestState(whole));
      } finally {
        sqlite.close();
      }
    });
    fc.assert(property, { numRuns: 50 });
  }));

Deno.test("StateMachine gives a write one effect and one answer, however often it is repeated", () => {
  const property = fc.property(logs, (contents) => {
    const store = new MemoryKeyValueStore();
    const applied = new StateMachine(store).apply(contents.map(toEntry));
    const answers = new Map<string, WriteResult>();
    for (const [position, entry] of applied.entries()) {
      const content = contents[position];
      if (!("result" in entry) || typeof content !== "object") continue;
      if (content.idempotencyKey === undefined) continue;
      if (entry.result.kind === "idempotencyKeyReused") continue;
      const answer = answers.get(content.idempotencyKey);
      if (answer === undefined) answers.set(content.idempotencyKey, entry.result);
      else assert.deepEqual(entry, { kind: "replayed", index: position + 1, result: answer });
    }
    const effects = [...answers.values()].map(({ revision }) => revision);
    assert.equal(new Set(effects).size, answers.size);
  });
  fc.assert(property, { numRuns: 200 });
});
