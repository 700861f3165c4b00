/**
 * A new voter's part in one change: it checks the received sub-shares against the commitments in the log,
 * reports which deals it has, and adds the sub-shares of Q to make its new share.
 *
 * **Secrets.** The sub-shares are only in memory, until they are combined or the change ends. A receiver that
 * restarts asks the dealers again.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { catching } from "../errors.ts";
import { type CheckedSubShare, checkSubShare, combineSubShares, FrostError } from "../frost/mod.ts";
import type { NodeId } from "../types.ts";
import type { Change } from "./change.ts";
import type { Complaint, HeldEntry } from "./entry.ts";

/** The result of checking a sub-share. */
export type SubShareOutcome = "taken" | "known" | "early" | Complaint;

/** One receiver in one change. */
export class Receiver {
  readonly #change: Change;
  readonly #self: NodeId;
  readonly #identifier: number;
  readonly #subShares = new Map<NodeId, CheckedSubShare>();
  readonly #complaints = new Map<NodeId, Complaint>();
  /** Sub-shares whose commitment is not in the log yet: at most one of each old voter. */
  readonly #early = new Map<NodeId, Uint8Array>();

  /** A receiver without sub-shares. */
  constructor(change: Change, self: NodeId) {
    this.#change = change;
    this.#self = self;
    this.#identifier = assertDefined(change.memberOf(self), `${self} is no new voter`).identifier;
  }

  /** Checks a sub-share. If its dealer's commitment is not in the log yet, the sub-share waits for it. */
  take(dealer: NodeId, secret: Uint8Array): SubShareOutcome {
    const isRefused = this.#complaints.has(dealer) && !this.#change.holds(this.#self, dealer);
    if (this.#subShares.has(dealer) || isRefused) return "known";
    const commitment = this.#change.deals.get(dealer);
    if (commitment === undefined) {
      this.#early.get(dealer)?.fill(0);
      this.#early.set(dealer, secret.slice());
      return "early";
    }
    return catching(FrostError, () => {
      const checked = checkSubShare(commitment, { receiver: this.#identifier, secret });
      this.#subShares.set(dealer, checked);
      return "taken";
    }, (error) => {
      const complaint = { dealer, rule: error.refusal };
      this.#complaints.set(dealer, complaint);
      return complaint;
    });
  }

  /** Checks a sub-share that waited, now that its dealer's commitment is in the log. */
  takeEarly(dealer: NodeId): SubShareOutcome | null {
    const secret = this.#early.get(dealer);
    if (secret === undefined) return null;
    this.#early.delete(dealer);
    try {
      return this.take(dealer, secret);
    } finally {
      secret.fill(0);
    }
  }

  /** This node's report, if the log does not have it yet; otherwise null. */
  get word(): Omit<HeldEntry, "signature"> | null {
    const { id: change, stage, deals, complaints: all } = this.#change;
    if (stage !== "dealing") return null;
    const said = [...deals.keys()].filter((dealer) => this.#change.holds(this.#self, dealer));
    const dealers = [...new Set([...said, ...this.#subShares.keys()])];
    const before = all.get(this.#self) ?? [];
    const complaints = [...new Map(
      [...before, ...this.#complaints.values()]
        .filter(({ dealer }) => !dealers.includes(dealer))
        .map((complaint) => [complaint.dealer, complaint]),
    ).values()];
    if (dealers.length + complaints.length <= said.length + before.length) return null;
    return { kind: "held", change, author: this.#self, dealers, complaints };
  }

  /** The dealers of Q whose sub-shares this node lacks. */
  get missing(): readonly NodeId[] {
    return (this.#change.selected ?? []).filter((dealer) => !this.#subShares.has(dealer));
  }

  /** The new share, once Q is in the log and this node has all its sub-shares; null before. Erases them. */
  combine(): Uint8Array | null {
    const { selected, parameters } = this.#change;
    if (selected === null || this.missing.length > 0) return null;
    const subShares = selected.map((id) => assertDefined(this.#subShares.get(id), `None of ${id}`));
    const commitments = this.#change.commitmentsOf(selected);
    const identifier = this.#identifier;
    try {
      return combineSubShares(parameters, { identifier, commitments, subShares }).share.secret;
    } finally {
      this.erase();
    }
  }

  /** Erases every sub-share. */
  erase(): void {
    for (const { secret } of this.#subShares.values()) secret.fill(0);
    for (const secret of this.#early.values()) secret.fill(0);
    this.#subShares.clear();
    this.#early.clear();
  }
}
