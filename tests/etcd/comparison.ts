/**
 * Sends the same requests to a real etcd and to Floe, and compares what they answer: everything but who
 * answers, and revisions, of which only the order can be the same.
 *
 * @module
 */

import { deepStrictEqual } from "node:assert/strict";
import { bodyFor, Each, type GeneratedRequest, type RevisionPair } from "./generator.ts";

/** Sends a request; answers with a status and what came. */
export type Send = (path: string, body: unknown) => Promise<{ status: number; answer: unknown }>;

const REVISIONS = new Set(["revision", "create_revision", "mod_revision", "compact_revision"]);
const NOT_COMPARED = new Set(["cluster_id", "member_id", "raft_term", "details"]);

/** See the module. */
export class Comparison {
  /** Every revision that both have shown, by rising age. */
  readonly revisions: RevisionPair[] = [];
  readonly #byEtcd = new Map<number, number>();
  readonly #etcd: Send;
  readonly #floe: Send;

  constructor({ etcd, floe }: { readonly etcd: Send; readonly floe: Send }) {
    this.#etcd = etcd;
    this.#floe = floe;
  }

  /** A revision that both have shown, counted from the newest. */
  at(place: number): Each {
    const pair = this.revisions.at(place) ?? this.revisions[0];
    if (pair === undefined) throw new Error("No revision was seen yet");
    return new Each(pair);
  }

  /** Sends one request to both. @throws {AssertionError} when they answer differently. */
  async same({ path, body }: GeneratedRequest): Promise<number> {
    const etcd = await this.#etcd(path, bodyFor("etcd", body));
    const floe = await this.#floe(path, bodyFor("floe", body));
    this.sameAnswers(etcd, floe);
    return etcd.status;
  }

  /** Compares two answers. */
  sameAnswers(etcd: unknown, floe: unknown): void {
    const pairs: RevisionPair[] = [];
    deepStrictEqual(strip(floe, etcd, pairs), strip(etcd, null, []));
    for (const pair of pairs) this.#learn(pair);
  }

  #learn({ etcd, floe }: RevisionPair): void {
    const known = this.#byEtcd.get(etcd);
    if (known !== undefined) return deepStrictEqual(floe, known, `revision ${etcd} of etcd`);
    this.#byEtcd.set(etcd, floe);
    this.revisions.push({ etcd, floe });
    this.revisions.sort((left, right) => left.etcd - right.etcd);
    // What came later there came later here.
    const floes = this.revisions.map((pair) => pair.floe);
    deepStrictEqual(floes, floes.toSorted((left, right) => left - right));
  }
}

/** A value without what is not compared; its revisions go to `pairs`, with those of `other`. */
function strip(value: unknown, other: unknown, pairs: RevisionPair[]): unknown {
  if (Array.isArray(value)) {
    return value.map((item, at) => strip(item, Array.isArray(other) ? other[at] : null, pairs));
  }
  if (typeof value !== "object" || value === null) return value;
  const stripped: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    const beside = typeof other === "object" && other !== null ? Reflect.get(other, name) : null;
    if (NOT_COMPARED.has(name)) continue;
    // etcd 3.7 does not look for leases where only keys are wanted; those before do.
    if (name === "lease" && !("value" in value) && beside === undefined) continue;
    if (REVISIONS.has(name)) {
      if (beside !== null && beside !== undefined) {
        pairs.push({ etcd: Number(beside), floe: Number(item) });
      }
      stripped[name] = "a revision";
    } else stripped[name] = strip(item, beside, pairs);
  }
  return stripped;
}
