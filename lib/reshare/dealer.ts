/**
 * An old voter's part in one change: it deals its share once, and hands the sub-shares over until their
 * receivers need them no more.
 *
 * **Secrets.** The sub-shares are in memory only, until their receiver is ready or the change ends. A
 * dealer that is restarted has lost them, and deals no more in this change: the log has its deal.
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
  /** What this node says in the log. */
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

  /** Whether the deal in the log is the one whose sub-shares are here. */
  get isInLog(): boolean {
    const inLog = this.#change.deals.get(this.#self);
    return inLog !== undefined &&
      this.entry.elements.every((element, at) =>
        equalBytes(element, assertDefined(inLog.elements[at], "A deal of another degree"))
      );
  }

  /** What a receiver still needs; null when it is ready, is none, or the log lacks the deal. */
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

  /** Erases a sub-share that its receiver needs no more. */
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
