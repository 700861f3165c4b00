import assert from "node:assert/strict";
import { ALL_KEYS, Store, type Watcher } from "../../lib/kv/mod.ts";
import { LiveStore } from "../../lib/node/live_store.ts";
import { bytes, entryOf, putCommand } from "../kv/support.ts";

function setting() {
  const live = new LiveStore(new Store());
  const calls: string[] = [];
  const watch = (name: string): Watcher => {
    const watcher = live.watch({ keys: ALL_KEYS }, () => calls.push(name));
    assert.ok("take" in watcher);
    return watcher;
  };
  const apply = (count: number) => {
    for (let left = count; left > 0; left--) {
      live.apply([entryOf(live.appliedIndex + 1, putCommand("k", "v"))]);
    }
  };
  return { live, calls, watch, apply };
}

Deno.test("watchers hear once of what came since they took everything", () => {
  const { live, calls, watch, apply } = setting();
  const watcher = watch("a");
  apply(2);
  assert.deepEqual(calls, [], "nobody hears of anything inside the turn that applies");
  assert.ok(live.publish());
  apply(1);
  assert.ok(live.publish());
  assert.deepEqual(calls, ["a"]);
  const taken = watcher.take();
  assert.equal(taken.kind === "events" && taken.events.length, 3);
  apply(1);
  live.publish();
  assert.deepEqual(calls, ["a", "a"]);
});

Deno.test("publish() says when there is more than one turn may look at", () => {
  const { live, calls, watch, apply } = setting();
  watch("a");
  apply(5_001);
  assert.equal(live.publish(), false);
  assert.deepEqual(calls, ["a"]);
  assert.equal(live.publish(), true);
});

Deno.test("replace() ends every watch and says why, and shows the other store from then on", () => {
  const { live, calls, watch, apply } = setting();
  apply(1);
  const watcher = watch("a");
  const before = live.view;
  const other = new Store();
  other.apply([entryOf(1, putCommand("other", "1")), entryOf(2, putCommand("other", "2"))]);
  live.replace(other);
  assert.deepEqual(calls, ["a"]);
  assert.deepEqual(watcher.take(), { kind: "closed", reason: "replaced" });
  assert.equal(live.view.get(bytes("other"))?.modRevision, 2);
  assert.equal(live.appliedIndex, 2);
  assert.equal(before.get(bytes("k"))?.modRevision, 1, "who reads the old one goes on");
  assert.ok("take" in live.watch({ keys: ALL_KEYS, fromRevision: 2 }, () => {}));
});

Deno.test("endWatches() tells watchers that the node stops", () => {
  const { live, calls, watch } = setting();
  const watcher = watch("a");
  live.endWatches("stopping");
  assert.deepEqual(calls, ["a"]);
  assert.deepEqual(watcher.take(), { kind: "closed", reason: "stopping" });
});
