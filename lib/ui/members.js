// @ts-check
/// <reference lib="dom" />
/** @import { MembersBody } from "../wire/mod.ts" */

/**
 * The members, and the change of them that is under way: its steps, what it waits for, and how the last one ended.
 *
 * @module
 */

import { find, make } from "./dom.js";

const STAGES = {
  between: "between two steps",
  catchingUp: "new members catch up with the log",
  dealing: "the old voters deal new shares",
  combining: "the new voters combine their shares",
  proving: "the new shares prove that they work",
  authorizing: "the old voters sign the change",
};

const HEADS = ["Member", "Role", "Share", "Connection", "Stored", "Page"];

let shown = "";

/**
 * Shows the members.
 *
 * @param {MembersBody} body
 */
export function showMembers(body) {
  const text = JSON.stringify([body, location.hash]);
  if (text === shown) return;
  shown = text;
  const members = body.members.filter(({ role }) => role !== "removed");
  // Only the leader knows what each one has stored.
  const isStoredKnown = members.some(({ matchIndex }) => matchIndex !== null);
  const rows = members.map((member) => memberRow(member, isStoredKnown));
  const former = body.members.filter(({ role }) => role === "removed").map(({ id }) => id);
  find("member-list").replaceChildren(
    make(
      "p",
      { class: "soft" },
      `Epoch ${body.epoch}: ${body.threshold} voters must sign. ${changes(body.sequence)}`,
    ),
    make(
      "table",
      {},
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          ...HEADS.filter((head) => isStoredKnown || head !== "Stored").map((head) =>
            make("th", { scope: "col" }, head)
          ),
        ),
      ),
      make("tbody", {}, ...rows),
    ),
    former.length === 0 ? "" : make("p", { class: "soft" }, `Removed: ${former.join(", ")}`),
    body.trouble === null ? "" : make("p", { class: "error" }, body.trouble),
    ...changeParts(body),
  );
}

/** @param {number} sequence */
function changes(sequence) {
  if (sequence === 0) return "As founded.";
  return sequence === 1
    ? "One change since the founding."
    : `${sequence} changes since the founding.`;
}

/**
 * @param {MembersBody["members"][number]} member
 * @param {boolean} isStoredKnown
 */
function memberRow({ id, role, hasShare, reachable, matchIndex, caughtUp, api }, isStoredKnown) {
  const stored = matchIndex === null
    ? ""
    : `${matchIndex}${caughtUp === false ? ", catching up" : ""}`;
  const page = api === null
    ? ""
    : make("a", { href: `${location.protocol}//${api}/ui/${location.hash}` }, api);
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, id),
    make("td", { "data-label": "Role" }, role),
    make("td", { "data-label": "Share" }, hasShare ? "holds one" : "none"),
    make("td", { "data-label": "Connection" }, reachable ? "up" : "down"),
    isStoredKnown ? make("td", { class: "number", "data-label": "Stored" }, stored) : "",
    make("td", { "data-label": "Page" }, page),
  );
}

/**
 * @param {MembersBody} body
 * @returns {readonly Node[]}
 */
function changeParts({ change, lastChange }) {
  if (change === null) {
    if (lastChange === null) return [];
    const why = lastChange.reason === null ? "" : `: ${lastChange.reason}`;
    return [
      make(
        "p",
        { class: "soft" },
        `The last change, ${lastChange.id}, was ${lastChange.outcome}${why}`,
      ),
    ];
  }
  const { id, stepsDone, steps, stage, waitingFor, attemptsFailed, lastFailure } = change;
  const all = stepsDone + steps.length;
  const waits = waitingFor.length === 0 ? "" : `; it waits for ${waitingFor.join(", ")}`;
  const failed = lastFailure === null
    ? ""
    : ` ${attemptsFailed} attempts failed, the last one because ${lastFailure}`;
  return [
    make("h3", { id: "change-title" }, `Change ${id}: step ${stepsDone + 1} of ${all}`),
    make("progress", { max: all, value: stepsDone, "aria-labelledby": "change-title" }),
    make("p", {}, `${STAGES[stage]}${waits}.${failed}`),
    make("ol", { class: "steps" }, ...steps.map(({ text }) => make("li", {}, text))),
  ];
}
