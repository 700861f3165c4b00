/** What the tests of watches have in common. */

import assert from "node:assert/strict";
import { type Taken, type Watcher, WatchHub, type WatchQuery } from "../../lib/kv/watch_hub.ts";
import { Driver, text, toRange } from "./support.ts";

/** A store, and the hub of its watchers. */
export interface Setting {
  readonly driver: Driver;
  readonly hub: WatchHub;
}

/** An empty store. */
export function setting(limits: ConstructorParameters<typeof Driver>[0] = {}): Setting {
  const driver = new Driver(limits);
  return { driver, hub: new WatchHub(driver.store.keys) };
}

/** Begins a watch that is not refused. */
export function watch(hub: WatchHub, keys: string, query: Partial<WatchQuery> = {}): Watcher {
  const watcher = hub.watch({ keys: toRange(keys), ...query });
  if ("take" in watcher) return watcher;
  throw new Error(`The watch was refused: ${watcher.kind}`);
}

/** What was taken, each event as `revision kind key`, with a bar after the last of a revision. */
export function shown(taken: Taken): string {
  if (taken.kind === "compacted") return `compacted, oldest ${taken.oldestRevision}`;
  assert.ok(taken.kind === "events");
  return taken.events.map((event) =>
    `${event.revision} ${event.kind} ${text(event.key)}${event.isLastOfRevision ? " |" : ""}`
  ).join(", ");
}

/** One event at a time. */
export const ONE = { changesMax: 100, eventsMax: 1, bytesMax: 1e6 };
