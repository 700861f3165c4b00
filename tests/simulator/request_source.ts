/**
 * What a simulated client asks for: reads, puts, deletions and tokens, by chance, some of them only on the
 * condition that what it saw last is still there.
 *
 * @module
 */

import { encodeUtf8 } from "../../lib/bytes.ts";
import {
  type Command,
  type CommandOptions,
  type Operation,
  SECRET_DIGEST_BYTES,
  singleKey,
  TOKEN_ID_LENGTH,
  type TransactionCommand,
} from "../../lib/kv/mod.ts";
import type { LogIndex } from "../../lib/types.ts";
import type { ClientOptions } from "./client.ts";
import { ANYTHING, type Request, type WriteRequest } from "./history.ts";

/** What was read of a key. */
interface Seen {
  /** In hex; null when there was no such key. */
  readonly value: string | null;
  /** 0 when there was no such key. */
  readonly modRevision: LogIndex;
}

type SourceOptions = Pick<ClientOptions, "name" | "random" | "workload" | "counters">;

/** See the module. */
export class RequestSource {
  readonly #options: SourceOptions;
  readonly #seen = new Map<string, Seen>();
  #count = 0;

  /** The requests of one client. */
  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /** A read's answer: later conditions are about it. */
  saw(key: string, seen: Seen): void {
    this.#seen.set(key, seen);
  }

  /** Something to read or to write. */
  draw(): Request {
    const { random, workload } = this.#options;
    if (random.chance(workload.tokenShare)) return this.#drawTokenRequest();
    const key = `key ${random.below(workload.keys)}`;
    if (random.chance(workload.readShare)) {
      return { kind: "get", key, lease: random.chance(workload.leaseShare) };
    }
    const isRetried = random.chance(workload.retryShare);
    const isDelete = random.chance(workload.deleteShare);
    const idempotencyKey = `${this.#options.name}-${++this.#count}`;
    // A deletion always has a name of its own, so that it can be found in the log.
    const named = isRetried || isDelete
      ? { idempotency: { token: null, key: idempotencyKey } }
      : {};
    const operation: Operation = isDelete
      ? { kind: "delete", keys: singleKey(encodeUtf8(key)), isPreviousWanted: false }
      : this.put(key);
    const command = toCommand(operation, named);
    return { kind: "write", isRetried, ...this.#drawCondition(command, { key, isDelete }) };
  }

  /** Tokens with prefixes, a few of which come and go. */
  #drawTokenRequest(): Request {
    const { random, counters, name } = this.#options;
    const idempotency = { token: null, key: `${name}-${++this.#count}` };
    const id = random.below(4).toString(16).padStart(TOKEN_ID_LENGTH, "0");
    const isRevoked = random.chance(0.4);
    counters.count(isRevoked ? "habit.revokeToken" : "habit.createToken");
    const command: Command = isRevoked ? { kind: "revokeToken", id, idempotency } : {
      kind: "createToken",
      id,
      secretDigest: random.bytes(SECRET_DIGEST_BYTES),
      name,
      scopes: ["read", "write"],
      prefixes: ["key "],
      expiresAtMs: null,
      idempotency,
    };
    return { kind: "write", command, isRetried: true, expected: ANYTHING };
  }

  /** A value that nobody else writes. */
  put(key: string): Operation {
    const { random, workload, name } = this.#options;
    const padding = ".".repeat(random.below(workload.valueBytesMax));
    const value = encodeUtf8(`${name} ${++this.#count} ${padding}`);
    return { kind: "put", key: encodeUtf8(key), value, lease: 0, isPreviousWanted: false };
  }

  /** Names the revision that was last seen, that of no key, or none. */
  #drawCondition(
    command: TransactionCommand,
    { key, isDelete }: { readonly key: string; readonly isDelete: boolean },
  ): Pick<WriteRequest, "command" | "expected"> {
    const { random, workload, counters } = this.#options;
    if (!isDelete && random.chance(workload.strictShare)) {
      counters.count("habit.putIfAbsent");
      return { command: onlyAt(command, { key, modRevision: 0 }), expected: { value: null } };
    }
    const share = isDelete ? workload.strictShare : workload.conditionShare;
    const seen = this.#seen.get(key);
    if (seen === undefined || !random.chance(share)) return { command, expected: ANYTHING };
    if (isDelete) counters.count("habit.strictDelete");
    return { command: onlyAt(command, { key, modRevision: seen.modRevision }), expected: seen };
  }
}

/** A write of one operation. */
export function toCommand(operation: Operation, options: CommandOptions): TransactionCommand {
  return { kind: "transaction", conditions: [], success: [operation], failure: [], ...options };
}

/** The command, as far as the key has this modRevision; 0 stands for no key. */
function onlyAt(
  command: TransactionCommand,
  { key, modRevision }: { readonly key: string; readonly modRevision: number },
): TransactionCommand {
  const keys = singleKey(encodeUtf8(key));
  return {
    ...command,
    conditions: [{ target: "modRevision", keys, relation: "=", number: modRevision }],
  };
}
