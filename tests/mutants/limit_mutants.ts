/**
 * Deliberate bugs in what bounds a leader: messages, uncommitted data, readers and snapshots.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";

/** See the module. */
export const LIMIT_MUTANTS: readonly Mutant[] = [
  {
    name: "uncommitted-without-bound",
    bug: "a leader takes commands however many are uncommitted",
    file: "lib/raft/proposals.ts",
    find: `= state.role.uncommittedBytes + bytes > state.flowLimits.uncommittedBytesMax;`,
    replace: `= bytes > state.flowLimits.uncommittedBytesMax;`,
  },
  {
    name: "uncommitted-never-falls",
    bug: "what is committed goes on counting as uncommitted",
    file: "lib/raft/leader.ts",
    find: `      leader.uncommittedBytes -= entry.data.length + ENTRY_OVERHEAD_BYTES;\n`,
    replace: ``,
  },
  {
    name: "refused-and-appended",
    bug: "a command that is refused for want of room is appended all the same",
    file: "lib/raft/proposals.ts",
    find: `    return { kind: "refused", proposalId, reason: "overloaded" };
  }
  state.role`,
    replace: `    appendEntry(state, { kind: "command", data: command });
    return { kind: "refused", proposalId, reason: "overloaded" };
  }
  state.role`,
  },
  {
    name: "in-flight-without-bound",
    bug: "a leader sends ahead however many messages are on their way",
    file: "lib/raft/progress.ts",
    find: `return this.#inflight.length < this.#limits.messagesMax &&`,
    replace: `return this.#inflight.length < Infinity &&`,
  },
  {
    name: "in-flight-never-lands",
    bug: "what a follower has answered goes on counting as on its way",
    file: "lib/raft/progress.ts",
    find: `this.#inflight[0].lastIndex <= this.#matchIndex) {`,
    replace: `this.#inflight[0].lastIndex < 0) {`,
  },
  {
    name: "message-without-bound",
    bug: "all that a follower lacks is sent in one message",
    file: "lib/raft/leader.ts",
    find: `state.log.slice(follower.nextIndex, state.log.last.index, append)`,
    replace: `state.log.slice(follower.nextIndex, state.log.last.index)`,
  },
  {
    name: "message-bytes-without-bound",
    bug: "only the number of a message's entries is bounded, not their bytes",
    file: "lib/raft/log.ts",
    find: `if (bytes > limits.bytesMax && stop > start) break;`,
    replace: `if (bytes < 0) break;`,
  },
  {
    name: "uncommitted-never-counted",
    bug: "what a leader appends does not count as uncommitted",
    file: "lib/raft/proposals.ts",
    find: `  state.role.uncommittedBytes += bytes;\n`,
    replace: ``,
  },
  {
    name: "readers-never-leave",
    bug: "reads that were answered go on counting as waiting",
    file: "lib/raft/reads.ts",
    find: `    for (const { readers } of confirmed) this.#size -= readers.length;\n`,
    replace: ``,
  },
  {
    name: "snapshot-at-every-wish",
    bug: "a follower that wants snapshots for ever has the store copied each time",
    file: "lib/raft/progress.ts",
    find: `    if (waitedTimeouts < wait) return false;\n`,
    replace: `    if (waitedTimeouts < 0 * wait) return false;\n`,
    world: "wantSnapshots",
  },
];
