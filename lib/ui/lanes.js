// @ts-check
/// <reference lib="dom" />
/** @import { NodeView } from "../node_view.ts" */

/**
 * Each node's log as a lane: its newest entries, coloured by term, with a mark up to where they are committed.
 *
 * @module
 */

import { draw, make, setText } from "./dom.js";
import { termColour } from "./terms.js";

/** How many entries a lane shows at most. */
const ENTRIES_SHOWN_MAX = 96;
/** A short log does not fill its lane. */
const ENTRIES_SHOWN_LEAST = 24;
const LANE_HEIGHT = 10;

/**
 * Shows the lanes of all nodes.
 *
 * @param {HTMLElement} host
 * @param {{ voters: readonly string[], views: ReadonlyMap<string, NodeView> }} state
 */
export function showLanes(host, { voters, views }) {
  const table = host.querySelector("tbody") ?? makeTable(host);
  if (table.childElementCount !== voters.length) table.replaceChildren(...voters.map(makeRow));
  const ends = [...views.values()].map(({ lastLogIndex }) => lastLogIndex);
  const end = Math.max(1, ...ends);
  const committed = committedOf([...views.values()]);
  const shown = Math.min(ENTRIES_SHOWN_MAX, Math.max(ENTRIES_SHOWN_LEAST, end));
  const scope = { shown, start: Math.max(0, end - shown) };
  voters.forEach((id, at) => {
    const row = table.children[at];
    if (row !== undefined) showRow(row, { id, view: views.get(id), scope, committed });
  });
}

/**
 * The commit index that lags are measured by. It is the leader's: the nodes' views come at different times, and
 * this node's own, which is the newest, would make the leader look late.
 *
 * @param {readonly NodeView[]} views
 */
function committedOf(views) {
  const leader = views.find(({ role }) => role === "leader");
  return leader?.commitIndex ?? Math.max(0, ...views.map(({ commitIndex }) => commitIndex));
}

/** @param {HTMLElement} host */
function makeTable(host) {
  const heads = ["Node", "Log", "End", "Committed", "Applied", "Lag"];
  const table = make(
    "table",
    { class: "lanes" },
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
  );
  const body = make("tbody");
  table.append(body);
  host.replaceChildren(table);
  return body;
}

/** @param {string} id */
function makeRow(id) {
  const picture = draw("svg", {
    preserveAspectRatio: "none",
    class: "lane",
    role: "img",
  });
  const cells = ["End", "Committed", "Applied", "Lag"].map((label) =>
    make("td", { class: "number", "data-label": label })
  );
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, id),
    make("td", { class: "lane-cell" }, picture),
    ...cells,
  );
}

/**
 * @param {Element} row
 * @param {{
 *   id: string,
 *   view: NodeView | undefined,
 *   scope: { start: number, shown: number },
 *   committed: number,
 * }} lane
 */
function showRow(row, { id, view, scope, committed }) {
  const picture = row.querySelector("svg");
  const cells = [...row.querySelectorAll(".number")];
  row.classList.toggle("silent", view === undefined);
  const lag = view === undefined ? "" : String(Math.max(0, committed - view.appliedIndex));
  const texts = view === undefined
    ? ["not heard", "", "", ""]
    : [view.lastLogIndex, view.commitIndex, view.appliedIndex, lag].map(String);
  cells.forEach((cell, at) => setText(cell, texts[at] ?? ""));
  if (picture === null) return;
  picture.setAttribute("aria-label", describe(id, view));
  picture.setAttribute("viewBox", `0 0 ${scope.shown} ${LANE_HEIGHT}`);
  picture.replaceChildren(...view === undefined ? [] : shapes(view, scope));
}

/**
 * @param {string} id
 * @param {NodeView | undefined} view
 */
function describe(id, view) {
  if (view === undefined) return `${id} is not heard`;
  const runs = view.runs.map(({ term, from, to }) => `term ${term}: ${from} to ${to}`);
  return `Log of ${id}: ${runs.join(", ")}`;
}

/**
 * @param {NodeView} view
 * @param {{ start: number }} scope
 */
function shapes({ runs, commitIndex, appliedIndex }, { start }) {
  const shown = runs.filter(({ to }) => to > start);
  const entries = shown.map(({ term, from, to }) => {
    const left = Math.max(0, from - 1 - start);
    const rect = draw("rect", { x: left, y: 0, width: to - start - left, height: LANE_HEIGHT });
    rect.style.fill = termColour(term);
    return rect;
  });
  const last = runs.at(-1)?.to ?? 0;
  const open = draw("rect", {
    class: "uncommitted",
    x: Math.max(0, commitIndex - start),
    width: Math.max(0, last - Math.max(commitIndex, start)),
    height: LANE_HEIGHT,
  });
  const mark = (/** @type {string} */ name, /** @type {number} */ index) =>
    draw("line", {
      class: name,
      x1: Math.max(0, index - start),
      x2: Math.max(0, index - start),
      y1: 0,
      y2: LANE_HEIGHT,
    });
  return [...entries, open, mark("applied", appliedIndex), mark("committed", commitIndex)];
}
