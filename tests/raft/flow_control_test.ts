import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import {
  APPEND_LIMITS,
  FULL_LOG_FACTOR,
  INFLIGHT_BYTES_MAX,
  INFLIGHT_MESSAGES_MAX,
  INFLIGHT_ROUNDS_MAX,
  LOG_LIMITS,
} from "../../lib/raft/config.ts";
import type {
  AppendRequest,
  CoreState,
  Input,
  Message,
  ReadResult,
  RejectedProposal,
} from "../../lib/raft/mod.ts";
import { type LogIndex, type NodeId, plus, toNodeId } from "../../lib/types.ts";
import { TestCluster } from "./harness.ts";
import { appendRequest, takeMessages } from "./messages.ts";
import { HEARTBEAT_TICKS, type TestNode } from "./test_node.ts";

/** What a follower that is slow, silent or gone costs its leader: a bounded part of the backlog. */

const BACKLOG_ENTRIES = 100_000;
const PROPOSALS_PER_STEP = 200;
const SMALL_COMMAND = new Uint8Array(8);
/** One array for all entries: the test is about what is on its way, not about what the log holds. */
const LARGE_COMMAND = new Uint8Array(64 * 1024);
/** Many times what may be in flight. */
const LARGE_BACKLOG_ENTRIES = 4_000;
/** So many of them fill a log that is not compacted. */
const LOG_ENTRIES_FULL = FULL_LOG_FACTOR * LOG_LIMITS.bytesMax / LARGE_COMMAND.length;

const [LEADER, FAST, SLOW] = ["n1", "n2", "n3"].map(toNodeId) as [NodeId, NodeId, NodeId];

/** A leader whose disk and whose follower n2 are quick, while n3 answers when the test says so. */
class SlowFollower {
  readonly #leader: TestNode;
  /** What the leader has sent to n3 and n3 has not taken yet, oldest first. */
  readonly waiting: Message[] = [];
  /** Answers to the reads of the leader's clients. */
  readonly reads: ReadResult[] = [];
  /** The proposals that were refused. */
  readonly rejected: RejectedProposal[] = [];
  /** Whether n2 is silent as well, so that n3 alone can make a quorum with the leader. */
  isAlone = false;
  #matchIndex: LogIndex;

  constructor() {
    const cluster = new TestCluster({ size: 3 });
    this.#leader = cluster.elect(LEADER);
    this.#matchIndex = this.#leader.raft.state.log.last.index;
  }

  get lastIndex(): LogIndex {
    return this.#leader.raft.state.log.last.index;
  }

  get commitIndex(): LogIndex {
    return this.#leader.raft.state.commitIndex;
  }

  get matchIndex(): LogIndex {
    const { role } = this.#leader.raft.state;
    assert(role.name === "leader");
    return assertDefined(role.followers.get(SLOW), "The leader knows n3").matchIndex;
  }

  /** The messages with entries that wait. */
  get appends(): readonly AppendRequest[] {
    return this.waiting.filter((message): message is AppendRequest =>
      message.kind === "appendRequest" && message.entries.length > 0
    );
  }

  /** How many bytes of entries wait. */
  get bytes(): number {
    return this.appends.flatMap(({ entries }) => entries)
      .reduce((sum, { data }) => sum + data.length, 0);
  }

  /** Steps the core; its disk and n2 answer at once. */
  step(...inputs: readonly Input[]): void {
    const { send, persist, reads, rejected } = this.#leader.raft.step(inputs);
    this.reads.push(...reads);
    this.rejected.push(...rejected);
    this.waiting.push(...send.filter(({ to }) => to === SLOW));
    if (persist !== null) this.step({ kind: "persisted", sequence: persist.sequence });
    for (const message of send) {
      if (message.to === FAST && !this.isAlone && message.kind === "appendRequest") {
        this.#answer(message);
      }
    }
  }

  /** Clients propose so much that the backlog is as long as it shall be. */
  propose(command: Uint8Array, count = BACKLOG_ENTRIES): void {
    for (let proposed = 0; proposed < count; proposed += PROPOSALS_PER_STEP) {
      this.step(
        ...Array.from({ length: PROPOSALS_PER_STEP }, (_, position): Input => ({
          kind: "propose",
          proposalId: proposed + position,
          command,
        })),
      );
    }
  }

  /** Clients read, one in each step. */
  read(count: number): void {
    for (let readId = 1; readId <= count; readId++) {
      this.step({ kind: "read", readId, lease: false });
    }
  }

  /** n3 takes one message and answers it. */
  takeOne(): void {
    const message = this.waiting.shift();
    if (message?.kind === "appendRequest") this.#answer(message);
  }

  #answer(message: AppendRequest): void {
    const { from, to, term, round, previousLogIndex, entries } = message;
    const matchIndex = plus(previousLogIndex, entries.length);
    if (to === SLOW) {
      assert.ok(previousLogIndex <= this.#matchIndex, "n3 is sent entries in order");
      this.#matchIndex = matchIndex;
    }
    const outcome = { kind: "accepted" as const, matchIndex };
    const promiseTicks = 10;
    const addressed = { from: to, to: from, term, round, promiseTicks, outcome };
    const answer = { kind: "appendResponse" as const, ...addressed };
    this.step({ kind: "message", message: answer });
  }
}

Deno.test("a follower that answers nothing is sent no more messages than may be in flight", () => {
  const follower = new SlowFollower();
  follower.propose(SMALL_COMMAND);
  assert.equal(follower.commitIndex, follower.lastIndex, "the others go on without it");
  assert.ok(follower.lastIndex > BACKLOG_ENTRIES);
  assert.equal(follower.appends.length, INFLIGHT_MESSAGES_MAX);
  assert.ok(follower.waiting.length <= 2 * INFLIGHT_MESSAGES_MAX, "and of their commits, no more");
});

Deno.test("a follower that answers nothing is sent no more bytes than may be in flight", () => {
  const follower = new SlowFollower();
  follower.propose(LARGE_COMMAND, LARGE_BACKLOG_ENTRIES);
  assert.ok(follower.lastIndex > LARGE_BACKLOG_ENTRIES);
  assert.ok(follower.bytes >= INFLIGHT_BYTES_MAX);
  assert.ok(follower.bytes < INFLIGHT_BYTES_MAX + APPEND_LIMITS.bytesMax);
});

Deno.test("a log that cannot be compacted takes no more than a few times what it may have", () => {
  const follower = new SlowFollower();
  follower.propose(LARGE_COMMAND, LOG_ENTRIES_FULL + PROPOSALS_PER_STEP);
  assert.ok(follower.lastIndex < LOG_ENTRIES_FULL + 10);
  const { length } = follower.rejected;
  assert.ok(length > 0 && follower.rejected.every(({ reason }) => reason === "overloaded"));
  follower.step({ kind: "checkpointed", index: follower.commitIndex });
  follower.propose(LARGE_COMMAND, PROPOSALS_PER_STEP);
  assert.equal(follower.rejected.length, length, "it has room again");
});

Deno.test("a follower whose log is full takes no entries, and follows all the same", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const full = cluster.node("n2");
  const { log } = full.raft.state as CoreState;
  const { term } = log.last;
  const next = () => ({ index: plus(log.last.index, 1), term, kind: "command" as const });
  while (log.length <= LOG_ENTRIES_FULL) log.append({ ...next(), data: LARGE_COMMAND });
  const { index: previousLogIndex } = log.last;
  const entries = [{ ...next(), data: SMALL_COMMAND }];
  cluster.network = [];
  full.receive(
    appendRequest(leader, "n2", { previousLogIndex, previousLogTerm: term, entries, round: 9 }),
  );
  const [answer] = takeMessages(cluster, "appendResponse");
  assert.deepEqual(answer?.outcome, { kind: "accepted", matchIndex: previousLogIndex });
  assert.equal(log.last.index, previousLogIndex);
});

Deno.test("a follower that answers nothing is sent heartbeats and nothing more while time passes", () => {
  const follower = new SlowFollower();
  follower.propose(SMALL_COMMAND);
  follower.waiting.length = 0;
  for (let tick = 0; tick < 10 * HEARTBEAT_TICKS; tick++) follower.step({ kind: "tick" });
  assert.equal(follower.waiting.length, 10);
  assert.equal(follower.appends.length, 0);
});

Deno.test("a follower that answers nothing is sent no more read rounds than may be in flight", () => {
  const follower = new SlowFollower();
  follower.read(1000);
  assert.equal(follower.reads.length, 1000, "the others confirm them");
  assert.equal(follower.waiting.length, INFLIGHT_ROUNDS_MAX);
});

Deno.test("a follower that is full takes part in reads by heartbeats", () => {
  const follower = new SlowFollower();
  follower.isAlone = true;
  follower.read(1000);
  assert.equal(follower.reads.length, 0, "nobody confirms them");
  follower.waiting.length = 0;
  for (let tick = 0; tick < HEARTBEAT_TICKS; tick++) follower.step({ kind: "tick" });
  assert.equal(follower.waiting.length, 1);
  follower.takeOne();
  assert.equal(follower.reads.length, 1000, "the newest round confirms all before it");
});

Deno.test("a follower that answers again is sent the rounds that it missed as one", () => {
  const follower = new SlowFollower();
  follower.read(1000);
  for (let taken = 0; taken < INFLIGHT_ROUNDS_MAX; taken++) follower.takeOne();
  const [newest, ...more] = follower.waiting;
  assert.ok(newest?.kind === "appendRequest" && newest.round >= 1000);
  assert.deepEqual(more, []);
});

Deno.test("a transfer is announced to a follower that is full", () => {
  const follower = new SlowFollower();
  follower.read(1000);
  follower.waiting.length = 0;
  follower.step({ kind: "transfer", transferId: 1, target: FAST });
  const [announced] = follower.waiting;
  assert.ok(announced?.kind === "appendRequest" && announced.transferTarget === FAST);
});

Deno.test("a follower that is gone is sent one probe a heartbeat, of bounded size", () => {
  const follower = new SlowFollower();
  follower.propose(SMALL_COMMAND);
  follower.waiting.length = 0;
  follower.step({ kind: "unreachable", peer: SLOW });
  for (let heartbeat = 1; heartbeat <= 10; heartbeat++) {
    follower.propose(SMALL_COMMAND, 10 * PROPOSALS_PER_STEP);
    for (let tick = 0; tick < HEARTBEAT_TICKS; tick++) follower.step({ kind: "tick" });
    assert.ok(follower.waiting.length <= 1 + heartbeat);
  }
  for (const { entries } of follower.appends) assert.ok(entries.length <= APPEND_LIMITS.entriesMax);
});

for (const [size, command] of [["small", SMALL_COMMAND], ["large", LARGE_COMMAND]] as const) {
  Deno.test(`a slow follower catches up with ${size} entries within the limits at every moment`, () => {
    const follower = new SlowFollower();
    const count = command === LARGE_COMMAND ? LARGE_BACKLOG_ENTRIES : BACKLOG_ENTRIES;
    follower.propose(command, count);
    while (follower.waiting.length > 0) {
      assert.ok(follower.appends.length <= INFLIGHT_MESSAGES_MAX);
      assert.ok(follower.bytes < INFLIGHT_BYTES_MAX + APPEND_LIMITS.bytesMax);
      follower.takeOne();
    }
    assert.ok(follower.lastIndex > count);
    assert.equal(follower.matchIndex, follower.lastIndex);
  });
}
