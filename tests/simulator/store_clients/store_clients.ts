/**
 * The clients of all that the store has beyond single keys: transactions, ranges, history, watches, leases
 * and locks. What they were answered is checked as they hear of it, and against the log in the end.
 *
 * @module
 */

import type { Entry } from "../../../lib/raft/mod.ts";
import type { LifetimeChecker } from "../checkers/lifetime_checker.ts";
import type { Machine } from "../machine.ts";
import { KEEP_ALIVE_SHARE } from "../more_scenario.ts";
import type { Scenario } from "../scenario.ts";
import type { StoreWorld } from "./asker.ts";
import { LeaseHolder } from "./lease_holder.ts";
import { LockBeliefs } from "./lock_beliefs.ts";
import { Replay } from "./replay.ts";
import { StoreClient } from "./store_client.ts";
import { StoreRecord } from "./store_record.ts";
import { WatchingClient } from "./watching_client.ts";

/** How many ticks of a lessor are a second. */
export const TICKS_PER_SECOND = 100;

/** What the clients need of the rest of the world. */
export interface StoreClientsOptions extends Omit<StoreWorld, "record" | "scenario" | "workload"> {
  /** The run. */
  readonly scenario: Scenario;
  /** Checks that leases live as long as they must. */
  readonly lifetimes: LifetimeChecker;
}

/** See the module. */
export class StoreClients {
  readonly #scenario: Scenario;
  readonly #record = new StoreRecord();
  readonly #askers: readonly (StoreClient | LeaseHolder)[];
  readonly #watchers: readonly WatchingClient[];

  /** Clients that have not asked anything yet; none where the run has none. */
  constructor(options: StoreClientsOptions) {
    const { scenario } = options;
    this.#scenario = scenario;
    const { store } = scenario;
    const worldOf = (name: string): StoreWorld => ({
      ...options,
      scenario: store ?? NONE,
      workload: scenario.workload,
      record: this.#record,
      random: options.random.split(name),
    });
    let leases = 0;
    const parts = {
      lifetimes: options.lifetimes,
      beliefs: new LockBeliefs(),
      nextLeaseId: () => ++leases,
      secondUs: TICKS_PER_SECOND * scenario.tickUs,
      keepAliveShare: (store ?? NONE).keepAliveShare,
    };
    const { clients, holders, watchers } = store ?? NONE;
    this.#askers = [
      ...namesOf("s", clients).map((name) => new StoreClient(name, worldOf(name))),
      ...namesOf("h", holders).map((name) => new LeaseHolder(name, worldOf(name), parts)),
    ];
    this.#watchers = namesOf("w", watchers).map((name) => new WatchingClient(name, worldOf(name)));
    this.#record.watched.push(...this.#watchers);
  }

  /** Begins. */
  start(): void {
    for (const client of [...this.#askers, ...this.#watchers]) client.start();
  }

  /** Nobody asks anything new; who watches goes on. */
  stop(): void {
    for (const client of this.#askers) client.stop();
    for (const watcher of this.#watchers) watcher.hurry();
  }

  /** A process ended. */
  disconnected(machine: Machine): void {
    for (const client of [...this.#askers, ...this.#watchers]) client.disconnected(machine);
  }

  /** Whether everybody who watches has heard of everything up to this revision. */
  haveSeen(revision: number): boolean {
    return this.#watchers.every(({ nextRevision }) => nextRevision > revision);
  }

  /** Compares everything with the log. */
  check(committed: readonly Entry[]): void {
    if (this.#scenario.store !== null) this.#record.check(new Replay(committed, this.#scenario));
  }
}

const NONE = {
  clients: 0,
  holders: 0,
  keepAliveShare: KEEP_ALIVE_SHARE,
  watchers: 0,
  keys: 1,
  thinkUsMean: 0,
  historyChangesMax: null,
};

function namesOf(letter: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${letter}${at + 1}`);
}
