import assert from "node:assert/strict";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import {
  type Command,
  encodeCommand,
  keysWithPrefix,
  Store,
  type TransactionCommand,
  WatchHub,
} from "../../../lib/kv/mod.ts";
import { assertDefined } from "../../../lib/assert.ts";
import { toLogIndex } from "../../../lib/types.ts";
import type { Entry } from "../../../lib/raft/mod.ts";
import { commandEntry } from "../../raft/entries.ts";
import { breaks } from "../checkers/support.ts";
import { calmScenario } from "../directed_worlds.ts";
import { Replay } from "./replay.ts";
import { type ReadAnswer, type SeenRead, StoreRecord } from "./store_record.ts";
import { checkWatched, type Watched } from "./watched.ts";

const KEYS = keysWithPrefix(encodeUtf8("store/"));
const COMMANDS = [put("1", "a"), put("2", "b"), both(), put("1", "c")];
const ORDER = breaks("A watcher gets every change, once and in order");
const READ = breaks("A range is read as it was at one revision");

function put(key: string, name: string): TransactionCommand {
  return transaction(name, [key]);
}

/** Two changes at one revision. */
function both(): TransactionCommand {
  return transaction("d", ["1", "2"]);
}

function transaction(name: string, keys: readonly string[]): TransactionCommand {
  const success = keys.map((key) => ({
    kind: "put" as const,
    key: encodeUtf8(`store/${key}`),
    value: encodeUtf8(name),
    lease: 0,
    isPreviousWanted: false,
  }));
  const idempotency = { token: null, key: name };
  return { kind: "transaction", conditions: [], success, failure: [], idempotency };
}

function entriesOf(commands: readonly Command[]): readonly Entry[] {
  return commands.map((command, at) => ({
    ...commandEntry(at + 1, 1),
    data: encodeCommand(command),
  }));
}

const ENTRIES = entriesOf(COMMANDS);
const replay = () => new Replay(ENTRIES, calmScenario(1));

/** What a watcher gets of it all. */
function watchedAll(): Watched {
  const store = new Store();
  const hub = new WatchHub(store.keys);
  const watcher = hub.watch({ keys: KEYS, fromRevision: 1, isPreviousWanted: true });
  assert.ok(!("kind" in watcher));
  store.apply(ENTRIES);
  hub.publish();
  const taken = watcher.take();
  assert.ok(taken.kind === "events");
  const { events } = taken;
  return {
    name: "w",
    prefix: encodeUtf8("store/"),
    without: [],
    events,
    gaps: [],
    nextRevision: 5,
  };
}

function readAt(revision: number, parts: Partial<SeenRead> = {}): SeenRead {
  const store = new Store();
  store.apply(ENTRIES.slice(0, revision));
  const rows = [...replay().rowsAt(revision).values()];
  const index = toLogIndex(revision);
  const answer: ReadAnswer = { kind: "rows", rows, hasMore: false };
  return {
    request: { keys: KEYS },
    isPast: false,
    calledUs: 0,
    returnedUs: 1,
    appliedIndex: index,
    knownIndex: index,
    revision: index,
    answer,
    ...parts,
  };
}

Deno.test("checkWatched() accepts every change in order", () => {
  checkWatched(watchedAll(), replay());
});

Deno.test("checkWatched() catches a change that is left out, doubled or out of order", () => {
  const watched = watchedAll();
  const [first, second, ...rest] = watched.events;
  const events = [assertDefined(first, "one"), assertDefined(second, "two")] as const;
  const wrong = [[events[0], ...rest], [events[0], ...watched.events], [
    events[1],
    events[0],
    ...rest,
  ], [...watched.events, events[0]]];
  for (const events of wrong) {
    assert.throws(() => checkWatched({ ...watched, events }, replay()), ORDER);
  }
});

Deno.test("checkWatched() catches a revision that is split, and history that is said to be gone", () => {
  const watched = watchedAll();
  const events = watched.events.map((event) => ({ ...event, isLastOfRevision: true }));
  assert.throws(() => checkWatched({ ...watched, events }, replay()), ORDER);
  const gaps = [{ from: 1, to: 3, appliedIndex: 4 }];
  const kept = breaks("History is kept as long as is said");
  assert.throws(() => checkWatched({ ...watched, gaps }, replay()), kept);
});

Deno.test("StoreRecord accepts reads that fit the log, and catches those that do not", () => {
  const record = new StoreRecord();
  record.reads.push(readAt(2));
  record.check(replay());
  const { answer } = readAt(3);
  record.reads.push(readAt(2, { answer }));
  assert.throws(() => record.check(replay()), READ);
});

Deno.test("StoreRecord catches a read that does not see what was answered before it", () => {
  const record = new StoreRecord();
  const write = record.writing(assertDefined(COMMANDS[3], "There are four"), 0);
  const result = assertDefined(replay().resultAt(4), "It was applied");
  write.answered({ result, isReplay: false }, 10);
  record.reads.push(readAt(2, { calledUs: 11, returnedUs: 12 }));
  assert.throws(() => record.check(replay()), breaks("Clients' histories are linearizable"));
});

Deno.test("StoreRecord catches an answer that the log does not give", () => {
  const record = new StoreRecord();
  const write = record.writing(assertDefined(COMMANDS[3], "There are four"), 0);
  const result = assertDefined(replay().resultAt(1), "It was applied");
  write.answered({ result, isReplay: false }, 10);
  assert.throws(() => record.check(replay()), breaks("An acknowledged write is in the log"));
});
