/**
 * What clients asked and were answered, and whether that is what one register a key would have
 * answered, each write taking effect at most once.
 *
 * @module
 */

import { decodeUtf8, encodeHex } from "../../lib/bytes.ts";
import {
  type AppliedEntry,
  type Command,
  type CommandResult,
  decodeCommand,
  singleKeyOf,
  Store,
} from "../../lib/kv/mod.ts";
import type { Entry } from "../../lib/raft/mod.ts";
import { type LogIndex, toLogIndex } from "../../lib/types.ts";
import { checkLinearizable, type Model, type Operation } from "../support/linearizability.ts";
import { storeLimitsOf } from "./more_scenario.ts";
import { require, Violation } from "./violation.ts";

/** What a conditional write expects. */
export interface Expected {
  /** The key's value, null for no such key; undefined where anything will do. */
  readonly value: string | null | undefined;
}

/** Expects nothing in particular. */
export const ANYTHING: Expected = { value: undefined };

/** A client writes. */
export interface WriteRequest {
  /** The tag. */
  readonly kind: "write";
  /** What is written. */
  readonly command: Command;
  /** Whether it is asked again when its outcome is unknown; then it has an idempotency key. */
  readonly isRetried: boolean;
  /** What the condition stands for: every value is written once, so it stands for its revision. */
  readonly expected: Expected;
}

/** What a client asks. */
export type Request =
  | { readonly kind: "get"; readonly key: string; readonly lease: boolean }
  | WriteRequest;

/** How it ended. */
export type Ending =
  /** A read's value, null for no such key. */
  | { readonly kind: "read"; readonly value: string | null }
  /** A write's result. */
  | { readonly kind: "written"; readonly result: CommandResult }
  /** It had no effect and never will have. */
  | { readonly kind: "failed" }
  /** Nobody knows. */
  | { readonly kind: "unknown" };

/** One request with its ending. */
export interface Exchange {
  /** What was asked. */
  readonly request: Request;
  /** When. */
  readonly calledUs: number;
  /** How it ended; unknown while it has not. */
  ending: Ending;
  /** When. */
  returnedUs: number;
}

/** Everything that all clients did. */
export class History {
  readonly #exchanges: Exchange[] = [];
  #ackedRevision = toLogIndex(0);

  /** All exchanges, in the order in which they began. */
  get exchanges(): readonly Exchange[] {
    return this.#exchanges;
  }

  /** The highest revision that any client was told of: no later read may stop short of it. */
  get ackedRevision(): LogIndex {
    return this.#ackedRevision;
  }

  /** An exchange ended. */
  end(exchange: Exchange, ending: Ending, returnedUs: number): void {
    exchange.ending = ending;
    exchange.returnedUs = returnedUs;
    if (ending.kind !== "written") return;
    const { revision } = ending.result;
    if (revision > this.#ackedRevision) this.#ackedRevision = revision;
  }

  /** A client asks. */
  begin(request: Request, calledUs: number): Exchange {
    const ending = { kind: "unknown" } as const;
    const exchange: Exchange = { request, calledUs, ending, returnedUs: Infinity };
    this.#exchanges.push(exchange);
    return exchange;
  }

  /**
   * Compares all answers with the committed log and with each other. `rememberedEntries` is for how many
   * entries a write is remembered; then it may take effect once more.
   *
   * @returns for how many keys the search for an order was given up.
   * @throws {Violation} when the answers fit no order, or do not fit the log.
   */
  check(committed: readonly Entry[], rememberedEntries: number | null = null): number {
    const outcomes = new Store(storeLimitsOf({ rememberedEntries, store: null })).apply(committed);
    const places = placesByWrite(committed, outcomes);
    checkAgainstLog(this.#exchanges, { outcomes, places, window: rememberedEntries ?? Infinity });
    let givenUp = 0;
    const byKey = Map.groupBy(this.#exchanges, ({ request }) => keyOf(request));
    for (const key of keysOfForgotten(committed, outcomes)) byKey.delete(key);
    // Tokens are compared with the log, as all writes are.
    byKey.delete(null);
    for (const [key, exchanges] of byKey) {
      if (key !== null && !checkKey(key, exchanges, places)) givenUp++;
    }
    return givenUp;
  }
}

/** Most states in the search for one key's order. */
const STATES_MAX = 20_000;

type KeyInput =
  | { readonly kind: "get" }
  | { readonly kind: "put"; readonly value: string; readonly expected: Expected }
  | { readonly kind: "delete"; readonly expected: Expected };
type KeyOutput =
  | { readonly kind: "value"; readonly value: string | null }
  | { readonly kind: "put"; readonly isDone: boolean }
  | { readonly kind: "deleteRefused" }
  | { readonly kind: "deleted"; readonly deleted: boolean };

/** One key: a register that can be empty, with compare-and-set. */
const REGISTER: Model<string | null, KeyInput, KeyOutput> = {
  initial: null,
  describe: (state) => state ?? "-",
  step: (state, input, output) => {
    switch (input.kind) {
      case "get":
        return output?.kind === "value" && output.value === state ? state : undefined;
      case "put": {
        const { value } = input.expected;
        const isDone = value === undefined || value === state;
        if (output?.kind === "put" && output.isDone !== isDone) return undefined;
        return isDone ? input.value : state;
      }
      case "delete": {
        const { value } = input.expected;
        const isDone = value === undefined || value === state;
        if (output !== null && (output.kind === "deleted") !== isDone) return undefined;
        if (output?.kind === "deleted" && output.deleted !== (state !== null)) return undefined;
        return isDone ? null : state;
      }
      default:
        return input satisfies never;
    }
  },
};

/** Searches an order for one key; false when that was given up. */
function checkKey(
  key: string,
  exchanges: readonly Exchange[],
  places: ReadonlyMap<string, readonly number[]>,
): boolean {
  const operations = exchanges.filter(({ request, ending }) => {
    // A write of unknown outcome that is not in the log has not happened, and will not any more.
    return request.kind === "get" || ending.kind !== "unknown" ||
      places.has(nameOf(request.command));
  }).map(toOperation).filter((operation) => operation !== null);
  const verdict = checkLinearizable(REGISTER, operations, { statesMax: STATES_MAX });
  if (verdict.kind === "violation") {
    throw new Violation(
      "Clients' histories are linearizable",
      `key ${key}: no order for ${operations.length} operations, at most ${verdict.longest} fit`,
    );
  }
  return verdict.kind === "linearizable";
}

function toOperation(exchange: Exchange): Operation<KeyInput, KeyOutput> | null {
  const { request, ending, calledUs: calledAt, returnedUs: returnedAt } = exchange;
  if (ending.kind === "failed") return null;
  if (request.kind === "get") {
    if (ending.kind !== "read") return null;
    const output = { kind: "value", value: ending.value } as const;
    return { input: { kind: "get" }, output, calledAt, returnedAt };
  }
  const effect = effectOf(request.command);
  if (!("key" in effect)) return null;
  const { expected } = request;
  const input: KeyInput = effect.kind === "put"
    ? { kind: "put", value: effect.value, expected }
    : { kind: "delete", expected };
  return { input, output: toOutput(ending, input.kind), calledAt, returnedAt };
}

function toOutput(ending: Ending, kind: KeyInput["kind"]): KeyOutput | null {
  if (ending.kind !== "written") return null;
  const { result } = ending;
  const [done] = result.kind === "transaction" ? result.answers : [];
  if (kind === "put") return { kind: "put", isDone: done?.kind === "put" };
  if (done?.kind !== "delete") return { kind: "deleteRefused" };
  return { kind: "deleted", deleted: done.deleted > 0 };
}

/**
 * Every write stands in the log as often as its answer says: once where it was acknowledged, with the
 * result that the log gives it, never where it was refused, and never twice in effect.
 */
function checkAgainstLog(
  exchanges: readonly Exchange[],
  log: {
    readonly outcomes: readonly AppliedEntry[];
    readonly places: ReadonlyMap<string, readonly number[]>;
    /** For how many entries a write takes effect once. */
    readonly window: number;
  },
): void {
  const { outcomes, window } = log;
  for (const { request, ending } of exchanges) {
    if (request.kind !== "write") continue;
    const places = log.places.get(nameOf(request.command)) ?? [];
    checkWrite(request.command, ending, { outcomes, places, window });
  }
}

function checkWrite(
  command: Command,
  ending: Ending,
  log: {
    readonly outcomes: readonly AppliedEntry[];
    readonly places: readonly number[];
    readonly window: number;
  },
): void {
  const name = nameOf(command);
  const isOnce = log.places.every((place, at) =>
    place - (log.places[at - 1] ?? -Infinity) >= log.window || at === 0
  );
  require(isOnce, "A write takes effect once", () => {
    return `${name} took effect at ${log.places.join(" and ")}`;
  });
  const [place = 0] = log.places;
  if (ending.kind === "failed") {
    require(
      place === 0,
      "A refused write takes no effect",
      () => `${name} took effect at ${place}`,
    );
  }
  if (ending.kind !== "written" || ending.result.kind === "idempotencyKeyReused") return;
  const answered = JSON.stringify(ending.result);
  const outcomes = log.places.map((at) => log.outcomes[at - 1]);
  const isThere = outcomes.some((outcome) =>
    outcome?.kind === "command" && JSON.stringify(outcome.result) === answered
  );
  require(isThere, "An acknowledged write is in the log", () => {
    return `${name} was answered ${answered}, but the log has ${JSON.stringify(outcomes)}`;
  });
}

/** Where each write was decided: where its result is its own, and not a remembered one. */
function placesByWrite(
  committed: readonly Entry[],
  outcomes: readonly AppliedEntry[],
): Map<string, number[]> {
  const places = new Map<string, number[]>();
  committed.forEach(({ kind, data, index }, position) => {
    const outcome = outcomes[position];
    if (kind !== "command" || outcome?.kind !== "command") return;
    if (outcome.result.kind === "idempotencyKeyReused") return;
    const name = nameOf(decodeCommand(data));
    const earlier = places.get(name);
    if (earlier === undefined) places.set(name, [index]);
    else earlier.push(index);
  });
  return places;
}

/**
 * Keys with a write under an idempotency key that was used before and is forgotten by now. It took effect,
 * as is promised, and what clients know of these keys fits no order of their own writes.
 */
function keysOfForgotten(
  committed: readonly Entry[],
  outcomes: readonly AppliedEntry[],
): ReadonlySet<string> {
  const used = new Set<string>();
  const keys = new Set<string>();
  committed.forEach(({ kind, data }, position) => {
    const outcome = outcomes[position];
    if (kind !== "command" || outcome?.kind !== "command") return;
    const command = decodeCommand(data);
    const name = idempotencyKeyOf(command);
    if (name === null || outcome.result.kind === "idempotencyKeyReused") return;
    const effect = effectOf(command);
    if (used.has(name) && "key" in effect) keys.add(effect.key);
    used.add(name);
  });
  return keys;
}

function idempotencyKeyOf(command: Command): string | null {
  return "idempotency" in command ? command.idempotency?.key ?? null : null;
}

/** What a simulated client's write is about. */
type Effect =
  | { readonly kind: "put"; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly key: string }
  | { readonly kind: "other"; readonly what: string };

/** The one operation of a command, its value in hex. */
export function effectOf(command: Command): Effect {
  const [operation] = command.kind === "transaction" ? command.success : [];
  if (operation?.kind === "put") {
    const value = encodeHex(operation.value ?? new Uint8Array());
    return { kind: "put", key: decodeUtf8(operation.key), value };
  }
  const key = operation?.kind === "delete" ? singleKeyOf(operation.keys) : null;
  if (key !== null) return { kind: "delete", key: decodeUtf8(key) };
  return { kind: "other", what: "id" in command ? `${command.kind} ${command.id}` : command.kind };
}

/** A name for a write: every value that a simulated client writes is written once. */
function nameOf(command: Command): string {
  const effect = effectOf(command);
  if (effect.kind === "put") return `put ${effect.value}`;
  const name = idempotencyKeyOf(command) ?? "";
  return effect.kind === "delete" ? `delete ${effect.key} ${name}` : `${effect.what} ${name}`;
}

function keyOf(request: Request): string | null {
  if (request.kind === "get") return request.key;
  const effect = effectOf(request.command);
  return "key" in effect ? effect.key : null;
}
