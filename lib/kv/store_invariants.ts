/**
 * The invariants of a whole store, after every entry. For tests and the simulator, because the check reads
 * the whole store.
 *
 * @module
 */

import { assert } from "../assert.ts";
import type { MultiVersionStore } from "./multi_version_store.ts";
import type { Store } from "./store.ts";

/**
 * Checks a whole store.
 *
 * @throws {InvariantError} that names the broken rule.
 */
export function checkStore(store: Store): void {
  const { keys, appliedIndex } = store;
  assert(keys.revision <= appliedIndex, "No change is newer than the applied index");
  assert(keys.compactedRevision <= keys.revision, "Only what was changed is compacted");
  keys.index.check();
  keys.live.check();
  const reached = checkVersions(keys);
  checkHistory(keys, reached);
  checkLeases(keys);
  checkMemory(store);
}

/** Every version that the index reaches is in order, and there are no other versions. */
function checkVersions(keys: MultiVersionStore): ReadonlySet<number> {
  const { records, index } = keys;
  const reached = new Set<number>();
  let live = 0;
  for (const newest of index.handles()) {
    if (records.isLive(newest)) {
      live++;
      assert(
        keys.live.get(records.key(newest)) === newest,
        "Each key that exists is among the live ones",
      );
    }
    for (let handle = newest; handle !== 0; handle = records.previous(handle)) {
      assert(!reached.has(handle), "A version is of one key, and once");
      reached.add(handle);
      checkStep(keys, handle);
    }
  }
  assert(live === keys.liveKeys, "The store counts its keys");
  assert(reached.size === records.count, "No version is in memory that nobody can reach");
  return reached;
}

/** A version must fit the version before it, if history still has that one. */
function checkStep({ records, revision }: MultiVersionStore, handle: number): void {
  assert(records.modRevision(handle) <= revision, "No version is newer than the store");
  const previous = records.previous(handle);
  if (previous !== 0) {
    assert(records.isSameKey(handle, previous), "Versions are of one key");
    assert(
      records.modRevision(previous) < records.modRevision(handle),
      "Each version is newer than the one before it",
    );
  }
  const isAfresh = previous !== 0 && !records.isLive(previous);
  if (!records.isLive(handle)) {
    assert(!isAfresh, "Only a key that is there is deleted");
    return;
  }
  const isFirst = records.version(handle) === 1;
  assert(
    isFirst === (records.createRevision(handle) === records.modRevision(handle)),
    "The first version of a key is at the revision that created it",
  );
  if (previous === 0) return;
  assert(isFirst === isAfresh, "A key begins afresh after it was deleted, and only then");
  if (isFirst) return;
  assert(
    records.version(handle) === records.version(previous) + 1 &&
      records.createRevision(handle) === records.createRevision(previous),
    "A put counts the version and keeps the creation",
  );
}

/** Every change has its version. Every version has its change, except the oldest version of a key. */
function checkHistory(keys: MultiVersionStore, reached: ReadonlySet<number>): void {
  const { records, history } = keys;
  const changed = new Set<number>();
  let bytes = 0;
  let last = 0;
  for (let sequence = history.first; sequence < history.end; sequence++) {
    const handle = history.handle(sequence);
    const revision = history.revision(sequence);
    assert(reached.has(handle), "A change leads to a version");
    assert(records.modRevision(handle) === revision, "A change has its version's revision");
    assert(revision >= last, "Revisions never fall");
    last = revision;
    changed.add(handle);
    const previous = records.previous(handle);
    bytes += 12 + (previous === 0 ? 0 : records.sizeOf(previous)) +
      (records.isLive(handle) ? 0 : records.sizeOf(handle));
  }
  assert(changed.size === history.count, "A version has one change");
  assert(bytes === keys.historyBytes, "History counts its bytes");
  for (const handle of reached) {
    assert(changed.has(handle) || records.previous(handle) === 0, "History is whole");
    const isForgotten = records.modRevision(handle) <= keys.compactedRevision;
    assert(changed.has(handle) || isForgotten, "Only what is compacted is forgotten");
  }
}

/** A lease has exactly the keys that name it. */
function checkLeases({ records, index, leases }: MultiVersionStore): void {
  const byLease = new Map<number, number>();
  for (const handle of index.handles()) {
    const lease = records.isLive(handle) ? records.lease(handle) : 0;
    if (lease === 0) continue;
    byLease.set(lease, (byLease.get(lease) ?? 0) + 1);
    assert(leases.get(lease) !== null, "A key's lease is there");
  }
  for (const { id, ending } of leases.each()) {
    const handles = leases.keys(id, Infinity);
    assert(handles.length === (byLease.get(id) ?? 0), "A lease counts its keys");
    for (const handle of handles) {
      assert(index.get(records.key(handle)) === handle, "A lease has its keys' newest versions");
      assert(records.lease(handle) === id, "A lease has keys that name it");
    }
    assert(ending === null || handles.length > 0, "A lease that ends without keys is gone");
  }
}

function checkMemory({ memory, appliedIndex }: Store): void {
  let last = 0;
  let count = 0;
  for (const { index } of memory.rows()) {
    assert(index > last && index <= appliedIndex, "Remembered writes are in the order of the log");
    last = index;
    count++;
  }
  assert(count === memory.count, "Each remembered write is found by its key");
}
