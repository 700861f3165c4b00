import assert from "node:assert/strict";
import {
  formatJsonLine,
  formatTextLine,
  type LogEvent,
  textFormatter,
} from "../../lib/cli/serve/logging.ts";

const won: LogEvent = {
  timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  level: "info",
  node: "server_1",
  event: "election.won",
  properties: { term: 3 },
};

Deno.test("formatJsonLine() begins with time, level, event and node", () => {
  assert.equal(
    formatJsonLine(won),
    '{"time":"2026-01-02T03:04:05.006Z","level":"info","event":"election.won",' +
      '"node":"server_1","term":3}\n',
  );
});

Deno.test("formatJsonLine() lets no property stand in for the fixed ones", () => {
  const line = formatJsonLine({ ...won, properties: { level: "x", node: "y", time: "z" } });
  assert.equal(JSON.parse(line).node, "server_1");
});

Deno.test("formatJsonLine() shows bytes, big numbers and errors with their causes", () => {
  const error = new TypeError("outer", { cause: new RangeError("inner") });
  const properties = { bytes: new Uint8Array([1, 255]), big: 2n ** 64n, error };
  const { bytes, big, error: shown } = JSON.parse(formatJsonLine({ ...won, properties }));
  assert.equal(bytes, "01ff");
  assert.equal(big, "18446744073709551616");
  assert.equal(shown, "TypeError: outer; because of RangeError: inner");
});

Deno.test("formatJsonLine() survives what JSON cannot hold", () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  assert.match(formatJsonLine({ ...won, properties: circular }), /cannot be shown/);
});

Deno.test("formatTextLine() aligns, and shows plain values bare", () => {
  const properties = { term: 3, leader: "server_2", list: ["a"], why: "no quorum", none: null };
  assert.equal(
    formatTextLine({ ...won, properties }, { colour: false }),
    "2026-01-02 03:04:05.006 info  server_1 election.won             " +
      'term=3 leader=server_2 list=["a"] why="no quorum" none=null\n',
  );
});

Deno.test("formatTextLine() has no trailing space and one line", () => {
  assert.equal(
    formatTextLine({ ...won, properties: {} }, { colour: false }),
    "2026-01-02 03:04:05.006 info  server_1 election.won\n",
  );
  const line = formatTextLine({ ...won, properties: { text: "a\nb" } }, { colour: false });
  assert.equal(line.split("\n").length, 2);
});

Deno.test("formatTextLine() disarms control characters", () => {
  const properties = { from: "\x1b[2J", c1: "\x9b2J", list: ["\x9b2J"], record: "\x7f" };
  const line = formatTextLine({ ...won, properties }, { colour: false });
  // deno-lint-ignore no-control-regex -- exactly these must not be there
  assert.doesNotMatch(line.slice(0, -1), /[\x00-\x1f\x7f-\x9f]/);
});

Deno.test("formatTextLine() colours the level alone", () => {
  const line = formatTextLine({ ...won, level: "error" }, { colour: true });
  assert.ok(line.startsWith("2026-01-02 03:04:05.006 \x1b[31merror\x1b[0m server_1 "), line);
});

Deno.test("textFormatter() writes the same line once a minute, and says how often it came", () => {
  const format = textFormatter({ colour: false });
  const after = (ms: number, term: number) =>
    format({ ...won, timestamp: won.timestamp + ms, properties: { term } });
  assert.match(after(0, 3) ?? "", /term=3\n$/);
  assert.equal(after(700, 3), null);
  assert.match(after(700, 4) ?? "", /term=4\n$/);
  assert.equal(after(59_999, 3), null);
  assert.match(after(60_000, 3) ?? "", /term=3 repeated=2\n$/);
  assert.equal(after(60_700, 3), null);
});

Deno.test("textFormatter() leaves out no error, and remembers few lines", () => {
  const format = textFormatter({ colour: false });
  const failed: LogEvent = { ...won, level: "error" };
  assert.deepEqual([format(failed), format(failed)].includes(null), false);
  assert.notEqual(format(won), null);
  for (let term = 100; term < 200; term++) format({ ...won, properties: { term } });
  assert.notEqual(format(won), null);
});
