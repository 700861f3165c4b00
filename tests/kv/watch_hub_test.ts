import assert from "node:assert/strict";
import {
  type Taken,
  WATCH_QUEUE_MAX,
  type Watcher,
  WATCHERS_MAX,
  WatchHub,
  type WatchQuery,
} from "../../lib/kv/watch_hub.ts";
import { ANY_INDEX, bytes, del, Driver, put, TERM, text, toRange } from "./support.ts";

interface Setting {
  readonly driver: Driver;
  readonly hub: WatchHub;
}

function setting(limits: ConstructorParameters<typeof Driver>[0] = {}): Setting {
  const driver = new Driver(limits);
  return { driver, hub: new WatchHub(driver.store.keys) };
}

function watch(hub: WatchHub, keys: string, query: Partial<WatchQuery> = {}): Watcher {
  const watcher = hub.watch({ keys: toRange(keys), ...query });
  if ("take" in watcher) return watcher;
  throw new Error(`The watch was refused: ${watcher.kind}`);
}

/** What was taken, each event as `revision kind key`, with a bar after the last of a revision. */
function shown(taken: Taken): string {
  if (taken.kind === "compacted") return `compacted, oldest ${taken.oldestRevision}`;
  assert.ok(taken.kind === "events");
  return taken.events.map((event) =>
    `${event.revision} ${event.kind} ${text(event.key)}${event.isLastOfRevision ? " |" : ""}`
  ).join(", ");
}

const ONE = { changesMax: 100, eventsMax: 1, bytesMax: 1e6 };

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

Deno.test("a watch from a revision that is compacted is refused with the oldest that is there", () => {
  const { driver, hub } = setting();
  for (let count = 0; count < 5; count++) driver.do(put("a", String(count)));
  hub.publish();
  driver.apply({ kind: "compact", revision: 3 });
  assert.deepEqual(hub.watch({ keys: toRange("a"), fromRevision: 3 }), {
    kind: "compacted",
    oldestRevision: 4,
  });
  assert.equal(shown(watch(hub, "a", { fromRevision: 4 }).take()), "4 put a |, 5 put a |");
});

Deno.test("a watcher is told when history forgot what it did not take", () => {
  const history = { changesMax: 3, bytesMax: 1e9, ageTicksMax: null };
  const { driver, hub } = setting({ history });
  const live = watch(hub, "a");
  const behind = watch(hub, "a", { fromRevision: 1 });
  driver.do(put("a", "0"));
  hub.publish();
  const late = watch(hub, "a", { fromRevision: 1 });
  for (let count = 1; count < 6; count++) driver.do(put("a", String(count)));
  hub.publish();
  for (const watcher of [live, behind, late]) {
    assert.equal(watcher.progress(), null);
    assert.equal(shown(watcher.take()), "compacted, oldest 4");
    assert.equal(shown(watcher.take()), "", "it has ended");
  }
  assert.equal(hub.count, 0);
});

Deno.test("a compaction takes nothing from a live watcher that was given its event", () => {
  const { driver, hub } = setting();
  const watcher = watch(hub, "a*");
  driver.do(put("a", "1"));
  driver.apply({ kind: "compact", revision: driver.store.keys.revision });
  hub.publish();
  assert.equal(watcher.progress(), 0);
  assert.equal(shown(watcher.take()), "1 put a |");
  assert.equal(watcher.progress(), 1);
});

Deno.test("a watcher that took everything is not told of what history forgets", () => {
  const history = { changesMax: 1, bytesMax: 1e9, ageTicksMax: null };
  const { driver, hub } = setting({ history });
  const watcher = watch(hub, "a");
  for (let count = 0; count < 5; count++) {
    driver.do(put("a", String(count)));
    hub.publish();
    assert.equal(shown(watcher.take()), `${count + 1} put a |`);
  }
});

Deno.test("a watcher that took its part of a revision is not told that history forgot the rest", () => {
  const history = { changesMax: 2, bytesMax: 1e9, ageTicksMax: null };
  const { driver, hub } = setting({ history });
  driver.do(put("a", "1"), put("b", "other"));
  hub.publish();
  const watcher = watch(hub, "a", { fromRevision: 1 });
  assert.equal(shown(watcher.take(ONE)), "1 put a |");
  driver.do(put("a", "2"));
  driver.do(put("a", "3"));
  hub.publish();
  assert.equal(shown(watcher.take()), "2 put a |, 3 put a |");
});

Deno.test("history that is forgotten before it is published is a gap that live watchers learn of", () => {
  const history = { changesMax: 1, bytesMax: 1e9, ageTicksMax: null };
  const { driver, hub } = setting({ history });
  const watcher = watch(hub, "a");
  for (let count = 0; count < 5; count++) driver.do(put("b", String(count)));
  const young = watch(hub, "a");
  driver.do(put("a", "after"));
  assert.ok(hub.publish().ready.includes(watcher));
  assert.equal(shown(watcher.take()), "compacted, oldest 6");
  assert.equal(shown(young.take()), "6 put a |");
});

Deno.test("a slow watcher costs a place in history, and gets everything all the same", () => {
  const { driver, hub } = setting();
  const watcher = watch(hub, "a");
  const count = WATCH_QUEUE_MAX + 50;
  for (let at = 0; at < count; at++) driver.do(put("a", ""));
  hub.publish();
  assert.equal(watcher.place.kind, "behind");
  const revisions: number[] = [];
  for (let round = 0; round < 10; round++) {
    const taken = watcher.take({ changesMax: 300, eventsMax: 1000, bytesMax: 1e9 });
    assert.ok(taken.kind === "events");
    revisions.push(...taken.events.map(({ revision }) => revision));
    assert.equal(taken.hasMore, revisions.length < count);
  }
  assert.deepEqual(revisions, Array.from({ length: count }, (_, at) => at + 1));
  assert.equal(watcher.place.kind, "live");
});

Deno.test("a watcher that is one short of too slow stays live", () => {
  const { driver, hub } = setting();
  const watcher = watch(hub, "a");
  for (let at = 0; at < WATCH_QUEUE_MAX; at++) driver.do(put("a", ""));
  hub.publish();
  assert.equal(watcher.place.kind, "live");
  const taken = watcher.take();
  assert.ok(taken.kind === "events");
  assert.equal(taken.events.length, WATCH_QUEUE_MAX);
});

Deno.test("a watcher behind looks at so many changes at a time, of other keys too", () => {
  const { driver, hub } = setting();
  for (let at = 0; at < 10; at++) driver.do(put("b", ""));
  driver.do(put("a", ""));
  hub.publish();
  const watcher = watch(hub, "a", { fromRevision: 1 });
  const looks = [1, 2, 3].map(() => watcher.take({ changesMax: 5, eventsMax: 9, bytesMax: 9 }));
  assert.deepEqual(looks.map(shown), ["", "", "11 put a |"]);
  assert.deepEqual(looks.map((taken) => taken.kind === "events" && taken.hasMore), [
    true,
    true,
    false,
  ]);
});

Deno.test("taking ends with enough bytes, but takes one event at least", () => {
  const { driver, hub } = setting();
  const watcher = watch(hub, "a");
  for (let at = 0; at < 3; at++) driver.do(put("a", "x".repeat(100)));
  hub.publish();
  const behind = watch(hub, "a", { fromRevision: 1 });
  for (const each of [watcher, behind]) {
    const taken = each.take({ changesMax: 100, eventsMax: 100, bytesMax: 1 });
    assert.ok(taken.kind === "events");
    assert.equal(taken.events.length, 1);
    assert.ok(taken.hasMore);
  }
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
