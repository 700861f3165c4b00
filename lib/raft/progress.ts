/**
 * What a leader knows of one follower's log (Raft Figure 2, nextIndex and matchIndex), and how much is in
 * flight to it.
 *
 * While the leader *probes*, it does not know where the logs match, and sends one message at a time. Once
 * they match it *replicates*: it sends further messages before the answers arrive, within limits.
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

  /** The snapshot that is being sent, the next chunk's offset, and when the last chunk was sent. */
  #snapshot: { readonly snapshot: Snapshot; offset: number; sentTick: number | null } | null = null;
  /** The least index of a snapshot for a follower that lost its state machine; null for others. */
  #wantedSnapshotIndex: LogIndex | null = null;
  /** Whether a snapshot is being sent, or was sent and the follower has not caught up since. */
  #isCatchingUp = false;
  /** How many snapshots were made for it, and when the last one was requested. */
  #snapshotsMade = { count: 0, lastTick: 0 };

  /** The rounds of heartbeats and reads that were sent to it, and those that it answered. */
  readonly rounds: FollowerRounds;
  /** Whether the follower has answered in this term, and so holds the leader's certificate. */
  isCertified = false;
  /** The commit index last sent. */
  sentCommit: LogIndex = toLogIndex(0);
  /** When the leader noticed that it is no longer a member; null for a member. */
  removedTick: number | null = null;
  /** The leader's round when `matchIndex` last rose. */
  matchRound = 0;
  /** Whether its log lacks entries that it acknowledged. */
  hasLostEntries = false;

  /** A new follower, whose log may match up to `nextIndex`. */
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

  /** Notes that `entries`, from `nextIndex` on, are in flight. */
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
    // A follower that matches further than known needs no snapshot, unless it lost its state machine. A late
    // answer does not show that.
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
   * unless the answer is late: below `matchIndex`, or not the answer to the current probe.
   */
  conflicted(
    options: { readonly previousLogIndex: LogIndex; readonly nextIndex: LogIndex },
  ): void {
    if (this.#snapshot !== null || options.previousLogIndex <= this.#matchIndex) return;
    if (this.#mode === "probe" && options.previousLogIndex !== this.#nextIndex - 1) return;
    const next = lowest(options.nextIndex, options.previousLogIndex);
    this.#startProbing(highest(next, plus(this.#matchIndex, 1)));
  }

  /** Messages may have been lost: probes again. */
  lost(): void {
    if (this.#snapshot !== null) this.#snapshot.sentTick = null;
    this.#startProbing(plus(this.#matchIndex, 1));
  }

  /** The answer to the probe is overdue: it may be sent again. */
  allowProbe(): void {
    this.#probeSent = false;
  }

  /** The snapshot that is being sent, or null. */
  get snapshot(): Snapshot | null {
    return this.#snapshot?.snapshot ?? null;
  }

  /**
   * The index after which the log is kept for a follower that receives a snapshot, or catches up after one;
   * null for any other.
   */
  get needsLogAfter(): LogIndex | null {
    if (!this.#isCatchingUp || this.#snapshotsMade.count > HELD_SNAPSHOTS_MAX) return null;
    return this.#snapshot?.snapshot.index ?? this.#matchIndex;
  }

  /** The least index of the snapshot that a follower without a state machine needs; null for others. */
  get wantedSnapshotIndex(): LogIndex | null {
    return this.#wantedSnapshotIndex;
  }

  /** The follower lost its state machine, which had applied at least up to `index`. */
  snapshotWanted(index: LogIndex): void {
    this.#wantedSnapshotIndex = index;
  }

  /** The follower has the snapshot of this index, or does not need it. */
  snapshotInstalled(index: LogIndex): void {
    this.#wantedSnapshotIndex = null;
    this.accepted(index);
  }

  /** Whether to make a snapshot for this follower now. The wait after the last one grows each time. */
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

  /** The follower needs no snapshot any more. */
  caughtUp(): void {
    this.#isCatchingUp = false;
  }

  /**
   * The offset of the chunk to send now; null while the previous chunk is unanswered for less than
   * `overdueTicks`.
   */
  takeChunkOffset(nowTick: number, overdueTicks: number): number | null {
    const sending = this.#snapshot;
    if (sending === null) return null;
    if (sending.sentTick !== null && nowTick - sending.sentTick < overdueTicks) return null;
    sending.sentTick = nowTick;
    return sending.offset;
  }

  /**
   * The follower requests the chunk at `nextOffset`. After the last chunk it needs time to check the
   * snapshot. A request for the chunk that is in flight is late or doubled.
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
   * The follower cannot store the snapshot: sending starts again from the beginning, later. Until the
   * follower stores a chunk, the log is not kept for it.
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

/** The number of the newest round, and the tick of each recent round. */
export class Rounds {
  #current = 0;
  #newestHeartbeat = 0;
  /** The first round of each tick in which any was sent, oldest first. */
  #starts: { readonly firstRound: number; readonly tick: number }[] = [];
  readonly #ticksKept: number;

  /** Remembers the rounds of the last `ticksKept` ticks. Answers to older rounds do not count. */
  constructor(ticksKept: number) {
    this.#ticksKept = ticksKept;
  }

  /** The newest round; 0 before the first. */
  get current(): number {
    return this.#current;
  }

  /** The newest round that goes to every follower, however many rounds are unanswered. */
  get newestHeartbeat(): number {
    return this.#newestHeartbeat;
  }

  /** Begins a round that goes to every follower. */
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

/** One follower's rounds: those sent to it, and those that it answered. */
export class FollowerRounds {
  #sent = 0;
  #answered = 0;
  #answeredSentTick: number;
  #promiseTicks = 0;
  /** Rounds sent and not answered, oldest first: at most {@linkcode INFLIGHT_ROUNDS_MAX}. */
  #inflight: number[] = [];

  /** A new leader counts each follower as having followed at `nowTick`. */
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

  /** The tick at which that round was sent; before the first answer, the leader's first tick. */
  get answeredSentTick(): number {
    return this.#answeredSentTick;
  }

  /** For how many ticks the follower helps no other candidate, as it said last; 0 before its first answer. */
  get promiseTicks(): number {
    return this.#promiseTicks;
  }

  /** Whether another round may be sent before the next heartbeat. */
  get hasRoom(): boolean {
    return this.#inflight.length < INFLIGHT_ROUNDS_MAX;
  }

  /** Notes that a message of this round was sent. */
  noteSent(round: number): void {
    if (round === this.#sent) return;
    this.#sent = round;
    if (this.hasRoom) this.#inflight.push(round);
  }

  /**
   * The follower answered a round, and with it all earlier rounds. `sentTick` is when it was sent; null when
   * that is too long ago. Late and doubled answers change nothing.
   */
  noteAnswered(
    round: number,
    { sentTick, promiseTicks }: { readonly sentTick: number | null; readonly promiseTicks: number },
  ): void {
    if (round <= this.#answered) return;
    this.#answered = round;
    this.#promiseTicks = promiseTicks;
    this.#answeredSentTick = sentTick ?? this.#answeredSentTick;
    this.#inflight = this.#inflight.filter((inflight) => inflight > round);
  }
}
