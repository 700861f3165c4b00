/**
 * The words that every part of Floe shares, as types that cannot be mixed up. Only the checked
 * constructors here make them, so a value of one of these types is always within its limits.
 *
 * @module
 */

import { InputError } from "./errors.ts";

/** The invisible mark of a branded type. Declared for the type checker; never there at run time. */
export declare const brand: unique symbol;
/** A `Value` that only a checked constructor can make. */
export type Brand<Value, Name extends string> = Value & {
  /** Which kind of value it is. */
  readonly [brand]: Name;
};

/** A Raft term: a safe integer from 0 (no election yet) upward. */
export type Term = Brand<number, "Term">;
/** A position in the log: a safe integer; 0 stands before the first entry. */
export type LogIndex = Brand<number, "LogIndex">;
/** Which dealing of key shares is in use: a safe integer from 1 upward. */
export type Epoch = Brand<number, "Epoch">;
/** The name of one node, `[A-Za-z0-9._-]{1,64}`. */
export type NodeId = Brand<string, "NodeId">;
/** The name of a cluster, `[A-Za-z0-9._-]{1,64}`. */
export type ClusterName = Brand<string, "ClusterName">;

/** Most characters in a node id or a cluster name. */
export const NAME_LENGTH_MAX = 64;

const NAME_PATTERN = new RegExp(`^[A-Za-z0-9._-]{1,${NAME_LENGTH_MAX}}$`);

/** Checks a term. @throws {InputError} unless `value` is a safe integer of at least 0. */
export function toTerm(value: unknown): Term {
  return toCount(value, "term", 0) as Term;
}

/** Checks a log index. @throws {InputError} unless `value` is a safe integer of at least 0. */
export function toLogIndex(value: unknown): LogIndex {
  return toCount(value, "log index", 0) as LogIndex;
}

/** Checks an epoch. @throws {InputError} unless `value` is a safe integer of at least 1. */
export function toEpoch(value: unknown): Epoch {
  return toCount(value, "epoch", 1) as Epoch;
}

/** Checks a node id. @throws {InputError} unless it matches `[A-Za-z0-9._-]{1,64}`. */
export function toNodeId(value: unknown): NodeId {
  return toName(value, "node id") as NodeId;
}

/** Checks a cluster name. @throws {InputError} unless it matches `[A-Za-z0-9._-]{1,64}`. */
export function toClusterName(value: unknown): ClusterName {
  return toName(value, "cluster name") as ClusterName;
}

/** Counts `by` terms or entries on, or back. The caller knows that the sum is within the limits. */
export function plus<Count extends number>(count: Count, by: number): Count {
  return count + by as Count;
}

/** The highest of these. */
export function highest<Count extends number>(...counts: readonly Count[]): Count {
  return Math.max(...counts) as Count;
}

/** The lowest of these. */
export function lowest<Count extends number>(...counts: readonly Count[]): Count {
  return Math.min(...counts) as Count;
}

function toCount(value: unknown, what: string, least: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) {
    throw new InputError(
      `Cannot read ${what}: ${quote(value)} is not a whole number from ${least} to 2^53 - 1`,
    );
  }
  return value;
}

function toName(value: unknown, what: string): string {
  if (typeof value !== "string" || !NAME_PATTERN.test(value)) {
    throw new InputError(
      `Cannot read ${what}: ${quote(value)} does not match [A-Za-z0-9._-]{1,${NAME_LENGTH_MAX}}`,
    );
  }
  return value;
}

const QUOTED_LENGTH_MAX = 80;

/**
 * Shows a foreign value in an error message without letting it flood the message. An object is only
 * named: turning one into text runs its own code, or descends deeper than the stack reaches.
 */
function quote(value: unknown): string {
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "an array" : "an object";
  }
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= QUOTED_LENGTH_MAX ? text : `${text.slice(0, QUOTED_LENGTH_MAX)}...`;
}
