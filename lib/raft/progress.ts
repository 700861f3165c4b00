/**
 * What a leader knows of one follower's log (Raft Figure 2, nextIndex and matchIndex), and how much
 * is on its way there.
 *
 * While the leader *probes*, it does not know where the logs match and sends one message at a time;
 * once they match it *replicates*, sending ahead of the answers within limits.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { highest, type LogIndex, lowest, plus, toLogIndex } from "../types.ts";
import {
  FLOW_LIMITS,
  type FlowLimits,
  HELD_SNAPSHOTS_MAX,
  INFLIGHT_ROUNDS_MAX,
  SNAPSHOT_WAIT_TIMEOUTS_MAX,
  SNAPSHOTS_FORGOTTEN_TIMEOUTS,
} from "./config.ts";
import type { Entry, Snapshot } from "./entry.ts";

interface Inflight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/** One follower as its leader sees it. `matchIndex < nextIndex`, always. */
export class Progress {
  #matchIndex = toLogIndex(0);
  #nextIndex: LogIndex;
  #mode: "probe" | "replicate" = "probe";
  #probeSent = false;
  #inflight: Inflight[] = [];
  #inflightBytes = 0;
  readonly #limits: FlowLimits["inflight"];

  /** The snapshot that it is sent, where the next chunk stands, and when the last was sent. */
  #snapshot: { readonly snapshot: Snapshot; offset: number; sentTick: number | null } | null = null;
  /** From where on the follower needs a snapshot although its log may be whole; null when not. */
  #wantedSnapshotIndex: LogIndex | null = null;
  /** Whether it is sent a snapshot, or was and has not caught up since. */
  #isCatchingUp = false;
  /** How many snapshots were made for it, and when the last of them was asked for. */
  #snapshotsMade = { count: 0, lastTick: 0 };

  /** Which heartbeats and reads it was sent, and has answered. */
  readonly rounds: FollowerRounds;
  /** Whether the follower has answered in this term, and so holds the leader's certificate. */
  isCertified = false;
  /** The commit index last sent. */
  sentCommit: LogIndex = toLogIndex(0);
  /** When the leader first saw that it is no member any more; null for a member. */
  removedTick: number | null = null;
  /** The leader's round when `matchIndex` last rose. */
  matchRound = 0;
  /** Whether its log lacks what it has acknowledged. */
  hasLostEntries = false;

  /** A follower of which nothing is known yet but that it might hold all before `nextIndex`. */
  constructor(
    options: {
      readonly nextIndex: LogIndex;
      readonly nowTick: number;
      readonly inflight?: FlowLimits["inflight"];
    },
  ) {
    this.#limits = options.inflight ?? FLOW_LIMITS.inflight;
    this.#nextIndex = options.nextIndex;
    this.rounds = new FollowerRounds(options.nowTick);
  }

  /** Highest index known to be durable on the follower and equal to the leader's. */
  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  /** The next index to send. */
  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  /** Whether another message with entries may be sent now. */
  get isReady(): boolean {
    if (this.#mode === "probe") return !this.#probeSent;
    return this.#inflight.length < this.#limits.messagesMax &&
      this.#inflightBytes < this.#limits.bytesMax;
  }

  /** Notes that `entries`, from `nextIndex` on, are on their way. */
  sent(entries: readonly Entry[]): void {
    if (this.#mode === "probe") {
      this.#probeSent = true;
      return;
    }
    const last = entries.at(-1);
    if (last === undefined) return;
    assert(entries[0]?.index === this.#nextIndex, `Entries must be sent in order`);
    const bytes = entries.reduce((sum, entry) => sum + entry.data.length, 0);
    this.#inflight.push({ lastIndex: last.index, bytes });
    this.#inflightBytes += bytes;
    this.#nextIndex = plus(last.index, 1);
  }

  /** The follower holds everything up to `matchIndex`. Late and doubled answers change nothing. */
  accepted(matchIndex: LogIndex): void {
    const isNews = matchIndex > this.#matchIndex;
    if (isNews) this.#matchIndex = matchIndex;
    // A follower that turns out to hold more needs no snapshot, unless its state machine is lost. A
    // late answer proves no such thing.
    const hasSnapshot = this.#matchIndex >= (this.#snapshot?.snapshot.index ?? 0);
    const isWanted = this.#wantedSnapshotIndex !== null;
    if ((isNews || hasSnapshot) && !isWanted) this.#snapshot = null;
    // A follower that waits for a state machine stores entries all the same.
    if (this.#nextIndex <= this.#matchIndex) this.#nextIndex = plus(this.#matchIndex, 1);
    if (this.#snapshot !== null) return;
    this.#mode = "replicate";
    this.#probeSent = false;
    while (this.#inflight[0] !== undefined && this.#inflight[0].lastIndex <= this.#matchIndex) {
      this.#inflightBytes -= this.#inflight[0].bytes;
      this.#inflight.shift();
    }
  }

  /**
   * The follower's log does not match at `previousLogIndex`. Goes back to probing at `nextIndex`
   * unless the answer is late: below what is known to match, or not to the probe that is out.
   */
  conflicted(
    options: { readonly previousLogIndex: LogIndex; readonly nextIndex: LogIndex },
  ): void {
    if (this.#snapshot !== null || options.previousLogIndex <= this.#matchIndex) return;
    if (this.#mode === "probe" && options.previousLogIndex !== this.#nextIndex - 1) return;
    const next = lowest(options.nextIndex, options.previousLogIndex);
    this.#startProbing(highest(next, plus(this.#matchIndex, 1)));
  }

  /** Messages may have been lost: finds out anew where the logs match. */
  lost(): void {
    if (this.#snapshot !== null) this.#snapshot.sentTick = null;
    this.#startProbing(plus(this.#matchIndex, 1));
  }

  /** A probe may be repeated, as its answer should have come. */
  allowProbe(): void {
    this.#probeSent = false;
  }

  /** The snapshot that the follower is sent, if it is sent one. */
  get snapshot(): Snapshot | null {
    return this.#snapshot?.snapshot ?? null;
  }

  /**
   * After which index the log is kept for a follower that is sent a snapshot, or was and catches up;
   * null when none of it is.
   */
  get needsLogAfter(): LogIndex | null {
    if (!this.#isCatchingUp || this.#snapshotsMade.count > HELD_SNAPSHOTS_MAX) return null;
    return this.#snapshot?.snapshot.index ?? this.#matchIndex;
  }

  /** The least index of the snapshot that a follower without a state machine needs; null for others. */
  get wantedSnapshotIndex(): LogIndex | null {
    return this.#wantedSnapshotIndex;
  }

  /** The follower has lost its state machine, which had come to `index` at least. */
  snapshotWanted(index: LogIndex): void {
    this.#wantedSnapshotIndex = index;
  }

  /** The follower has the snapshot of this index, or had no need of it. */
  snapshotInstalled(index: LogIndex): void {
    this.#wantedSnapshotIndex = null;
    this.accepted(index);
  }

  /** Whether a snapshot is made for this follower now; not so soon after the last one. */
  takeSnapshotTurn(nowTick: number, electionTimeoutTicks: number): boolean {
    const { count, lastTick } = this.#snapshotsMade;
    const waitedTimeouts = (nowTick - lastTick) / electionTimeoutTicks;
    const wait = count === 0 ? 0 : Math.min(2 ** (count - 1), SNAPSHOT_WAIT_TIMEOUTS_MAX);
    if (waitedTimeouts < wait) return false;
    const isForgotten = waitedTimeouts >= SNAPSHOTS_FORGOTTEN_TIMEOUTS;
    this.#snapshotsMade = { count: isForgotten ? 1 : count + 1, lastTick: nowTick };
    return true;
  }

  /** Begins to send a snapshot. */
  startSnapshot(snapshot: Snapshot): void {
    this.#snapshot = { snapshot, offset: 0, sentTick: null };
    this.#isCatchingUp = true;
  }

  /** The follower is like any other again. */
  caughtUp(): void {
    this.#isCatchingUp = false;
  }

  /**
   * Where the chunk stands that is to be sent now; null while the one before is not answered, unless
   * its answer is `overdueTicks` late.
   */
  takeChunkOffset(nowTick: number, overdueTicks: number): number | null {
    const sending = this.#snapshot;
    if (sending === null) return null;
    if (sending.sentTick !== null && nowTick - sending.sentTick < overdueTicks) return null;
    sending.sentTick = nowTick;
    return sending.offset;
  }

  /**
   * The follower wants the chunk at `nextOffset`. When it has them all, it is left time to check. An
   * answer that asks for the chunk that is out is an earlier one, late or doubled.
   */
  chunkStored(nextOffset: number): void {
    const sending = this.#snapshot;
    if (sending === null) return;
    const isOut = sending.sentTick !== null;
    if (isOut && nextOffset === sending.offset) return;
    sending.offset = nextOffset;
    this.#isCatchingUp = true;
    if (nextOffset < sending.snapshot.bytes) sending.sentTick = null;
  }

  /**
   * The follower cannot keep the snapshot: from the beginning, after a while. Until it keeps some of it
   * again, nothing is held back for it.
   */
  chunkRefused(): void {
    if (this.#snapshot !== null) this.#snapshot.offset = 0;
    this.#isCatchingUp = false;
  }

  #startProbing(nextIndex: LogIndex): void {
    this.#mode = "probe";
    this.#probeSent = false;
    this.#nextIndex = nextIndex;
    this.#inflight = [];
    this.#inflightBytes = 0;
  }
}

/** The newest round, and the tick at which each recent round was sent. */
export class Rounds {
  #current = 0;
  #newestHeartbeat = 0;
  /** The first round of each tick in which any was sent, oldest first. */
  #starts: { readonly firstRound: number; readonly tick: number }[] = [];
  readonly #ticksKept: number;

  /** Remembers the rounds of the last `ticksKept` ticks; older answers count for nothing. */
  constructor(ticksKept: number) {
    this.#ticksKept = ticksKept;
  }

  /** The newest round; 0 before the first. */
  get current(): number {
    return this.#current;
  }

  /** The newest round that every follower is sent, however many it has not answered. */
  get newestHeartbeat(): number {
    return this.#newestHeartbeat;
  }

  /** Begins a round that every follower is sent. */
  beginHeartbeat(nowTick: number): void {
    this.#newestHeartbeat = this.begin(nowTick);
  }

  /** Begins another round at `nowTick` and returns its number. */
  begin(nowTick: number): number {
    this.#current++;
    if (this.#starts.at(-1)?.tick !== nowTick) {
      this.#starts.push({ firstRound: this.#current, tick: nowTick });
    }
    while (this.#starts[0] !== undefined && this.#starts[0].tick < nowTick - this.#ticksKept) {
      this.#starts.shift();
    }
    return this.#current;
  }

  /** The tick at which `round` was sent, or null when it never was or was too long ago. */
  sentTick(round: number): number | null {
    if (round > this.#current) return null;
    return this.#starts.findLast((start) => start.firstRound <= round)?.tick ?? null;
  }
}

/** One follower's part in the rounds: which it was sent, and which it has answered. */
export class FollowerRounds {
  #sent = 0;
  #answered = 0;
  #answeredSentTick: number;
  /** Rounds sent and not answered, oldest first: at most {@linkcode INFLIGHT_ROUNDS_MAX}. */
  #inflight: number[] = [];

  /** A follower that is taken to have followed at `nowTick`, when the leader's first round begins. */
  constructor(nowTick: number) {
    this.#answeredSentTick = nowTick;
  }

  /** The round last sent; 0 before the first. */
  get sent(): number {
    return this.#sent;
  }

  /** The newest round that the follower has answered; 0 before the first. */
  get answered(): number {
    return this.#answered;
  }

  /** The tick at which that round was sent; the leader's first tick until then. */
  get answeredSentTick(): number {
    return this.#answeredSentTick;
  }

  /** Whether another round may be sent before the next heartbeat. */
  get hasRoom(): boolean {
    return this.#inflight.length < INFLIGHT_ROUNDS_MAX;
  }

  /** Notes that a message of this round is on its way. */
  noteSent(round: number): void {
    if (round === this.#sent) return;
    this.#sent = round;
    if (this.hasRoom) this.#inflight.push(round);
  }

  /**
   * The follower answered a round that was sent at `sentTick`, null when that is too long ago, and
   * thereby all before it. Late and doubled answers do nothing.
   */
  noteAnswered(round: number, sentTick: number | null): void {
    if (round <= this.#answered) return;
    this.#answered = round;
    this.#answeredSentTick = sentTick ?? this.#answeredSentTick;
    this.#inflight = this.#inflight.filter((inflight) => inflight > round);
  }
}
