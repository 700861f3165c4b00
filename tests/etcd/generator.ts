/**
 * Requests as clients of etcd may send them, and as they had better not: from a seed, for two stores whose
 * revisions differ.
 *
 * @module
 */

import type { Random } from "../simulator/random.ts";

/** One revision, as each store counts it. */
export interface RevisionPair {
  readonly etcd: number;
  readonly floe: number;
}

/** Stands in a request for a number that is another one in each store. */
export class Each {
  readonly pair: RevisionPair;

  constructor(pair: RevisionPair) {
    this.pair = pair;
  }
}

/** A request whose numbers may be {@linkcode Each}. */
export interface GeneratedRequest {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The request as one store gets it. */
export function bodyFor(store: keyof RevisionPair, value: unknown): unknown {
  if (value instanceof Each) return String(value.pair[store]);
  if (Array.isArray(value)) return value.map((item) => bodyFor(store, item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, bodyFor(store, item)]),
  );
}

/** Twelve keys: up to so many, etcd leaves in order what is equal when it sorts. */
const LETTERS = ["a", "b", "c"];
const LEASES = [11, 12, 13, 14, 15];
const SORT_ORDERS = ["NONE", "ASCEND", "DESCEND"];
const SORT_TARGETS = ["KEY", "VERSION", "CREATE", "MOD", "VALUE"];

/** Draws requests. `revisions` has those that both stores have had, the newest last. */
export class RequestGenerator {
  readonly #random: Random;
  readonly #revisions: readonly RevisionPair[];
  /** What transactions inside the next one do. */
  #isPutting = true;

  constructor(random: Random, revisions: readonly RevisionPair[]) {
    this.#random = random;
    this.#revisions = revisions;
  }

  /** The next request. */
  next(): GeneratedRequest {
    this.#isPutting = this.#random.chance(0.5);
    const kind = this.#random.fraction();
    if (kind < 0.3) return { path: "/v3/kv/put", body: this.#put() };
    if (kind < 0.58) return { path: "/v3/kv/range", body: this.#range() };
    if (kind < 0.66) return { path: "/v3/kv/deleterange", body: this.#delete() };
    if (kind < 0.88) return { path: "/v3/kv/txn", body: this.#transaction(3, null) };
    if (kind < 0.89) return { path: "/v3/kv/compaction", body: this.#compaction() };
    return this.#lease();
  }

  #lease(): GeneratedRequest {
    const ID = String(this.#random.pick(LEASES));
    const kind = this.#random.fraction();
    if (kind < 0.5) {
      return { path: "/v3/lease/grant", body: { ID, TTL: String(this.#random.between(100, 500)) } };
    }
    if (kind < 0.6) return { path: "/v3/lease/revoke", body: { ID } };
    if (kind < 0.65) return { path: "/v3/kv/lease/revoke", body: { ID } };
    if (kind < 0.75) return { path: "/v3/lease/leases", body: {} };
    if (kind < 0.9) return { path: "/v3/lease/timetolive", body: { ID, keys: true } };
    return { path: "/v3/lease/keepalive", body: { ID } };
  }

  /** Not of the empty store's revision, of which Floe forgets nothing. */
  #compaction(): Record<string, unknown> {
    const pairs = this.#revisions.filter(({ etcd }) => etcd > 1);
    const pair = pairs.length === 0 ? undefined : this.#random.pick(pairs);
    return { revision: pair === undefined ? "1000000000" : new Each(pair) };
  }

  #put(): Record<string, unknown> {
    return {
      key: this.#key(),
      ...this.#maybe(0.9, { value: btoa(`v${this.#random.below(8)}`) }),
      ...this.#maybe(0.2, { lease: String(this.#random.pick(LEASES)) }),
      ...this.#maybe(0.3, { prev_kv: true }),
      ...this.#maybe(0.06, { ignore_value: true }),
      ...this.#maybe(0.06, { ignoreLease: true }),
    };
  }

  #delete(): Record<string, unknown> {
    return {
      ...this.#keys(),
      ...this.#maybe(0.4, { prevKv: true }),
    };
  }

  /**
   * A delete in a transaction. Without an end, or with one before its beginning, etcd does not see that it
   * meets a put; Floe does.
   */
  #bounded(): Record<string, unknown> {
    const keys = this.#random.chance(0.8)
      ? { key: this.#key() }
      : { key: btoa("a"), range_end: btoa(this.#random.pick(["b", "bb", "c"])) };
    return { ...keys, ...this.#maybe(0.4, { prev_kv: true }) };
  }

  #range(isInTransaction = false): Record<string, unknown> {
    return {
      ...this.#keys(),
      ...this.#maybe(0.4, { limit: String(this.#random.between(-1, 5)) }),
      ...this.#maybe(0.2, { revision: isInTransaction ? this.#newest() : this.#revision() }),
      ...this.#maybe(0.4, { sort_order: this.#random.pick(SORT_ORDERS) }),
      ...this.#maybe(0.4, { sort_target: this.#random.pick(SORT_TARGETS) }),
      ...this.#maybe(0.2, { serializable: true }),
      ...this.#maybe(0.15, { keys_only: true }),
      ...this.#maybe(0.1, { count_only: true }),
      ...this.#maybe(0.1, { min_mod_revision: this.#revision() }),
      ...this.#maybe(0.1, { max_mod_revision: this.#revision() }),
      ...this.#maybe(0.1, { min_create_revision: this.#revision() }),
      ...this.#maybe(0.1, { maxCreateRevision: this.#revision() }),
    };
  }

  /** Transactions in another one only put, or only delete: etcd does not see all that meet there. */
  #transaction(depth: number, change: "put" | "delete" | null): Record<string, unknown> {
    return {
      compare: this.#some(2, () => this.#compare()),
      success: this.#some(3, () => this.#operation(depth, change)),
      failure: this.#some(3, () => this.#operation(depth, change)),
    };
  }

  #operation(depth: number, change: "put" | "delete" | null): Record<string, unknown> {
    const kind = this.#random.fraction();
    if (kind < 0.4 && change !== "delete") return { request_put: this.#put() };
    if (kind >= 0.9 && depth > 0) {
      const inner = change ?? (this.#isPutting ? "put" : "delete");
      return { request_txn: this.#transaction(depth - 1, inner) };
    }
    if (kind >= 0.75 && change !== "put") return { requestDeleteRange: this.#bounded() };
    return { request_range: this.#range(true) };
  }

  #compare(): Record<string, unknown> {
    const result = this.#random.pick(["EQUAL", "GREATER", "LESS", "NOT_EQUAL"]);
    const common = { ...this.#keys(), ...this.#maybe(0.9, { result }) };
    switch (this.#random.below(6)) {
      case 0:
        return { ...common, target: "VERSION", version: String(this.#random.between(-1, 4)) };
      case 1:
        return { ...common, target: "CREATE", create_revision: this.#revision() };
      case 2:
        return { ...common, target: "MOD", modRevision: this.#revision() };
      case 3:
        return { ...common, target: "VALUE", value: btoa(`v${this.#random.below(8)}`) };
      case 4:
        return { ...common, target: "LEASE", lease: String(this.#random.pick([0, ...LEASES])) };
      default:
        return common;
    }
  }

  #key(): string {
    if (this.#random.chance(0.01)) return "";
    const length = this.#random.between(1, 2);
    return btoa(Array.from({ length }, () => this.#random.pick(LETTERS)).join(""));
  }

  /** One key, or a range that may be empty, or open. */
  #keys(): Record<string, unknown> {
    const key = this.#key();
    switch (this.#random.below(6)) {
      case 0:
        return { key, range_end: this.#key() };
      case 1:
        return { key, rangeEnd: btoa("\0") };
      case 2:
        return { key: btoa("\0"), range_end: btoa("\0") };
      case 3:
        return { key: btoa("a"), range_end: btoa("c") };
      default:
        return { key };
    }
  }

  /** Mostly one that was; sometimes one that is not there yet, or never was. */
  #revision(): unknown {
    const kind = this.#random.fraction();
    if (kind < 0.04) return "0";
    if (kind < 0.08) return "1000000000";
    const { length } = this.#revisions;
    const recent = Math.max(0, length - 30);
    const at = this.#random.chance(0.9) ? this.#random.between(recent, length - 1) : 0;
    const pair = this.#revisions[Math.max(0, at)];
    return pair === undefined ? "1" : new Each(pair);
  }

  /** In a branch that is not taken, Floe refuses other revisions as well, if the transaction writes. */
  #newest(): unknown {
    const pair = this.#revisions.at(-1);
    return pair === undefined ? "0" : new Each(pair);
  }

  #some<Item>(most: number, draw: () => Item): readonly Item[] {
    return Array.from({ length: this.#random.below(most + 1) }, draw);
  }

  #maybe<Part extends object>(probability: number, part: Part): Part | Record<never, never> {
    return this.#random.chance(probability) ? part : {};
  }
}
