/**
 * The store as simply as it can be written: a map that is copied at each change. The property tests
 * and the simulator hold the real one against it.
 *
 * @module
 */

import { LEASE_KEYS_PER_ENTRY, type LeaseEnd, type LeaseRow } from "../../lib/kv/lease_table.ts";
import { compareKeys, inRange, type KeyRange, keyText } from "../../lib/kv/key_range.ts";
import type { ChangeKind, KeyValueRow } from "../../lib/kv/record.ts";
import type { OperationAnswer, TransactionAnswer } from "../../lib/kv/run_transaction.ts";
import type { Command, CommandResult } from "../../lib/kv/command.ts";
import type {
  Condition,
  Operation,
  RangeOperation,
  Transaction,
} from "../../lib/kv/transaction.ts";
import { toLogIndex } from "../../lib/types.ts";

/** The keys at one moment. */
export type Rows = ReadonlyMap<string, KeyValueRow>;

/** A change, as a watcher with everything wanted sees it. */
export interface ModelEvent {
  readonly revision: number;
  readonly kind: ChangeKind;
  readonly key: Uint8Array;
  readonly row: KeyValueRow | null;
  readonly previous: KeyValueRow | null;
}

type Outcome = CommandResult extends infer Result
  ? Result extends unknown ? Omit<Result, "revision"> : never
  : never;

export class StoreModel {
  rows: Map<string, KeyValueRow> = new Map();
  leases: Map<number, LeaseRow> = new Map();
  revision = 0;
  index = 0;
  /** The rows after each entry. */
  readonly states: Rows[] = [new Map()];
  readonly events: ModelEvent[] = [];
  readonly #tokens = new Set<string>();
  readonly #rememberedEntries: number;
  readonly #remembered = new Map<
    string,
    { command: string; index: number; result: CommandResult }
  >();

  /** An empty store, which remembers each write for so many entries. */
  constructor(
    { rememberedEntries }: { readonly rememberedEntries: number } = { rememberedEntries: Infinity },
  ) {
    this.#rememberedEntries = rememberedEntries;
  }

  /** Applies a command as the next entry, which is of this term; of its own if none is named. */
  apply(
    command: Command,
    term?: number,
  ): { readonly isReplayed: boolean; readonly result: CommandResult } {
    this.index++;
    const isOfItsTerm = command.kind !== "expireLeases" || (term ?? command.term) === command.term;
    const answer = this.#applyOnce(isOfItsTerm ? command : { ...command, ids: [] });
    this.states[this.index] = new Map(this.rows);
    return answer;
  }

  /** The next entry is no command. */
  skip(): void {
    this.index++;
    this.states[this.index] = new Map(this.rows);
  }

  sorted(): readonly KeyValueRow[] {
    return [...this.rows.values()].sort((left, right) => compareKeys(left.key, right.key));
  }

  #applyOnce(command: Command) {
    const name = "idempotency" in command ? JSON.stringify(command.idempotency) : undefined;
    if (name === undefined) return { isReplayed: false, result: this.#apply(command) };
    const shown = JSON.stringify(
      command,
      (_, value) => value instanceof Uint8Array ? keyText(value) : value,
    );
    const known = this.#recall(name);
    if (known !== undefined && known.command === shown) {
      return { isReplayed: true, result: withoutReads(known.result) };
    }
    if (known !== undefined) {
      const firstIndex = toLogIndex(known.index);
      const kind = "idempotencyKeyReused" as const;
      return {
        isReplayed: false,
        result: { kind, firstIndex, revision: toLogIndex(this.revision) },
      };
    }
    const result = this.#apply(command);
    this.#remembered.set(name, { command: shown, index: this.index, result });
    return { isReplayed: false, result };
  }

  #recall(name: string): { command: string; index: number; result: CommandResult } | undefined {
    const known = this.#remembered.get(name);
    const isForgotten = known !== undefined && known.index <= this.index - this.#rememberedEntries;
    return isForgotten ? undefined : known;
  }

  #apply(command: Command): CommandResult {
    const outcome = this.#outcomeOf(command);
    return { ...outcome, revision: toLogIndex(this.revision) } as CommandResult;
  }

  #outcomeOf(command: Command): Outcome {
    switch (command.kind) {
      case "transaction":
        return this.#transact(command);
      case "grantLease": {
        if (this.leases.has(command.id)) return { kind: "leaseRefused", reason: "exists" };
        const { id, ttlSeconds } = command;
        this.leases.set(id, { id, ttlSeconds, ending: null, grantedIndex: toLogIndex(this.index) });
        return { kind: "leaseGranted", id, ttlSeconds };
      }
      case "revokeLease": {
        const wasThere = this.leases.has(command.id);
        const keysDeleted = this.#end([command.id], "revoked");
        const keysLeft = this.#keysOf(command.id).length;
        return { kind: "leaseRevoked", wasThere, keysDeleted, keysLeft };
      }
      case "expireLeases": {
        const ids = command.ids.filter((id) =>
          (this.leases.get(id)?.grantedIndex ?? 0) <= command.appliedIndex
        );
        const keysDeleted = this.#end(ids, "expired");
        const unfinished = ids.filter((id) => this.leases.has(id));
        return { kind: "leasesExpired", keysDeleted, unfinished };
      }
      case "compact": {
        const compactedRevision = toLogIndex(Math.min(command.revision, this.revision));
        return { kind: "compacted", compactedRevision };
      }
      case "createToken":
        if (this.#tokens.has(command.id)) return { kind: "tokenRefused", reason: "exists" };
        this.#tokens.add(command.id);
        return { kind: "tokenCreated", createRevision: toLogIndex(this.index) };
      case "revokeToken":
        return { kind: "tokenRevoked", revoked: this.#tokens.delete(command.id) };
      default:
        return command satisfies never;
    }
  }

  #keysOf(lease: number): readonly KeyValueRow[] {
    return this.sorted().filter((row) => row.lease === lease);
  }

  #end(ids: readonly number[], ending: LeaseEnd): number {
    let deleted = 0;
    for (const id of ids) {
      const row = this.leases.get(id);
      if (row === undefined) continue;
      const why = row.ending ?? ending;
      this.leases.set(id, { ...row, ending: why });
      for (const { key } of this.#keysOf(id).slice(0, LEASE_KEYS_PER_ENTRY - deleted)) {
        this.#change(key, { kind: why === "expired" ? "expire" : "delete", row: null });
        deleted++;
      }
      if (this.#keysOf(id).length === 0) this.leases.delete(id);
    }
    return deleted;
  }

  #change(key: Uint8Array, change: { kind: ChangeKind; row: KeyValueRow | null }): void {
    const previous = this.rows.get(keyText(key)) ?? null;
    if (change.row === null) this.rows.delete(keyText(key));
    else this.rows.set(keyText(key), change.row);
    this.revision = this.index;
    this.events.push({ revision: this.index, key, previous, ...change });
  }

  #transact(transaction: Transaction): Outcome {
    const before = {
      rows: new Map(this.rows),
      revision: this.revision,
      events: this.events.length,
    };
    try {
      const answer = this.#branch(transaction, before.rows);
      return { kind: "transaction", ...answer };
    } catch (error) {
      if (!(error instanceof ModelRefusal)) throw error;
      this.rows = before.rows;
      this.revision = before.revision;
      this.events.length = before.events;
      return { kind: "transactionRefused", reason: error.reason };
    }
  }

  #branch(transaction: Transaction, before: Rows): TransactionAnswer {
    const succeeded = transaction.conditions.every((condition) => holds(before, condition));
    const operations = succeeded ? transaction.success : transaction.failure;
    return { succeeded, answers: operations.map((operation) => this.#do(operation, before)) };
  }

  #do(operation: Operation, before: Rows): OperationAnswer {
    if (operation.kind === "transaction") {
      return { kind: "transaction", ...this.#branch(operation, before) };
    }
    if (operation.kind === "range") return read(this.rows, operation);
    if (operation.kind === "put") {
      const previous = this.rows.get(keyText(operation.key)) ?? null;
      const { key, lease } = operation;
      if (lease !== null && lease !== 0 && this.leases.get(lease)?.ending !== null) {
        throw new ModelRefusal("leaseNotFound");
      }
      const isKept = operation.value === null || operation.lease === null;
      if (previous === null && isKept) throw new ModelRefusal("keyNotFound");
      const row = {
        key,
        value: operation.value ?? previous?.value ?? new Uint8Array(),
        createRevision: previous?.createRevision ?? toLogIndex(this.index),
        modRevision: toLogIndex(this.index),
        version: (previous?.version ?? 0) + 1,
        lease: lease ?? previous?.lease ?? 0,
      };
      this.#change(key, { kind: "put", row });
      const { createRevision, version } = row;
      const shown = operation.isPreviousWanted ? { previous } : {};
      return { kind: "put", createRevision, version, ...shown };
    }
    const previous = within(this.rows, operation.keys);
    for (const { key } of previous) this.#change(key, { kind: "delete", row: null });
    const shown = operation.isPreviousWanted ? { previous } : {};
    return { kind: "delete", deleted: previous.length, ...shown };
  }
}

class ModelRefusal extends Error {
  constructor(readonly reason: "keyNotFound" | "leaseNotFound") {
    super(reason);
  }
}

/** The rows of a range, in order. */
export function within(rows: Rows, keys: KeyRange): readonly KeyValueRow[] {
  return [...rows.values()].filter(({ key }) => inRange(keys, key))
    .sort((left, right) => compareKeys(left.key, right.key));
}

function read(rows: Rows, operation: RangeOperation): OperationAnswer {
  const { limit = Infinity, sortBy, order, show } = operation;
  const found = within(rows, operation.keys).filter((row) =>
    row.modRevision >= (operation.modRevisionMin ?? 0) &&
    row.modRevision <= (operation.modRevisionMax ?? Infinity) &&
    row.createRevision >= (operation.createRevisionMin ?? 0) &&
    row.createRevision <= (operation.createRevisionMax ?? Infinity)
  );
  const direction = order === "ascending" ? 1 : -1;
  const sorted = found.toSorted((left, right) =>
    direction *
    (sortBy === "key" || sortBy === "value"
      ? compareKeys(left[sortBy], right[sortBy])
      : left[sortBy] - right[sortBy])
  );
  const isCounted = sortBy !== "key" || operation.countAll || show === "count";
  const count = isCounted ? found.length : Math.min(found.length, limit);
  if (show === "count") return { kind: "range", rows: [], count, hasMore: false };
  const shown = sorted.slice(0, limit).map((row) =>
    show === "keys" ? { ...row, value: new Uint8Array() } : row
  );
  return { kind: "range", rows: shown, count, hasMore: found.length > limit };
}

function holds(rows: Rows, condition: Condition): boolean {
  if (condition.target === "fence") return fenceOf(rows, condition.lock) === condition.revision;
  const found = within(rows, condition.keys);
  if (condition.target === "exists") return (found.length > 0) === condition.exists;
  if (condition.target === "value") {
    const { relation, value } = condition;
    return found.length > 0 &&
      found.every((row) => isRelated(compareKeys(row.value, value), relation));
  }
  const { target, relation, number } = condition;
  const numbers = found.length === 0 ? [0] : found.map((row) => row[target]);
  return numbers.every((there) => isRelated(there - number, relation));
}

/** The first claim's createRevision; null where nobody claims the lock. */
function fenceOf(rows: Rows, lock: Uint8Array): number | null {
  const claims = [...rows.values()].filter(({ key, lease }) =>
    lease !== 0 && keyText(key) === `${keyText(lock)}/${lease.toString(16)}`
  );
  if (claims.length === 0) return null;
  return Math.min(...claims.map(({ createRevision }) => createRevision));
}

function isRelated(difference: number, relation: "=" | "!=" | "<" | ">"): boolean {
  if (relation === "=") return difference === 0;
  if (relation === "!=") return difference !== 0;
  return relation === "<" ? difference < 0 : difference > 0;
}

/** A result as a retry gets it. */
function withoutReads(result: CommandResult): CommandResult {
  return result.kind === "transaction" ? { ...result, ...forgetReads(result) } : result;
}

function forgetReads({ succeeded, answers }: TransactionAnswer): TransactionAnswer {
  return {
    succeeded,
    answers: answers.map((answer): OperationAnswer => {
      if (answer.kind === "range") return { kind: "notRemembered" };
      if (answer.kind === "transaction") return { kind: "transaction", ...forgetReads(answer) };
      if (!("previous" in answer)) return answer;
      const { previous: _, ...rest } = answer;
      return rest;
    }),
  };
}
