/**
 * Deliberate bugs that only clients see: reads, leases, retries and the state machine.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

/** See the module. */
export const CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: "read-before-no-op",
    bug: "a new leader serves reads before it knows what is committed",
    file: "lib/raft/reads.ts",
    find: `return reads.areWaiting && hasCommittedOwnEntry(state);`,
    replace: `return reads.areWaiting;`,
  },
  {
    name: "read-without-quorum",
    bug: "a leader serves reads without asking whether it still leads",
    file: "lib/raft/reads.ts",
    find: `leader.reads.takeConfirmed(confirmedRound)`,
    replace: `leader.reads.takeConfirmed(Math.max(confirmedRound, leader.rounds.current))`,
    world: "leasesHandedOver",
  },
  {
    name: "read-before-applied",
    bug: "a read does not wait until its index is applied",
    file: "lib/node/requests.ts",
    find:
      `if (request.readIndex === null || request.readIndex > appliedIndex) later.push(request);`,
    replace: `if (request.readIndex === null) later.push(request);`,
  },
  {
    name: "answer-to-an-earlier-life",
    bug: "a node takes the answer to a read that it asked before its restart",
    file: "lib/raft/reads.ts",
    find: `message.from !== state.leader || message.incarnation !== state.config.incarnation`,
    replace: `message.from !== state.leader`,
  },
  {
    name: "place-of-an-earlier-life",
    bug: "a node takes the answer to a proposal that it made before its restart",
    file: "lib/raft/proposals.ts",
    find: `message.from !== state.leader || message.incarnation !== state.config.incarnation`,
    replace: `message.from !== state.leader`,
  },
  {
    name: "attempt-keeps-its-id",
    bug: "a late or doubled answer to one attempt is taken for the answer to the next",
    file: "lib/node/requests.ts",
    find: `request.id = ++this.#lastId;`,
    replace: `if (request.id === 0) request.id = ++this.#lastId;`,
  },
  {
    name: "lease-from-the-answer",
    bug: "a lease is counted from when heartbeats are answered, not from when they were sent",
    file: "lib/raft/leader.ts",
    find: `leader.rounds.sentTick(round)`,
    replace: `leader.rounds.sentTick(leader.rounds.current)`,
    world: "clocksAtTheEdge",
  },
  {
    name: "lease-during-transfer",
    bug: "a leader that hands over goes on serving reads on its lease",
    file: "lib/raft/reads.ts",
    find: `  if (leader.isLeaseWaived) return false;\n`,
    replace: ``,
  },
  {
    name: "lease-after-an-aborted-transfer",
    bug: "a leader counts on promises that its own transfer waived",
    file: "lib/raft/reads.ts",
    find: `if (leader.isLeaseWaived) return false;`,
    replace: `if (leader.transfer !== null) return false;`,
  },
  {
    name: "promise-forgotten-at-start",
    bug: "a voter that restarts helps another before its leader's lease is over",
    file: "lib/raft/state.ts",
    find: `      this.voterPromise.heardTick = 0;\n      this.turns.leaderHeard(0);\n`,
    replace: ``,
    world: "restartingVoters",
  },
  {
    name: "voter-breaks-its-promise",
    bug: "a voter that hears a leader helps another all the same",
    file: "lib/raft/voter.ts",
    find:
      `return heardTick !== null && state.nowTick - heardTick < state.config.electionTimeoutTicks;`,
    replace: `return heardTick === -1;`,
  },
  {
    name: "superseded-write-acknowledged",
    bug: "a client is told that its write succeeded when another's took its place",
    file: "lib/node/requests.ts",
    find: `if (request.place?.term === term && "result" in outcome) {`,
    replace: `if ("result" in outcome) {`,
  },
  {
    name: "unknown-write-asked-again",
    bug: "a node proposes a command again whose outcome it does not know",
    file: "lib/node/requests.ts",
    find: `    if (rejected.maybeApplied) {`,
    replace: `    if (rejected.proposalId < 0) {`,
  },
  {
    name: "retry-takes-effect-twice",
    bug: "an idempotency key is not looked up",
    file: "lib/kv/store.ts",
    find: `    if (remembered !== null) {`,
    replace: `    if (remembered !== null) return {
      kind: "command",
      index,
      result: this.#applyCommand(command, entry),
    };
    if (remembered !== null) {`,
  },
  {
    name: "forwarded-copy-takes-effect",
    bug: "a leader takes a forwarded batch as often as it arrives",
    file: "lib/raft/forwarding.ts",
    find: `return slots !== undefined && batchId <= newestTaken(slots, batchId);`,
    replace: `return slots !== undefined && batchId < 0;`,
  },
  {
    name: "forwarded-to-another-term",
    bug: "a leader takes a batch that was meant for the leader of another term",
    file: "lib/raft/proposals.ts",
    find: `if (taken?.term !== message.term) return`,
    replace: `if (taken === null) return`,
  },
  {
    name: "condition-unchecked",
    bug: "a conditional write takes effect whatever the key's revision",
    file: "lib/kv/run_transaction.ts",
    find: `const succeeded = transaction.conditions.every((condition) => this.#holds(condition));`,
    replace: `const succeeded = transaction.conditions.length >= 0;`,
  },
  {
    name: "node-makes-its-own-result",
    bug: "what a command does depends on how entries were batched",
    file: "lib/kv/store.ts",
    find: `return read.map((entry) => this.#applyEntry(entry));`,
    replace: `return read.map((entry, at) =>
      this.#applyEntry(
        at === 2 && entry.kind === "command"
          ? { kind: "refused", index: entry.index, reason: "it is the third" }
          : entry,
      )
    );`,
  },
  {
    name: "absent-means-anything",
    bug: "a put that is only to create a key replaces one that is there",
    file: "lib/kv/run_transaction.ts",
    find: `if (!isRelated(this.#numberOf(handle, target) - number, relation)) return false;`,
    replace:
      `if (number > 0 && !isRelated(this.#numberOf(handle, target) - number, relation)) return false;`,
  },
  {
    name: "delete-whatever-is-there",
    bug: "a delete takes effect whatever the key's revision",
    file: "lib/kv/run_transaction.ts",
    find: `const succeeded = transaction.conditions.every((condition) => this.#holds(condition));`,
    replace: `const succeeded = transaction.success[0]?.kind === "delete" ||
      transaction.conditions.every((condition) => this.#holds(condition));`,
  },
  {
    name: "reused-key-answers-for-another",
    bug: "another command under a known idempotency key is answered as the first was",
    file: "lib/kv/store.ts",
    find: `if (equalBytes(remembered.digest, digest)) {`,
    replace: `if (remembered.digest.length === digest.length) {`,
  },
  {
    name: "failed-condition-forgotten",
    bug: "a write whose condition failed may take effect when it is sent again",
    file: "lib/kv/store.ts",
    find: `    this.#rememberWrite({ index, text, digest, result });`,
    replace: `    if (result.kind !== "transaction" || result.succeeded) {
      this.#rememberWrite({ index, text, digest, result });
    }`,
  },
  {
    name: "lease-through-lost-time",
    bug: "a leader that stood still counts on its lease all the same",
    file: "lib/raft/reads.ts",
    find: `if (state.role.name === "leader") state.role.leaseBrokenTick = state.nowTick;`,
    replace: `if (state.role.name === "candidate") state.nowTick++;`,
    world: "standingStill",
  },
  {
    name: "read-index-of-the-round-before",
    bug: "a read is served at an index from before it was asked",
    file: "lib/raft/reads.ts",
    find: `    this.#batches.push({ round, readIndex, readers: this.#waiting });`,
    replace: `    const earlier = Math.max(0, readIndex - 8) as LogIndex;
    this.#batches.push({ round, readIndex: earlier, readers: this.#waiting });`,
  },
  {
    name: "parked-and-appended",
    bug: "a leader that hands over appends what it tells the client to send again",
    file: "lib/raft/proposals.ts",
    find:
      `  if (state.role.transfer !== null) return { kind: "refused", proposalId, reason: "transferring" };`,
    replace: `  if (state.role.transfer !== null) {
    appendEntry(state, { kind: "command", data: command });
    return { kind: "refused", proposalId, reason: "transferring" };
  }`,
  },
  {
    name: "lease-as-long-as-the-promise",
    bug: "a lease lasts as long as the promises behind it, as if all clocks were alike",
    file: "lib/raft/reads.ts",
    find: `const leaseTicks = Math.floor(promisedTicks * LEASE_SHARE);`,
    replace: `const leaseTicks = Math.max(promisedTicks, LEASE_SHARE);`,
    world: "clocksAtTheEdge",
  },
  {
    name: "read-waits-for-a-write",
    bug: "a new leader serves no reads until a client has written in its term",
    file: "lib/raft/reads.ts",
    find: `return reads.areWaiting && hasCommittedOwnEntry(state);`,
    replace: `return reads.areWaiting && hasCommittedOwnEntry(state) &&
    state.log.entryAt(state.commitIndex)?.kind !== "certificate";`,
  },
  {
    name: "forgotten-too-early",
    bug: "a write is remembered for half as many entries as is promised",
    file: "lib/kv/write_memory.ts",
    find: `if (oldest > index - entriesMax && this.#bytes <= bytesMax) break;`,
    replace: `if (oldest > index - entriesMax / 2 && this.#bytes <= bytesMax) break;`,
  },
];
