// @ts-check
/** @import { Verdict } from "./verify/mod.d.ts" */

/**
 * How things stand, in words: what this browser made of the leader's certificate, and what the cluster can lose now.
 *
 * @module
 */

/**
 * What this browser made of the leader's certificate.
 *
 * @typedef {"proven" | "unpinned" | "refused" | "uncheckable" | "none"} Proof
 */

/** @type {Readonly<Record<Proof, { words: string, detail: string }>>} */
export const PROOFS = {
  proven: {
    words: "Proven in this browser",
    detail: "The voters' one signature verifies against the key in this page's address.",
  },
  unpinned: {
    words: "Not checked: no key is pinned",
    detail: "There is a certificate, and this page has no key of yours to check it against.",
  },
  refused: {
    words: "Refused: the certificate does not verify",
    detail:
      "This node shows a leader that the pinned key's voters did not sign for. Do not believe it.",
  },
  uncheckable: {
    words: "This browser cannot check it here",
    detail: "Browsers check signatures on HTTPS and on this machine's own addresses only.",
  },
  none: {
    words: "Nothing to check",
    detail: "Without a leader there is no certificate of this term.",
  },
};

/** Instead of `PROOFS.none` while no node is heard: there may well be a leader. */
export const UNKNOWN = {
  headline: "Who leads is unknown",
  words: "Nothing to check now",
  detail: "This page hears no node. It shows the leader and its proof once one answers again.",
};

/**
 * @param {Verdict | "unpinned"} verdict
 * @returns {Proof}
 */
export function toProof(verdict) {
  if (verdict === "valid") return "proven";
  return verdict === "invalid" || verdict === "otherKey" ? "refused" : verdict;
}

/**
 * @param {Proof} proof
 * @returns {"proven" | "unpinned" | "refused" | "none"}
 */
export function ringProof(proof) {
  return proof === "uncheckable" ? "unpinned" : proof;
}

/**
 * What the voters signed: a note up to its empty line.
 *
 * @param {string} note
 */
export function statementOf(note) {
  return note.slice(0, Math.max(0, note.indexOf("\n\n")));
}

/**
 * What can be lost now, as far as this node hears the others.
 *
 * @param {{
 *   voters: number,
 *   threshold: number,
 *   heard: number,
 *   leader: string | null,
 *   isNew: boolean,
 * }} cluster `isNew`: the stream has just begun, and the other nodes have had no time to be heard.
 * @returns {{ health: "good" | "warn" | "bad", words: string }}
 */
export function judgeCluster({ voters, threshold, heard, leader, isNew }) {
  if (heard === 0) return { health: "bad", words: "Not connected" };
  const needed = Math.max(threshold, Math.floor(voters / 2) + 1);
  const spare = heard - needed;
  if (isNew && heard < voters) {
    return { health: "warn", words: `Listening: ${heard} of ${voters} are heard so far` };
  }
  if (spare < 0) {
    return {
      health: "bad",
      words: `No quorum: ${heard} of ${voters} are heard, ${needed} are needed`,
    };
  }
  if (leader === null) return { health: "warn", words: "No leader: an election is due" };
  if (heard === voters) {
    return { health: "good", words: `Healthy: ${spare} of ${voters} nodes can be lost` };
  }
  const next = spare === 0 ? "the next loss stops it" : `${spare} more can be lost`;
  return { health: "warn", words: `Degraded: ${heard} of ${voters} are heard, ${next}` };
}
