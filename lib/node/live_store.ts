/**
 * The state machine of a running node, with its watchers and the leader's clock of leases. The simulator runs
 * this same code.
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

/** See the module. A leader's snapshot replaces the store as a whole. */
export class LiveStore {
  #store: Store;
  #view: StoreView;
  #hub: WatchHub;

  /** `store` is as the disk has it. */
  constructor(store: Store) {
    this.#store = store;
    this.#view = new StoreView(store);
    this.#hub = new WatchHub(store.keys);
  }

  /** The store. Only this class and the writer of its tables change anything in it. */
  get store(): Store {
    return this.#store;
  }

  /** The store, read-only. */
  get view(): StoreView {
    return this.#view;
  }

  /** Index of the last entry that was applied. */
  get appliedIndex(): LogIndex {
    return this.#store.appliedIndex;
  }

  /** Applies committed entries. {@linkcode LiveStore.publish} then informs the watchers. */
  apply(entries: readonly CommittedEntry[]): readonly AppliedEntry[] {
    return this.#store.apply(entries);
  }

  /** Replaces the store, and ends its watches: the watchers cannot learn what changed in between. */
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

  /** Gives watchers what was applied, up to the limit of one turn. Returns whether that was everything. */
  publish(): boolean {
    const { ready, isDone } = this.#hub.publish();
    for (const watcher of ready) watcher.onReady();
    return isDone;
  }

  /** Counts a tick, for the age of history. */
  tick(): void {
    this.#store.keys.tick();
  }

  /** Ends every watch, and gives each watcher the reason. */
  endWatches(reason: WatchEnd): void {
    this.#hub.close(reason);
  }
}
