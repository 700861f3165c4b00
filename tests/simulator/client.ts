/**
 * Simulated clients: each asks one thing at a time of one of the nodes, through the real
 * {@linkcode Requests}, and writes down what it was answered.
 *
 * @module
 */

import { encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import {
  type Command,
  type CommandResult,
  encodeCommand,
  type TransactionCommand,
} from "../../lib/kv/mod.ts";
import { RequestError } from "../../lib/node/api.ts";
import { type LogIndex, toLogIndex } from "../../lib/types.ts";
import type { Counters } from "./counters.ts";
import type { EventQueue } from "./event_queue.ts";
import {
  ANYTHING,
  effectOf,
  type Ending,
  type Exchange,
  type History,
  type Request,
} from "./history.ts";
import type { Life } from "./life.ts";
import type { Machine } from "./machine.ts";
import type { Random } from "./random.ts";
import { RequestSource, toCommand } from "./request_source.ts";
import type { WorkloadScenario } from "./scenario.ts";
import type { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";

/** How long a client waits before it asks again what went wrong. */
const RETRY_DELAY_US = 50_000;
/** How often a client asks the same thing at most. */
const ATTEMPTS_MAX = 8;

/** What a client needs of the rest of the world. */
export interface ClientOptions {
  /** Its name. */
  readonly name: string;
  /** Time. */
  readonly queue: EventQueue;
  /** Chance. */
  readonly random: Random;
  /** What it does. */
  readonly workload: WorkloadScenario;
  /** Whom it can ask. */
  readonly machines: readonly Machine[];
  /** For how many entries a write is remembered. */
  readonly rememberedEntries: number;
  /** Whether what it is answered can be relied on. */
  readonly isChecked: boolean;
  /** Where it writes down what happens. */
  readonly history: History;
  /** Counts endings. */
  readonly counters: Counters;
  /** For people. */
  readonly trace: Trace;
}

const UNKNOWN: Ending = { kind: "unknown" };

/** How many answered writes a client remembers, to come back to them. */
const ANSWERED_MAX = 20;

/** A write with an idempotency key, and how it was answered. */
interface Answered {
  readonly command: TransactionCommand;
  readonly result: CommandResult;
}

/** One attempt on its way. */
interface Attempt {
  readonly machine: Machine;
  readonly life: Life;
  readonly finish: (ending: Ending) => void;
}

/** See the module. */
export class Client {
  readonly #options: ClientOptions;
  readonly #requests: RequestSource;
  readonly #answered: Answered[] = [];
  #attempt: Attempt | null = null;
  #isOn = true;
  #machine: Machine;

  /** A client that has not asked anything yet. */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#requests = new RequestSource(options);
    this.#machine = options.random.pick(options.machines);
  }

  /** Begins to ask, from now on for ever. */
  start(): void {
    const { queue, random, workload } = this.#options;
    queue.after(random.exponential(workload.thinkUsMean), () => {
      if (!this.#isOn) return;
      const answered = this.#drawAnswered();
      if (answered !== null) return this.#comeBackTo(answered, () => this.start());
      this.#ask(this.#requests.draw(), () => this.start());
    });
  }

  /** Asks nothing new. */
  stop(): void {
    this.#isOn = false;
  }

  /** Asks something, once, of a machine that may be in trouble. */
  askOnce(then: () => void): void {
    const { history, queue } = this.#options;
    const exchange = history.begin(this.#requests.draw(), queue.nowUs);
    this.#try(exchange, (ending) => {
      this.#end(exchange, ending);
      then();
    });
  }

  /** Writes something of its own, once, and says how that ended. */
  probe(then: (ending: Ending) => void): void {
    const command = toCommand(this.#requests.put("key 0"), {});
    this.#probe({ kind: "write", command, isRetried: false, expected: ANYTHING }, then);
  }

  /** Reads, once, and says how that ended. */
  probeRead(then: (ending: Ending) => void): void {
    this.#probe({ kind: "get", key: "key 0", lease: false }, then);
  }

  #probe(request: Request, then: (ending: Ending) => void): void {
    const exchange = this.#options.history.begin(request, this.#options.queue.nowUs);
    this.#try(exchange, (ending) => {
      this.#end(exchange, ending);
      then(ending);
    });
  }

  /** A process ended: what it was asked will not be answered. */
  disconnected(machine: Machine): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.machine !== machine || attempt.life === machine.life) return;
    attempt.finish({ kind: "unknown" });
  }

  #ask(request: Request, then: () => void): void {
    const { history, queue, random } = this.#options;
    if (random.chance(0.2)) this.#machine = random.pick(this.#options.machines);
    const exchange = history.begin(request, queue.nowUs);
    let attempts = 0;
    let hasUnknown = false;
    const next = (ending: Ending) => {
      hasUnknown ||= ending.kind === "unknown";
      const mayRetry = request.kind === "get" || request.isRetried || !hasUnknown;
      const isOver = ending.kind === "read" || ending.kind === "written";
      if (isOver || !mayRetry || ++attempts >= ATTEMPTS_MAX || !this.#isOn) {
        this.#end(exchange, ending.kind === "failed" && hasUnknown ? { kind: "unknown" } : ending);
        return then();
      }
      this.#machine = random.pick(this.#options.machines);
      queue.after(RETRY_DELAY_US, () => this.#try(exchange, next));
    };
    this.#try(exchange, next);
  }

  #end(exchange: Exchange, ending: Ending): void {
    const { queue, counters, trace, name, history } = this.#options;
    history.end(exchange, ending, queue.nowUs);
    counters.count(`client.${ending.kind}`);
    if (exchange.request.kind === "write") this.#remember(exchange.request.command, ending);
    trace.add(queue.nowUs, name, () => `${describe(exchange.request)} ${JSON.stringify(ending)}`);
  }

  #remember(command: Command, ending: Ending): void {
    if (ending.kind !== "written" || !isNamed(command)) return;
    this.#answered.push({ command, result: ending.result });
    if (this.#answered.length > ANSWERED_MAX) this.#answered.shift();
  }

  #drawAnswered(): Answered | null {
    const { random, workload } = this.#options;
    if (this.#answered.length === 0 || !random.chance(workload.echoShare)) return null;
    return random.pick(this.#answered);
  }

  /**
   * Sends a write once more that was answered long ago, or another under its idempotency key. Neither
   * has any effect, so neither is in the history.
   */
  #comeBackTo({ command, result }: Answered, then: () => void): void {
    const { random, counters, queue } = this.#options;
    const isReused = random.chance(0.5);
    const { idempotency } = command;
    const put = this.#requests.put(keyOf(command));
    const sent = isReused && idempotency !== undefined ? toCommand(put, { idempotency }) : command;
    const request: Request = { kind: "write", command: sent, isRetried: false, expected: ANYTHING };
    const exchange = { request, calledUs: queue.nowUs, ending: UNKNOWN, returnedUs: Infinity };
    counters.count(isReused ? "habit.reusedKey" : "habit.lateRetry");
    this.#try(exchange, (ending) => {
      if (ending.kind === "written") this.#checkEcho(ending.result, { result, isReused });
      then();
    });
  }

  /** A retry is answered as the first attempt was; another command is told whose key it is. */
  #checkEcho(
    answer: CommandResult,
    { result, isReused }: { readonly result: CommandResult; readonly isReused: boolean },
  ): void {
    const appliedIndex = Math.max(
      ...this.#options.machines.map(({ life }) => life?.live.appliedIndex ?? 0),
    );
    if (appliedIndex - result.revision >= this.#options.rememberedEntries) {
      // It is forgotten, or may be, and whatever comes under its name is news.
      this.#options.counters.count("habit.forgottenKey");
      return;
    }
    // A write that changed nothing has the revision of one before it.
    const isRight = isReused
      ? answer.kind === "idempotencyKeyReused" && answer.firstIndex >= result.revision
      : JSON.stringify(answer) === JSON.stringify(result);
    if (isRight || !this.#options.isChecked) return;
    const details = `${JSON.stringify(answer)} after ${JSON.stringify(result)}`;
    this.#throwFromQueue(new Violation("An idempotency key stands for one write", details));
  }

  #try(exchange: Exchange, then: (ending: Ending) => void): void {
    const { queue, workload } = this.#options;
    const machine = this.#machine;
    const { life } = machine;
    if (life === null) {
      queue.after(RETRY_DELAY_US, () => then({ kind: "failed" }));
      return;
    }
    const attempt: Attempt = {
      machine,
      life,
      finish: (ending) => {
        if (this.#attempt !== attempt) return;
        this.#attempt = null;
        then(ending);
      },
    };
    this.#attempt = attempt;
    const mustSee = this.#options.history.ackedRevision;
    if (workload.distanceUs === 0) return this.#send(attempt, exchange.request, mustSee);
    queue.after(workload.distanceUs, () => {
      if (this.#attempt !== attempt) return;
      if (machine.life === life) return this.#send(attempt, exchange.request, mustSee);
      attempt.finish({ kind: "failed" });
    });
  }

  /** The answer is seen when the node is done with the turn in which it gave it. */
  #send(attempt: Attempt, request: Request, mustSee: LogIndex): void {
    const { queue, workload } = this.#options;
    const { machine, life, finish } = attempt;
    const deadlineMs = machine.clock.nowMs + workload.timeoutMs;
    const answer = (ending: Ending) => queue.after(workload.distanceUs, () => finish(ending));
    const fail = (error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
      const isUnknown = error.maybeApplied || request.kind === "get";
      answer({ kind: isUnknown ? "unknown" : "failed" });
    };
    if (request.kind === "write") {
      const command = encodeCommand(request.command);
      life.requests.write(command, deadlineMs)
        .then(({ result }) => answer({ kind: "written", result }), fail);
      return;
    }
    life.requests.confirmRead(deadlineMs, { lease: request.lease }).then(() => {
      // A process that was killed in the very turn in which it answered tells nobody.
      if (this.#attempt !== attempt) return;
      this.#checkFresh(machine, mustSee);
      answer(this.#read(attempt, request.key));
    }, fail);
  }

  #read({ life }: Attempt, key: string): Ending {
    const row = life.live.view.get(encodeUtf8(key));
    const value = row === null ? null : encodeHex(row.value);
    this.#requests.saw(key, { value, modRevision: row?.modRevision ?? toLogIndex(0) });
    return { kind: "read", value };
  }

  /** A read sees every write that was acknowledged before it began, to whomever and of any key. */
  #checkFresh(machine: Machine, mustSee: LogIndex): void {
    const { appliedIndex } = machine.store;
    if (!this.#options.isChecked || appliedIndex >= mustSee) return;
    const details = `${machine.id} answers at ${appliedIndex} what began after ${mustSee}`;
    this.#throwFromQueue(
      new Violation("A read sees all that was acknowledged before it", details),
    );
  }

  /** Where the run can see it, and not into a promise. */
  #throwFromQueue(error: unknown): void {
    this.#options.queue.after(0, () => {
      throw error;
    });
  }
}

function isNamed(command: Command): command is TransactionCommand {
  return command.kind === "transaction" && command.idempotency !== undefined;
}

function keyOf(command: Command): string {
  const effect = effectOf(command);
  return "key" in effect ? effect.key : effect.what;
}

function describe(request: Request): string {
  if (request.kind === "get") return `get ${request.key}`;
  const effect = effectOf(request.command);
  return "key" in effect ? `${effect.kind} ${effect.key}` : effect.what;
}
