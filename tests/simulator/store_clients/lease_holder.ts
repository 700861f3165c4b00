/**
 * A client that has a lease granted, keeps it alive for a while, takes a lock with it, and writes only while
 * it holds the lock, or believes that it does. Now and then it sleeps past its lease, and goes on as if
 * nothing had happened.
 *
 * @module
 */

import { encodeUtf8 } from "../../../lib/bytes.ts";
import {
  acquireTransaction,
  type Command,
  encodeCommand,
  type KeyValueRow,
  releaseTransaction,
} from "../../../lib/kv/mod.ts";
import type { WriteAnswer } from "../../../lib/node/api.ts";
import type { LifetimeChecker } from "../checkers/lifetime_checker.ts";
import type { Machine } from "../machine.ts";
import type { StoreScenario } from "../more_scenario.ts";
import { Asker, type StoreWorld } from "./asker.ts";
import type { Belief, LockBeliefs } from "./lock_beliefs.ts";

/** How many times a lease is kept alive before its holder leaves it. */
const ROUNDS_MAX = 12;
/** How often a holder sleeps past its lease. */
const SLEEP_SHARE = 0.08;
/** How often a holder ends its lease itself. */
const REVOKE_SHARE = 0.1;
/** How long until a client tries again what failed. */
const RETRY_US = 100_000;

/** What a holder knows of its lease. */
interface Held {
  readonly id: number;
  readonly ttlSeconds: number;
  /** When the newest attempt to keep it alive that was answered began. */
  keptAliveUs: number;
  /** The lock's fence while it holds the lock, for all it knows. */
  fence: number | null;
  rounds: number;
}

/** What a holder works with besides. */
export interface HolderParts {
  /** Checks that leases live as long as they must. */
  readonly lifetimes: LifetimeChecker;
  /** Who believes to hold which lock. */
  readonly beliefs: LockBeliefs;
  /** A number of its own for each lease. */
  readonly nextLeaseId: () => number;
  /** How long a second of a lease is. */
  readonly secondUs: number;
  /** When leases are kept alive. */
  readonly keepAliveShare: StoreScenario["keepAliveShare"];
}

/** See the module. */
export class LeaseHolder {
  readonly #world: StoreWorld;
  readonly #parts: HolderParts;
  readonly #name: string;
  readonly #asker: Asker;
  #count = 0;
  #isOn = true;

  /** A client that holds nothing yet. */
  constructor(name: string, world: StoreWorld, parts: HolderParts) {
    this.#world = world;
    this.#parts = parts;
    this.#name = name;
    this.#asker = new Asker(world);
  }

  /** Begins with a lease; never ends, until it is stopped. */
  start(): void {
    const { queue, random, scenario } = this.#world;
    queue.after(random.exponential(scenario.thinkUsMean), () => {
      if (this.#isOn) this.#grant();
    });
  }

  /** Asks nothing new: its lease runs out. */
  stop(): void {
    this.#isOn = false;
  }

  /** A process ended. */
  disconnected(machine: Machine): void {
    this.#asker.disconnected(machine);
  }

  #grant(): void {
    const { queue, random } = this.#world;
    const id = this.#parts.nextLeaseId();
    const ttlSeconds = random.between(1, 2);
    const askedUs = queue.nowUs;
    this.#write({ kind: "grantLease", id, ttlSeconds }, (answer) => {
      if (answer?.result.kind !== "leaseGranted") return this.start();
      this.#parts.lifetimes.keptAlive({ id, ttlSeconds }, askedUs);
      this.#hold({ id, ttlSeconds, keptAliveUs: askedUs, fence: null, rounds: 0 });
    });
  }

  /** One round: it is kept alive, then used. */
  #hold(held: Held): void {
    const { queue, random, counters } = this.#world;
    if (!this.#isOn) return;
    const ttlUs = held.ttlSeconds * this.#parts.secondUs;
    if (++held.rounds > ROUNDS_MAX) return this.#leave(held);
    const isAsleep = random.chance(SLEEP_SHARE);
    if (isAsleep) counters.count("holder.sleep");
    const { least, most } = this.#parts.keepAliveShare;
    const share = least + (most - least) * random.fraction();
    queue.after(Math.round(ttlUs * (isAsleep ? 2 : share)), () => {
      if (isAsleep) return this.#use(held, () => this.#keepAlive(held));
      this.#keepAlive(held);
    });
  }

  #keepAlive(held: Held): void {
    const { queue, counters, random } = this.#world;
    const { lifetimes, beliefs } = this.#parts;
    const askedUs = queue.nowUs;
    if (random.chance(0.2)) this.#asker.move();
    const question = { id: held.id, isKeptAlive: random.chance(0.8) };
    this.#asker.ask((life, deadlineMs) => life.leases.ask(question, deadlineMs), (outcome) => {
      if (outcome.kind !== "answered") {
        this.#asker.move();
        return this.#hold(held);
      }
      counters.count(`lease.${outcome.answer.kind}`);
      if (outcome.answer.kind === "leaseNotFound") {
        lifetimes.lost(held.id);
        return this.start();
      }
      if (question.isKeptAlive) {
        lifetimes.keptAlive(held, askedUs);
        held.keptAliveUs = askedUs;
        if (held.fence !== null) beliefs.holds(this.#belief(held, held.fence), queue.nowUs);
      }
      this.#use(held, () => this.#hold(held));
    });
  }

  /** Takes the lock, or writes under it. */
  #use(held: Held, then: () => void): void {
    if (this.#world.random.chance(REVOKE_SHARE)) return this.#leave(held);
    if (held.fence === null) return this.#acquire(held, then);
    const value = encodeUtf8(`${this.#name} ${this.#count}`);
    const key = encodeUtf8("lock/guarded");
    const { counters } = this.#world;
    this.#write({
      kind: "transaction",
      conditions: [{ target: "fence", lock: this.#lock, revision: held.fence }],
      success: [{ kind: "put", key, value, lease: 0, isPreviousWanted: false }],
      failure: [],
    }, (answer) => {
      if (answer?.result.kind === "transaction" && !answer.isReplay) {
        counters.count(answer.result.succeeded ? "fence.held" : "fence.stale");
      }
      then();
    });
  }

  #acquire(held: Held, then: () => void): void {
    const value = encodeUtf8(`${this.#name} ${this.#count}`);
    const claim = acquireTransaction({ name: this.#lock, lease: held.id, value });
    const { counters } = this.#world;
    this.#write({ kind: "transaction", ...claim }, (answer) => {
      const fence = answer === null || answer.isReplay ? null : this.#fenceOf(held, answer);
      if (fence === null) return then();
      counters.count("lock.won");
      held.fence = fence;
      this.#parts.beliefs.holds(this.#belief(held, fence), this.#world.queue.nowUs);
      then();
    });
  }

  /** The fence, if the holder's claim came first of those that are there. */
  #fenceOf(held: Held, { result }: WriteAnswer): number | null {
    if (result.kind !== "transaction") return null;
    const claims = result.answers.at(-1);
    const first: KeyValueRow | undefined = claims?.kind === "range" ? claims.rows[0] : undefined;
    if (first === undefined || first.lease !== held.id) return null;
    return first.createRevision;
  }

  #leave(held: Held): void {
    const { random } = this.#world;
    if (held.fence !== null && random.chance(0.5)) return this.#release(held, held.fence);
    if (random.chance(0.5)) return this.start();
    this.#parts.lifetimes.revoking(held.id);
    this.#parts.beliefs.released(held.id);
    this.#write({ kind: "revokeLease", id: held.id }, () => this.start());
  }

  #release(held: Held, fence: number): void {
    this.#parts.beliefs.released(held.id);
    const release = releaseTransaction({ name: this.#lock, lease: held.id, fence });
    this.#write({ kind: "transaction", ...release }, () => this.start());
  }

  #belief({ id, ttlSeconds, keptAliveUs }: Held, fence: number): Belief {
    const untilUs = this.#parts.lifetimes.livesUntilUs(ttlSeconds, keptAliveUs);
    return { lease: id, fence, untilUs };
  }

  get #lock(): Uint8Array {
    return encodeUtf8("lock");
  }

  /** Writes once, under a name of its own; null where the outcome is not known, or it failed. */
  #write(command: Command, then: (answer: WriteAnswer | null) => void): void {
    const { queue, record, trace, counters } = this.#world;
    const idempotency = { token: null, key: `${this.#name}-${++this.#count}` };
    const named = { ...command, idempotency } as Command;
    const write = record.writing(named, queue.nowUs);
    const bytes = encodeCommand(named);
    this.#asker.ask((life, deadlineMs) => life.requests.write(bytes, deadlineMs), (outcome) => {
      trace.add(queue.nowUs, this.#name, () => `${write.name} ${command.kind} ${outcome.kind}`);
      if (outcome.kind === "answered") {
        counters.count(`store.${outcome.answer.result.kind}`);
        write.answered(outcome.answer, queue.nowUs);
        return then(outcome.answer);
      }
      this.#asker.move();
      queue.after(RETRY_US, () => then(null));
    });
  }
}
