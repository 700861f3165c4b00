/**
 * The replicated state machine: a key-value store with revisions.
 *
 * A client's write becomes a {@linkcode Command}, is encoded by `command_codec.ts`, travels as the
 * opaque data of a log entry, and comes back on every node, committed, to `state_machine.ts`, which
 * applies it to a {@linkcode KeyValueStore}. Nothing here reads a clock, the environment or a random
 * number, and nothing awaits: what an entry does follows from the entry and the state before it.
 *
 * **Revisions.** A revision is the log index of the write that made it; there is no other counter.
 * A key remembers the revision that created it, the one that last changed it, and how many writes
 * it has seen. Deleted and written again, it starts afresh.
 *
 * **The applied index** lives in the store, in the same transaction as the data, so a store says
 * by itself which entries it has seen. That is what makes replay after a crash exact: entries at or
 * below it are skipped, the next one is applied, and a gap stops the node. Entries that carry a
 * certificate, or bytes that are no command, change nothing else.
 *
 * **Limits** are checked where a command is encoded and again where it is decoded: a command
 * reaches the log of a follower without passing that follower's HTTP API.
 *
 * @module
 */

export type { Command, CommandResult, KeyValue } from "./command.ts";
export { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "./command.ts";
export {
  checkKey,
  COMMAND_BYTES_MAX,
  COMMAND_VERSION,
  CommandVersionError,
  decodeCommand,
  encodeCommand,
  encodeKey,
} from "./command_codec.ts";
export { MemoryKeyValueStore } from "./memory_store.ts";
export { digestState } from "./state_digest.ts";
export { type AppliedEntry, StateMachine } from "./state_machine.ts";
export type { KeyValueStore } from "./store.ts";
