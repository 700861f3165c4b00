/**
 * A simulated machine: the disk, the clock and the fate of the processes that run on it, one after
 * the other.
 *
 * A turn of the loop takes no simulated time but for the disk's. While the disk works the node is
 * busy, as the real one is: what it sends afterwards leaves later, and its next turn waits.
 *
 * @module
 */

import { EnvironmentError } from "../../lib/errors.ts";
import { InvariantError } from "../../lib/assert.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { isCommand, type KeyValueStore } from "../../lib/kv/mod.ts";
import { TICK_MS } from "../../lib/node/ticker.ts";
import type { Entry, Message, Output, PersistBatch, Snapshot } from "../../lib/raft/mod.ts";
import type { RaftView } from "../../lib/raft/mod.ts";
import type { LogIndex, NodeId } from "../../lib/types.ts";
import type { Adversary } from "./adversary.ts";
import type { Counters } from "./counters.ts";
import type { EventQueue } from "./event_queue.ts";
import { KeyValueDisk } from "./key_value_disk.ts";
import { type Boundary, CrashSignal, Life, type LifeHost } from "./life.ts";
import { MachineClock } from "./machine_clock.ts";
import { DamageFound, RaftDisk } from "./raft_disk.ts";
import type { Random } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import type { Trace } from "./trace.ts";
import { describeOutput } from "./describe.ts";
import { Violation } from "./violation.ts";
import type { NodeView, Watcher } from "./watcher.ts";

/** How often requests are checked for their deadlines, as `lib/node/node.ts` has it. */
const EXPIRY_INTERVAL_TICKS = 5;
/** How many turns that applied something go by between two checkpoints, at most. */
const CHECKPOINT_EVERY_MAX = 20;
/** How long it takes from something's arrival to the turn that handles it. */
const TURN_DELAY_US = 100;

/** The disk refuses, or nobody knows what it did: the node stops. */
export class DiskFault extends EnvironmentError {}

/** What a machine needs of the rest of the world. */
export interface MachineOptions {
  /** The node's name. */
  readonly id: NodeId;
  /** Whether the node follows the protocol. */
  readonly isHonest: boolean;
  /** The run. */
  readonly scenario: Scenario;
  /** Time. */
  readonly queue: EventQueue;
  /** Chance. */
  readonly random: Random;
  /** The checkers. */
  readonly watcher: Watcher;
  /** For people. */
  readonly trace: Trace;
  /** Counts crashes. */
  readonly counters: Counters;
  /** A certifier without a nonce, for a new life. */
  readonly createCertifier: () => Certifier;
  /** Carries a message from `atUs` on; false when it certainly does not leave. */
  readonly send: (message: Message, atUs: number) => boolean;
  /** Lies in the node's name; null for an honest one. */
  readonly adversary: Adversary | null;
  /** The process ended; whoever was connected to it notices. */
  readonly ended: (machine: Machine) => void;
  /** Requests of clients have ended. */
  readonly settled: () => void;
  /** The node has won an election. */
  readonly won: (machine: Machine) => void;
}

/** How the disk misbehaves at the next write. */
export type WriteFault = "ioError" | "fullDisk";

/** A machine and whatever runs on it. */
export class Machine implements NodeView, LifeHost {
  /** The node's name. */
  readonly id: NodeId;
  /** Whether the node follows the protocol. */
  readonly isHonest: boolean;
  /** What survives every crash. */
  disk = new RaftDisk();
  /** The machine's own time. */
  readonly clock: MachineClock;
  /** The key-value data and the snapshots. */
  keyValues = new KeyValueDisk();
  /** The running process; null while there is none. */
  life: Life | null = null;
  /** Whether the node never comes back: its disk is lost or damaged. */
  isGone = false;
  /** Nothing is handled before. */
  pausedUntilUs = 0;
  /** Every write takes so much longer. */
  diskSlowness = 1;
  /** No write ends before. */
  diskHungUntilUs = 0;
  /** What goes wrong at the next write. */
  writeFault: WriteFault | null = null;
  /** The process is killed at this boundary, once it has passed it so often; null when it is not. */
  crashAt: { readonly boundary: Boundary; passes: number } | null = null;

  readonly #options: MachineOptions;
  readonly #random: Random;
  #incarnation = 0;
  #busyUntilUs = 0;
  /** When, within the present turn, the next effect happens. */
  #cursorUs = 0;
  #isTurnScheduled = false;
  #expiredMs = 0;
  #turnsToCheckpoint = 0;

  /** A machine on which nothing runs yet. */
  constructor(options: MachineOptions) {
    const { scenario, random } = options;
    this.#options = options;
    this.#random = random;
    this.id = options.id;
    this.isHonest = options.isHonest;
    const drift = (2 * random.fraction() - 1) * scenario.clockDriftMax;
    this.clock = new MachineClock({ queue: options.queue, rate: 1 + drift });
  }

  /** The core's state; null while the node is down. */
  get state(): RaftView | null {
    return this.life?.raft.state ?? null;
  }

  /** The key-value data. */
  get store(): KeyValueStore {
    return this.keyValues.store;
  }

  /** The earliest time at which something that is done now is visible outside. */
  get visibleUs(): number {
    return Math.max(this.#options.queue.nowUs, this.#cursorUs, this.#busyUntilUs);
  }

  /** Starts a process on what the last one left; false when the disk's contents forbid it. */
  start(): boolean {
    if (this.life !== null || this.isGone) return false;
    const { watcher, scenario } = this.#options;
    const certifier = watcher.watchCertifier(this, this.#options.createCertifier());
    try {
      const durable = this.disk.load();
      this.keyValues.finishInstall(durable.logStart.index);
      if (this.disk.isDamaged) throw new Violation("Damage is never served", `${this.id} starts`);
      this.life = new Life({
        host: this,
        config: this.#config(),
        certifier,
        durable,
        keyValues: this.keyValues,
        nowMs: () => this.clock.nowUs / scenario.tickUs * TICK_MS,
        chunkBytesMax: scenario.chunkBytesMax,
        checksInvariants: this.isHonest && scenario.replicationHolds,
      });
    } catch (error) {
      if (!(error instanceof DamageFound)) throw error;
      this.#trace(() => `REFUSES TO START: ${error.message}`);
      this.#options.counters.count("disk.damageFound");
      this.isGone = true;
      return false;
    }
    this.#begin(this.life);
    return true;
  }

  /** Kills the process between two turns. */
  kill(why: string): void {
    if (this.life === null) return;
    this.#trace(() => `DOWN: ${why}`);
    this.life = null;
    this.crashAt = null;
    this.#options.ended(this);
  }

  /** Hands a message to the process, if there is one. */
  receive(message: Message): void {
    if (this.life === null || this.#options.adversary?.intercept(message)) return;
    this.life.add({ kind: "message", message });
  }

  /** Schedules a turn. */
  wake(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    this.#options.queue.at(this.#readyUs() + TURN_DELAY_US, () => this.#turn());
  }

  /** Kills the process here if its time has come. @throws {CrashSignal} then. */
  reach(boundary: Boundary): void {
    if (this.crashAt?.boundary !== boundary || this.crashAt.passes-- > 0) return;
    throw new CrashSignal(boundary);
  }

  /** Puts a message on its way. */
  send(message: Message): boolean {
    const { watcher, adversary, send } = this.#options;
    watcher.sending(this, message);
    if (adversary === null) return send(message, this.#cursorUs);
    for (const told of adversary.rewrite(message)) send(told, this.#cursorUs);
    return true;
  }

  /** Writes a batch, unless the disk is out of order. */
  persist(batch: PersistBatch): void {
    const { watcher, scenario, counters } = this.#options;
    watcher.persisting(this, batch);
    this.#cursorUs = Math.max(
      this.#cursorUs + this.#random.exponential(scenario.persistUsMean) * this.diskSlowness,
      this.diskHungUntilUs,
    );
    const fault = this.writeFault;
    this.writeFault = null;
    const isWritten = fault === null || (fault === "ioError" && this.#random.chance(0.5));
    if (isWritten) {
      this.disk.write(batch);
      watcher.persisted(this, batch);
    }
    if (fault === null) return;
    counters.count(`disk.${fault}.${isWritten ? "written" : "lost"}`);
    throw new DiskFault(`${fault} while writing batch ${batch.sequence}`);
  }

  /** A step was taken. */
  stepped(output: Output): void {
    this.#options.watcher.stepped(this, output);
    if (output.events.some(({ kind }) => kind === "electionWon")) this.#options.won(this);
    if (!this.#options.trace.isOn) return;
    for (const line of describeOutput(output)) this.#trace(() => line);
  }

  /** Entries were applied. */
  applied(entries: readonly Entry[], outcomes: Parameters<Watcher["applied"]>[2]): void {
    this.#options.watcher.applied(this, entries, outcomes);
  }

  /** Requests of clients have ended. */
  settled(): void {
    this.#options.settled();
  }

  /** Loses the whole disk. Under its old key share the node must not come back. */
  wipe(): void {
    this.disk = new RaftDisk();
    this.keyValues = new KeyValueDisk();
    this.isGone = true;
  }

  /** Loses the key-value data, snapshots included; the log and the vote are whole. */
  loseStore(): void {
    this.keyValues = new KeyValueDisk();
  }

  /** Makes the machine sound again, as far as a repair can. */
  repair(): void {
    this.pausedUntilUs = 0;
    this.diskSlowness = 1;
    this.diskHungUntilUs = 0;
    this.writeFault = null;
    this.crashAt = null;
  }

  /** Makes what is applied durable every now and then. */
  checkpoint(): LogIndex | null {
    if (this.#turnsToCheckpoint-- > 0) return null;
    this.#turnsToCheckpoint = this.#random.below(CHECKPOINT_EVERY_MAX);
    return this.keyValues.sync();
  }

  /** Makes a snapshot off the loop: what comes of it is an input, some time later. */
  makeSnapshot(): void {
    const { life } = this;
    this.#later(() => {
      if (this.life !== life || life === null) return;
      this.#options.counters.count("snapshot.made");
      life.add(
        this.#random.chance(0.1)
          ? { kind: "snapshotFailed" }
          : { kind: "snapshotMade", snapshot: this.keyValues.makeSnapshot() },
      );
    });
  }

  /** Checks a leader's snapshot off the loop. */
  snapshotArrived(snapshot: Snapshot): void {
    const { life } = this;
    this.#later(() => {
      const verdict = this.keyValues.checkIncoming(snapshot);
      if (this.life !== life || life === null || verdict === null) return;
      this.#options.counters.count(`snapshot.${verdict}`);
      life.add({ kind: verdict === "ready" ? "snapshotReady" : "snapshotRefused", snapshot });
    });
  }

  /** A power loss takes the last transactions of a store that is not synced at each. */
  loseUnsynced(committed: readonly Entry[]): void {
    const { store: { appliedIndex }, durableIndex } = this.keyValues;
    const surviving = Math.max(durableIndex, appliedIndex - this.#random.exponential(10));
    if (surviving === appliedIndex || committed.length < surviving) return;
    this.#options.counters.count("disk.unsyncedLost");
    this.keyValues.loseTo(surviving as LogIndex, committed);
  }

  #later(work: () => void): void {
    const { queue, scenario } = this.#options;
    queue.after(this.#random.exponential(4 * scenario.persistUsMean), work);
  }

  #begin(life: Life): void {
    this.#trace(() => `UP in term ${life.raft.state.currentTerm}`);
    if (life.raft.state.lacksState) this.#options.counters.count("start.lacksState");
    this.#busyUntilUs = 0;
    this.#expiredMs = this.clock.nowMs;
    this.#options.watcher.started(this);
    this.#keepTicking(life);
  }

  /** Wakes the process about once a tick, as the timer of `lib/node/ticker.ts` does. */
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
    const { queue } = this.#options;
    const { life } = this;
    if (life === null) return;
    if (this.#readyUs() > queue.nowUs) return this.wake();
    this.#cursorUs = queue.nowUs;
    try {
      life.turn();
      this.#expire(life);
    } catch (error) {
      this.#endedBy(error);
    }
    this.#busyUntilUs = this.#cursorUs;
  }

  #expire(life: Life): void {
    const { tickUs } = this.#options.scenario;
    if (this.clock.nowMs - this.#expiredMs < EXPIRY_INTERVAL_TICKS * tickUs / 1000) return;
    this.#expiredMs = this.clock.nowMs;
    life.expire(this.clock.nowMs);
  }

  #endedBy(error: unknown): void {
    const { counters, scenario } = this.#options;
    if (error instanceof CrashSignal) {
      counters.count(`crash.${error.boundary}`);
      return this.kill(error.message);
    }
    if (error instanceof DiskFault) return this.kill(error.message);
    const isBeyondTheLine = !this.isHonest || !scenario.replicationHolds;
    const mayStop = error instanceof InvariantError || error instanceof EnvironmentError;
    if (mayStop && isBeyondTheLine) {
      counters.count("liar.stoppedNode");
      return this.kill(error.message);
    }
    if (error instanceof Violation) throw error;
    throw new Violation(toInvariant(error), `${this.id}: ${error}`, { cause: error });
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
