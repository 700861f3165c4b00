/**
 * What the clients asked and were answered, and whether one register a key would have answered that.
 *
 * @module
 */

import type { KeyValueRow } from "../../lib/kv/mod.ts";
import { checkLinearizable, type Model, type Operation } from "../support/linearizability.ts";

/** A key's value as a client saw it. No two writes write the same value. */
export interface Seen {
  /** The value. */
  readonly value: string;
  /** Revision of the write that wrote it. */
  readonly revision: number;
}

/** What a client asks. */
export type Request =
  /** A linearizable read, or one on the leader's lease, which must be linearizable as well. */
  | { readonly kind: "get"; readonly key: string; readonly consistency: "linearizable" | "lease" }
  | { readonly kind: "put"; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly key: string }
  /** A put on condition that the key has, or does not have, what was seen; null: there is none. */
  | {
    readonly kind: "swap";
    readonly key: string;
    readonly expected: Seen | null;
    readonly value: string;
  };

/** How it ended. */
export type Ending =
  /** A read found this, or nothing. */
  | { readonly kind: "read"; readonly row: Seen | null }
  /** A put or a swap was done. */
  | { readonly kind: "written"; readonly revision: number }
  /** A deletion was done, of something or of nothing. */
  | { readonly kind: "deleted"; readonly deleted: boolean; readonly revision: number }
  /**
   * A swap's condition did not hold: the key has this revision, or for null does not exist. A replayed
   * answer does not say which: undefined.
   */
  | { readonly kind: "refused"; readonly revision: number | null | undefined }
  /** It had no effect and never will have. `why` says what every attempt was told, for people. */
  | { readonly kind: "failed"; readonly why: string }
  /** Nobody knows. */
  | { readonly kind: "unknown"; readonly why: string };

/** One request with its ending. Times are of one clock that all clients share. */
export interface Exchange {
  /** What was asked. */
  readonly request: Request;
  /** When. */
  readonly calledMs: number;
  /** How it ended. */
  readonly ending: Ending;
  /** When. */
  readonly returnedMs: number;
}

/** One line for each exchange, in the order in which they ended. */
export function formatHistory(exchanges: readonly Exchange[]): string {
  const lines = exchanges.map(({ request, ending, calledMs, returnedMs }) => {
    const times = `${calledMs.toFixed(1)} to ${returnedMs.toFixed(1)} ms`;
    return `${times}: ${JSON.stringify(request)} -> ${JSON.stringify(ending)}\n`;
  });
  return lines.join("");
}

/** Everything wrong with a history, given what the key space holds in the end; empty if nothing is. */
export function checkHistory(
  exchanges: readonly Exchange[],
  rows: ReadonlyMap<string, KeyValueRow>,
): string[] {
  const { values, violations } = collectValues(exchanges);
  for (const [key, ofKey] of Map.groupBy(exchanges, ({ request }) => request.key)) {
    violations.push(...checkAcknowledged(key, ofKey, rows.get(key) ?? null));
    violations.push(...checkOrder(key, ofKey, values));
  }
  return violations;
}

type Values = ReadonlyMap<number, { readonly key: string; readonly value: string }>;

/** Which value each revision wrote, by all that the clients saw: a revision is one place in one log. */
function collectValues(
  exchanges: readonly Exchange[],
): { readonly values: Values; readonly violations: string[] } {
  const values = new Map<number, { readonly key: string; readonly value: string }>();
  const violations: string[] = [];
  for (const exchange of exchanges) {
    const seen = seenBy(exchange);
    if (seen === null) continue;
    const { key } = exchange.request;
    const known = values.get(seen.revision);
    if (known === undefined) values.set(seen.revision, { key, value: seen.value });
    else if (known.key !== key || known.value !== seen.value) {
      violations.push(
        `Revision ${seen.revision} was seen as ${known.key} = ${known.value} and as ` +
          `${key} = ${seen.value}`,
      );
    }
  }
  return { values, violations };
}

/** The value that a client knows the key to have had, and its revision. */
export function seenBy({ request, ending }: Pick<Exchange, "request" | "ending">): Seen | null {
  if (ending.kind === "read") return ending.row;
  if (ending.kind !== "written" || !("value" in request)) return null;
  return { value: request.value, revision: ending.revision };
}

/** The last acknowledged write of a key is what it holds, or something later took its place. */
function checkAcknowledged(
  key: string,
  exchanges: readonly Exchange[],
  row: KeyValueRow | null,
): string[] {
  let last = { revision: 0, value: null as string | null };
  let mayBeDeleted = false;
  for (const exchange of exchanges) {
    const { request, ending } = exchange;
    mayBeDeleted ||= request.kind === "delete" && ending.kind === "unknown";
    if (ending.kind !== "written" && ending.kind !== "deleted") continue;
    if (ending.revision < last.revision) continue;
    last = { revision: ending.revision, value: seenBy(exchange)?.value ?? null };
  }
  const holds = row === null
    ? last.value === null || mayBeDeleted
    : row.modRevision > last.revision ||
      (row.modRevision === last.revision && new TextDecoder().decode(row.value) === last.value);
  if (holds) return [];
  const found = row === null ? "nothing" : `revision ${row.modRevision}`;
  return [
    `${key}: the write of ${last.value ?? "nothing"} was acknowledged at revision ` +
    `${last.revision}, but the key holds ${found}`,
  ];
}

type Output =
  | { readonly kind: "value"; readonly value: string | null }
  | { readonly kind: "written" }
  | { readonly kind: "deleted"; readonly deleted: boolean }
  /** `actual` is undefined where nobody ever saw what it was. */
  | { readonly kind: "refused"; readonly actual: string | null | undefined }
  /** What it was, a replayed answer does not say. */
  | { readonly kind: "refusedAgain" };

/** One key: a register that can be empty. */
const REGISTER: Model<string | null, Request, Output> = {
  initial: null,
  describe: (state) => state ?? "-",
  step: (state, input, output) => {
    const stepped = stepRegister(state, input);
    return output === null || isSame(stepped.output, output) ? stepped.state : undefined;
  },
};

function stepRegister(
  state: string | null,
  request: Request,
): { readonly state: string | null; readonly output: Output } {
  switch (request.kind) {
    case "get":
      return { state, output: { kind: "value", value: state } };
    case "put":
      return { state: request.value, output: { kind: "written" } };
    case "delete":
      return { state: null, output: { kind: "deleted", deleted: state !== null } };
    case "swap":
      return (request.expected?.value ?? null) === state
        ? { state: request.value, output: { kind: "written" } }
        : { state, output: { kind: "refused", actual: state } };
    default:
      return request satisfies never;
  }
}

function isSame(expected: Output, seen: Output): boolean {
  switch (expected.kind) {
    case "value":
      return seen.kind === "value" && seen.value === expected.value;
    case "written":
      return seen.kind === "written";
    case "deleted":
      return seen.kind === "deleted" && seen.deleted === expected.deleted;
    case "refused":
      if (seen.kind === "refusedAgain") return true;
      return seen.kind === "refused" &&
        (seen.actual === undefined ? expected.actual !== null : seen.actual === expected.actual);
    case "refusedAgain":
      return false;
    default:
      return expected satisfies never;
  }
}

function checkOrder(key: string, exchanges: readonly Exchange[], values: Values): string[] {
  const operations = exchanges.flatMap((exchange) => toOperation(exchange, values) ?? []);
  const verdict = checkLinearizable(REGISTER, operations);
  switch (verdict.kind) {
    case "linearizable":
      return [];
    case "violation":
      return [
        `${key}: no order explains its ${operations.length} operations, at most ` +
        `${verdict.longest} of them`,
      ];
    case "unknown":
      return [
        `${key}: whether its ${operations.length} operations are linearizable is not decided`,
      ];
    default:
      return verdict satisfies never;
  }
}

function toOperation(exchange: Exchange, values: Values): Operation<Request, Output> | null {
  const { request: input, ending, calledMs: calledAt, returnedMs: returnedAt } = exchange;
  if (ending.kind === "failed") return null;
  if (ending.kind === "unknown" && input.kind === "get") return null;
  return { input, output: toOutput(ending, values), calledAt, returnedAt };
}

function toOutput(ending: Exclude<Ending, { kind: "failed" }>, values: Values): Output | null {
  switch (ending.kind) {
    case "read":
      return { kind: "value", value: ending.row?.value ?? null };
    case "written":
      return { kind: "written" };
    case "deleted":
      return { kind: "deleted", deleted: ending.deleted };
    case "refused": {
      const { revision } = ending;
      if (revision === undefined) return { kind: "refusedAgain" };
      return {
        kind: "refused",
        actual: revision === null ? null : values.get(revision)?.value,
      };
    }
    case "unknown":
      return null;
    default:
      return ending satisfies never;
  }
}
