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
 * **Conditions.** A write may name the modRevision that the key must have. The condition is looked at
 * where the command stands in the log, so of two that name the same revision at most one succeeds.
 *
 * **Exactly once.** A client that gives a write an idempotency key may send it again, to any node,
 * for as long as it does not know the outcome: one attempt takes effect, and all are answered as that
 * one was. What was answered is part of the state ({@linkcode RememberedWrite}): key, digest of the
 * command and result, for {@linkcode REMEMBERED_ENTRIES} entries of the log from its own on. No clock
 * decides, so all nodes forget at the same entry; one entry forgets at most one write. A failed
 * condition is remembered like a success. The same key with another command is refused: whichever
 * stands first in the log has the key. A client that waits longer than the window may have its
 * write done twice.
 *
 * **Tokens.** Who may use the API is part of the state too, beside the keys and out of their reach: at
 * most {@linkcode TOKENS_MAX} tokens, each with the digest of its secret, what it allows and for which
 * keys. Secrets never come here. `lib/http` asks; nothing here knows what a request is.
 *
 * **Limits** are checked where a command is encoded and again where it is decoded: a command
 * reaches the log of a follower without passing that follower's HTTP API.
 *
 * @example A command on its way through the log
 * ```ts
 * const value = new TextEncoder().encode("hello");
 * const bytes = encodeCommand({ kind: "put", key: "greeting", value });
 * const command = decodeCommand(bytes);
 * if (command.kind !== "put" || command.key !== "greeting") throw new Error("it came back changed");
 * ```
 *
 * @module
 */

export {
  decodeResult,
  encodeResult,
  REMEMBERED_BYTES_MAX,
  REMEMBERED_ENTRIES,
  type RememberedWrite,
} from "./apply_command.ts";
export {
  type Command,
  type CommandResult,
  type CreateTokenCommand,
  type DeleteCommand,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  KEY_BYTES_MAX,
  type KeyCommand,
  type KeyResult,
  type KeyValue,
  type PutCommand,
  type RevokeTokenCommand,
  type TokenCommand,
  type TokenResult,
  VALUE_BYTES_MAX,
  type WriteOptions,
  type WriteResult,
} from "./command.ts";
export {
  checkIdempotencyKey,
  checkKey,
  COMMAND_BYTES_MAX,
  COMMAND_VERSION,
  CommandVersionError,
  decodeCommand,
  encodeCommand,
  isCommand,
} from "./command_codec.ts";
export {
  type AppliedEntry,
  type CommittedEntry,
  type KeyValueStore,
  type RememberedWrites,
  StateMachine,
  type Tokens,
} from "./state_machine.ts";
export {
  checkNewToken,
  checkTokenId,
  coversKey,
  fromScopeBits,
  hasScope,
  type NewToken,
  SECRET_DIGEST_BYTES,
  type Token,
  TOKEN_ID_LENGTH,
  TOKEN_SCOPES,
  TOKENS_MAX,
  type TokenScope,
  toScopeBits,
} from "./token.ts";
