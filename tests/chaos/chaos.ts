/**
 * One run of chaos: a real cluster, clients, faults from a seed, and in the end everything checked.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import { messageOf } from "../../lib/errors.ts";
import { Random } from "../simulator/random.ts";
import { checkChain } from "./chain.ts";
import { ChaosCluster } from "./chaos_cluster.ts";
import { Client } from "./client.ts";
import { collectElections, converge } from "./convergence.ts";
import { checkHistory, type Exchange, formatHistory } from "./history.ts";
import { readKeySpace } from "./key_space.ts";
import { countNodeEvents, type NodeEvents } from "./node_events.ts";
import { type ChaosReport, countRequests, longestSilenceMs } from "./report.ts";
import { Resources } from "./resources.ts";
import { runSchedule } from "./schedule.ts";
import { Workload } from "./workload.ts";

/** How many clients ask at the same time. */
const CLIENTS = 10;

/** How often {@linkcode ChaosOptions.isEnough} is asked. */
const LOOK_MS = 500;

/** What has happened so far, as the report will tell it. */
export type Happened = Pick<ChaosReport, "elections" | "changes" | "requests" | "events">;

/** What to run. */
export interface ChaosOptions {
  /** Whom to break when and how is drawn from this; what comes of it is up to the machine. */
  readonly seed: number;
  /** How long at least. */
  readonly durationMs: number;
  /** Whether enough has happened by then; it goes on until it has. On a slow machine less happens. */
  readonly isEnough?: (soFar: Happened) => boolean;
  /** Ends everything at once when it is aborted. */
  readonly signal?: AbortSignal;
}

/**
 * Runs it. The nodes' folder is kept when something is wrong.
 *
 * @throws what `signal` is aborted with, or whatever made it impossible to come to a report.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  await using run = new ChaosRun(options);
  return await Promise.race([run.run(), whenAborted(options.signal)]);
}

class ChaosRun implements AsyncDisposable {
  readonly #options: ChaosOptions;
  readonly #random: Random;
  readonly #violations: string[] = [];
  readonly #skipped: string[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #changes: Record<string, number> = {};
  readonly #exchanges: Exchange[] = [];
  readonly #workload = new Workload();
  readonly #cluster: ChaosCluster;
  readonly #resources: Resources;
  #events: NodeEvents | null = null;
  /** Whether the folder may go: nothing is wrong, or nobody wants to know. */
  #isFolderDone = false;

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#random = new Random(`chaos ${options.seed}`);
    this.#cluster = new ChaosCluster({
      onViolation: (violation) => this.#violations.push(violation),
      onSkipped: (what) => this.#skipped.push(what),
    });
    this.#resources = new Resources(this.#cluster);
  }

  async run(): Promise<ChaosReport> {
    try {
      return await this.#runToTheEnd();
    } catch (cause) {
      const { folder } = this.#cluster;
      throw new Error(`${messageOf(cause)}; logs and databases are kept in ${folder}`, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isFolderDone ||= this.#options.signal?.aborted ?? false;
    await this.#cluster[Symbol.asyncDispose]();
    if (this.#isFolderDone) Deno.removeSync(this.#cluster.folder, { recursive: true });
  }

  async #runToTheEnd(): Promise<ChaosReport> {
    await this.#cluster.start();
    this.#violations.push(...await converge(this.#cluster));
    await this.#resources.rememberStart();
    const fromMs = performance.now();
    await this.#breakThings();
    const toMs = performance.now();
    await this.#checkWhileRunning();
    await this.#checkStopped();
    this.#isFolderDone = this.#violations.length === 0;
    if (!this.#isFolderDone) this.#keepHistory();
    return this.#report({ fromMs, toMs });
  }

  /** Clients ask throughout; whoever watches ends with them. */
  async #breakThings(): Promise<void> {
    const over = new AbortController();
    using clients = this.#createClients();
    const cluster = this.#cluster;
    const work = Promise.all([
      ...clients.all.map((client) => client.run(over.signal)),
      this.#resources.watch(over.signal),
      this.#spareOne(over.signal),
      runSchedule({
        cluster,
        random: this.#random.split("schedule"),
        signal: over.signal,
        onFault: (name) => count(this.#faults, name),
        onChange: (name) => count(this.#changes, name),
        onViolation: (violation) => this.#violations.push(violation),
      }),
    ]);
    try {
      await Promise.race([this.#enoughHappened(over.signal), work]);
    } finally {
      over.abort();
      await work;
    }
  }

  async #enoughHappened(signal: AbortSignal): Promise<void> {
    const { durationMs, isEnough = () => true } = this.#options;
    await pause(durationMs, signal);
    while (!signal.aborted && !isEnough(await this.#soFar())) await pause(LOOK_MS, signal);
  }

  async #soFar(): Promise<Happened> {
    return {
      elections: this.#cluster.elections.count,
      changes: this.#changes,
      requests: countRequests(this.#exchanges),
      events: await countNodeEvents(this.#cluster),
    };
  }

  /** From a third of the time on, one process lives through everything that does not end it. */
  async #spareOne(signal: AbortSignal): Promise<void> {
    await pause(this.#options.durationMs / 3, signal);
    const candidates = this.#cluster.nodes.filter(({ disk }) => disk === null);
    this.#cluster.spare(this.#random.split("spared").pick(candidates).id);
  }

  #createClients(): Disposable & { readonly all: readonly Client[] } {
    const stack = new DisposableStack();
    const all = Array.from({ length: CLIENTS }, (_, number) =>
      stack.use(
        new Client({
          name: `client-${number}`,
          random: this.#random.split(`client ${number}`),
          workload: this.#workload,
          endpoints: () => this.#cluster.asked,
          onExchange: (exchange) => this.#exchanges.push(exchange),
          onViolation: (violation) => this.#violations.push(violation),
        }),
      ));
    return { all, [Symbol.dispose]: () => stack.dispose() };
  }

  async #checkWhileRunning(): Promise<void> {
    this.#violations.push(...await converge(this.#cluster));
    await this.#readEverything();
    await collectElections(this.#cluster);
    this.#violations.push(...await checkChain(this.#cluster));
    this.#violations.push(...await this.#cluster.findUnaware());
    this.#violations.push(...this.#resources.findGrowthFaults());
    this.#violations.push(...await this.#resources.findLeaks());
  }

  /** The last word on every key belongs to its history. */
  async #readEverything(): Promise<void> {
    using clients = this.#createClients();
    const [client] = clients.all;
    for (const key of this.#workload.keys) {
      await client?.ask({ kind: "get", key, consistency: "linearizable" });
    }
  }

  async #checkStopped(): Promise<void> {
    await this.#cluster.stopAll();
    this.#events = await countNodeEvents(this.#cluster);
    const { rows, differences } = await readKeySpace(this.#cluster);
    this.#violations.push(...differences, ...checkHistory(this.#exchanges, rows));
  }

  /** For whoever looks for what went wrong: beside the logs, what the clients saw. */
  #keepHistory(): void {
    const file = `${this.#cluster.folder}/history.txt`;
    Deno.writeTextFileSync(file, formatHistory(this.#exchanges));
  }

  #report(time: { readonly fromMs: number; readonly toMs: number }): ChaosReport {
    const { elections, folder } = this.#cluster;
    return {
      seed: this.#options.seed,
      seconds: Math.round((time.toMs - time.fromMs) / 100) / 10,
      nodes: this.#cluster.nodes.length,
      faults: this.#faults,
      changes: this.#changes,
      elections: elections.count,
      lastTerm: elections.lastTerm,
      requests: countRequests(this.#exchanges),
      unavailableMsMax: longestSilenceMs(this.#exchanges, time),
      events: this.#events,
      start: this.#resources.start,
      most: this.#resources.most,
      growth: this.#resources.growth,
      skipped: this.#skipped,
      violations: this.#violations,
      kept: this.#isFolderDone ? null : folder,
    };
  }
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function whenAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (signal?.aborted) reject(signal.reason);
  });
}
