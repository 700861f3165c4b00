/**
 * What a simulated process does to the world: it writes, sends and applies, and the checkers are told
 * first.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import type { LeaseMessage, TableBatch } from "../../lib/kv/mod.ts";
import type { Entry, Message, Output, PersistBatch, Snapshot } from "../../lib/raft/mod.ts";
import type { DurableShares } from "../../lib/reshare/mod.ts";
import type { CorruptionError, RaftStore } from "../../lib/storage/mod.ts";
import type { Adversary } from "./adversary.ts";
import type { Counters } from "./counters.ts";
import { type Boundary, type CrashPlan, CrashSignal, kindsOf } from "./crash_plan.ts";
import { describeOutput } from "./describe.ts";
import { DamageFound } from "./disk/damage_found.ts";
import type { SyncOutcome } from "./disk/disk_files.ts";
import type { EventQueue } from "./event_queue.ts";
import type { Life, LifeHost } from "./life.ts";
import { DiskFault, type MachineStorage } from "./machine_storage.ts";
import type { MemberLiar } from "./members/member_lies.ts";
import { killAtStep } from "./members/step_killer.ts";
import type { Random } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import type { Trace } from "./trace.ts";
import type { NodeView, Step, Watcher } from "./watcher.ts";

/** How many writes of the log take as long as one of the tables. */
const TABLE_WRITES = 3;

/** How many writes take as long as making a snapshot, or checking one. */
const SNAPSHOT_WRITES = 4;

/** What the effects need of the rest of the world. */
export interface MachineEffectsOptions {
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
  /** Counts what happens. */
  readonly counters: Counters;
  /** Carries a message; false when it certainly does not leave. */
  readonly send: (message: Message) => boolean;
  /** The same for a message about a lease. */
  readonly sendLease: (message: LeaseMessage) => boolean;
  /** Lies in the node's name; null for an honest one. */
  readonly adversary: Adversary | null;
  /** Lies in changes of the members; null for an honest one. */
  readonly liar: MemberLiar | null;
  /** Requests of clients have ended. */
  readonly settled: () => void;
  /** All of a leader's snapshot is on the node's disk. */
  readonly snapshotArrived: () => void;
}

/** The machine on which the process runs. */
export interface EffectsHost extends NodeView {
  /** The running process; null while there is none. */
  readonly life: Life | null;
  /** Its disk. */
  readonly storage: MachineStorage;
  /** The log of the running process; null while there is none. */
  readonly log: RaftStore | null;
  /** Where its processes are killed. */
  readonly crashes: CrashPlan;
  /** Whether faults are over. */
  readonly isPrompt: boolean;
  /** Schedules a turn. */
  wake(): void;
  /** The node has won an election. */
  won(): void;
  /** The process ends between two turns, or in one. */
  endedBy(error: unknown): void;
  /** The node stops: what is on its disk cannot be trusted. */
  foundDamage(error: CorruptionError): void;
}

/** See the module. */
export class MachineEffects implements LifeHost {
  readonly #machine: EffectsHost;
  readonly #options: MachineEffectsOptions;

  /** The effects of whatever runs on `machine`. */
  constructor(machine: EffectsHost, options: MachineEffectsOptions) {
    this.#machine = machine;
    this.#options = options;
  }

  /** See {@linkcode LifeHost.wake}. */
  wake(): void {
    this.#machine.wake();
  }

  /** See {@linkcode LifeHost.reach}. */
  reach(boundary: Boundary): void {
    if (this.#machine.crashes.strikes(boundary)) throw new CrashSignal(boundary);
  }

  /** See {@linkcode LifeHost.send}. */
  send(message: Message): boolean {
    const { watcher, adversary, liar, send } = this.#options;
    watcher.sending(this.#machine, message);
    if (liar !== null) {
      const told = this.#machine.isPrompt ? liar.rewriteCalm(message) : liar.rewrite(message);
      return told === null || send(told);
    }
    if (adversary === null) return send(message);
    for (const told of adversary.rewrite(message)) send(told);
    return true;
  }

  /** See {@linkcode LifeHost.persist}. */
  persist(batch: PersistBatch): void {
    const { watcher } = this.#options;
    const { storage, log } = this.#machine;
    if (batch.entries.some(({ kind }) => isOfMembers(kind)) && this.#isDiskFull("log")) {
      storage.writeFault = "fullDisk";
    }
    watcher.persisting(this.#machine, batch);
    storage.raft.handOver(batch);
    assertDefined(log, "A process has a log").persist(batch);
    this.#options.settled();
  }

  /** See {@linkcode LifeHost.persistShares}. Copies: the core erases its own. */
  persistShares(shares: DurableShares): void {
    if (this.#isDiskFull("shares")) throw new DiskFault("fullDisk while writing the shares");
    const copy = structuredClone(shares);
    this.#options.watcher.persistingShares(this.#machine, copy);
    this.#machine.storage.shares = copy;
  }

  /** Whether the disk is full just at a write of a change of the members: the node stops. */
  #isDiskFull(write: "log" | "shares"): boolean {
    const { random, counters, scenario: { members } } = this.#options;
    const share = members?.fullDiskShare ?? 0;
    if (share === 0 || this.#machine.isPrompt || !random.chance(share)) return false;
    counters.count(`change.fullDisk.${write}`);
    return true;
  }

  /** Every batch up to this one is durable: the core is told. */
  persisted(sequence: number): void {
    const { storage, crashes } = this.#machine;
    const batches = storage.raft.becomeDurable(sequence, (batch) => {
      this.#options.watcher.persisted(this.#machine, batch);
    });
    for (const boundary of batches.flatMap(kindsOf).map((kind) => `after${kind}` as const)) {
      if (crashes.strikes(boundary)) return this.#machine.endedBy(new CrashSignal(boundary));
    }
    this.#machine.life?.add({ kind: "persisted", sequence });
  }

  /** Syncs the log, unless the process is killed meanwhile. */
  sync(done: (outcome: SyncOutcome) => void): void {
    const { storage, crashes, life } = this.#machine;
    const { queue, random } = this.#options;
    const takesUs = storage.syncUs(queue.nowUs);
    const during = storage.raft.writing.flatMap(kindsOf).map((kind) => `during${kind}` as const);
    const killedAt = during.find((boundary) => crashes.strikes(boundary));
    const isSame = () => life !== null && this.#machine.life === life;
    const end = () => {
      done(storage.sync());
      this.#options.settled();
    };
    if (killedAt === undefined) return queue.after(takesUs, () => isSame() && end());
    queue.after(random.fraction() * takesUs, () => {
      if (!isSame()) return;
      // A world that was healed meanwhile kills nobody any more.
      if (crashes.isCleared) end();
      else this.#machine.endedBy(new CrashSignal(killedAt));
    });
  }

  /** See {@linkcode LifeHost.stepped}. */
  stepped(step: Step): void {
    const { watcher, trace, queue } = this.#options;
    watcher.stepped(this.#machine, step);
    if (step.output.events.some(({ kind }) => kind === "electionWon")) this.#machine.won();
    for (const { kind } of step.output.transfers) this.#options.counters.count(`transfer.${kind}`);
    this.#countLimits(step.output);
    this.#killAtStep(step.output);
    if (!trace.isOn) return;
    for (const line of describeOutput(step.output)) {
      trace.add(queue.nowUs, this.#machine.id, () => line);
    }
  }

  #killAtStep(output: Output): void {
    const { random, counters, scenario: { members } } = this.#options;
    const { crashes, state, isPrompt } = this.#machine;
    if (members === null || isPrompt || state?.role.name !== "leader") return;
    const { killShare: share, killStep: step = null } = members;
    killAtStep(output, { crashes, random, counters, share, step });
  }

  #countLimits({ rejected, reads, send }: Output): void {
    const { counters, scenario: { limits } } = this.#options;
    if (limits === null) return;
    if (rejected.some(({ reason }) => reason === "overloaded")) counters.count("limit.uncommitted");
    const isRefused = reads.some((read) => read.kind === "refused" && read.reason === "overloaded");
    if (isRefused) counters.count("limit.readers");
    const { append: { entriesMax }, inflight: { messagesMax } } = limits;
    const appends = send.filter((message) => message.kind === "appendRequest");
    if (appends.some(({ entries }) => entries.length === entriesMax)) {
      counters.count("limit.append");
    }
    const isFull = appends.filter(({ entries }) => entries.length > 0).length >= messagesMax;
    if (isFull) counters.count("limit.inflight");
  }

  /** See {@linkcode LifeHost.applied}. */
  applied(entries: readonly Entry[], outcomes: Parameters<Watcher["applied"]>[2]): void {
    this.#options.watcher.applied(this.#machine, entries, outcomes);
  }

  /** See {@linkcode LifeHost.settled}. */
  settled(): void {
    this.#options.settled();
  }

  /** See {@linkcode LifeHost.sendLease}. A process that was killed meanwhile sends nothing. */
  sendLease(message: LeaseMessage): boolean {
    if (this.#machine.life === null) return false;
    this.#options.counters.count("messages.lease");
    return this.#options.sendLease(message);
  }

  /** See {@linkcode LifeHost.writeTables}. */
  writeTables(batch: TableBatch, written: () => void): void {
    const { scenario, counters } = this.#options;
    this.reach("beforeTables");
    const commit = this.#machine.storage.keyValues.begin(batch);
    this.later(TABLE_WRITES * scenario.persistUsMean, () => {
      if (this.#isKilledAt("duringTables") || !commit()) return;
      counters.count("tables.written");
      if (!this.#isKilledAt("afterTables")) written();
    });
  }

  /** Between two turns; in one, {@linkcode MachineEffects.reach} does it. */
  #isKilledAt(boundary: Boundary): boolean {
    const isKilled = this.#machine.crashes.strikes(boundary);
    if (isKilled) this.#machine.endedBy(new CrashSignal(boundary));
    return isKilled;
  }

  /** See {@linkcode LifeHost.makeSnapshot}. */
  makeSnapshot(): void {
    const { random, counters, scenario } = this.#options;
    this.later(SNAPSHOT_WRITES * scenario.persistUsMean, (life) => {
      const made = random.chance(scenario.snapshotFailureRate) ? null : this.#snapshotOrNull();
      if (this.#machine.life !== life) return;
      counters.count(made === null ? "snapshot.failed" : "snapshot.made");
      life.add(
        made === null ? { kind: "snapshotFailed" } : {
          kind: "snapshotMade",
          snapshot: made,
        },
      );
    });
  }

  /** See {@linkcode LifeHost.snapshotArrived}. */
  snapshotArrived(snapshot: Snapshot): void {
    const { random, scenario } = this.#options;
    this.#options.snapshotArrived();
    this.later(SNAPSHOT_WRITES * scenario.persistUsMean, (life) => {
      if (random.chance(0.5)) return this.#checkSnapshot(snapshot, life);
      // Most often the next leader's entries come first: both are handled in one turn.
      life.hold(() => this.#checkSnapshot(snapshot, life));
      this.later(4 * scenario.electionTimeoutTicks * scenario.tickUs, (life) => life.release());
    });
  }

  /** See {@linkcode LifeHost.later}. */
  later(meanUs: number, work: (life: Life) => void): void {
    const { queue, random } = this.#options;
    const { life } = this.#machine;
    queue.after(random.exponential(meanUs), () => {
      if (life !== null && this.#machine.life === life) work(life);
    });
  }

  #checkSnapshot(snapshot: Snapshot, life: Life): void {
    const verdict = this.#machine.storage.keyValues.checkIncoming(snapshot);
    if (verdict === null) return;
    this.#options.counters.count(`snapshot.${verdict}`);
    life.add({ kind: verdict === "ready" ? "snapshotReady" : "snapshotRefused", snapshot });
  }

  /** A copy is checked row by row before it is anybody's snapshot. Damage stops the node. */
  #snapshotOrNull(): Omit<Snapshot, "term" | "members"> | null {
    try {
      return this.#machine.storage.keyValues.makeSnapshot();
    } catch (error) {
      if (!(error instanceof DamageFound)) throw error;
      this.#machine.foundDamage(error);
      return null;
    }
  }
}

function isOfMembers(kind: Entry["kind"]): boolean {
  return kind === "resharing" || kind === "configuration";
}
