/** What the tests of the replicated store have in common. */

import { encodeUtf8 } from "../../lib/bytes.ts";
import type {
  Command,
  CommandOptions,
  CommandResult,
  TransactionCommand,
} from "../../lib/kv/command.ts";
import { encodeCommand } from "../../lib/kv/command_codec.ts";
import { ALL_KEYS, type KeyRange, keysWithPrefix, singleKey } from "../../lib/kv/key_range.ts";
import type { TransactionAnswer } from "../../lib/kv/run_transaction.ts";
import {
  type AppliedEntry,
  type CommittedEntry,
  Store,
  type StoreLimits,
} from "../../lib/kv/store.ts";
import { checkStore } from "../../lib/kv/store_invariants.ts";
import { type NewToken } from "../../lib/kv/token.ts";
import type {
  DeleteOperation,
  Operation,
  PutOperation,
  RangeOperation,
  Transaction,
} from "../../lib/kv/transaction.ts";
import { TOKEN_ID_LENGTH } from "../../lib/limits.ts";
import { type LogIndex, type Term, toLogIndex, toTerm } from "../../lib/types.ts";

/** The term of every entry. */
export const TERM: Term = toTerm(1);

/** At an index above those of tests, a leader has seen every lease. */
export const ANY_INDEX: LogIndex = toLogIndex(1_000_000);

/** The bytes of a text. */
export const bytes = encodeUtf8;

/** The text of bytes. */
export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

/** A token that reads and writes below `app/`; `id` is a hex digit, of which its id is made. */
export function newToken(id: string, changes: Partial<NewToken> = {}): NewToken {
  return {
    id: id.repeat(TOKEN_ID_LENGTH),
    secretDigest: new Uint8Array(32).fill(7),
    name: "ci",
    scopes: ["read", "write"],
    prefixes: ["app/"],
    expiresAtMs: null,
    ...changes,
  };
}

/** A put of texts. */
export function put(
  key: string,
  value: string | null,
  changes: Partial<PutOperation> = {},
): PutOperation {
  return {
    kind: "put",
    key: bytes(key),
    value: value === null ? null : bytes(value),
    lease: 0,
    isPreviousWanted: false,
    ...changes,
  };
}

/** A delete of one key, or of a range. */
export function del(
  keys: string | KeyRange,
  changes: Partial<DeleteOperation> = {},
): DeleteOperation {
  return { kind: "delete", keys: toRange(keys), isPreviousWanted: false, ...changes };
}

/** A read of one key, or of a range, in the order of the keys. */
export function range(
  keys: string | KeyRange,
  changes: Partial<RangeOperation> = {},
): RangeOperation {
  return {
    kind: "range",
    keys: toRange(keys),
    sortBy: "key",
    order: "ascending",
    show: "rows",
    countAll: false,
    ...changes,
  };
}

/** A key as a range, a text that ends in `*` as a prefix. */
export function toRange(keys: string | KeyRange): KeyRange {
  if (typeof keys !== "string") return keys;
  if (keys === "*") return ALL_KEYS;
  return keys.endsWith("*") ? keysWithPrefix(bytes(keys.slice(0, -1))) : singleKey(bytes(keys));
}

/** A transaction; what is not given is empty. */
export function transaction(parts: Partial<Transaction>): Transaction {
  return { conditions: [], success: [], failure: [], ...parts };
}

/** A transaction as an operation of another. */
export function nest(parts: Partial<Transaction>): Operation {
  return { kind: "transaction", ...transaction(parts) };
}

/** A transaction as a command. */
export function command(parts: Partial<Transaction>, options: object = {}): Command {
  return { kind: "transaction", ...transaction(parts), ...options };
}

/** A command that sets one key. */
export function putCommand(
  key: string,
  value: string | Uint8Array,
  options: CommandOptions = {},
): TransactionCommand {
  const operation = { ...put(key, null), value: typeof value === "string" ? bytes(value) : value };
  return { kind: "transaction", ...transaction({ success: [operation] }), ...options };
}

/** A command that removes one key. */
export function deleteCommand(key: string, options: CommandOptions = {}): TransactionCommand {
  return { kind: "transaction", ...transaction({ success: [del(key)] }), ...options };
}

/** An entry with this command. */
export function entryOf(index: number, command: Command): CommittedEntry {
  return { index: toLogIndex(index), term: TERM, kind: "command", data: encodeCommand(command) };
}

/** A store to which commands are applied one by one, and which is checked whole after each. */
export class Driver {
  readonly store: Store;

  constructor(store: Store | StoreLimits = {}) {
    this.store = store instanceof Store ? store : new Store(store);
  }

  /** Applies a command as the next entry. */
  applied(command: Command): AppliedEntry {
    const [applied] = this.store.apply([entryOf(this.store.appliedIndex + 1, command)]);
    checkStore(this.store);
    if (applied === undefined) throw new Error("Nothing was applied");
    return applied;
  }

  /** Applies a command and gives its result. */
  apply(command: Command): CommandResult {
    const applied = this.applied(command);
    if ("result" in applied) return applied.result;
    throw new Error(`The entry was ${applied.kind}`);
  }

  /** Does operations under no condition. */
  do(...success: readonly Operation[]): CommandResult {
    return this.apply(command({ success }));
  }

  /** Does a transaction that is not refused. */
  transact(parts: Partial<Transaction>): TransactionAnswer {
    const result = this.apply(command(parts));
    if (result.kind === "transaction") return result;
    throw new Error(`The transaction came to ${result.kind}`);
  }

  /** Makes a lease. */
  grant(id: number, ttlSeconds = 60): CommandResult {
    return this.apply({ kind: "grantLease", id, ttlSeconds });
  }

  /** Entries that change nothing, so that revisions have gaps. */
  skip(count: number): void {
    for (let left = count; left > 0; left--) {
      const index = toLogIndex(this.store.appliedIndex + 1);
      this.store.apply([{ index, term: TERM, kind: "certificate", data: bytes("a note") }]);
    }
  }

  /** The value of a key as text, or null. */
  get(key: string): string | null {
    const { keys } = this.store;
    const handle = keys.get(bytes(key));
    return handle === 0 ? null : text(keys.records.value(handle));
  }

  /** createRevision, modRevision, version and lease of a key, or null. */
  age(key: string): readonly number[] | null {
    const { keys: { records }, keys } = this.store;
    const handle = keys.get(bytes(key));
    if (handle === 0) return null;
    return [
      records.createRevision(handle),
      records.modRevision(handle),
      records.version(handle),
      records.lease(handle),
    ];
  }

  /** Every key that there is. */
  keys(): readonly string[] {
    const { index, records } = this.store.keys;
    return [...index.handles()].filter((handle) => records.isLive(handle))
      .map((handle) => text(records.key(handle)));
  }
}

/** Everything that is known of each change, oldest first. */
export function historyOf({ keys: { history, records } }: Store): readonly unknown[] {
  return Array.from({ length: history.count }, (_, at) => {
    const handle = history.handle(history.first + at);
    const previous = records.previous(handle);
    return {
      revision: history.revision(history.first + at),
      kind: records.kind(handle),
      key: records.key(handle).slice(),
      after: records.isLive(handle) ? records.copy(handle) : null,
      before: previous !== 0 && records.isLive(previous) ? records.copy(previous) : null,
    };
  });
}
