/** Any commands, over few keys, so that they meet. */

import fc from "fast-check";
import { InputError } from "../../lib/errors.ts";
import { ALL_KEYS, type KeyRange, keysWithPrefix, singleKey } from "../../lib/kv/key_range.ts";
import type { Command } from "../../lib/kv/command.ts";
import {
  checkTransaction,
  type Condition,
  NUMBER_TARGETS,
  type Operation,
  RANGE_SHOWS,
  RELATIONS,
  SORT_TARGETS,
  type Transaction,
} from "../../lib/kv/transaction.ts";
import { ANY_INDEX, bytes, TERM } from "./support.ts";

export const KEYS: readonly Uint8Array[] = [
  bytes("a"),
  bytes("a/1"),
  bytes("a/2/x"),
  bytes("a/2/y"),
  bytes("ab"),
  bytes("b"),
  Uint8Array.of(0),
  Uint8Array.of(0x61, 0xff),
  Uint8Array.of(0xff),
  Uint8Array.of(0xff, 0xff, 1),
];

export const key = fc.constantFrom(...KEYS);

export const keyRange: fc.Arbitrary<KeyRange> = fc.oneof(
  key.map(singleKey),
  key.map(keysWithPrefix),
  fc.constant(ALL_KEYS),
  fc.tuple(key, fc.option(key)).map(([start, end]) => ({ start, end })),
);

const value = fc.uint8Array({ maxLength: 3 });
const relation = fc.constantFrom(...RELATIONS);
const lease = fc.integer({ min: 0, max: 3 });
const number = fc.integer({ min: 0, max: 20 });

const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ target: fc.constant("value" as const), keys: keyRange, relation, value }),
  fc.record({ target: fc.constantFrom(...NUMBER_TARGETS), keys: keyRange, relation, number }),
  fc.record({ target: fc.constant("exists" as const), keys: keyRange, exists: fc.boolean() }),
);

const flat: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      key,
      value: fc.option(value, { freq: 5 }),
      lease: fc.option(fc.oneof(fc.constant(0), lease), { freq: 5 }),
      isPreviousWanted: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      keys: keyRange,
      isPreviousWanted: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("range" as const),
      keys: keyRange,
      sortBy: fc.constantFrom(...SORT_TARGETS),
      order: fc.constantFrom("ascending" as const, "descending" as const),
      show: fc.constantFrom(...RANGE_SHOWS),
      countAll: fc.boolean(),
      limit: fc.integer({ min: 1, max: 4 }),
      modRevisionMin: number,
      modRevisionMax: number,
      createRevisionMin: number,
      createRevisionMax: number,
    }, {
      requiredKeys: ["kind", "keys", "sortBy", "order", "show", "countAll"],
    }),
  },
);

/** A transaction whose operations are these, or fewer if they could change a key twice. */
function toTransaction(operation: fc.Arbitrary<Operation>): fc.Arbitrary<Transaction> {
  return fc.record({
    conditions: fc.array(condition, { maxLength: 2 }),
    success: fc.array(operation, { maxLength: 4 }).map(withoutTwice),
    failure: fc.array(operation, { maxLength: 2 }).map(withoutTwice),
  });
}

function withoutTwice(operations: readonly Operation[]): readonly Operation[] {
  const kept: Operation[] = [];
  for (const operation of operations) {
    try {
      checkTransaction({ conditions: [], success: [...kept, operation], failure: [] });
      kept.push(operation);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  return kept;
}

const nested: fc.Arbitrary<Operation> = toTransaction(flat).map((inner) => ({
  kind: "transaction" as const,
  ...inner,
}));

export const anyTransaction: fc.Arbitrary<Transaction> = toTransaction(
  fc.oneof({ weight: 5, arbitrary: flat }, { weight: 1, arbitrary: nested }),
);

const idempotency = fc.record({
  token: fc.constantFrom(null, "0123456789abcdef"),
  key: fc.constantFrom("one", "two"),
});

/** Any command but those for tokens. */
export const anyCommand: fc.Arbitrary<Command> = fc.tuple(
  fc.oneof(
    {
      weight: 12,
      arbitrary: anyTransaction.map((parts) => ({ kind: "transaction" as const, ...parts })),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("grantLease" as const),
        id: fc.integer({ min: 1, max: 3 }),
        ttlSeconds: fc.integer({ min: 1, max: 86_400 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("revokeLease" as const),
        id: fc.integer({ min: 1, max: 3 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("compact" as const),
        revision: fc.integer({ min: 0, max: 30 }),
      }),
    },
  ),
  fc.option(idempotency, { nil: undefined, freq: 5 }),
).map(([command, named]) => named === undefined ? command : { ...command, idempotency: named });

/** Any command but those for tokens, expiries included. */
export const anyEntry: fc.Arbitrary<Command> = fc.oneof(
  { weight: 15, arbitrary: anyCommand },
  {
    weight: 1,
    arbitrary: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { minLength: 1 }).map((ids) => ({
      kind: "expireLeases" as const,
      term: TERM,
      appliedIndex: ANY_INDEX,
      ids: ids.sort((left, right) => left - right),
    })),
  },
);
