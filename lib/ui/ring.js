// @ts-check
/// <reference lib="dom" />
/** @import { NodeView } from "../node_view.ts" */

/**
 * The nodes in a ring, and their messages as dots on the lines between them. A node's ring has the colour of
 * its term; the arc on it is its election timer. The crown is drawn for a leader with a certificate only.
 *
 * @module
 */

import { draw, make, setText } from "./dom.js";
import { termColour } from "./terms.js";

const WIDTH = 1000;
const HEIGHT = 860;
const RADIUS_X = 372;
const RADIUS_Y = 308;
/** Where a node's dial ends, and lines and dots begin. */
const DIAL_RADIUS = 58;
/** Requests and answers go on their own sides of a line. */
const LANE_OFFSET = 9;
/** Most dots at once: a busy cluster is shown by some of its messages. */
const DOTS_MAX = 160;
const DOT_MS = 700;

const CROWN = "M-13 8-16-8-7-1 0-12 7-1 16-8 13 8z";
const SHARE = "M0-9 8 0 0 9-8 0z";

/** Words for the roles, as people read them. */
export const ROLES = {
  follower: "follower",
  preCandidate: "asks to stand",
  candidate: "candidate",
  leader: "leader",
};

/**
 * What the ring shows.
 *
 * @typedef {object} RingState
 * @property {readonly string[]} voters All nodes, in their order.
 * @property {ReadonlyMap<string, NodeView>} views Those that were heard.
 * @property {string | null} leader The leader whose certificate the node has.
 * @property {"proven" | "unpinned" | "refused" | "none"} proof What this browser made of it.
 * @property {string} chosen Whose details are shown.
 */

/** See the module. */
export class Ring {
  /** @type {HTMLElement} */
  #host;
  /** @type {(id: string) => void} */
  #onChoose;
  #lines = draw("g", { class: "lines" });
  #dots = draw("g", { class: "dots" });
  /** @type {Map<string, { x: number, y: number }>} */
  #places = new Map();
  /** @type {Map<string, HTMLElement>} */
  #nodes = new Map();

  /**
   * @param {HTMLElement} host
   * @param {(id: string) => void} onChoose Called with a node that is clicked.
   */
  constructor(host, onChoose) {
    this.#host = host;
    this.#onChoose = onChoose;
  }

  /** @param {RingState} state */
  show(state) {
    if (state.voters.join() !== [...this.#places.keys()].join()) this.#place(state.voters);
    for (const [id, element] of this.#nodes) showNode(element, id, state);
    this.#showLines(state);
  }

  /**
   * Lets a message travel. Where the reader wants no motion, nothing moves: the legend has the numbers.
   *
   * @param {{ from: string, to: string, kind: string, delayMs: number }} message
   */
  send({ from, to, kind, delayMs }) {
    const line = this.#lineBetween(from, to);
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (line === null || isStill || document.hidden || this.#dots.childElementCount >= DOTS_MAX) {
      return;
    }
    const dot = draw("circle", {
      class: "dot",
      "data-kind": kind,
      r: kind === "heartbeat" ? 5 : 8,
    });
    this.#dots.append(dot);
    const at = (/** @type {{ x: number, y: number }} */ { x, y }) => `translate(${x}px, ${y}px)`;
    dot.animate(
      [{ transform: at(line.start) }, { transform: at(line.end) }],
      { duration: DOT_MS, delay: delayMs, fill: "backwards", easing: "ease-in-out" },
    ).onfinish = () => dot.remove();
  }

  /** @param {readonly string[]} voters */
  #place(voters) {
    this.#places = new Map(voters.map((id, at) => {
      const angle = -Math.PI / 2 + 2 * Math.PI * at / voters.length;
      const [x, y] = voters.length === 1 ? [0, 0] : [Math.cos(angle), Math.sin(angle)];
      return [id, { x: WIDTH / 2 + RADIUS_X * x, y: HEIGHT / 2 + RADIUS_Y * y }];
    }));
    this.#nodes = new Map(voters.map((id) => [id, this.#makeNode(id)]));
    const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
    picture.append(this.#lines, this.#dots);
    this.#host.replaceChildren(picture, ...this.#nodes.values());
  }

  /** @param {string} id */
  #makeNode(id) {
    const element = make(
      "button",
      { type: "button", class: "node", "data-node": id },
      draw(
        "svg",
        { viewBox: "-50 -50 100 100", "aria-hidden": "true" },
        draw("circle", { class: "face", r: 42 }),
        draw("circle", { class: "dial", r: 42 }),
        draw("circle", { class: "timer", r: 42, pathLength: 100, transform: "rotate(-90)" }),
        draw("path", { class: "glyph" }),
      ),
      make("span", { class: "name" }, id),
      make("span", { class: "role" }),
    );
    element.addEventListener("click", () => this.#onChoose(id));
    const { x, y } = this.#places.get(id) ?? { x: 0, y: 0 };
    element.style.left = `${100 * x / WIDTH}%`;
    element.style.top = `${100 * y / HEIGHT}%`;
    return element;
  }

  /** @param {RingState} state */
  #showLines({ voters, views, leader }) {
    const pairs = voters.flatMap((from, at) => voters.slice(at + 1).map((to) => [from, to]));
    const wanted = pairs.map(([from = "", to = ""]) => ({
      from,
      to,
      kind: isCut(views, from, to) ? "cut" : from === leader || to === leader ? "leader" : "plain",
    }));
    const signature = wanted.map(({ from, to, kind }) => `${from}${to}${kind}`).join();
    if (this.#lines.dataset["shown"] === signature) return;
    this.#lines.dataset["shown"] = signature;
    this.#lines.replaceChildren(...wanted.map(({ from, to, kind }) => {
      const [a, b] = [this.#places.get(from), this.#places.get(to)];
      return draw("line", {
        "data-kind": kind,
        x1: a?.x ?? 0,
        y1: a?.y ?? 0,
        x2: b?.x ?? 0,
        y2: b?.y ?? 0,
      });
    }));
  }

  /**
   * @param {string} from
   * @param {string} to
   */
  #lineBetween(from, to) {
    const [a, b] = [this.#places.get(from), this.#places.get(to)];
    if (a === undefined || b === undefined) return null;
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const [dx, dy] = [(b.x - a.x) / length, (b.y - a.y) / length];
    const [ox, oy] = [-dy * LANE_OFFSET, dx * LANE_OFFSET];
    return {
      start: { x: a.x + dx * DIAL_RADIUS + ox, y: a.y + dy * DIAL_RADIUS + oy },
      end: { x: b.x - dx * DIAL_RADIUS + ox, y: b.y - dy * DIAL_RADIUS + oy },
    };
  }
}

/**
 * Whether one of two nodes that are both heard says that it is not connected to the other; or one is silent.
 *
 * @param {ReadonlyMap<string, NodeView>} views
 * @param {string} a
 * @param {string} b
 */
function isCut(views, a, b) {
  const says = (/** @type {string} */ from, /** @type {string} */ to) =>
    views.get(from)?.peers.some(({ id, connected }) => id === to && connected) ?? false;
  return !says(a, b) || !says(b, a);
}

/**
 * @param {HTMLElement} element
 * @param {string} id
 * @param {RingState} state
 */
function showNode(element, id, { views, leader, proof, chosen }) {
  const view = views.get(id);
  const isLeader = id === leader && view !== undefined;
  const role = view === undefined ? "not heard" : ROLES[view.role];
  element.dataset["role"] = view === undefined ? "silent" : isLeader ? "leader" : view.role;
  element.dataset["proof"] = isLeader ? proof : "";
  element.setAttribute("aria-pressed", String(id === chosen));
  element.style.setProperty("--term", termColour(view?.term ?? 0));
  const [, , timer, glyph] = element.firstElementChild?.children ?? [];
  const { elapsedMs = 0, timeoutMs = 1 } = view?.timer ?? {};
  const share = isLeader ? 0 : Math.min(100, 100 * elapsedMs / timeoutMs);
  timer?.setAttribute("stroke-dasharray", `${share} 100`);
  glyph?.setAttribute("d", isLeader ? CROWN : view?.canSign ? SHARE : "");
  const [name, words] = element.querySelectorAll("span");
  if (name !== undefined) setText(name, id);
  if (words !== undefined) setText(words, view === undefined ? role : `${role}, term ${view.term}`);
}
