// @ts-check
/// <reference lib="dom" />
/** @import { NodeView } from "../node_view.ts" */

/**
 * What stands below the ring: the chosen node in words, and how many messages of each kind there are.
 *
 * @module
 */

import { find, make, setFields, setText } from "./dom.js";
import { ROLES } from "./ring.js";

const KIND_NAMES = {
  vote: "vote requests",
  roundOne: "FROST round one",
  roundTwo: "FROST round two",
  heartbeat: "heartbeats",
  append: "entries",
  snapshot: "snapshots",
  forward: "clients' requests",
  members: "member changes",
};
/**
 * @param {string} id
 * @param {NodeView | undefined} view
 */
export function showDetail(id, view) {
  if (view === undefined) {
    return setFields(find("node-detail"), [["Node", id === "" ? "none" : `${id}, not heard`]]);
  }
  const connected = view.peers.filter((peer) => peer.connected).length;
  const timer = view.role === "leader"
    ? "leads"
    : `${view.timer.elapsedMs} of ${view.timer.timeoutMs} ms`;
  setFields(find("node-detail"), [
    ["Node", id],
    ["Role", `${ROLES[view.role]}, term ${view.term}`],
    ["Voted for", view.votedFor ?? "nobody"],
    ["Election timer", timer],
    ["Signer", view.canSign ? "holds its share" : "has no share"],
    ["Connected", `${connected} of ${view.peers.length}`],
    ["Up", upTime(view.uptimeMs)],
    ...view.trouble === null ? [] : [/** @type {const} */ (["Trouble", view.trouble])],
  ]);
}

/** @param {ReadonlyMap<string, number>} rates */
export function showLegend(rates) {
  const list = find("legend");
  if (list.childElementCount === 0) {
    list.append(
      ...Object.entries(KIND_NAMES).map(([kind, name]) =>
        make(
          "li",
          { "data-kind": kind },
          make("i", { "aria-hidden": "true" }),
          make("span", {}, name),
          make("b", {}, "0"),
        )
      ),
    );
  }
  for (const item of list.querySelectorAll("li")) {
    const rate = rates.get(item.dataset["kind"] ?? "") ?? 0;
    const value = item.querySelector("b");
    if (value !== null) setText(value, String(Math.round(rate)));
  }
}

/** @param {number} ms */
function upTime(ms) {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
