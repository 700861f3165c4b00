/**
 * The state machine of a running node, and those who follow what becomes of it: watchers, and the
 * leader's clock of leases. The simulator runs it as it is.
 *
 * @module
 */

import {
  type AppliedEntry,
  type CommittedEntry,
  type Store,
  StoreView,
  type WatchEnd,
  type Watcher,
  WatchHub,
  type WatchQuery,
} from "../kv/mod.ts";
import type { LogIndex } from "../types.ts";
import type { WatchRefusal } from "./api.ts";

/** See the module. The store changes as a whole when a leader's snapshot takes its place. */
export class LiveStore {
  #store: Store;
  #view: StoreView;
  #hub: WatchHub;

  /** A store that is as the disk has it. */
  constructor(store: Store) {
    this.#store = store;
    this.#view = new StoreView(store);
    this.#hub = new WatchHub(store.keys);
  }

  /** The store; only this class and who writes its tables may change anything in it. */
  get store(): Store {
    return this.#store;
  }

  /** What readers see. */
  get view(): StoreView {
    return this.#view;
  }

  /** Index of the last entry that was applied. */
  get appliedIndex(): LogIndex {
    return this.#store.appliedIndex;
  }

  /** Applies committed entries. Watchers hear of it by {@linkcode LiveStore.publish}. */
  apply(entries: readonly CommittedEntry[]): readonly AppliedEntry[] {
    return this.#store.apply(entries);
  }

  /** Puts another store in the place of this one. Its watchers cannot know what changed in between. */
  replace(store: Store): void {
    this.endWatches("replaced");
    this.#store = store;
    this.#view = new StoreView(store);
    this.#hub = new WatchHub(store.keys);
  }

  /** How many watches and leases there are. */
  get figures(): { readonly watchers: number; readonly leases: number } {
    return { watchers: this.#hub.count, leases: this.#store.keys.leases.count };
  }

  /** Begins a watch: see `NodeApi.watch`. */
  watch(query: WatchQuery, onReady: () => void): Watcher | WatchRefusal {
    return this.#hub.watch(query, onReady);
  }

  /** Tells watchers what was applied, as much as a turn may; whether that was all. */
  publish(): boolean {
    const { ready, isDone } = this.#hub.publish();
    for (const watcher of ready) watcher.onReady();
    return isDone;
  }

  /** Counts a tick, by which history ages. */
  tick(): void {
    this.#store.keys.tick();
  }

  /** Ends every watch; the watchers learn why. */
  endWatches(reason: WatchEnd): void {
    this.#hub.close(reason);
  }
}
