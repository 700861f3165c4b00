/**
 * What one command does to the store: at most once under an idempotency key, and only where its
 * condition holds.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { equalBytes } from "../bytes.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import type {
  Command,
  CommandResult,
  KeyCommand,
  KeyResult,
  TokenCommand,
  TokenResult,
  WriteResult,
} from "./command.ts";
import type { KeyValueStore } from "./store.ts";
import { TOKENS_MAX } from "./token.ts";

/** A command at its place in the log. */
export interface PlacedCommand {
  /** The index of its entry. */
  readonly index: LogIndex;
  /** The command. */
  readonly command: Command;
  /** The command as its entry holds it. */
  readonly data: Uint8Array;
}

/** How a command is answered. */
export type CommandAnswer =
  /** By itself. */
  | { readonly kind: "command"; readonly result: CommandResult }
  /** As an earlier attempt at the same write was; nothing changed. */
  | { readonly kind: "replayed"; readonly result: WriteResult };

/**
 * Applies a command, unless its idempotency key is remembered: then nothing changes, and it is
 * answered as the first time if it is the same command. What a write's condition came to is
 * remembered too: a write that failed once must not take effect by a copy that comes later.
 *
 * The digest is of the bytes in the log: a command has one encoding, so equal bytes and equal commands
 * are the same thing.
 */
export function applyOnce(store: KeyValueStore, placed: PlacedCommand): CommandAnswer {
  const { index, command, data } = placed;
  const { idempotencyKey } = command;
  if (idempotencyKey === undefined) {
    return { kind: "command", result: applyCommand(store, command, index) };
  }
  const commandDigest = sha256(data);
  const remembered = store.remembered.get(idempotencyKey);
  if (remembered === null) {
    const result = applyCommand(store, command, index);
    store.remembered.add({ idempotencyKey, commandDigest, result });
    return { kind: "command", result };
  }
  const { result } = remembered;
  if (equalBytes(remembered.commandDigest, commandDigest)) return { kind: "replayed", result };
  const firstRevision = result.revision;
  return {
    kind: "command",
    result: { kind: "idempotencyKeyReused", revision: index, firstRevision },
  };
}

function applyCommand(store: KeyValueStore, command: Command, revision: LogIndex): WriteResult {
  switch (command.kind) {
    case "put":
    case "delete":
      return applyToKey(store, command, revision);
    case "createToken":
    case "revokeToken":
      return applyToTokens(store, command, revision);
    default:
      return command satisfies never;
  }
}

function applyToKey(store: KeyValueStore, command: KeyCommand, revision: LogIndex): KeyResult {
  const current = store.get(command.key);
  const modRevision = current?.modRevision ?? toLogIndex(0);
  const { ifModRevision = modRevision } = command;
  if (ifModRevision !== modRevision) return { kind: "preconditionFailed", revision, modRevision };
  if (command.kind === "delete") {
    if (current !== null) store.delete(command.key);
    return { kind: "delete", revision, deleted: current !== null };
  }
  const { key, value } = command;
  const createRevision = current?.createRevision ?? revision;
  const version = (current?.version ?? 0) + 1;
  store.put({ key, value, createRevision, modRevision: revision, version });
  return { kind: "put", revision, createRevision, version };
}

function applyToTokens(
  { tokens }: KeyValueStore,
  command: TokenCommand,
  revision: LogIndex,
): TokenResult {
  const { id } = command;
  const isThere = tokens.get(id) !== null;
  if (command.kind === "revokeToken") {
    if (isThere) tokens.delete(id);
    return { kind: "tokenRevoked", revision, revoked: isThere };
  }
  if (isThere) return { kind: "tokenRefused", revision, reason: "exists" };
  if (tokens.count >= TOKENS_MAX) return { kind: "tokenRefused", revision, reason: "tooMany" };
  const { secretDigest, name, scopes, prefixes } = command;
  tokens.add({ id, secretDigest, name, scopes, prefixes, createRevision: revision });
  return { kind: "tokenCreated", revision };
}

function sha256(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(data).digest());
}
