/**
 * Deliberate bugs in replication: the log, commitment, durability, compaction and snapshots.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

/** See the module. */
export const REPLICATION_MUTANTS: readonly Mutant[] = [
  {
    name: "acknowledged-before-durable",
    bug: "a follower acknowledges entries before they are on disk",
    file: "lib/raft/follower.ts",
    find: `  state.sendAfterPersist({
    kind: "appendResponse",`,
    replace: `  state.send({
    kind: "appendResponse",`,
  },
  {
    name: "leader-counts-what-is-not-durable",
    bug: "a leader counts its own copy of an entry before it is on disk",
    file: "lib/raft/leader.ts",
    find: `voter === self ? durableIndex :`,
    replace: `voter === self ? state.log.last.index :`,
  },
  {
    name: "commits-an-older-term",
    bug: "a leader commits an entry of an older term by counting copies (Raft §5.4.2)",
    file: "lib/raft/leader.ts",
    find: `  if (state.log.termAt(majorityIndex) !== state.currentTerm) return;\n`,
    replace: ``,
  },
  {
    name: "commits-without-majority",
    bug: "a leader commits what one node fewer than a majority holds",
    file: "lib/raft/members.ts",
    find: `descending[majorityOf(voters.length) - 1]`,
    replace: `descending[Math.max(0, majorityOf(voters.length) - 2)]`,
  },
  {
    name: "truncates-without-conflict",
    bug: "a late or doubled request removes the entries after those that it brings",
    file: "lib/raft/follower.ts",
    find:
      `if (conflict !== -1 && !replaceFrom(state, message.from, entries.slice(conflict))) return null;`,
    replace: `const first = entries.findIndex(({ index }) => index > log.base.index);
  if (first !== -1) replaceFrom(state, message.from, entries.slice(first));`,
  },
  {
    name: "follower-commits-beyond-match",
    bug: "a follower commits entries that are not known to match the leader's",
    file: "lib/raft/follower.ts",
    find: `lowest(message.leaderCommit, matchIndex)`,
    replace: `lowest(message.leaderCommit, log.last.index)`,
  },
  {
    name: "previous-entry-unchecked",
    bug: "a follower appends without looking at the entry before",
    file: "lib/raft/follower.ts",
    find: `if (!isForgotten && log.termAt(previousLogIndex) !== previousLogTerm) {`,
    replace: `if (!isForgotten && previousLogIndex > log.last.index) {`,
  },
  {
    name: "answer-out-of-order",
    bug: "an answer that comes late takes back what a newer one has said",
    file: "lib/raft/progress.ts",
    find: `if (isNews) this.#matchIndex = matchIndex;`,
    replace: `this.#matchIndex = matchIndex;`,
  },
  {
    name: "late-acknowledgement-covers-newer",
    bug: "the disk's late word for old entries counts for those that took their place",
    file: "lib/raft/durability.ts",
    find: `    for (const batch of this.#pending) {
      if (kept < batch.lastIndex) batch.lastIndex = kept;
    }
`,
    replace: ``,
    world: "lateDisks",
  },
  {
    name: "answer-of-an-older-term",
    bug: "a leader counts an answer that was given in an older term",
    file: "lib/raft/leader.ts",
    find: `  if (message.term !== state.currentTerm) return;\n`,
    replace: ``,
  },
  {
    name: "probe-never-goes-back",
    bug: "a leader that is told of a conflict tries the same place again",
    file: "lib/raft/progress.ts",
    find: `const next = lowest(options.nextIndex, options.previousLogIndex);`,
    replace: `const next = plus(options.previousLogIndex, 1);`,
  },
  {
    name: "failed-write-goes-on",
    bug: "a node goes on after a write failed",
    file: "lib/storage/log/log_writer.ts",
    find: `      this.#hasFailed = true;
      this.#user?.failed(cause);`,
    replace: `      void cause;`,
  },
  {
    name: "sent-before-it-is-durable",
    bug: "what a message speaks of is handed to the disk, and may not be there when it leaves",
    file: "lib/node/loop.ts",
    find: `({ sequence }) => sequence <= this.#durableSequence);`,
    replace: `({ sequence }) => sequence <= this.#lastSequence);`,
  },
  {
    name: "applied-before-it-is-durable",
    bug: "a committed entry is applied before it is in this node's own log",
    file: "lib/node/loop.ts",
    find: `: (effect.entries.at(-1)?.index ?? 0) <= durableIndex;`,
    replace: `: true;`,
  },
  {
    name: "applied-because-of-a-snapshot",
    bug:
      "entries are applied that are not durable, as a snapshot that waits to be installed has them",
    file: "lib/node/loop.ts",
    find: `effect.kind === "install" || hasSnapshot`,
    replace: `effect.kind === "install" || (hasSnapshot && durableIndex === 0)`,
    test: "tests/node/loop_test.ts",
  },
  {
    name: "installed-before-the-log-says-so",
    bug: "a snapshot takes the state's place before the log durably starts there",
    file: "lib/node/loop.ts",
    find: `? effect.sequence <= this.#durableSequence`,
    replace: `? true`,
  },
  {
    name: "waiting-snapshot-discarded",
    bug: "a snapshot that waits for the disk is removed when its last chunk comes twice",
    file: "lib/node/loop.ts",
    find: `const wanted = [installSnapshot, ...waiting]`,
    replace: `const wanted = [installSnapshot]`,
    world: "doubledChunks",
  },
  {
    name: "compacts-what-is-not-durable",
    bug: "the log forgets what is applied, though the state machine may yet lose it",
    file: "lib/node/table_keeper.ts",
    find: `    this.#isWriting = true;`,
    replace: `    this.#isWriting = true;
    this.#options.submit({ kind: "checkpointed", index: batch.appliedIndex });`,
  },
  {
    name: "snapshot-leaves-replaced-rows",
    bug:
      "a snapshot that overtakes entries which were never written keeps what the disk has instead",
    file: "lib/raft/durability.ts",
    find: `    const isSaved = this.#unsavedFrom === null || this.#unsavedFrom > position.index;\n`,
    replace: `    const isSaved = true;
    const next = plus(position.index, 1);
    if (this.#unsavedFrom !== null && this.#unsavedFrom < next) this.#unsavedFrom = next;\n`,
    test: "tests/raft/durability_test.ts",
  },
  {
    name: "snapshot-reset-not-written",
    bug: "a log that a snapshot replaced stays on disk",
    file: "lib/raft/state.ts",
    find: `      this.durability.logResetTo(position, record);\n`,
    replace: ``,
  },
  {
    name: "snapshot-keeps-another-log",
    bug: "a log that goes on after a snapshot stays, whatever it says at the snapshot's place",
    file: "lib/raft/state.ts",
    find: `const isContinued = this.log.termAt(snapshot.index) === snapshot.term;`,
    replace: `const isContinued = this.log.termAt(snapshot.index) !== null;`,
  },
  {
    name: "snapshot-without-certificate",
    bug: "anybody's snapshot is taken, certified leader or not",
    file: "lib/raft/follower.ts",
    find: `if (!acceptLeader(state, message)) return;
  const { snapshot`,
    replace: `acceptLeader(state, message);
  const { snapshot`,
  },
  {
    name: "snapshot-acknowledged-too-early",
    bug: "a follower acknowledges a snapshot before it counts",
    file: "lib/raft/follower.ts",
    find: `  state.sendAfterPersist({
    kind: "snapshotResponse",`,
    replace: `  state.send({
    kind: "snapshotResponse",`,
  },
  {
    name: "lost-chunk-is-waited-for",
    bug: "a chunk of a snapshot is sent once, whether or not it is ever answered",
    file: "lib/raft/progress.ts",
    find:
      `if (sending.sentTick !== null && nowTick - sending.sentTick < overdueTicks) return null;`,
    replace: `if (sending.sentTick !== null && overdueTicks > 0) return null;`,
    world: "lostChunks",
  },
  {
    name: "forgotten-entries-are-probed",
    bug: "a leader looks in its log for entries that it has forgotten, and sends no snapshot",
    file: "lib/raft/snapshots.ts",
    find: `  if (follower.nextIndex <= state.log.base.index) return true;\n`,
    replace: ``,
    world: "lostChunks",
  },
  {
    name: "snapshot-fails-for-ever",
    bug: "after a snapshot that could not be made, none is made",
    file: "lib/raft/log.ts",
    find: `    this.#makingFromIndex = null;
    this.#retryTick = retryTick;`,
    replace: `    this.#retryTick = retryTick;`,
    world: "failingSnapshots",
  },
];
