import assert from "node:assert/strict";
import { encodeUtf8 } from "../../lib/bytes.ts";
import type { KeyValueRow } from "../../lib/kv/mod.ts";
import { toLogIndex } from "../../lib/types.ts";
import { checkHistory, type Ending, type Exchange, type Request } from "./history.ts";

const KEY = "key";

/** Exchanges one after the other, unless they say when they were. */
function history(
  ...exchanges: readonly (readonly [Request, Ending, (readonly [number, number])?])[]
): Exchange[] {
  return exchanges.map(([request, ending, [calledMs, returnedMs] = [0, 0]], index) =>
    returnedMs === 0
      ? { request, ending, calledMs: 10 * index, returnedMs: 10 * index + 5 }
      : { request, ending, calledMs, returnedMs }
  );
}

function rows(value: string, revision: number): ReadonlyMap<string, KeyValueRow> {
  const modRevision = toLogIndex(revision);
  const age = { createRevision: modRevision, modRevision, version: 1, lease: 0 };
  return new Map([[KEY, { key: encodeUtf8(KEY), value: encodeUtf8(value), ...age }]]);
}

const put = (value: string): Request => ({ kind: "put", key: KEY, value });
const get: Request = { kind: "get", key: KEY, consistency: "lease" };
const remove: Request = { kind: "delete", key: KEY };
const swap = (value: string, expected: readonly [string, number] | null): Request => ({
  kind: "swap",
  key: KEY,
  expected: expected === null ? null : { value: expected[0], revision: expected[1] },
  value,
});
const written = (revision: number): Ending => ({ kind: "written", revision });
const found = (value: string, revision: number): Ending => ({
  kind: "read",
  row: { value, revision },
});
const nothing: Ending = { kind: "read", row: null };
const refused = (revision: number | null | undefined): Ending => ({ kind: "refused", revision });
const unknown: Ending = { kind: "unknown", why: "timeout" };
const failed: Ending = { kind: "failed", why: "no_leader" };

Deno.test("checkHistory() accepts what one register would have answered", () => {
  const exchanges = history(
    [get, nothing],
    [swap("a", null), written(2)],
    [swap("b", null), refused(2)],
    [swap("b", ["a", 2]), written(3)],
    [put("c"), unknown],
    [get, found("c", 4)],
    [remove, { kind: "deleted", deleted: true, revision: 5 }],
    [put("d"), failed],
    [put("e"), written(7)],
    [swap("f", ["a", 2]), refused(7)],
    [swap("g", ["a", 2]), refused(undefined)],
  );
  assert.deepEqual(checkHistory(exchanges, rows("e", 7)), []);
});

Deno.test("checkHistory() accepts writes of unknown outcome both ways, and late", () => {
  for (const value of ["a", "b"]) {
    const exchanges = history([put("a"), written(2)], [put("b"), unknown], [
      get,
      found(value, value === "a" ? 2 : 3),
    ]);
    assert.deepEqual(checkHistory(exchanges, rows("b", 3)), []);
  }
});

Deno.test("checkHistory() reports an acknowledged write that is not there", () => {
  const exchanges = history([put("a"), written(2)], [put("b"), written(3)]);
  const [violation] = checkHistory(exchanges, rows("a", 2));
  assert.match(violation ?? "", /the write of b was acknowledged at revision 3, but .* revision 2/);
  assert.match(checkHistory(exchanges, new Map())[0] ?? "", /but the key holds nothing/);
});

Deno.test("checkHistory() reports a read of what was before", () => {
  const exchanges = history([put("a"), written(2)], [put("b"), written(3)], [get, found("a", 2)]);
  assert.match(checkHistory(exchanges, rows("b", 3))[0] ?? "", /no order explains/);
});

Deno.test("checkHistory() reports a condition that held for two", () => {
  const exchanges = history(
    [put("a"), written(2)],
    [swap("b", ["a", 2]), written(3), [20, 40]],
    [swap("c", ["a", 2]), written(4), [20, 40]],
  );
  assert.match(checkHistory(exchanges, rows("c", 4))[0] ?? "", /no order explains/);
});

Deno.test("checkHistory() reports a condition that did not hold where it must have held", () => {
  const exchanges = history([put("a"), written(2)], [swap("b", ["a", 2]), refused(undefined)]);
  assert.match(checkHistory(exchanges, rows("a", 2))[0] ?? "", /no order explains/);
});

Deno.test("checkHistory() reports the effect of a write that was refused for certain", () => {
  const exchanges = history([put("a"), failed], [get, found("a", 2)]);
  assert.match(checkHistory(exchanges, rows("a", 2))[0] ?? "", /no order explains/);
});

Deno.test("checkHistory() reports a deletion that says it found something where nothing was", () => {
  const exchanges = history([remove, { kind: "deleted", deleted: true, revision: 2 }]);
  assert.match(checkHistory(exchanges, new Map())[0] ?? "", /no order explains/);
});

Deno.test("checkHistory() reports one revision with two values", () => {
  const exchanges = history([put("a"), written(2)], [put("b"), written(2)]);
  assert.match(checkHistory(exchanges, rows("b", 2))[0] ?? "", /Revision 2 was seen as/);
});
