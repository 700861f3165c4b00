import assert from "node:assert/strict";
import { WATCH_QUEUE_MAX } from "../../lib/kv/watch_hub.ts";
import { put, toRange } from "./support.ts";
import { ONE, setting, shown, watch } from "./watching.ts";

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
