import assert from "node:assert/strict";
import { WATCHERS_MAX } from "../../lib/kv/watch_hub.ts";
import { ANY_INDEX, bytes, del, put, TERM, text, toRange } from "./support.ts";
import { ONE, setting, shown, watch } from "./watching.ts";

Deno.test("a watcher gets the changes of its keys that come after it", () => {
  const { driver, hub } = setting();
  driver.do(put("a", "before"));
  hub.publish();
  const watcher = watch(hub, "a");
  driver.do(put("b", "other"));
  driver.do(put("a", "1"), put("ab", "other"));
  driver.do(del("a"));
  const { ready, isDone } = hub.publish();
  assert.deepEqual(ready, [watcher]);
  assert.ok(isDone);
  assert.equal(shown(watcher.take()), "3 put a |, 4 delete a |");
  assert.equal(shown(watcher.take()), "");
});

Deno.test("a watcher that begins before a publish does not get what was there", () => {
  const { driver, hub } = setting();
  driver.do(put("a", "before"));
  const watcher = watch(hub, "a");
  driver.do(put("a", "after"));
  hub.publish();
  assert.equal(shown(watcher.take()), "2 put a |");
});

Deno.test("a watcher from a revision gets that revision's changes first", () => {
  const { driver, hub } = setting();
  for (let count = 0; count < 4; count++) driver.do(put("a", String(count)));
  hub.publish();
  const watcher = watch(hub, "*", { fromRevision: 3 });
  assert.equal(shown(watcher.take()), "3 put a |, 4 put a |");
  driver.do(put("a", "4"));
  assert.deepEqual(hub.publish().ready, [watcher]);
  assert.equal(shown(watcher.take()), "5 put a |");
});

Deno.test("a watcher from a revision to come waits for it", () => {
  const { driver, hub } = setting();
  const watcher = watch(hub, "a", { fromRevision: 3 });
  driver.do(put("a", "1"));
  driver.do(put("a", "2"));
  hub.publish();
  assert.equal(shown(watcher.take()), "");
  assert.equal(watcher.progress(), 2);
  driver.do(put("a", "3"));
  hub.publish();
  assert.equal(shown(watcher.take()), "3 put a |");
});

Deno.test("events have the value after, and the value before if it is wanted", () => {
  const { driver, hub } = setting();
  const watcher = watch(hub, "a", { isPreviousWanted: true });
  const plain = watch(hub, "a");
  driver.do(put("a", "1"));
  driver.do(put("a", "2"));
  driver.do(del("a"));
  driver.do(put("a", "3"));
  hub.publish();
  const taken = watcher.take();
  assert.ok(taken.kind === "events");
  assert.deepEqual(
    taken.events.map(({ row, previous }) => [
      row === null ? null : text(row.value),
      previous ? text(previous.value) : previous,
    ]),
    [["1", null], ["2", "1"], [null, "2"], ["3", null]],
  );
  const without = plain.take();
  assert.ok(without.kind === "events" && without.events[0] !== undefined);
  assert.ok(!("previous" in without.events[0]));
});

Deno.test("an expiry can be told from a delete, and either can be left out", () => {
  const { driver, hub } = setting();
  const all = watch(hub, "*");
  const puts = watch(hub, "*", { without: ["delete", "expire"] });
  const gone = watch(hub, "*", { without: ["put"], fromRevision: 1 });
  driver.grant(1);
  driver.do(put("a", "", { lease: 1 }), put("b", ""));
  driver.do(del("b"));
  driver.apply({ kind: "expireLeases", term: TERM, appliedIndex: ANY_INDEX, ids: [1] });
  hub.publish();
  assert.equal(shown(all.take()), "2 put a, 2 put b |, 3 delete b |, 4 expire a |");
  assert.equal(shown(puts.take()), "2 put a, 2 put b |");
  assert.equal(shown(gone.take()), "3 delete b |, 4 expire a |");
});

Deno.test("of a revision whose events come in parts only the last is marked", () => {
  const { driver, hub } = setting();
  const live = watch(hub, "a*");
  driver.do(put("a1", ""), put("z", ""), put("a2", ""), put("a3", ""), put("z2", ""));
  driver.do(put("a4", ""));
  hub.publish();
  const behind = watch(hub, "a*", { fromRevision: 1 });
  for (const watcher of [live, behind]) {
    const parts = [1, 2, 3, 4].map(() => shown(watcher.take(ONE)));
    assert.deepEqual(parts, ["1 put a1", "1 put a2", "1 put a3 |", "2 put a4 |"]);
  }
});

Deno.test("publish() never stops inside a revision", () => {
  const { driver, hub } = setting();
  const watcher = watch(hub, "*");
  driver.do(put("a", ""), put("b", ""), put("c", ""));
  driver.do(put("d", ""));
  assert.equal(hub.publish(1).isDone, false);
  assert.equal(watcher.progress(), 0);
  assert.equal(shown(watcher.take()), "1 put a, 1 put b, 1 put c |");
  assert.equal(watcher.progress(), 1);
  assert.equal(hub.publish(1).isDone, true);
  assert.equal(shown(watcher.take()), "2 put d |");
});

Deno.test("progress is never ahead of an event that was not taken yet", () => {
  const { driver, hub } = setting();
  driver.do(put("a", "1"));
  driver.do(put("a", "2"));
  driver.do(put("b", "3"));
  hub.publish();
  const behind = watch(hub, "a", { fromRevision: 1 });
  assert.equal(behind.progress(), 0);
  behind.take(ONE);
  assert.equal(behind.progress(), 1);
  behind.take();
  assert.equal(behind.progress(), 3);
  const live = watch(hub, "a");
  driver.do(put("a", "4"), put("a2", ""));
  assert.equal(live.progress(), 3, "nothing is known of what was not published");
  hub.publish();
  assert.equal(live.progress(), 3);
  live.take();
  assert.equal(live.progress(), 4);
  driver.do(put("b", "5"));
  hub.publish();
  assert.equal(live.progress(), 5, "changes of other keys are progress, too");
});

Deno.test("progress inside a revision is the one before it", () => {
  const { driver, hub } = setting();
  const watcher = watch(hub, "*");
  driver.do(put("a", ""));
  driver.do(put("a", ""), put("b", ""));
  hub.publish();
  watcher.take({ changesMax: 9, eventsMax: 2, bytesMax: 9 });
  assert.equal(watcher.progress(), 1);
});

Deno.test("a client that moves to another node goes on without a gap or a double", () => {
  const first = setting();
  const second = setting();
  const writes = [
    [put("a", "1"), put("b", "1")],
    [put("a", "2")],
    [del("a"), put("b", "2")],
    [put("a", "3")],
  ];
  for (const write of writes) first.driver.do(...write);
  first.hub.publish();
  const got: string[] = [];
  // The first node's stream ends inside the third revision.
  const taken = watch(first.hub, "*", { fromRevision: 1 }).take({ ...ONE, eventsMax: 4 });
  assert.ok(taken.kind === "events");
  const whole = taken.events.findLastIndex((event) => event.isLastOfRevision);
  const kept = taken.events.slice(0, whole + 1);
  got.push(...kept.map(({ revision, key }) => `${revision} ${text(key)}`));
  // The second node is behind: it has yet to apply what the client has seen.
  second.driver.do(...writes[0] ?? []);
  const resumed = watch(second.hub, "*", { fromRevision: (kept.at(-1)?.revision ?? 0) + 1 });
  for (const write of writes.slice(1)) {
    second.driver.do(...write);
    second.hub.publish();
    const more = resumed.take();
    assert.ok(more.kind === "events");
    got.push(...more.events.map(({ revision, key }) => `${revision} ${text(key)}`));
  }
  assert.deepEqual(got, ["1 a", "1 b", "2 a", "3 a", "3 b", "4 a"]);
});

Deno.test("watchers of a key, a prefix and a range each get what is theirs", () => {
  const { driver, hub } = setting();
  const watchers = {
    key: watch(hub, "a/1"),
    prefix: watch(hub, "a/*"),
    longer: watch(hub, "a/12*"),
    all: watch(hub, "*"),
    range: watch(hub, "", { keys: { start: bytes("a/1"), end: bytes("a/3") } }),
    other: watch(hub, "b*"),
  };
  driver.do(put("a/1", ""), put("a/12", ""), put("a/3", ""), put("c", ""));
  hub.publish();
  const got = Object.entries(watchers).map(([name, watcher]) =>
    `${name}: ${shown(watcher.take())}`
  );
  assert.deepEqual(got, [
    "key: 1 put a/1 |",
    "prefix: 1 put a/1, 1 put a/12, 1 put a/3 |",
    "longer: 1 put a/12 |",
    "all: 1 put a/1, 1 put a/12, 1 put a/3, 1 put c |",
    "range: 1 put a/1, 1 put a/12 |",
    "other: ",
  ]);
});

Deno.test("a watcher that has ended gets nothing and costs nothing", () => {
  const { driver, hub } = setting();
  const watchers = ["a", "a*", "*"].map((keys) => watch(hub, keys));
  watchers.push(watch(hub, "", { keys: { start: bytes("a"), end: bytes("x") } }));
  driver.do(put("a", ""));
  for (const watcher of watchers) watcher.end();
  assert.deepEqual(hub.publish().ready, []);
  for (const watcher of watchers) assert.equal(shown(watcher.take()), "");
  assert.equal(hub.count, 0);
});

Deno.test("there are not too many watchers", () => {
  const { hub } = setting();
  const watchers = Array.from({ length: WATCHERS_MAX }, () => watch(hub, "a"));
  assert.deepEqual(hub.watch({ keys: toRange("a") }), { kind: "tooMany" });
  watchers[0]?.end();
  assert.ok("take" in hub.watch({ keys: toRange("a") }));
});

Deno.test("close() tells every watcher why, as long as it asks", () => {
  const { driver, hub } = setting();
  const watchers = [watch(hub, "a"), watch(hub, "b")];
  driver.do(put("a", "1"));
  hub.publish();
  hub.close("replaced");
  assert.equal(hub.count, 0);
  for (const watcher of watchers) {
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(watcher.take(), { kind: "closed", reason: "replaced" });
    }
    watcher.end();
  }
});
