// @ts-check
/// <reference lib="dom" />
/** @import { EvidenceBody } from "../wire/mod.ts" */
/** @import { Certified } from "./elections.js" */
/** @import { GroupKey } from "./verify/mod.d.ts" */

/**
 * What must never happen, shown above all else: two leaders of one term, each with a certificate that this browser
 * checks itself. And the last claim to lead that this page's node refused.
 *
 * @module
 */

import { get } from "./api.js";
import { judge } from "./certificate.js";
import { find, make, setText } from "./dom.js";
import { toProof } from "./verdicts.js";

/** How often the node is asked. */
const ASK_MS = 2_000;

/** See the module. */
export class Evidence {
  #alarm = find("evidence");
  #refused = find("refused");
  #askedMs = -ASK_MS;
  #shown = "";
  #open;

  /** @param {(election: Certified) => void} open Shows a certificate. */
  constructor(open) {
    this.#open = open;
  }

  /**
   * Asks the node, unless it was asked just now.
   *
   * @param {GroupKey | null} key What certificates are checked with.
   */
  async ask(key) {
    const nowMs = performance.now();
    if (nowMs - this.#askedMs < ASK_MS || document.hidden) return;
    this.#askedMs = nowMs;
    try {
      await this.#show(await get("/v1/evidence"), key);
    } catch {
      // The stream notices as well, and says so.
    }
  }

  /**
   * @param {EvidenceBody} evidence
   * @param {GroupKey | null} key
   */
  async #show({ twoLeaders, refused }, key) {
    this.#refused.hidden = refused.last === null;
    if (refused.last !== null) {
      const { from, term, reason } = refused.last;
      const count = refused.count === 1 ? "One claim" : `${refused.count} claims`;
      setText(
        this.#refused,
        `${count} to lead refused here. The last: ${from} for term ${term}: ${reason}`,
      );
    }
    const checked = await Promise.all(twoLeaders.map(async ({ term, first, second }) => {
      const both = [first, second].map((signed) => ({ term, ...signed }));
      const proofs = await Promise.all(both.map((one) => judge(one, key)));
      return { term, both, isProven: proofs.every((proof) => toProof(proof) === "proven") };
    }));
    const news = JSON.stringify(checked);
    if (news === this.#shown) return;
    this.#shown = news;
    this.#alarm.hidden = checked.length === 0;
    this.#alarm.replaceChildren(...checked.map((one) => this.#row(one)));
  }

  /** @param {{ term: number, both: readonly Certified[], isProven: boolean }} evidence */
  #row({ term, both, isProven }) {
    const names = both.map(({ leader }) => leader).join(" and ");
    const check = isProven
      ? "Both certificates verify in this browser under the pinned key: more voters lied than this cluster withstands."
      : "Not both certificates verify in this browser: pin the cluster's key, or do not trust this node.";
    return make(
      "div",
      {},
      make("strong", {}, `Two leaders of term ${term}: ${names}. `),
      check,
      ...both.map((one) =>
        make("button", { type: "button", click: () => this.#open(one) }, `Show ${one.leader}'s`)
      ),
    );
  }
}
