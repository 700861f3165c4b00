/**
 * A simulated machine: the disk, the clock and the fate of the processes that run on it, one after
 * the other.
 *
 * A turn of the loop takes no simulated time. While the disk works the node goes on, as the real one
 * does: what waits for a write leaves in a later turn.
 *
 * @module
 */

import { InvariantError } from "../../lib/assert.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { isCommand, type LeaseMessage, type Store } from "../../lib/kv/mod.ts";
import { INBOX_MESSAGES_PER_PEER_MAX, TICK_MS } from "../../lib/node/inbox.ts";
import { EXPIRY_INTERVAL_TICKS } from "../../lib/node/requests.ts";
import type { DurableState, Message, RaftConfig, RaftView } from "../../lib/raft/mod.ts";
import type { CoreState } from "../../lib/raft/state.ts";
import type { DurableShares } from "../../lib/reshare/mod.ts";
import { CorruptionError, KEY_VALUE_FILE, type RaftStore } from "../../lib/storage/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { createGrantDouble } from "../support/grant_double.ts";
import { CrashPlan, CrashSignal } from "./crash_plan.ts";
import type { DurableLog } from "./disk/durable_log.ts";
import { Life } from "./life.ts";
import { MachineClock } from "./machine_clock.ts";
import { type EffectsHost, MachineEffects, type MachineEffectsOptions } from "./machine_effects.ts";
import { DiskFault, MachineStorage, NO_SHARES } from "./machine_storage.ts";
import type { ChangingKeys } from "./members/changing_keys.ts";
import type { Random } from "./random.ts";
import { storeLimitsOf } from "./more_scenario.ts";
import { require, Violation } from "./violation.ts";
import { EPOCH } from "./voters.ts";

/** How long it takes from something's arrival to the turn that handles it. */
const TURN_DELAY_US = 100;
/** After which part of the election timeout, on average, a prompt machine's core hears of a write. */
const PROMPT_SHARE = 0.1;

/** What a machine needs of the rest of the world. */
export interface MachineOptions extends MachineEffectsOptions {
  /** The node's name. */
  readonly id: NodeId;
  /** Whether the node follows the protocol. */
  readonly isHonest: boolean;
  /** A certifier without a nonce, for a new life. */
  readonly createCertifier: () => Certifier;
  /** The keys of a run whose members change; null where they do not. */
  readonly keys: ChangingKeys | null;
  /** Something is wrong, found where nothing may be thrown. */
  readonly violated: (error: unknown) => void;
  /** The process ended; whoever was connected to it notices. */
  readonly ended: (machine: Machine) => void;
  /** The node has won an election. */
  readonly won: (machine: Machine) => void;
  /** All of a leader's snapshot is on the node's disk. */
  readonly snapshotArrived: () => void;
}

/** A machine and whatever runs on it. */
export class Machine implements EffectsHost {
  /** The node's name. */
  readonly id: NodeId;
  /** Whether the node follows the protocol. */
  readonly isHonest: boolean;
  /** What survives every crash. */
  readonly storage: MachineStorage;
  /** The machine's own time. */
  readonly clock: MachineClock;
  /** Where its processes are killed. */
  readonly crashes = new CrashPlan();
  /** The running process; null while there is none. */
  life: Life | null = null;
  /** The log of the running process; null while there is none. */
  log: RaftStore | null = null;
  /** Whether nobody starts it any more. */
  isRetired = false;
  /** Whether its core hears of writes soon enough to be elected: until then, not always. */
  isPrompt = false;
  /** Nothing is handled before. */
  pausedUntilUs = 0;

  readonly #options: MachineOptions;
  readonly #random: Random;
  readonly #effects: MachineEffects;
  #incarnation = 0;
  #busyUntilUs = 0;
  #isTurnScheduled = false;
  #expiredMs = 0;

  /** A machine on which nothing runs yet. */
  constructor(options: MachineOptions) {
    const { scenario, random, queue, counters } = options;
    this.#options = options;
    this.#random = random;
    this.id = options.id;
    this.isHonest = options.isHonest;
    const deviation = 2 * random.fraction() - 1;
    const drift = scenario.clockDriftMax *
      (scenario.hasExtremeClocks ? Math.sign(deviation) : deviation);
    this.clock = new MachineClock({ queue, rate: 1 + drift });
    const { persistUsMean } = scenario;
    this.storage = new MachineStorage({
      persistUsMean,
      limits: storeLimitsOf(scenario),
      shares: options.keys?.firstShares(options.id) ?? NO_SHARES,
      random: random.split("storage"),
      counters,
    });
    this.#effects = new MachineEffects(this, options);
  }

  /** The core's state; null while the node is down. */
  get state(): RaftView | null {
    return this.life?.raft.state ?? null;
  }

  /** The node's shares, on its disk. */
  get shares(): DurableShares {
    return this.storage.shares;
  }

  /** What of the node's log is durable. */
  get disk(): DurableLog {
    return this.storage.raft.durable;
  }

  /** The state machine: of the process, or as the next one will find it. */
  get store(): Store {
    return this.life?.live.store ?? this.storage.keyValues.load();
  }

  /** Whether the node never comes back: its votes and its log are lost or damaged. */
  get isGone(): boolean {
    return this.isRetired || this.storage.raft.isDamaged;
  }

  /** Whether no leader need get a signature of it, as it never stops to lie or was caught: others must be enough. */
  get liesForEver(): boolean {
    return this.#options.liar?.isConstant === true || this.signsWrongly;
  }

  /** See {@linkcode NodeView.signsWrongly}. */
  get signsWrongly(): boolean {
    return this.#options.liar?.signsWrongly === true;
  }

  /** Whether something on the disk is not what was written. */
  get isDamaged(): boolean {
    return this.storage.raft.isDamaged || this.storage.keyValues.isDamaged;
  }

  /** Starts a process on what the last one left; false when the disk's contents forbid it. */
  start(): boolean {
    if (this.life !== null || this.isRetired) return false;
    try {
      const { log, ...opened } = this.storage.open((done) => this.#effects.sync(done));
      this.log = log;
      this.life = this.#createLife(opened);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw this.#toViolation(error);
      this.foundDamage(error);
      return this.start();
    }
    this.log.use({
      persisted: (sequence) => this.#guarded(() => this.#effects.persisted(sequence)),
      failed: ({ cause }) => this.#guarded(() => this.endedBy(cause)),
    });
    this.#begin(this.life);
    return true;
  }

  /** The log must not take what goes wrong here for a fault of its disk. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.violated(error);
    }
  }

  /** Kills the process between two turns. */
  kill(why: string): void {
    if (this.life === null) return;
    this.#trace(() => `DOWN: ${why}`);
    // What the disk still has of a write, nobody was told of.
    const hadWrite = this.storage.raft.writing.length > 0;
    const survived = this.storage.raft.end(this.#random, (batch) => {
      this.#options.watcher.persisted(this, batch);
    });
    const fate = survived.length > 0 ? "written" : "lost";
    if (hadWrite) this.#options.counters.count(`disk.inFlight.${fate}`);
    const tables = this.storage.keyValues.end(this.#random);
    if (tables !== null) this.#options.counters.count(`disk.tablesInFlight.${tables}`);
    this.life = null;
    this.log = null;
    this.#options.ended(this);
  }

  /** Hands a message to the process, if there is one. */
  receive(message: Message): void {
    if (this.life === null || this.#options.adversary?.intercept(message)) return;
    if (!this.life.addMessage(message)) this.#options.counters.count("limit.inbox");
  }

  /** The same for a message about a lease, which a process that stands still takes later. */
  receiveLease(message: LeaseMessage): void {
    const { life } = this;
    if (life === null) return;
    const { queue } = this.#options;
    queue.at(Math.max(queue.nowUs, this.#readyUs()), () => {
      if (this.life === life) life.addLease(message);
    });
  }

  /** Schedules a turn. */
  wake(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    const { queue } = this.#options;
    const readyUs = Math.max(queue.nowUs, this.#readyUs());
    queue.at(readyUs + TURN_DELAY_US, () => this.#turn());
  }

  /** The node has won an election. */
  won(): void {
    this.#options.won(this);
  }

  /** Loses the whole disk. Under its old key share the node must not come back. */
  wipe(): void {
    this.storage.wipe();
    this.isRetired = true;
  }

  /** The node stops, and its operator takes the way back: without `kv.db`, or not at all. */
  foundDamage(error: CorruptionError): void {
    const isHarmed = this.isDamaged || this.storage.isTakenBack;
    require(isHarmed, "Only what was damaged is called damaged", () => {
      return `${this.id}: ${error.damage}`;
    });
    this.#trace(() => `DAMAGE FOUND: ${error.damage}`);
    this.#options.counters.count("disk.damageFound");
    if (error.file.endsWith(KEY_VALUE_FILE)) this.storage.loseStore();
    else this.isRetired = true;
    this.kill(error.damage);
  }

  /** Makes the machine sound again, as far as a repair can. */
  repair(): void {
    this.pausedUntilUs = 0;
    this.storage.repair();
    this.crashes.clear();
  }

  #createLife({ durable, store }: { readonly durable: DurableState; readonly store: Store }): Life {
    const { scenario } = this.#options;
    return new Life({
      host: this.#effects,
      config: { ...this.#config(), ...this.#openKeys(durable) },
      durable,
      store,
      keyValues: this.storage.keyValues,
      nowMs: () => this.clock.nowUs / scenario.tickUs * TICK_MS,
      clockMs: () => this.clock.nowMs,
      chunkBytesMax: scenario.chunkBytesMax,
      inboxMessagesMax: scenario.limits?.inboxMessagesMax ?? INBOX_MESSAGES_PER_PEER_MAX,
      acknowledgeUsMean: () => this.#acknowledgeUsMean(),
      hasLeaseClients: (scenario.store?.holders ?? 0) > 0,
      lie: (state) => {
        if (!this.isPrompt) this.#options.liar?.lead(state as CoreState);
      },
      checksInvariants: this.isHonest && scenario.replicationHolds,
    });
  }

  #openKeys(durable: DurableState): Pick<RaftConfig, "certifier" | "grants" | "members"> {
    const { watcher, createCertifier, keys } = this.#options;
    const watch = (certifier: Certifier) => watcher.watchCertifier(this, certifier);
    if (keys === null) {
      return { certifier: watch(createCertifier()), grants: createGrantDouble(this.id, EPOCH) };
    }
    const random = this.#random.split(`keys ${this.#incarnation}`);
    return keys.open({ self: this.id, durable, shares: this.storage.shares, random, watch });
  }

  #acknowledgeUsMean(): number {
    const { acknowledgeUsMean, electionTimeoutTicks, tickUs } = this.#options.scenario;
    if (!this.isPrompt) return acknowledgeUsMean;
    return Math.min(acknowledgeUsMean, PROMPT_SHARE * electionTimeoutTicks * tickUs);
  }

  #begin(life: Life): void {
    this.#trace(() => `UP in term ${life.raft.state.currentTerm}`);
    if (life.raft.state.lacksState) this.#options.counters.count("start.lacksState");
    this.#expiredMs = this.clock.nowMs;
    this.#options.watcher.started(this);
    this.#keepTicking(life);
  }

  /** Wakes the process about once a tick, as the timer of `lib/node/inbox.ts` does. */
  #keepTicking(life: Life): void {
    const { queue, scenario } = this.#options;
    queue.after(this.clock.toWorldUs(scenario.tickUs), () => {
      if (this.life !== life) return;
      this.#keepTicking(life);
      this.wake();
    });
  }

  #config() {
    const { scenario } = this.#options;
    const { electionTimeoutTicks, heartbeatTicks, signingTimeoutTicks } = scenario;
    const random = this.#random.split(`raft ${++this.#incarnation}`);
    return {
      self: this.id,
      electionTimeoutTicks,
      heartbeatTicks,
      signingTimeoutTicks,
      ...(scenario.logEntriesMax === null
        ? {}
        : { logLimits: { entriesMax: scenario.logEntriesMax, bytesMax: Infinity } }),
      ...(scenario.limits === null ? {} : { flowLimits: scenario.limits }),
      isCommand,
      random: () => random.fraction(),
      incarnation: this.#incarnation,
    };
  }

  #readyUs(): number {
    return Math.max(this.#busyUntilUs, this.pausedUntilUs);
  }

  #turn(): void {
    this.#isTurnScheduled = false;
    const { queue, scenario } = this.#options;
    const { life } = this;
    if (life === null) return;
    if (this.#readyUs() > queue.nowUs) return this.wake();
    try {
      life.turn();
      this.#expire(life);
    } catch (error) {
      this.endedBy(error);
    }
    // Lost time: nothing else happens on this node meanwhile, though all else goes on.
    this.#busyUntilUs = queue.nowUs + this.#random.exponential(scenario.turnUsMean);
  }

  #expire(life: Life): void {
    const { tickUs } = this.#options.scenario;
    if (this.clock.nowMs - this.#expiredMs < EXPIRY_INTERVAL_TICKS * tickUs / 1000) return;
    this.#expiredMs = this.clock.nowMs;
    life.expire(this.clock.nowMs);
  }

  /** The process ends, by a fault that was brought about or by none. */
  endedBy(error: unknown): void {
    if (this.life === null) return;
    const { counters, scenario } = this.#options;
    if (error instanceof CrashSignal) {
      counters.count(`crash.${error.boundary}`);
      return this.kill(error.message);
    }
    if (error instanceof DiskFault) return this.kill(error.message);
    if (error instanceof CorruptionError) return this.foundDamage(error);
    const isBeyondTheLine = !this.isHonest || !scenario.replicationHolds;
    const mayStop = error instanceof InvariantError || error instanceof EnvironmentError;
    if (mayStop && isBeyondTheLine) {
      counters.count("liar.stoppedNode");
      return this.kill(error.message);
    }
    throw this.#toViolation(error);
  }

  #toViolation(error: unknown): Violation {
    if (error instanceof Violation) return error;
    return new Violation(toInvariant(error), `${this.id}: ${error}`, { cause: error });
  }

  #trace(what: () => string): void {
    this.#options.trace.add(this.#options.queue.nowUs, this.id, what);
  }
}

/** An assertion of the core names what it guards, apart from the numbers. */
function toInvariant(error: unknown): string {
  if (!(error instanceof InvariantError)) return "No node fails by itself";
  return error.message.replaceAll(/\d+/g, "#");
}
