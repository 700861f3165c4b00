/**
 * What clients and leaders ask of the replicated store, and what they get.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { type LogIndex, type Term, toLogIndex, toTerm } from "../types.ts";
import { checkLeaseId, checkLeaseTtl } from "./lease_table.ts";
import type { TransactionOutcome } from "./run_transaction.ts";
import { checkNewToken, checkTokenId, type NewToken } from "./token.ts";
import { checkTransaction, type Transaction } from "./transaction.ts";

/** Most characters in an idempotency key; each is one byte. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 128;

/** Most leases of which one entry says that they have run out. */
export const EXPIRED_LEASES_MAX = 1_000;

/**
 * Names a write in all of its attempts, so that it takes effect once. A name belongs to the token
 * that used it: two tokens' equal names are two names.
 */
export interface Idempotency {
  /** The id of the token that the client showed, or null: it showed none. */
  readonly token: string | null;
  /**
   * The client's own name for the write: 1 to 128 visible ASCII characters, but neither `"` nor
   * `\`.
   */
  readonly key: string;
}

/** What any command may have besides its effect. */
export interface CommandOptions {
  /** Which write this is an attempt at; absent: it takes effect as often as it is in the log. */
  readonly idempotency?: Idempotency;
}

/** A change to keys, or a read of them in the log's order. A single put is a transaction, too. */
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
  /** How long it lives when nobody keeps it alive: 1 second to a day. */
  readonly ttlSeconds: number;
}

/**
 * Ends a lease, and its keys go: at once at most `LEASE_KEYS_PER_ENTRY`, the others in the next
 * entries.
 */
export interface RevokeLeaseCommand extends CommandOptions {
  /** The tag. */
  readonly kind: "revokeLease";
  /** The lease. */
  readonly id: number;
}

/** The leader says that these leases have run out, or goes on with those that are ending. */
export interface ExpireLeasesCommand {
  /** The tag. */
  readonly kind: "expireLeases";
  /** The leader's term. In another term's entry the command does nothing: that leader counts anew. */
  readonly term: Term;
  /** The leases, by rising id, each once; at least one. */
  readonly ids: readonly number[];
}

/** History up to this revision is not needed any more. */
export interface CompactCommand extends CommandOptions {
  /** The tag. */
  readonly kind: "compact";
  /** The last revision that is to be forgotten: reads are possible from it on. */
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
  /** Public; the secret half stays with the token's holder. */
  readonly id: string;
}

/** A change to the store, as it stands in the log. */
export type Command =
  | TransactionCommand
  | GrantLeaseCommand
  | RevokeLeaseCommand
  | ExpireLeasesCommand
  | CompactCommand
  | CreateTokenCommand
  | RevokeTokenCommand;

/** What came of a command for a lease. */
export type LeaseResult =
  /** The lease is there. */
  | { readonly kind: "leaseGranted"; readonly id: number; readonly ttlSeconds: number }
  /** It is not, and this is why not. */
  | { readonly kind: "leaseRefused"; readonly reason: "exists" | "tooMany" }
  /** Whether there was such a lease, how many of its keys went and how many are still to go. */
  | {
    readonly kind: "leaseRevoked";
    readonly wasThere: boolean;
    readonly keysDeleted: number;
    readonly keysLeft: number;
  }
  /** How many keys went, and which leases have some left. */
  | {
    readonly kind: "leasesExpired";
    readonly keysDeleted: number;
    readonly unfinished: readonly number[];
  };

/** What came of a command for a token. */
export type TokenOutcome =
  /** The token is there. */
  | { readonly kind: "tokenCreated"; readonly createRevision: LogIndex }
  /** It is not, and this is why not: its id is taken, or there are as many as may be. */
  | { readonly kind: "tokenRefused"; readonly reason: "exists" | "tooMany" }
  /** The token is gone; whether there was one. */
  | { readonly kind: "tokenRevoked"; readonly revoked: boolean };

/** What a command did, the first time that it was applied, without where the store stands. */
export type CommandOutcome =
  | TransactionOutcome
  | LeaseResult
  /** History up to this revision is forgotten; a node may have forgotten more. */
  | { readonly kind: "compacted"; readonly compactedRevision: LogIndex }
  | TokenOutcome;

/** A result without where the store stands. */
export type WithoutRevision<Result> = Result extends unknown ? Omit<Result, "revision"> : never;

/**
 * What came of a command. `revision` is the store's after it: the command's own index if it changed
 * a key, else that of the last command that did.
 */
export type CommandResult =
  | CommandOutcome & { readonly revision: LogIndex }
  /** Its idempotency key already stands for another command, at `firstIndex`; nothing changed. */
  | {
    readonly kind: "idempotencyKeyReused";
    readonly revision: LogIndex;
    readonly firstIndex: LogIndex;
  };

/**
 * Checks everything of a command that needs no store.
 *
 * @throws {InputError} saying what is wrong, the value and the limit.
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
      throw new InputError("Cannot read command: its leases are not by rising id");
    }
  });
}

/** Visible ASCII without `"` and `\`, so that it stands in a quoted HTTP header as it is. */
const IDEMPOTENCY_KEY_PATTERN = /^[!#-[\]-~]+$/;

/**
 * Checks an idempotency key on its own.
 *
 * @throws {InputError} unless it is 1 to {@linkcode IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII
 * characters without `"` and `\`.
 */
export function checkIdempotencyKey(idempotencyKey: string): void {
  const { length } = idempotencyKey;
  if (length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    throw new InputError(
      `Cannot read idempotency key: ${length} characters are above ${IDEMPOTENCY_KEY_LENGTH_MAX}`,
    );
  }
  if (IDEMPOTENCY_KEY_PATTERN.test(idempotencyKey)) return;
  throw new InputError(
    'Cannot read idempotency key: it must be visible ASCII characters other than " and \\',
  );
}
