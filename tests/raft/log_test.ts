import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { Log } from "../../lib/raft/log.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { commandEntry, entriesOfTerms } from "./entries.ts";

function logOf(...terms: readonly number[]): Log {
  return new Log(entriesOfTerms(...terms));
}

Deno.test("Log.last is the start of every log when it is empty", () => {
  assert.deepEqual(logOf().last, { index: 0, term: 0 });
});

Deno.test("Log.append() refuses a gap", () => {
  assert.throws(() => logOf(1).append(commandEntry(3, 1)), InvariantError);
});

Deno.test("Log.append() refuses a falling term", () => {
  assert.throws(() => logOf(2).append(commandEntry(2, 1)), InvariantError);
});

Deno.test("Log.termAt() knows the base, the entries and nothing else", () => {
  const log = logOf(1, 3);
  assert.deepEqual([0, 1, 2, 3].map((index) => log.termAt(toLogIndex(index))), [0, 1, 3, null]);
});

Deno.test("Log.truncateFrom() removes an entry and all after it", () => {
  const log = logOf(1, 1, 2);
  log.truncateFrom(toLogIndex(2));
  assert.equal(log.last.index, 1);
});

Deno.test("Log.truncateFrom() refuses a place that the log does not hold", () => {
  assert.throws(() => logOf(1).truncateFrom(toLogIndex(0)), InvariantError);
  assert.throws(() => logOf(1).truncateFrom(toLogIndex(2)), InvariantError);
});

Deno.test("Log.slice() stops before the bytes run out, but not before its first entry", () => {
  const log = logOf(1, 1, 1);
  const bytes = commandEntry(1, 1).data.length;
  const slice = (bytesMax: number) =>
    log.slice(toLogIndex(1), toLogIndex(3), { bytesMax, entriesMax: Infinity }).map(({ index }) =>
      index
    );
  assert.deepEqual(slice(Infinity), [1, 2, 3]);
  assert.deepEqual(slice(2 * bytes), [1, 2]);
  assert.deepEqual(slice(2 * bytes - 1), [1]);
  assert.deepEqual(slice(0), [1]);
});

Deno.test("Log.slice() ends at the index given, and at the log's end", () => {
  const log = logOf(1, 1, 1);
  assert.equal(log.slice(toLogIndex(2), toLogIndex(2)).length, 1);
  assert.equal(log.slice(toLogIndex(4), toLogIndex(9)).length, 0);
});

Deno.test("Log.isUpToDate() compares terms first, then lengths", () => {
  const log = logOf(1, 2, 2);
  const upToDate = (index: number, term: number) =>
    log.isUpToDate({ index: toLogIndex(index), term: toTerm(term) });
  assert.ok(upToDate(3, 2));
  assert.ok(upToDate(4, 2));
  assert.ok(upToDate(1, 3));
  assert.ok(!upToDate(2, 2));
  assert.ok(!upToDate(9, 1));
});

Deno.test("Log.highestPossibleMatch() skips every entry of a later term", () => {
  const log = logOf(1, 1, 4, 4, 5);
  const match = (index: number, term: number) =>
    log.highestPossibleMatch(toLogIndex(index), toTerm(term));
  assert.deepEqual(match(9, 9), { index: 5, term: 5 });
  assert.deepEqual(match(5, 4), { index: 4, term: 4 });
  assert.deepEqual(match(5, 3), { index: 2, term: 1 });
  assert.deepEqual(match(5, 0), { index: 0, term: 0 });
});
