/**
 * A client that writes transactions and reads ranges, as they are or as they were.
 *
 * @module
 */

import { encodeUtf8 } from "../../../lib/bytes.ts";
import {
  type CompactCommand,
  type Condition,
  encodeCommand,
  type KeyRange,
  keysWithPrefix,
  type Operation,
  type RangeRead,
  type RangeRequest,
  singleKey,
  type Transaction,
  type TransactionCommand,
} from "../../../lib/kv/mod.ts";
import { toLogIndex } from "../../../lib/types.ts";
import type { Life } from "../life.ts";
import type { Machine } from "../machine.ts";
import { Asker, type StoreWorld } from "./asker.ts";
import type { ReadAnswer, SeenRow } from "./store_record.ts";

/** What the keys of these clients begin with. */
const FOLDER = "store/";
/** How often a write is asked again at most. */
const ATTEMPTS_MAX = 6;
/** How long a client waits before it asks again. */
const RETRY_US = 50_000;
/** How much a slice looks at: less than there is, so that a range takes several. */
const SLICE = { keysMax: 2, bytesMax: 10_000 };
/** How long a reader rests between two slices, on average. */
const REST_US = 20_000;
/** How many requests are reads. */
const READ_SHARE = 0.4;
/** How many reads are of a revision that is past. */
const PAST_SHARE = 0.5;
/** How many writes ask for history to be forgotten. */
const COMPACT_SHARE = 0.03;

/** See the module. */
export class StoreClient {
  readonly #world: StoreWorld;
  readonly #name: string;
  readonly #asker: Asker;
  #count = 0;
  #isOn = true;
  #seenRevision = 0;

  /** A client that has not asked anything yet. */
  constructor(name: string, world: StoreWorld) {
    this.#world = world;
    this.#name = name;
    this.#asker = new Asker(world);
  }

  /** Begins to ask, from now on for ever. */
  start(): void {
    const { queue, random, scenario } = this.#world;
    queue.after(random.exponential(scenario.thinkUsMean), () => {
      if (!this.#isOn) return;
      if (random.chance(0.3)) this.#asker.move();
      if (random.chance(READ_SHARE)) return this.#read();
      this.#write(random.chance(COMPACT_SHARE) ? this.#drawCompaction() : this.#drawCommand());
    });
  }

  /** Asks nothing new. */
  stop(): void {
    this.#isOn = false;
  }

  /** A process ended. */
  disconnected(machine: Machine): void {
    this.#asker.disconnected(machine);
  }

  /** Asks again while nobody knows what came of it; its idempotency key makes that safe. */
  #write(command: TransactionCommand | CompactCommand): void {
    const { queue, record, counters, trace } = this.#world;
    const write = record.writing(command, queue.nowUs);
    const bytes = encodeCommand(command);
    let attempts = 0;
    const attempt = () =>
      this.#asker.ask((life, deadlineMs) => life.requests.write(bytes, deadlineMs), (outcome) => {
        if (outcome.kind === "answered") {
          const { result } = outcome.answer;
          write.answered(outcome.answer, queue.nowUs);
          this.#seenRevision = Math.max(this.#seenRevision, result.revision);
          counters.count(`store.${result.kind}`);
          trace.add(queue.nowUs, this.#name, () => `${write.name} ${result.kind}`);
          return this.start();
        }
        if (++attempts >= ATTEMPTS_MAX || !this.#isOn) return this.start();
        this.#asker.move();
        queue.after(RETRY_US, attempt);
      });
    attempt();
  }

  /** Reads slice by slice, all at one revision, while others write. */
  #read(): void {
    const { queue, random, record, counters } = this.#world;
    const isPast = this.#seenRevision > 0 && random.chance(PAST_SHARE);
    const wanted = isPast ? toLogIndex(1 + random.below(this.#seenRevision)) : null;
    const request: RangeRequest = {
      keys: this.#drawRange(),
      order: random.chance(0.7) ? "ascending" : "descending",
      ...(random.chance(0.3) ? { limit: random.between(1, 3) } : {}),
      ...(wanted === null ? {} : { revision: wanted }),
    };
    const calledUs = queue.nowUs;
    const begin = async (life: Life, deadlineMs: number) => {
      await life.requests.confirmRead(deadlineMs, { lease: false });
      const { view } = life.live;
      return { life, view, read: view.range(request), appliedIndex: view.appliedIndex };
    };
    this.#asker.ask(begin, (outcome) => {
      if (outcome.kind !== "answered") return this.start();
      const { life, read, view, appliedIndex } = outcome.answer;
      counters.count(isPast ? "store.readOfThePast" : "store.range");
      this.#readOn({ life, read, rows: [] }, (answer) => {
        const knownIndex = view.appliedIndex;
        const { revision } = read;
        record.reads.push({
          request,
          isPast,
          calledUs,
          returnedUs: queue.nowUs,
          appliedIndex,
          knownIndex,
          revision,
          answer,
        });
        if (answer.kind === "compacted") counters.count("store.compactedRead");
        this.start();
      });
    });
  }

  /** A process that ends takes the rest of the answer along. */
  #readOn(
    { life, read, rows }: {
      readonly life: Life;
      readonly read: RangeRead;
      readonly rows: SeenRow[];
    },
    then: (answer: ReadAnswer) => void,
  ): void {
    const { queue, random, counters } = this.#world;
    if (this.#asker.machine.life !== life) return this.start();
    const slice = read.next(SLICE);
    if (slice.kind !== "slice") return then(slice);
    for (const item of slice.items) if (item.kind === "row") rows.push(item.row);
    if (slice.isDone) return then({ kind: "rows", rows, hasMore: slice.hasMore });
    counters.count("store.slice");
    queue.after(random.exponential(REST_US), () => this.#readOn({ life, read, rows }, then));
  }

  #drawKey(): Uint8Array {
    const { random, scenario: { keys } } = this.#world;
    return keyAt(random.below(keys));
  }

  #drawRange(): KeyRange {
    const { random } = this.#world;
    if (random.chance(0.6)) return keysWithPrefix(encodeUtf8(FOLDER));
    return random.chance(0.5) ? singleKey(this.#drawKey()) : { start: this.#drawKey(), end: null };
  }

  #drawCompaction(): CompactCommand {
    const revision = toLogIndex(Math.max(0, this.#seenRevision - this.#world.random.below(20)));
    return { kind: "compact", revision, idempotency: this.#nextName() };
  }

  #drawCommand(): TransactionCommand {
    return { kind: "transaction", ...this.#drawTransaction(), idempotency: this.#nextName() };
  }

  #nextName(): { readonly token: null; readonly key: string } {
    return { token: null, key: `${this.#name}-${++this.#count}` };
  }

  /** Several keys at once; now and then one operation cannot be done, and then none of them is. */
  #drawTransaction(): Transaction {
    const { random, scenario: { keys } } = this.#world;
    const conditions = random.chance(0.5) ? [this.#drawCondition()] : [];
    if (random.chance(0.1)) {
      const folder = { kind: "delete", keys: this.#drawRange(), isPreviousWanted: true } as const;
      return { conditions, success: [folder], failure: [this.#drawReading()] };
    }
    const all = random.shuffled(Array.from({ length: keys }, (_, at) => keyAt(at)));
    const success = all.slice(0, random.between(1, 3)).map((key) => this.#drawChange(key));
    const last: Operation = random.chance(0.2)
      ? { kind: "transaction", conditions: [this.#drawCondition()], success: [], failure: [] }
      : this.#drawReading();
    return { conditions, success: [...success, last], failure: [this.#drawReading()] };
  }

  #drawChange(key: Uint8Array): Operation {
    const { random } = this.#world;
    if (random.chance(0.2)) return { kind: "delete", keys: singleKey(key), isPreviousWanted: true };
    // A put that is to keep the value of a key that is not there refuses the whole transaction.
    const isKept = random.chance(0.15);
    const value = isKept ? null : encodeUtf8(`${this.#name} ${this.#count}`);
    return { kind: "put", key, value, lease: 0, isPreviousWanted: random.chance(0.3) };
  }

  #drawReading(): Operation {
    return {
      kind: "range",
      keys: this.#drawRange(),
      sortBy: "key",
      order: "ascending",
      show: "rows",
      countAll: false,
    };
  }

  #drawCondition(): Condition {
    const { random } = this.#world;
    const keys = singleKey(this.#drawKey());
    if (random.chance(0.5)) return { target: "exists", keys, exists: random.chance(0.7) };
    const number = random.below(this.#seenRevision + 1);
    return { target: "modRevision", keys, relation: random.pick(["<", ">", "!="]), number };
  }
}

function keyAt(at: number): Uint8Array {
  return encodeUtf8(`${FOLDER}${at}`);
}
