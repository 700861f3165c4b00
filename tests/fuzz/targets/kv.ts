/**
 * What the state machine reads: commands out of the log, and what it remembers of writes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeHex, encodeUtf8 } from "../../../lib/bytes.ts";
import { InputError } from "../../../lib/errors.ts";
import type { Command, CommandOptions } from "../../../lib/kv/command.ts";
import { decodeCommand, encodeCommand, isCommand } from "../../../lib/kv/command_codec.ts";
import { type KeyRange, keysWithPrefix, singleKey } from "../../../lib/kv/key_range.ts";
import { SECRET_DIGEST_BYTES } from "../../../lib/kv/token.ts";
import {
  type Condition,
  NUMBER_TARGETS,
  type Operation,
  RANGE_SHOWS,
  RELATIONS,
  SORT_TARGETS,
  type Transaction,
} from "../../../lib/kv/transaction.ts";
import {
  decodeRememberedResult,
  encodeRememberedResult,
  type RememberedResult,
} from "../../../lib/kv/write_memory.ts";
import { TOKEN_ID_LENGTH } from "../../../lib/limits.ts";
import { toLogIndex, toTerm } from "../../../lib/types.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { bytesTarget, refusing, type Target } from "../target.ts";
import { drawCount, drawText } from "../values.ts";

/** Commands, which any member can propose and every node must read. One command has one form. */
export const commands: Target = bytesTarget({
  name: "commands",
  share: 150,
  draw: (random) => {
    const bytes = encodeValid(random);
    // The version is right most of the time, so that what follows is looked at.
    const mutated = random.chance(0.8) ? mutateBytes(bytes, random) : bytes;
    if (mutated.length > 0 && random.chance(0.9)) mutated[0] = bytes[0] ?? 0;
    return mutated;
  },
  give: (bytes) => {
    const readable = isCommand(bytes);
    return refusing([InputError], () => {
      assert.deepEqual(encodeCommand(decodeCommand(bytes)), bytes);
      assert.equal(readable, true);
    });
  },
});

/** Answers of earlier writes, which come with a snapshot. */
export const results: Target = bytesTarget({
  name: "results",
  share: 60,
  draw: (random) => {
    const bytes = encodeRememberedResult(drawResult(random));
    return random.chance(0.8) ? mutateBytes(bytes, random) : bytes;
  },
  give: (bytes) =>
    refusing([InputError], () => {
      assert.deepEqual(encodeRememberedResult(decodeRememberedResult(bytes)), bytes);
    }),
});

/** A command that changes a key twice cannot be written: another is drawn then. */
function encodeValid(random: Random): Uint8Array<ArrayBuffer> {
  for (;;) {
    try {
      return encodeCommand(drawCommand(random));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
}

function drawCommand(random: Random): Command {
  const options: CommandOptions = random.chance(0.5) ? {} : {
    idempotency: { token: random.chance(0.5) ? null : drawTokenId(random), key: "attempt-1" },
  };
  const id = 1 + drawCount(random) % 1000;
  switch (random.below(10)) {
    case 0:
      return { kind: "grantLease", id, ttlSeconds: 1 + random.below(80_000), ...options };
    case 1:
      return { kind: "revokeLease", id, ...options };
    case 2:
      return {
        kind: "expireLeases",
        term: toTerm(drawCount(random)),
        appliedIndex: toLogIndex(drawCount(random)),
        ids: [id, id + 1],
      };
    case 3:
      return { kind: "compact", revision: drawCount(random), ...options };
    case 4:
      return { kind: "revokeToken", id: drawTokenId(random), ...options };
    case 5:
      return { ...drawToken(random), ...options };
    default:
      return { kind: "transaction", ...drawTransaction(random, 2), ...options };
  }
}

function drawTokenId(random: Random): string {
  return encodeHex(random.bytes(TOKEN_ID_LENGTH / 2));
}

function drawToken(random: Random): Extract<Command, { readonly kind: "createToken" }> {
  return {
    kind: "createToken",
    id: drawTokenId(random),
    secretDigest: random.bytes(SECRET_DIGEST_BYTES),
    name: random.pick(["", "ci"]),
    scopes: random.pick([["read"], ["read", "write"]]),
    prefixes: Array.from(
      { length: random.below(3) },
      () => drawText(random).toWellFormed().slice(0, 300) || "p",
    ),
    expiresAtMs: random.chance(0.5) ? null : 1 + random.below(2 ** 40),
  };
}

function drawTransaction(random: Random, depth: number): Transaction {
  const several = <Item>(draw: () => Item) => Array.from({ length: random.below(3) }, draw);
  return {
    conditions: several(() => drawCondition(random)),
    success: several(() => drawOperation(random, depth)),
    failure: several(() => drawOperation(random, depth)),
  };
}

function drawCondition(random: Random): Condition {
  const keys = drawRange(random);
  const relation = random.pick(RELATIONS);
  switch (random.below(4)) {
    case 0:
      return { target: "fence", lock: drawKey(random), revision: drawCount(random) };
    case 1:
      return { target: "exists", keys, exists: random.chance(0.5) };
    case 2:
      return { target: "value", keys, relation, value: random.bytes(random.below(20)) };
    default:
      return { target: random.pick(NUMBER_TARGETS), keys, relation, number: drawCount(random) };
  }
}

function drawOperation(random: Random, depth: number): Operation {
  const isPreviousWanted = random.chance(0.3);
  switch (random.below(depth === 0 ? 3 : 4)) {
    case 0:
      return { kind: "delete", keys: drawRange(random), isPreviousWanted };
    case 1:
      return {
        kind: "range",
        keys: drawRange(random),
        sortBy: random.pick(SORT_TARGETS),
        order: random.pick(["ascending", "descending"]),
        show: random.pick(RANGE_SHOWS),
        countAll: random.chance(0.5),
        ...(random.chance(0.5) ? { limit: 1 + random.below(9) } : {}),
        ...(random.chance(0.5) ? { modRevisionMin: drawCount(random) } : {}),
      };
    case 2: {
      const value = random.chance(0.8) ? random.bytes(random.below(60)) : null;
      const lease = random.chance(0.8) ? random.below(5) : null;
      return { kind: "put", key: drawKey(random), value, lease, isPreviousWanted };
    }
    default:
      return { kind: "transaction", ...drawTransaction(random, depth - 1) };
  }
}

function drawRange(random: Random): KeyRange {
  const key = drawKey(random);
  if (random.chance(0.4)) return singleKey(key);
  if (random.chance(0.4)) return keysWithPrefix(key);
  return { start: key, end: random.chance(0.5) ? null : drawKey(random) };
}

function drawKey(random: Random): Uint8Array {
  const text = encodeUtf8(drawText(random).toWellFormed().slice(0, 100));
  return text.length === 0 ? Uint8Array.of(0) : text;
}

function drawResult(random: Random): RememberedResult {
  const revision = toLogIndex(drawCount(random));
  const answer = random.pick(
    [
      { kind: "put", createRevision: revision, version: 1 },
      { kind: "delete", deleted: 3 },
      { kind: "notRemembered" },
    ] as const,
  );
  const nested = { kind: "transaction", succeeded: false, answers: [answer, answer] } as const;
  return random.pick<RememberedResult>([
    { ...nested, answers: [answer, nested], revision },
    { kind: "transactionRefused", reason: "keyNotFound", revision },
    { kind: "leaseGranted", id: 7, ttlSeconds: 60, revision },
    { kind: "leaseRevoked", wasThere: true, keysDeleted: 4, keysLeft: 0, revision },
    { kind: "compacted", compactedRevision: revision, revision },
    { kind: "tokenCreated", createRevision: revision, revision },
    { kind: "tokenRefused", reason: "exists", revision },
    { kind: "tokenRevoked", revoked: false, revision },
  ]);
}
