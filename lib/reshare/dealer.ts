/**
 * An old voter's part in one change: it deals its share once, and sends each sub-share until the receiver no
 * longer needs it.
 *
 * **Secrets.** The sub-shares are only in memory, until their receiver is ready or the change ends. A
 * dealer that restarts has lost them. It does not deal again in this change, because its deal is already in
 * the log.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { dealReshare, type ReshareDeal } from "../frost/mod.ts";
import type { NodeId } from "../types.ts";
import type { Change } from "./change.ts";
import { type DealEntry, signWord } from "./entry.ts";
import type { DurableNodeShare, ResharingConfig, SubShareMessage } from "./input_output.ts";

/** One dealer in one change. */
export class Dealer {
  readonly #change: Change;
  readonly #self: NodeId;
  readonly #deal: ReshareDeal;
  /** This node's entry for the log. */
  readonly entry: DealEntry;

  /** Draws the polynomial and evaluates it. */
  constructor(change: Change, share: DurableNodeShare, config: ResharingConfig) {
    const { self, sign, randomBytes } = config;
    const member = change.before.members.find(({ id }) => id === self);
    const { identifier } = assertDefined(member, `${self} was no member`);
    this.#change = change;
    this.#self = self;
    this.#deal = dealReshare(change.parameters, { identifier, secret: share.secret }, randomBytes);
    const { elements } = this.#deal.commitment;
    this.entry = signWord({ kind: "deal", change: change.id, author: self, elements }, sign);
  }

  /** Whether the deal in the log belongs to the sub-shares in memory. */
  get isInLog(): boolean {
    const inLog = this.#change.deals.get(this.#self);
    return inLog !== undefined &&
      this.entry.elements.every((element, at) =>
        equalBytes(element, assertDefined(inLog.elements[at], "A deal of another degree"))
      );
  }

  /** The sub-share for a receiver; null when it is ready, is no receiver, or the deal is not in the log. */
  messageFor(receiver: NodeId): SubShareMessage | null {
    if (!this.isInLog || this.#change.isReady(receiver)) return null;
    const member = this.#change.memberOf(receiver);
    const found = this.#deal.subShares.find((subShare) => subShare.receiver === member?.identifier);
    if (found === undefined) return null;
    const { id: change } = this.#change;
    return {
      kind: "subShare",
      from: this.#self,
      to: receiver,
      change,
      secret: found.secret.slice(),
    };
  }

  /** Erases a sub-share that its receiver no longer needs. */
  forget(receiver: NodeId): void {
    const member = this.#change.memberOf(receiver);
    this.#deal.subShares.find((subShare) => subShare.receiver === member?.identifier)
      ?.secret.fill(0);
  }

  /** Erases every sub-share. */
  erase(): void {
    for (const { secret } of this.#deal.subShares) secret.fill(0);
  }
}
