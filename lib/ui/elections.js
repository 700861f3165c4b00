// @ts-check
/// <reference lib="dom" />
/** @import { Candidacy, NodeView } from "../node_view.ts" */

/**
 * The elections, newest first: those that candidates tell of, failed ones too, and those of which the node has
 * a certificate. What a candidate tells stays on the page when the candidate is gone.
 *
 * @module
 */

import { make } from "./dom.js";
import { termColour } from "./terms.js";

/** How many elections the page shows. */
const SHOWN_MAX = 12;
/** How many candidacies it remembers. */
const REMEMBERED_MAX = 200;

/**
 * An election of which the node has a certificate, as `GET /v1/elections` gives it.
 *
 * @typedef {object} Certified
 * @property {number} term
 * @property {string} leader
 * @property {number} [epoch] Of the voters that signed.
 * @property {string} certificate
 */

/** See the module. */
export class Elections {
  /** @type {HTMLElement} */
  #host;
  /** @type {(election: Certified) => void} */
  #onOpen;
  /** @type {Map<string, Candidacy>} */
  #candidacies = new Map();
  /** @type {readonly Certified[]} */
  #certified = [];
  #shown = "";

  /**
   * @param {HTMLElement} host
   * @param {(election: Certified) => void} onOpen Called with an election whose certificate is wanted.
   */
  constructor(host, onOpen) {
    this.#host = host;
    this.#onOpen = onOpen;
  }

  /**
   * Takes what nodes tell of their candidacies.
   *
   * @param {Iterable<NodeView>} views
   */
  learn(views) {
    for (const view of views) {
      for (const candidacy of view.candidacies) {
        this.#candidacies.set(`${candidacy.startedAt} ${candidacy.candidate}`, candidacy);
      }
    }
    for (const key of this.#candidacies.keys()) {
      if (this.#candidacies.size <= REMEMBERED_MAX) break;
      this.#candidacies.delete(key);
    }
  }

  /** @param {readonly Certified[]} certified */
  learnCertified(certified) {
    this.#certified = certified;
  }

  /**
   * The certificate of a term, if the node has it.
   *
   * @param {number} term
   */
  certifiedIn(term) {
    return this.#certified.find((election) => election.term === term);
  }

  /**
   * @param {readonly string[]} voters Of today.
   * @param {number} epoch Theirs.
   */
  show(voters, epoch) {
    const rows = this.#rows();
    const signature = JSON.stringify([rows, voters, epoch, this.#certified.length]);
    if (signature === this.#shown) return;
    this.#shown = signature;
    const longestMs = Math.max(1, ...rows.map(({ candidacy }) => totalMs(candidacy)));
    this.#host.replaceChildren(
      ...rows.map((row) => this.#makeRow(row, { voters, epoch, longestMs })),
    );
  }

  /** @returns {readonly { term: number, candidacy: Candidacy | null, certified: Certified | null }[]} */
  #rows() {
    const told = [...this.#candidacies.values()].map((candidacy) => ({
      term: candidacy.term,
      candidacy,
      certified: candidacy.outcome === "won" ? this.certifiedIn(candidacy.term) ?? null : null,
    }));
    const terms = new Set(
      told.filter(({ certified }) => certified !== null).map(({ term }) => term),
    );
    const others = this.#certified.filter(({ term }) => !terms.has(term)).map((certified) => ({
      term: certified.term,
      candidacy: null,
      certified,
    }));
    return [...told, ...others].sort((a, b) =>
      b.term - a.term || (b.candidacy?.startedAt ?? 0) - (a.candidacy?.startedAt ?? 0)
    ).slice(0, SHOWN_MAX);
  }

  /**
   * @param {{ term: number, candidacy: Candidacy | null, certified: Certified | null }} row
   * @param {{ voters: readonly string[], epoch: number, longestMs: number }} context
   */
  #makeRow({ term, candidacy, certified }, { voters, epoch, longestMs }) {
    const couldVote = (certified?.epoch ?? epoch) === epoch ? voters : [];
    const outcome = candidacy?.outcome ?? "won";
    const termBadge = make(
      "span",
      { class: "term" },
      make("span", { class: "visually-hidden" }, "Term "),
      String(term),
    );
    const item = make(
      "li",
      { class: "election", "data-outcome": outcome, "data-term": term },
      termBadge,
      make(
        "div",
        { class: "story" },
        make("p", {}, ...headline(candidacy, certified)),
        candidacy === null ? null : rounds(candidacy, longestMs),
        candidacy === null ? null : chips(candidacy, couldVote),
      ),
    );
    item.style.setProperty("--term", termColour(term));
    if (certified !== null) {
      const button = make("button", { type: "button", class: "open" }, "Certificate");
      button.setAttribute("aria-label", `Certificate of term ${term}`);
      button.addEventListener("click", () => this.#onOpen(certified));
      item.append(button);
    }
    return item;
  }
}

/** @param {Candidacy | null} candidacy */
function totalMs(candidacy) {
  return (candidacy?.roundOneMs ?? 0) + (candidacy?.roundTwoMs ?? 0);
}

/**
 * @param {Candidacy | null} candidacy
 * @param {Certified | null} certified
 */
function headline(candidacy, certified) {
  if (candidacy === null) {
    return [make("strong", {}, certified?.leader ?? ""), " was elected, with a certificate"];
  }
  const { candidate, outcome, signers, attempts, sessions, cheaters, startedAt } = candidacy;
  const time = new Date(startedAt).toLocaleTimeString([], { hour12: false });
  const tries = attempts > 1 ? `, after ${attempts} attempts` : "";
  const again = sessions > 1 ? `, in ${sessions} signing sessions` : "";
  const cheated = cheaters.length > 0 ? `; wrong shares of ${cheaters.join(", ")}` : "";
  const words = {
    won: ` won with ${signers.length} signatures${again}${tries}${cheated}`,
    lost: ` stood and did not win${tries}${cheated}`,
    running: ` stands${tries}${cheated}`,
  };
  return [
    make("strong", {}, candidate),
    words[outcome],
    make("time", { datetime: new Date(startedAt).toISOString() }, time),
  ];
}

/**
 * @param {Candidacy} candidacy
 * @param {number} longestMs
 */
function rounds({ roundOneMs, roundTwoMs }, longestMs) {
  const bar = (
    /** @type {string} */ kind,
    /** @type {string} */ name,
    /** @type {number | null} */ ms,
  ) => {
    if (ms === null) return null;
    const element = make("span", { class: "bar-part", "data-kind": kind });
    element.style.inlineSize = `${Math.max(1, 100 * ms / longestMs)}%`;
    return [element, make("span", { class: "bar-label" }, `${name} ${ms.toFixed(1)} ms`)];
  };
  const parts = [
    bar("roundOne", "Round one", roundOneMs),
    bar("roundTwo", "Round two", roundTwoMs),
  ].filter((part) => part !== null);
  if (parts.length === 0) return null;
  return make(
    "div",
    { class: "rounds" },
    make(
      "div",
      { class: "bars", "aria-hidden": "true" },
      ...parts.map(([element]) => element ?? null),
    ),
    make("div", { class: "bar-labels" }, ...parts.map(([, label]) => label ?? null)),
  );
}

/**
 * Each voter with what it did: the strongest thing that is known.
 *
 * @param {Candidacy} candidacy
 * @param {readonly string[]} voters All that could vote; of another epoch, only those that did are known.
 */
function chips({ granted, signers, voted, refused, cheaters, outcome }, voters) {
  const took = [...granted, ...voted, ...refused].map(({ id }) => id);
  const others = [...took, ...signers, ...cheaters].filter((id) => !voters.includes(id)).sort();
  const list = make("ul", { class: "chips", "aria-label": "What each voter did" });
  for (const id of new Set([...voters, ...others])) {
    const has = (/** @type {readonly { id: string }[]} */ answers) =>
      answers.some((answer) => answer.id === id);
    const did = cheaters.includes(id)
      ? "cheated"
      : outcome === "won" && signers.includes(id)
      ? "signed"
      : has(voted)
      ? "voted"
      : has(refused)
      ? "refused"
      : has(granted)
      ? "granted"
      : "silent";
    // Of those who were asked in vain, only the answers tell something.
    if (did === "silent" && outcome === "lost") continue;
    const ms = [...voted, ...refused, ...granted].find((answer) => answer.id === id)?.ms;
    const title = ms === undefined ? did : `${did} after ${ms.toFixed(1)} ms`;
    list.append(
      make("li", { class: "chip", "data-did": did, title }, id, make("span", {}, ` ${did}`)),
    );
  }
  return list;
}
