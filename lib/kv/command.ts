/**
 * The commands of the replicated store, from clients and leaders, and their results.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { checkIdempotencyKey } from "../limits.ts";
import { type LogIndex, type Term, toLogIndex, toTerm } from "../types.ts";
import { checkLeaseId, checkLeaseTtl } from "./lease_table.ts";
import type { TransactionOutcome } from "./run_transaction.ts";
import { checkNewToken, checkTokenId, type NewToken } from "./token.ts";
import { checkTransaction, type Transaction } from "./transaction.ts";

/** Most leases that one entry can expire. */
export const EXPIRED_LEASES_MAX = 1_000;

/**
 * Names a write in all of its attempts, so that it takes effect once. A name belongs to the token that used
 * it: the same name with another token is another name.
 */
export interface Idempotency {
  /** The id of the client's token; null when it has none. */
  readonly token: string | null;
  /**
   * The client's own name for the write: 1 to 128 visible ASCII characters, without `"` and `\`.
   */
  readonly key: string;
}

/** The options of any command. */
export interface CommandOptions {
  /** The write that this is an attempt of. Without it, the command takes effect each time it is in the log. */
  readonly idempotency?: Idempotency;
}

/** A change of keys, or a read of keys in the order of the log. A single put is also a transaction. */
export interface TransactionCommand extends Transaction, CommandOptions {
  /** The tag. */
  readonly kind: "transaction";
}

/** Makes a lease. */
export interface GrantLeaseCommand extends CommandOptions {
  /** The tag. */
  readonly kind: "grantLease";
  /** Its id, which the client or its node chose: a whole number from 1 to 2^53 - 1. */
  readonly id: number;
  /** How long it lives without a keepalive: 1 second to a day. */
  readonly ttlSeconds: number;
}

/**
 * Ends a lease and deletes its keys. One entry deletes at most `LEASE_KEYS_PER_ENTRY` keys; later entries
 * delete the others.
 */
export interface RevokeLeaseCommand extends CommandOptions {
  /** The tag. */
  readonly kind: "revokeLease";
  /** The lease. */
  readonly id: number;
}

/** The leader expires these leases, or continues with leases that are ending. */
export interface ExpireLeasesCommand {
  /** The tag. */
  readonly kind: "expireLeases";
  /** The leader's term. In an entry of another term the command does nothing: that leader counts again. */
  readonly term: Term;
  /**
   * The last entry that the leader had applied. A lease that a later entry granted is another lease with the
   * same id, and does not end.
   */
  readonly appliedIndex: LogIndex;
  /** The leases, by rising id, each once; at least one. */
  readonly ids: readonly number[];
}

/** Forgets the history up to a revision. */
export interface CompactCommand extends CommandOptions {
  /** The tag. */
  readonly kind: "compact";
  /** The last revision to forget. Reads at this revision and later ones stay possible. */
  readonly revision: number;
}

/** Creates a token. */
export interface CreateTokenCommand extends NewToken, CommandOptions {
  /** The tag. */
  readonly kind: "createToken";
}

/** Removes a token. */
export interface RevokeTokenCommand extends CommandOptions {
  /** The tag. */
  readonly kind: "revokeToken";
  /** The public half of the token. The holder keeps the secret half. */
  readonly id: string;
}

/** A change of the store, as it is in the log. */
export type Command =
  | TransactionCommand
  | GrantLeaseCommand
  | RevokeLeaseCommand
  | ExpireLeasesCommand
  | CompactCommand
  | CreateTokenCommand
  | RevokeTokenCommand;

/** The result of a command for a lease. */
export type LeaseResult =
  /** The lease was created. */
  | { readonly kind: "leaseGranted"; readonly id: number; readonly ttlSeconds: number }
  /** The lease was not created, for this reason. */
  | { readonly kind: "leaseRefused"; readonly reason: "exists" | "tooMany" }
  /** Whether there was such a lease, how many of its keys were deleted, and how many are left. */
  | {
    readonly kind: "leaseRevoked";
    readonly wasThere: boolean;
    readonly keysDeleted: number;
    readonly keysLeft: number;
  }
  /** How many keys were deleted, and which leases have keys left. */
  | {
    readonly kind: "leasesExpired";
    readonly keysDeleted: number;
    readonly unfinished: readonly number[];
  };

/** The result of a command for a token. */
export type TokenOutcome =
  /** The token was created. */
  | { readonly kind: "tokenCreated"; readonly createRevision: LogIndex }
  /** The token was not created: its id is taken, or there are too many tokens. */
  | { readonly kind: "tokenRefused"; readonly reason: "exists" | "tooMany" }
  /** Whether there was a token. If so, it is removed. */
  | { readonly kind: "tokenRevoked"; readonly revoked: boolean };

/** What a command did when it was applied first, without the store's revision. */
export type CommandOutcome =
  | TransactionOutcome
  | LeaseResult
  /** History up to this revision is forgotten. A node can have forgotten more. */
  | { readonly kind: "compacted"; readonly compactedRevision: LogIndex }
  | TokenOutcome;

/** A result without the store's revision. */
export type WithoutRevision<Result> = Result extends unknown ? Omit<Result, "revision"> : never;

/**
 * The result of a command. `revision` is the store's revision after it: the command's own index if it changed
 * a key, otherwise the index of the last command that did.
 */
export type CommandResult =
  | CommandOutcome & { readonly revision: LogIndex }
  /** Its idempotency key belongs to another command, at `firstIndex`. Nothing changed. */
  | {
    readonly kind: "idempotencyKeyReused";
    readonly revision: LogIndex;
    readonly firstIndex: LogIndex;
  };

/**
 * Checks everything in a command that can be checked without a store.
 *
 * @throws {InputError} that says what is wrong, the value and the limit.
 */
export function checkCommand(command: Command): void {
  if (command.kind !== "expireLeases" && command.idempotency !== undefined) {
    const { token, key } = command.idempotency;
    if (token !== null) checkTokenId(token);
    checkIdempotencyKey(key);
  }
  switch (command.kind) {
    case "transaction":
      return checkTransaction(command);
    case "grantLease":
      checkLeaseId(command.id);
      return checkLeaseTtl(command.ttlSeconds);
    case "revokeLease":
      return checkLeaseId(command.id);
    case "expireLeases":
      toTerm(command.term);
      toLogIndex(command.appliedIndex);
      return checkIds(command.ids);
    case "compact":
      toLogIndex(command.revision);
      return;
    case "createToken":
      return checkNewToken(command);
    case "revokeToken":
      return checkTokenId(command.id);
    default:
      return command satisfies never;
  }
}

function checkIds(ids: readonly number[]): void {
  if (ids.length === 0 || ids.length > EXPIRED_LEASES_MAX) {
    throw new InputError(
      `Cannot read command: ${ids.length} leases are not from 1 to ${EXPIRED_LEASES_MAX}`,
    );
  }
  ids.forEach((id, at) => {
    checkLeaseId(id);
    if (at > 0 && id <= (ids[at - 1] ?? 0)) {
      throw new InputError("Cannot read command: its leases are not in rising order");
    }
  });
}
