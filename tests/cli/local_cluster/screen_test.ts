import assert from "node:assert/strict";
import {
  formatDuration,
  type Line,
  type NodeView,
  renderScreen,
  type ScreenView,
  toTerminal,
  verdictOf,
  votersElsewhere,
} from "../../../lib/cli/local_cluster/screen.ts";

const SIZE = { columns: 80, rows: 24 };

Deno.test("renderScreen() shows nodes, key, load, elections and messages on 24 rows of 80", () => {
  const lines = textOf(renderScreen(viewOf(), SIZE));
  assert.equal(lines.length, 24);
  assert.match(lines[0] ?? "", /^ floe {2}demo {2}HEALTHY, 3 of 3 up, 2 must sign +up 0:01:05 $/);
  assert.match(
    lines[3] ?? "",
    /^ > 1 server_1 {2}★ leader +7 +42 +0 {2}127\.0\.0\.1:7201 {2,}100$/,
  );
  assert.match(lines[4] ?? "", / {3}2 server_2 {2}follower +7 +40 +2 /);
  const all = lines.join("\n");
  assert.match(all, /group key {2}abcd/);
  assert.match(all, /writes +1200 a second, median 3\.2 ms +▄█/);
  assert.match(all, /term 7 +server_1 +482 ms {2}✓ certificate valid {2}0123456789abcdef…/);
  assert.match(all, /0:01:00 {2}server_1 leads term 7/);
  assert.match(lines[23] ?? "", /^ 1-9 kill .* q quit +$/);
});

Deno.test("renderScreen() fits whatever the size is, and cuts what is too wide", () => {
  const nodes = Array.from({ length: 40 }, (_, index) => nodeOf(index + 1, "follower"));
  const view = viewOf({ nodes, selected: "server_33" });
  for (const size of [SIZE, { columns: 120, rows: 40 }, { columns: 30, rows: 10 }]) {
    for (const isHelpShown of [false, true]) {
      const lines = textOf(renderScreen({ ...view, isHelpShown }, size));
      assert.equal(lines.length, size.rows);
      assert.ok(lines.every((line) => line.length <= size.columns), lines.join("\n"));
    }
  }
  const shown = textOf(renderScreen(view, SIZE)).join("\n");
  assert.match(shown, /> {3}server_33/);
  assert.match(shown, /and 33 more/);
});

Deno.test("renderScreen() escapes what could control the terminal", () => {
  const lines = textOf(renderScreen(viewOf({ messages: ["\x1b[2Jgone"] }), SIZE));
  assert.match(lines.join("\n"), /\\u001b\[2Jgone/);
});

Deno.test("verdictOf() says what the cluster can do now", () => {
  const verdict = (...states: NodeView["state"][]) =>
    verdictOf(viewOf({ threshold: 4, nodes: states.map((state, at) => nodeOf(at + 1, state)) }))
      .text;
  const [follower, down] = ["follower", "down"] as const;
  assert.match(verdict("leader", follower, follower, follower, follower), /^HEALTHY, 5 of 5/);
  assert.match(verdict("leader", follower, follower, follower, down), /^DEGRADED, 4 of 5/);
  assert.match(verdict("candidate", follower, follower, follower, down), /^ELECTING, 4 of 5/);
  assert.match(verdict("leader", follower, follower, "paused", down), /^WRITES ONLY, 3 of 5/);
  assert.match(verdict(follower, follower, follower, "paused", down), /^NO QUORUM, 3 of 5/);
  assert.match(verdict("leader", follower, follower, follower, "cut"), /^DEGRADED, 4 of 5/);
});

Deno.test("verdictOf() counts voters that others run, which may lead", () => {
  const peer = (id: string, connected: boolean) => ({ id, connected, matchIndex: null });
  const body = {
    term: 8,
    n: 3,
    leader: "server_8",
    peers: [peer("server_8", true), peer("server_9", false), peer("learner", true)],
  };
  const elsewhere = votersElsewhere([body, { ...body, term: 7, n: 5 }], ["server_1"]);
  assert.deepEqual(elsewhere, [
    { id: "server_8", isUp: true, isLeader: true },
    { id: "server_9", isUp: false, isLeader: false },
  ]);
  const { text } = verdictOf(viewOf({ nodes: [nodeOf(1, "follower")], elsewhere }));
  assert.equal(text, "DEGRADED, 2 of 3 up");
  assert.deepEqual(votersElsewhere([], ["server_1"]), []);
});

Deno.test("toTerminal() colours a line, or leaves only its bars without colours", () => {
  const line: Line = [{ text: "a", style: "green" }, { text: "b", style: "inverse" }];
  assert.equal(toTerminal(line, { hasColours: true }), "\x1b[32ma\x1b[0m\x1b[7mb\x1b[0m");
  assert.equal(toTerminal(line, { hasColours: false }), "a\x1b[7mb\x1b[0m");
});

Deno.test("formatDuration() has hours, minutes and seconds", () => {
  assert.equal(formatDuration(0), "0:00:00");
  assert.equal(formatDuration(3_661_999), "1:01:01");
});

function viewOf(changes: Partial<ScreenView> = {}): ScreenView {
  return {
    cluster: "demo",
    threshold: 2,
    groupKey: "abcd",
    upMs: 65_400,
    nodes: [nodeOf(1, "leader"), nodeOf(2, "follower"), nodeOf(3, "follower")],
    elsewhere: [],
    selected: "server_1",
    elections: [{ term: 7, leader: "server_1", ms: 482, signature: "0123456789abcdef".repeat(8) }],
    load: { isRunning: true, perSecond: [600, 1200], medianMs: 3.21 },
    messages: ["0:01:00  server_1 leads term 7"],
    isHelpShown: false,
    ...changes,
  };
}

function nodeOf(number: number, state: NodeView["state"]): NodeView {
  return {
    id: `server_${number}`,
    state,
    term: 7,
    applied: number === 1 ? 42 : 40,
    api: `127.0.0.1:${7200 + number}`,
    pid: 99 + number,
  };
}

function textOf(lines: readonly Line[]): string[] {
  return lines.map((line) => line.map(({ text }) => text).join(""));
}
